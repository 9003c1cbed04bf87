//! Statements over audit streams. Selects of whole streams list the columns that `read_stream` expects.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into audit_streams (organization_id, id, name, name_key, kind, target, authorities, format, state, secret,
           next_sequence, failures, failure, next_try_at, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, '', $12, $12) on conflict do nothing";
    pub(super) LIST: Tenant =
        "select organization_id, id, name, kind, target, authorities, format, state, secret, overlap_until,
           next_sequence, acknowledged_at, failures, failing_since, failure, next_try_at, created_at
         from audit_streams where organization_id = $1 order by name_key";
    pub(super) GET: Tenant =
        "select organization_id, id, name, kind, target, authorities, format, state, secret, overlap_until,
           next_sequence, acknowledged_at, failures, failing_since, failure, next_try_at, created_at
         from audit_streams where organization_id = $1 and id = $2";
    pub(super) COUNT: Tenant = "select count(*) from audit_streams where organization_id = $1";
    pub(super) SET_STATE: Tenant =
        "update audit_streams set state = $3, next_try_at = $4, failures = 0, failing_since = null
         where organization_id = $1 and id = $2";
    pub(super) SET_SECRET: Tenant =
        "update audit_streams set secret = $3, overlap_until = $4 where organization_id = $1 and id = $2";
    pub(super) DELETE: Tenant = "delete from audit_streams where organization_id = $1 and id = $2";

    /// Streams with something to send, whoever waits longest first.
    pub(super) DUE: Platform =
        "select s.organization_id, s.id from audit_streams s
         join ledger_heads h on h.organization_id = s.organization_id and h.size > s.next_sequence
         where s.state = 'active' and s.next_try_at <= $1 and (s.busy_until is null or s.busy_until <= $1)
         order by s.next_try_at limit $2";
    /// Takes a stream for one node. What follows holds only while `busy_until` is what that node wrote.
    pub(super) CLAIM: Housekeeping =
        "update audit_streams set busy_until = $4
         where organization_id = $1 and id = $2 and state = 'active' and next_try_at <= $3
           and (busy_until is null or busy_until <= $3)";
    pub(super) ADVANCE: Housekeeping =
        "update audit_streams set next_sequence = $5, acknowledged_at = $6, failures = 0, failing_since = null,
           failure = ''
         where organization_id = $1 and id = $2 and busy_until = $3 and next_sequence = $4 and state = 'active'";
    pub(super) FAILED: Housekeeping =
        "update audit_streams set failures = $4, failing_since = $5, failure = $6, next_try_at = $7, busy_until = null
         where organization_id = $1 and id = $2 and busy_until = $3 and state = 'active'";
    pub(super) HALT: Tenant =
        "update audit_streams set state = 'halted' where organization_id = $1 and id = $2";
    pub(super) RELEASE: Housekeeping =
        "update audit_streams set busy_until = null, next_try_at = $4
         where organization_id = $1 and id = $2 and busy_until = $3";
    /// Organizations with a live stream that has nothing to send and acknowledged nothing since.
    pub(super) QUIET: Platform =
        "select distinct s.organization_id from audit_streams s
         join ledger_heads h on h.organization_id = s.organization_id and h.size <= s.next_sequence
         where s.state = 'active' and coalesce(s.acknowledged_at, s.created_at) <= $1
           and s.organization_id > $2
         order by s.organization_id limit $3";

    pub(super) CENSUS: Platform =
        "select substr(secret, 1, 5), count(*) from audit_streams where secret is not null
         group by substr(secret, 1, 5)";
    pub(super) SEALED_BEFORE: Platform =
        "select id, secret from audit_streams where secret < $1 and id > $2 order by id limit $3";
    pub(super) RESEALED: Housekeeping = "update audit_streams set secret = $3 where id = $1 and secret = $2";
}
