//! Statements of the engine.

platform::statements! {
    /// One evaluation is written at a time: previous cell, what was seen and history of a cell belong together. Gives how
    /// many there were before.
    pub(super) LOCK: Housekeeping =
        "select generation from matrix_engine where name = 'engine'",
        postgres "select generation from matrix_engine where name = 'engine' for update";
    pub(super) GENERATION: Platform = "select generation from matrix_engine where name = 'engine'";
    pub(super) NEXT_GENERATION: Housekeeping =
        "update matrix_engine set generation = generation + 1 where name = 'engine'";
    pub(super) FINGERPRINT: Platform = "select fingerprint from matrix_engine where name = 'engine'";
    pub(super) SET_FINGERPRINT: Housekeeping =
        "update matrix_engine set fingerprint = $1 where name = 'engine'";
}
