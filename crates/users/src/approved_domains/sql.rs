//! Statements over approved domains. Selects of whole ones list the columns that `read_domain` expects.

platform::statements! {
    pub(super) PUT: Tenant =
        "insert into approved_domains (organization_id, domain, mode, approved_by, approved_at)
         values ($1, $2, $3, $4, $5)
         on conflict (organization_id, domain)
           do update set mode = excluded.mode, approved_by = excluded.approved_by, approved_at = excluded.approved_at";
    pub(super) DELETE: Tenant = "delete from approved_domains where organization_id = $1 and domain = $2";
    pub(super) COUNT: Tenant = "select count(*) from approved_domains where organization_id = $1";
    pub(super) FIND: Tenant =
        "select domain, mode, approved_by, approved_at from approved_domains
         where organization_id = $1 and domain = $2";
    pub(super) LIST: Tenant =
        "select domain, mode, approved_by, approved_at from approved_domains
         where organization_id = $1 order by domain";
    /// People of a domain that the organization holds.
    pub(super) COUNT_OUTSIDE: Tenant =
        "select count(*) from accounts a
         where a.email_domain = $2 and a.state = 'active' and not exists (
           select 1 from memberships m where m.organization_id = $1 and m.account_id = a.id)";
    /// Across organizations: which of them wait for somebody with an address at this domain.
    pub(super) OPEN_TO: Platform =
        "select d.organization_id from approved_domains d
         join organizations o on o.id = d.organization_id and o.state = 'active'
         where d.domain = $1 and not exists (
           select 1 from memberships m where m.organization_id = d.organization_id and m.account_id = $2)
         order by o.slug limit 50";
    pub(super) COUNT_ASKED: Tenant =
        "select count(*) from access_requests
         where organization_id = $1 and account_id = $2 and kind = 'membership' and state = 'waiting'";
    pub(super) ASKED: Tenant =
        "select id from access_requests
         where organization_id = $1 and account_id = $2 and kind = 'membership' and state = 'waiting'";
}
