//! Statements of the wrapped keys. All housekeeping: keys are no organization's state, and start before any event.

crate::statements! {
    pub(super) LOAD: Platform = "select id, wrapped, created_at from secret_keys order by id";
    pub(super) INSERT: Housekeeping = "insert into secret_keys (id, wrapped, created_at) values ($1, $2, $3)";
    /// The keys that seal, oldest first; key 0 is the root and seals nothing.
    pub(super) DATA_KEYS: Platform = "select id, created_at from secret_keys where id > 0 order by id";
    pub(super) RETIRE: Platform = "delete from secret_keys where id = $1 and id > 0";
    pub(super) REWRAP: Platform = "update secret_keys set wrapped = $2 where id = $1";
}
