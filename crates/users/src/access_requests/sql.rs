//! Statements over access requests. Selects of whole requests list the columns that `read_request` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into access_requests
           (organization_id, id, account_id, kind, target, role, target_name, wanted_key, offer, reason, days, approvals,
            state, asked_at, due_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 'waiting', $13, $14) on conflict do nothing";
    pub(super) COUNT_WAITING_OF: Tenant =
        "select count(*) from access_requests
         where organization_id = $1 and account_id = $2 and state = 'waiting'";
    pub(super) COUNT_ASKED_OF: Tenant =
        "select count(*) from access_requests
         where organization_id = $1 and account_id = $2 and asked_at > $3";
    pub(super) FIND: Tenant =
        "select r.id, r.account_id, a.email, a.name, r.kind, r.target, r.role, r.target_name, r.offer, r.reason, r.days,
           r.approvals, (select count(*) from access_decisions d
             where d.organization_id = r.organization_id and d.request_id = r.id and d.approved = 1),
           r.state, r.asked_at, r.due_at, r.decided_at, r.expires_at, r.role_before, r.ended_at, r.ended_why
         from access_requests r join accounts a on a.id = r.account_id
         where r.organization_id = $1 and r.id = $2";
    pub(super) LIST: Tenant =
        "select r.id, r.account_id, a.email, a.name, r.kind, r.target, r.role, r.target_name, r.offer, r.reason, r.days,
           r.approvals, (select count(*) from access_decisions d
             where d.organization_id = r.organization_id and d.request_id = r.id and d.approved = 1),
           r.state, r.asked_at, r.due_at, r.decided_at, r.expires_at, r.role_before, r.ended_at, r.ended_why
         from access_requests r join accounts a on a.id = r.account_id
         where r.organization_id = $1 and (r.state = $2 or $2 is null) and (r.account_id = $3 or $3 is null)
           and r.id < $4
         order by r.id desc limit $5";
    /// What others asked for and this person has not approved yet.
    pub(super) WAITING: Tenant =
        "select r.id, r.account_id, a.email, a.name, r.kind, r.target, r.role, r.target_name, r.offer, r.reason, r.days,
           r.approvals, (select count(*) from access_decisions d
             where d.organization_id = r.organization_id and d.request_id = r.id and d.approved = 1),
           r.state, r.asked_at, r.due_at, r.decided_at, r.expires_at, r.role_before, r.ended_at, r.ended_why
         from access_requests r join accounts a on a.id = r.account_id
         where r.organization_id = $1 and r.state = 'waiting' and r.account_id <> $2
           and not exists (select 1 from access_decisions d
             where d.organization_id = r.organization_id and d.request_id = r.id and d.account_id = $2)
         order by r.due_at, r.id limit $3";
    pub(super) DECIDE: Tenant =
        "update access_requests set state = $3, decided_at = $4
         where organization_id = $1 and id = $2 and state = 'waiting'";
    pub(super) GRANT: Tenant =
        "update access_requests set state = 'granted', decided_at = $3, expires_at = $4, role_before = $5
         where organization_id = $1 and id = $2 and state = 'waiting'";
    pub(super) END: Tenant =
        "update access_requests set state = $3, ended_why = $4, ended_at = $5
         where organization_id = $1 and id = $2 and state in ('waiting', 'granted')";
    pub(super) INSERT_DECISION: Tenant =
        "insert into access_decisions (organization_id, request_id, account_id, approved, words, decided_at)
         values ($1, $2, $3, $4, $5, $6) on conflict do nothing";
    pub(super) CHANGE_DECISION: Tenant =
        "update access_decisions set approved = $4, words = $5, decided_at = $6
         where organization_id = $1 and request_id = $2 and account_id = $3";
    pub(super) DECISIONS: Tenant =
        "select d.account_id, a.name, a.email, d.approved, d.words, d.decided_at
         from access_decisions d join accounts a on a.id = d.account_id
         where d.organization_id = $1 and d.request_id = $2 order by d.decided_at, d.account_id";
    pub(super) STANDING: Tenant =
        "select
           (select count(*) from access_requests where organization_id = $1 and state = 'waiting'),
           (select min(due_at) from access_requests
            where organization_id = $1 and state = 'waiting' and due_at > $2),
           (select count(*) from access_requests
            where organization_id = $1 and state = 'waiting' and due_at <= $2),
           (select count(*) from access_requests
            where organization_id = $1 and state = 'granted' and expires_at <= $3),
           (select min(expires_at) from access_requests
            where organization_id = $1 and state = 'granted' and expires_at > $3)";
}
