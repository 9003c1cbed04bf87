//! Statements over reports of misuse. Selects of reports list the columns that `read_report` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into abuse_reports (organization_id, id, kind, test, source, reporter_id, contact, about, body, opened_at,
           customer_state, customer_by, provider_state, provider_by)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'new', '', 'new', '')";
    pub(super) COUNT_OF: Tenant =
        "select count(*) from abuse_reports where organization_id = $1 and reporter_id = $2 and opened_at > $3";
    /// Of those without an account.
    pub(super) COUNT_FROM: Tenant =
        "select count(*) from abuse_reports
         where organization_id = $1 and source = $2 and opened_at > $3 and reporter_id is null";
    pub(super) GET: Tenant =
        "select organization_id, id, kind, test, source, reporter_id, contact, about, body, opened_at,
           customer_state, customer_by, customer_at, provider_state, provider_by, provider_at
         from abuse_reports where organization_id = $1 and id = $2";
    /// $3 = 1: also what the organization has finished.
    pub(super) LIST: Tenant =
        "select organization_id, id, kind, test, source, reporter_id, contact, about, body, opened_at,
           customer_state, customer_by, customer_at, provider_state, provider_by, provider_at
         from abuse_reports
         where organization_id = $1 and id < $2 and (cast($3 as bigint) = 1 or customer_state in ('new', 'working'))
         order by id desc limit $4";
    pub(super) OWN: Tenant =
        "select organization_id, id, kind, test, source, reporter_id, contact, about, body, opened_at,
           customer_state, customer_by, customer_at, provider_state, provider_by, provider_at
         from abuse_reports where organization_id = $1 and reporter_id = $2 order by id desc limit $3";
    /// For the provider's staff: of all organizations.
    pub(super) EVERYBODYS: Platform =
        "select r.organization_id, r.id, r.kind, r.test, r.source, r.reporter_id, r.contact, r.about, r.body, r.opened_at,
           r.customer_state, r.customer_by, r.customer_at, r.provider_state, r.provider_by, r.provider_at, o.name, o.slug
         from abuse_reports r join organizations o on o.id = r.organization_id
         where r.provider_state in ('new', 'working', 'resolved', 'dismissed') and r.id < $1
         order by r.id desc limit $2";
    pub(super) EVERYBODYS_OPEN: Platform =
        "select r.organization_id, r.id, r.kind, r.test, r.source, r.reporter_id, r.contact, r.about, r.body, r.opened_at,
           r.customer_state, r.customer_by, r.customer_at, r.provider_state, r.provider_by, r.provider_at, o.name, o.slug
         from abuse_reports r join organizations o on o.id = r.organization_id
         where r.provider_state in ('new', 'working') and r.id < $1 order by r.id desc limit $2";
    pub(super) ANSWER_CUSTOMER: Tenant =
        "update abuse_reports set customer_state = $3, customer_by = $4, customer_at = $5
         where organization_id = $1 and id = $2";
    pub(super) ANSWER_PROVIDER: Tenant =
        "update abuse_reports set provider_state = $3, provider_by = $4, provider_at = $5
         where organization_id = $1 and id = $2";
    pub(super) INSERT_NOTE: Tenant =
        "insert into abuse_report_notes (organization_id, report_id, id, side, author, state, body, written_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)";
    pub(super) NOTES: Tenant =
        "select side, author, state, body, written_at from abuse_report_notes
         where organization_id = $1 and report_id = $2 order by id limit 500";
    pub(super) TESTED_AT: Tenant =
        "select max(provider_at) from abuse_reports where organization_id = $1 and test = 1";
    pub(super) TEST_WAITS: Tenant =
        "select min(opened_at) from abuse_reports
         where organization_id = $1 and test = 1 and provider_state = 'new'";
    pub(super) PAGE: Tenant = "select token from abuse_report_pages where organization_id = $1";
    pub(super) OF_PAGE: Platform =
        "select p.organization_id from abuse_report_pages p
         join organizations o on o.id = p.organization_id and o.state = 'active' where p.token = $1";
    pub(super) OPEN_PAGE: Tenant =
        "insert into abuse_report_pages (organization_id, token, opened_at) values ($1, $2, $3)";
    pub(super) CLOSE_PAGE: Tenant = "delete from abuse_report_pages where organization_id = $1";
}
