//! Statements of plays.

platform::statements! {
    pub(super) ADMINS: Tenant =
        "select m.email from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         where m.organization_id = $1 and m.state = 'active' and m.role in ('owner', 'admin')
         order by m.email limit $2";
}
