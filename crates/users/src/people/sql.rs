//! Statements over the people of an organization. `col = $n or $n is null` in this order: PostgreSQL takes the type of
//! a parameter from its first use. All select the columns that `read_person` expects.

platform::statements! {
    pub(super) LIST: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.email >= $2 and m.email < $3 and m.email > $4
           and (m.role = $5 or $5 is null) and (m.state = $6 or $6 is null)
         order by m.email limit $7";
    /// By the name, from $2 (of namesakes behind the address $4) until $3; without those whom [`LIST`] finds.
    pub(super) LIST_BY_NAME: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.name_key >= $2 and m.name_key < $3
           and (m.name_key > $2 or m.email > $4) and not (m.email >= $5 and m.email < $6)
           and (m.role = $7 or $7 is null) and (m.state = $8 or $8 is null)
         order by m.name_key, m.email limit $9";
    /// By its last word; without those whom the other two find, by a name that begins with $10.
    pub(super) LIST_BY_SURNAME: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.surname_key >= $2 and m.surname_key < $3
           and (m.surname_key > $2 or m.email > $4) and not (m.email >= $5 and m.email < $6)
           and not (m.name_key >= $10 and m.name_key < $3)
           and (m.role = $7 or $7 is null) and (m.state = $8 or $8 is null)
         order by m.surname_key, m.email limit $9";
    pub(super) FIND: Tenant =
        "select m.account_id, m.email, m.name, m.role, m.state, m.source, m.created_at, a.state,
           cast(case when a.managed_by = m.organization_id then 1 else 0 end as bigint)
         from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.account_id = $2";
}
