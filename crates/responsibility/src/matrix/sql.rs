//! What the first screen shows beside the matrix.

platform::statements! {
    /// How far the guided set-up is, which `users::set_up_guide` keeps; nothing once it is finished or hidden.
    pub(super) GUIDE: Tenant =
        "select done, skipped, steps, next_label from set_up_guides
         where organization_id = $1 and finished = 0 and hidden = 0";
}
