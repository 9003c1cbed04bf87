//! Statements over authentication policies: what is in force, whom it is for, what it does to sessions and tokens.

platform::statements! {
    /// As `read_in_force` expects them.
    pub(super) POLICIES: Tenant =
        "select p.id, p.name, p.applies_to, p.directory_id, p.version, p.rules, p.decided_by, p.decided_at,
           r.rules, r.percent, r.reached_groups
         from policies p left join policy_rollouts r
           on r.organization_id = p.organization_id and r.policy_id = p.id and r.state = 'running'
         where p.organization_id = $1 and p.deleted = 0 order by p.id";
    /// As `read_view` expects them.
    pub(super) VIEWS: Tenant =
        "select p.id, p.name, p.applies_to, p.version, p.rules, p.decided_by, p.decided_at, p.deleted, r.id,
           p.directory_id, d.name as directory
         from policies p left join policy_rollouts r
           on r.organization_id = p.organization_id and r.policy_id = p.id and r.state = 'running'
         left join directories d on d.organization_id = p.organization_id and d.id = p.directory_id
         where p.organization_id = $1 and p.deleted = 0 order by p.name";
    pub(super) VIEW: Tenant =
        "select p.id, p.name, p.applies_to, p.version, p.rules, p.decided_by, p.decided_at, p.deleted, r.id,
           p.directory_id, d.name as directory
         from policies p left join policy_rollouts r
           on r.organization_id = p.organization_id and r.policy_id = p.id and r.state = 'running'
         left join directories d on d.organization_id = p.organization_id and d.id = p.directory_id
         where p.organization_id = $1 and p.id = $2";
    pub(super) GROUPS_NAMED: Tenant =
        "select g.id, g.name from policy_groups p
         join groups g on g.organization_id = p.organization_id and g.id = p.group_id
         where p.organization_id = $1 and p.policy_id = $2 order by g.name_key";
    pub(super) ACCOUNTS_NAMED: Tenant =
        "select m.account_id, m.email from policy_accounts p
         join memberships m on m.organization_id = p.organization_id and m.account_id = p.account_id
         where p.organization_id = $1 and p.policy_id = $2 order by m.email";
    pub(super) POLICY_GROUPS: Tenant =
        "select policy_id, group_id from policy_groups where organization_id = $1";
    pub(super) POLICY_ACCOUNTS: Tenant =
        "select policy_id, account_id from policy_accounts where organization_id = $1";
    pub(super) GROUPS_OF: Tenant =
        "select group_id from group_members where organization_id = $1 and account_id = $2";
    pub(super) CHOSEN_FOR: Tenant =
        "select policy_id from policy_accounts where organization_id = $1 and account_id = $2";
    pub(super) GROUP_NAMES: Tenant =
        "select id, name from groups where organization_id = $1 order by name_key limit 5000";
    pub(super) OUTSIDE: Tenant =
        "select cast(case when exists (select 1 from domains d
           where d.organization_id = $1 and d.name = a.email_domain and d.state in ('verified', 'at_risk'))
           then 0 else 1 end as bigint)
         from accounts a where a.id = $2";
    /// Where an account is an active member, whether it is outside there, and whether that organization manages it.
    pub(super) MEMBERSHIPS: Platform =
        "select m.organization_id, o.name,
           cast(case when exists (select 1 from domains d where d.organization_id = m.organization_id
             and d.name = a.email_domain and d.state in ('verified', 'at_risk')) then 0 else 1 end as bigint),
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join organizations o on o.id = m.organization_id join accounts a on a.id = m.account_id
         where m.account_id = $1 and m.state = 'active' and o.state = 'active' order by o.name";
    pub(super) MANAGER: Platform = "select managed_by from accounts where id = $1";
    pub(super) NARROWS: Tenant =
        "select 1 from policies where organization_id = $1 and narrows = 1 and deleted = 0 limit 1";
    /// Whether any policy, or a stage of one, asks for a factor; `rules` is JSON in our own spelling.
    pub(super) ASKS_FACTOR: Tenant =
        "select 1 from policies p left join policy_rollouts r
           on r.organization_id = p.organization_id and r.policy_id = p.id and r.state = 'running'
         where p.organization_id = $1 and p.deleted = 0
           and (p.rules not like '%\"factor\":\"any\"%' or r.rules not like '%\"factor\":\"any\"%') limit 1";
    pub(super) OWNERS: Tenant =
        "select account_id from memberships
         where organization_id = $1 and role = 'owner' and state = 'active'";
    pub(super) TOKEN_SCOPES: Tenant =
        "select scopes from api_tokens where organization_id = $1 and id = $2";
    pub(super) TOKEN_MAKER: Tenant =
        "select created_by from api_tokens where organization_id = $1 and id = $2";

    pub(super) VERSION: Tenant =
        "select content from policy_versions where organization_id = $1 and policy_id = $2 and version = $3";
    pub(super) VERSIONS: Tenant =
        "select version, content, decided_by, decided_at from policy_versions
         where organization_id = $1 and policy_id = $2 and version < $3 order by version desc limit $4";
    /// Of two decisions on the same version the second finds the row taken.
    pub(super) INSERT_VERSION: Tenant =
        "insert into policy_versions (organization_id, policy_id, version, content, decided_by, decided_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    pub(super) PUT: Tenant =
        "insert into policies (organization_id, id, name, name_key, applies_to, version, rules, narrows,
           decided_by, decided_at, deleted, directory_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
         on conflict (organization_id, id) do update set name = excluded.name, name_key = excluded.name_key,
           version = excluded.version, rules = excluded.rules, narrows = excluded.narrows,
           decided_by = excluded.decided_by, decided_at = excluded.decided_at, deleted = excluded.deleted";
    pub(super) LATEST: Tenant =
        "select version, applies_to, deleted, directory_id from policies where organization_id = $1 and id = $2";
    pub(super) NAME_TAKEN: Tenant =
        "select 1 from policies where organization_id = $1 and name_key = $2 and deleted = 0 and id <> $3";
    pub(super) OUTSIDE_POLICY: Tenant =
        "select id from policies where organization_id = $1 and applies_to = 'outside' order by id limit 1";
    pub(super) DIRECTORY_POLICY: Tenant =
        "select id from policies where organization_id = $1 and directory_id = $2 and applies_to = 'directory'";
    pub(super) SET_NARROWS: Tenant =
        "update policies set narrows = $3 where organization_id = $1 and id = $2";
    pub(super) CLEAR_GROUPS: Tenant = "delete from policy_groups where organization_id = $1 and policy_id = $2";
    pub(super) CLEAR_ACCOUNTS: Tenant =
        "delete from policy_accounts where organization_id = $1 and policy_id = $2";
    /// Only groups and members that (still) exist.
    pub(super) ADD_GROUP: Tenant =
        "insert into policy_groups (organization_id, policy_id, group_id)
         select $1, $2, g.id from groups g where g.organization_id = $1 and g.id = $3";
    pub(super) ADD_ACCOUNT: Tenant =
        "insert into policy_accounts (organization_id, policy_id, account_id)
         select $1, $2, m.account_id from memberships m where m.organization_id = $1 and m.account_id = $3";

    /// Members by address, as pages of a dry run read them.
    pub(super) MEMBERS: Tenant =
        "select m.account_id, m.email, m.name,
           cast(case when exists (select 1 from domains d where d.organization_id = $1
             and d.name = a.email_domain and d.state in ('verified', 'at_risk')) then 0 else 1 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.state = 'active' and a.state = 'active' and m.email > $2
         order by m.email limit $3";
    pub(super) MEMBER_GROUPS: Tenant =
        "select g.account_id, g.group_id from memberships m
         join group_members g on g.organization_id = m.organization_id and g.account_id = m.account_id
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    pub(super) COUNT_ACTIVE: Tenant =
        "select count(*) from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.state = 'active' and a.state = 'active'";
    /// Sessions of the last 90 days: the live ones, and where people came from.
    pub(super) MEMBER_SESSIONS: Tenant =
        "select s.account_id, s.network, s.created_at, s.last_seen_at, s.idle_us, s.expires_at,
           cast(case when s.revoked_at is null and s.idle_expires_at > $4 and s.expires_at > $4
             then 1 else 0 end as bigint)
         from memberships m join sessions s on s.account_id = m.account_id
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    /// The rank of the highest level that a member's factors reach.
    pub(super) MEMBER_FACTORS: Tenant =
        "select m.account_id, cast(case
           when exists (select 1 from passkeys p where p.account_id = m.account_id and p.attested = 1) then 3
           when exists (select 1 from passkeys p where p.account_id = m.account_id) then 2
           when exists (select 1 from totp_factors t
             where t.account_id = m.account_id and t.confirmed_at is not null) then 1
           else 0 end as bigint)
         from memberships m where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    pub(super) MEMBER_PASSWORDS: Tenant =
        "select p.account_id, p.set_at from memberships m join passwords p on p.account_id = m.account_id
         where m.organization_id = $1 and m.email > $2 and m.email <= $3";
    pub(super) LIVE_TOKENS: Tenant =
        "select name, created_by, created_at, expires_at from api_tokens
         where organization_id = $1 and revoked_at is null and expires_at > $2 order by id limit 1000";
    pub(super) SIGNED_IN: Tenant =
        "select distinct m.account_id from memberships m join sessions s on s.account_id = m.account_id
         where m.organization_id = $1 and s.revoked_at is null and s.idle_expires_at > $2 and s.expires_at > $2";
    pub(super) SHORTEN: Platform =
        "update sessions set
           expires_at = case when created_at + $3 < expires_at then created_at + $3 else expires_at end,
           idle_expires_at =
             case when last_seen_at + $2 < idle_expires_at then last_seen_at + $2 else idle_expires_at end,
           idle_us = case when $2 < idle_us then $2 else idle_us end
         where account_id = $1 and revoked_at is null and (created_at + $3 < expires_at or $2 < idle_us)";

    pub(super) ROLLOUT_INSERT: Tenant =
        "insert into policy_rollouts (organization_id, id, policy_id, base_version, rules, stages, percent,
           reached_groups, reached, noticed_to, next_at, state, planned_by, planned_at)
         values ($1, $2, $3, $4, $5, $6, 0, '[]', 0, '', $7, 'running', $8, $9)";
    pub(super) ROLLOUTS: Tenant =
        "select id, policy_id, base_version, rules, stages, reached, next_at, state, planned_by, planned_at, ended_at,
           noticed_to
         from policy_rollouts where organization_id = $1 and id < $2 order by id desc limit $3";
    pub(super) ROLLOUT: Tenant =
        "select id, policy_id, base_version, rules, stages, reached, next_at, state, planned_by, planned_at, ended_at,
           noticed_to
         from policy_rollouts where organization_id = $1 and id = $2";
    pub(super) ROLLOUT_RUNNING: Tenant =
        "select id from policy_rollouts where organization_id = $1 and policy_id = $2 and state = 'running'";
    pub(super) ROLLOUT_REACH: Tenant =
        "update policy_rollouts set percent = $3, reached_groups = $4, reached = $5, next_at = $6
         where organization_id = $1 and id = $2 and state = 'running'";
    pub(super) ROLLOUT_NOTICED: Tenant =
        "update policy_rollouts set noticed_to = $3 where organization_id = $1 and id = $2";
    pub(super) ROLLOUT_END: Tenant =
        "update policy_rollouts set state = $3, ended_at = $4, next_at = null
         where organization_id = $1 and id = $2 and state = 'running'";
}
