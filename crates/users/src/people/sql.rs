//! Statements over the people of an organization. `col = $n or $n is null` in this order: PostgreSQL takes the type of
//! a parameter from its first use. Both select the columns that `read_person` expects.

platform::statements! {
    pub(super) LIST: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.email >= $2 and m.email < $3 and m.email > $4
           and (m.role = $5 or $5 is null) and (m.state = $6 or $6 is null)
         order by m.email limit $7";
    pub(super) FIND: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.account_id = $2";
}
