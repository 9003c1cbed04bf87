//! Statements of the wrapped keys. All housekeeping: keys are no organization's state, and start before any event.

crate::statements! {
    pub(super) LOAD: Platform = "select id, wrapped, created_at from secret_keys order by id";
    pub(super) INSERT: Housekeeping = "insert into secret_keys (id, wrapped, created_at) values ($1, $2, $3)";
    pub(super) CLEAR: Housekeeping = "delete from secret_keys";
}
