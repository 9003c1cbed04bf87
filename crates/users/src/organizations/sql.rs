//! Statements over organizations beside those of `platform::principals`.

platform::statements! {
    /// `no key update` leaves inserts that refer to the organization free to go on.
    pub(super) LOCK: Platform = "select 1 from organizations where id = $1",
        postgres "select 1::bigint from organizations where id = $1 for no key update";
    pub(super) COUNT_FOUNDED: Platform =
        "select count(*) from memberships where account_id = $1 and source = 'founder' and created_at > $2";
}
