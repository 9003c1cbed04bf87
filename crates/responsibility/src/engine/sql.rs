//! Statements of the engine.

platform::statements! {
    /// One evaluation at a time: previous cell, evidence and history of a cell belong together.
    pub(super) LOCK: Housekeeping =
        "select fingerprint from matrix_engine where name = 'engine'",
        postgres "select fingerprint from matrix_engine where name = 'engine' for update";
    pub(super) FINGERPRINT: Platform = "select fingerprint from matrix_engine where name = 'engine'";
    pub(super) SET_FINGERPRINT: Housekeeping =
        "update matrix_engine set fingerprint = $1 where name = 'engine'";
}
