//! Statements over audit retention.

platform::statements! {
    pub(super) GET: Tenant =
        "select days, decided_by, decided_at, next_sequence from audit_retentions where organization_id = $1";
    pub(super) PUT: Tenant =
        "insert into audit_retentions (organization_id, days, decided_by, decided_at, next_sequence, due_at)
         values ($1, $2, $3, $4, 0, $4)
         on conflict (organization_id)
           do update set days = excluded.days, decided_by = excluded.decided_by, decided_at = excluded.decided_at,
             due_at = excluded.due_at";
    pub(super) DELETE: Tenant = "delete from audit_retentions where organization_id = $1";
    /// How far the sweep came; it changes nothing that anybody decided.
    pub(super) SET_PROGRESS: Housekeeping =
        "update audit_retentions set next_sequence = $2, due_at = $3 where organization_id = $1";
    /// Whoever waits longest first.
    pub(super) DUE: Platform =
        "select organization_id from audit_retentions where due_at <= $1 order by due_at, organization_id limit $2";
}
