//! Statements over what decides which duties bind an organization.

platform::statements! {
    pub(super) HAS_VERIFIED_DOMAIN: Tenant =
        "select count(*) from domains where organization_id = $1 and state in ('verified', 'at_risk')";
    /// One is enough to know. Somebody imported who has not signed up yet counts: the access waits for them.
    pub(super) OUTSIDER: Tenant =
        "select 1 from memberships m join accounts a on a.id = m.account_id
         where m.organization_id = $1 and m.state = 'active' and a.state <> 'deleted'
           and not exists (select 1 from domains d where d.organization_id = $1 and d.name = a.email_domain
             and d.state in ('verified', 'at_risk'))
         limit 1";
}
