//! Statements over authentication policies, and what they do to sessions.

platform::statements! {
    pub(super) CURRENT: Tenant =
        "select version, rules, decided_by, decided_at from authentication_policies
         where organization_id = $1 order by version desc limit 1";
    pub(super) VERSION: Tenant =
        "select rules from authentication_policies where organization_id = $1 and version = $2";
    pub(super) INSERT: Tenant =
        "insert into authentication_policies (organization_id, version, rules, decided_by, decided_at)
         values ($1, $2, $3, $4, $5) on conflict do nothing";
    pub(super) CONTRIBUTIONS: Platform =
        "select m.organization_id, o.name,
           (select p.rules from authentication_policies p where p.organization_id = m.organization_id
            order by p.version desc limit 1)
         from memberships m join organizations o on o.id = m.organization_id
         where m.account_id = $1 and m.state = 'active' and o.state = 'active' order by o.name";
    pub(super) SESSIONS_TOUCHED: Tenant =
        "select cast(sum(case when s.created_at + $4 <= $2 or s.last_seen_at + $3 <= $2 then 1 else 0 end) as bigint),
           cast(sum(case when s.created_at + $4 < s.expires_at or $3 < s.idle_us then 1 else 0 end) as bigint)
         from memberships m join sessions s on s.account_id = m.account_id
         where m.organization_id = $1 and s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2";
    pub(super) SHORTEN_SESSIONS: Tenant =
        "update sessions set
           expires_at = case when created_at + $3 < expires_at then created_at + $3 else expires_at end,
           idle_expires_at =
             case when last_seen_at + $2 < idle_expires_at then last_seen_at + $2 else idle_expires_at end,
           idle_us = case when $2 < idle_us then $2 else idle_us end
         where revoked_at is null and (created_at + $3 < expires_at or $2 < idle_us)
           and account_id in (select account_id from memberships where organization_id = $1)";
}
