//! Statements that look at everybody in a file at once: the addresses come as one JSON array.

platform::statements! {
    /// The accounts of these addresses, with their membership here.
    pub(super) ACCOUNTS: Tenant =
        "select a.email, a.id, a.name, a.state, a.email_domain, a.managed_by, m.role, m.state as membership
         from json_each($2) j cross join accounts a on a.email = j.value
         left join memberships m on m.organization_id = $1 and m.account_id = a.id",
        postgres
        "select a.email, a.id, a.name, a.state, a.email_domain, a.managed_by, m.role, m.state as membership
         from json_array_elements_text(cast(cast($2 as text) as json)) as j(email)
         join accounts a on a.email = j.email
         left join memberships m on m.organization_id = $1 and m.account_id = a.id";
    /// The groups that these members are in.
    pub(super) IN_GROUPS: Tenant =
        "select g.group_id, g.account_id
         from json_each($2) j cross join memberships m on m.organization_id = $1 and m.email = j.value
         cross join group_members g on g.organization_id = m.organization_id and g.account_id = m.account_id",
        postgres
        "select g.group_id, g.account_id
         from json_array_elements_text(cast(cast($2 as text) as json)) as j(email)
         join memberships m on m.organization_id = $1 and m.email = j.email
         join group_members g on g.organization_id = m.organization_id and g.account_id = m.account_id";
    pub(super) GROUPS: Tenant = "select name_key, id from groups where organization_id = $1";
    pub(super) KEPT_GROUPS: Tenant =
        "select group_id from scim_groups where organization_id = $1 and group_id is not null";
    pub(super) VERIFIED_DOMAINS: Tenant =
        "select name from domains where organization_id = $1 and state in ('verified', 'at_risk')";
    pub(super) IMPORTED_SINCE: Tenant =
        "select count(*) from events where organization_id = $1 and action = 'member.imported' and at > $2";
}
