//! Statements of leaving.

platform::statements! {
    /// Active owners beside this one.
    pub(super) COUNT_OTHER_OWNERS: Tenant =
        "select count(*) from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.account_id <> $2 and m.role = 'owner' and m.state = 'active'
           and a.state = 'active'";
    /// Who is told.
    pub(super) ADMINS: Tenant =
        "select a.email from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.role in ('owner', 'admin') and m.state = 'active' and a.state = 'active'
         order by m.email limit 50";
}
