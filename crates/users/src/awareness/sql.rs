//! Statements over awareness notices and their acknowledgements.

platform::statements! {
    pub(super) LATEST: Tenant =
        "select version, title, body, renews, published_by, published_at from awareness_notices
         where organization_id = $1 order by version desc limit 1";
    pub(super) INSERT: Tenant =
        "insert into awareness_notices
           (organization_id, version, title, body, renews, published_by, published_at)
         values ($1, $2, $3, $4, $5, $6, $7)";
    pub(super) RENEWED_AT: Tenant =
        "select max(published_at) from awareness_notices where organization_id = $1 and renews = 1";
    pub(super) ACKNOWLEDGE: Tenant =
        "insert into awareness_people (organization_id, account_id, version, acknowledged_at) values ($1, $2, $3, $4)
         on conflict (organization_id, account_id)
           do update set version = excluded.version, acknowledged_at = excluded.acknowledged_at";
    pub(super) OWN: Tenant =
        "select acknowledged_at from awareness_people where organization_id = $1 and account_id = $2";
    /// People with access, how many of them acknowledged since, and the oldest of those that count.
    pub(super) COUNT: Tenant =
        "select count(*), count(case when p.acknowledged_at > $2 then 1 end),
           min(case when p.acknowledged_at > $2 then p.acknowledged_at end)
         from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         left join awareness_people p on p.organization_id = m.organization_id and p.account_id = m.account_id
         where m.organization_id = $1 and m.state = 'active'";
    pub(super) MISSING: Tenant =
        "select m.account_id, m.email, m.name, p.acknowledged_at, p.told_at
         from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         left join awareness_people p on p.organization_id = m.organization_id and p.account_id = m.account_id
         where m.organization_id = $1 and m.state = 'active' and m.email > $2
           and (p.acknowledged_at is null or p.acknowledged_at <= $3)
         order by m.email limit $4";
    /// Of those, whom nobody told since.
    pub(super) TO_TELL: Tenant =
        "select m.account_id, m.email, m.name, p.acknowledged_at, p.told_at
         from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         left join awareness_people p on p.organization_id = m.organization_id and p.account_id = m.account_id
         where m.organization_id = $1 and m.state = 'active'
           and (p.acknowledged_at is null or p.acknowledged_at <= $2)
           and (p.told_at is null or p.told_at <= $3)
         order by m.email limit $4";
    pub(super) TOLD: Tenant =
        "insert into awareness_people (organization_id, account_id, told_at) values ($1, $2, $3)
         on conflict (organization_id, account_id) do update set told_at = excluded.told_at";
    /// Across organizations: whose people are reminded.
    pub(super) PUBLISHERS: Platform =
        "select distinct n.organization_id from awareness_notices n
         join organizations o on o.id = n.organization_id and o.state = 'active'
         where n.organization_id > $1 order by n.organization_id limit $2";
}
