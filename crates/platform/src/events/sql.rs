//! Statements of the ledger. Selects of whole events list the columns that `read_event` expects.

crate::statements! {
    pub(super) LOCK_HEAD: Tenant =
        "select size, frontier from ledger_heads where organization_id = $1",
        postgres "select size, frontier from ledger_heads where organization_id = $1 for update";
    pub(super) HEAD: Tenant = "select size, frontier from ledger_heads where organization_id = $1";
    pub(super) INSERT_HEAD: Tenant =
        "insert into ledger_heads (organization_id, size, frontier) values ($1, $2, $3)
         on conflict (organization_id) do nothing";
    pub(super) UPDATE_HEAD: Tenant =
        "update ledger_heads set size = $2, frontier = $3 where organization_id = $1";
    pub(super) INSERT_EVENT: Tenant =
        "insert into events (organization_id, sequence, at, action, actor_kind, actor_id, target_kind, target_id,
           public, personal, leaf)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";
    pub(super) INSERT_NODE: Tenant =
        "insert into ledger_nodes (organization_id, level, position, hash) values ($1, $2, $3, $4)";
    pub(super) LIST: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and sequence < $2 order by sequence desc limit $3";
    pub(super) ABOUT: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and target_kind = $2 and target_id = $3
         order by sequence desc limit $4";
    pub(super) BY_TARGET: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and target_id = $2 and sequence < $3
         order by sequence desc limit $4";
    pub(super) BY_ACTOR: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and actor_id = $2 and sequence < $3
         order by sequence desc limit $4";
    pub(super) BY_ACTION: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and action = $2 and sequence < $3
         order by sequence desc limit $4",
        postgres
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and action collate \"C\" = $2 and sequence < $3
         order by sequence desc limit $4";
    /// The first action from a text on; with the next one, every action along the index without reading events.
    pub(super) ACTION_FROM: Tenant =
        "select action from events where organization_id = $1 and action >= $2 order by action limit 1",
        postgres
        "select action from events where organization_id = $1 and action collate \"C\" >= $2
         order by action collate \"C\" limit 1";
    pub(super) ACTION_AFTER: Tenant =
        "select action from events where organization_id = $1 and action > $2 order by action limit 1",
        postgres
        "select action from events where organization_id = $1 and action collate \"C\" > $2
         order by action collate \"C\" limit 1";
    pub(super) SIZE: Tenant = "select size from ledger_heads where organization_id = $1";
    pub(super) AT: Tenant = "select at from events where organization_id = $1 and sequence = $2";
    pub(super) RANGE: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and sequence >= $2 order by sequence limit $3";
    pub(super) ONE_FOR_REDACTION: Tenant =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where organization_id = $1 and sequence = $2";
    pub(super) SET_PERSONAL: Tenant =
        "update events set personal = $3 where organization_id = $1 and sequence = $2";
    pub(super) LEAVES: Tenant =
        "select leaf from events where organization_id = $1 and sequence >= $2 and sequence < $3 order by sequence";
    pub(super) NODE: Tenant =
        "select hash from ledger_nodes where organization_id = $1 and level = $2 and position = $3";
    /// Wakes the feeds of all nodes once this transaction has committed.
    pub(super) NOTIFY: Platform =
        "select 1",
        postgres "select pg_notify('bailiwick_events', '')::text";
    pub(crate) FEED: Platform =
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events where revision > $2 and $1 >= 0 order by revision limit $3",
        postgres
        "select transaction_id, revision, organization_id, sequence, at, action, actor_kind, actor_id, target_kind,
           public, personal, target_id, leaf
         from events
         where (transaction_id, revision) > ($1, $2)
           and transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         order by transaction_id, revision limit $3";
    /// Where the feed ends now.
    pub(crate) FEED_END: Platform =
        "select transaction_id, revision from events order by revision desc limit 1",
        postgres "select transaction_id, revision from events order by transaction_id desc, revision desc limit 1";
}
