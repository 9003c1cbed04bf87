//! Statements of drills: the last result of each row's drill, derived from the provider's ledger.

platform::statements! {
    pub(super) SAVE: Housekeeping =
        "insert into drill_results (duty, drill, ran_at, passed, detail) values ($1, $2, $3, $4, $5)
         on conflict (duty) do update set
           drill = excluded.drill, ran_at = excluded.ran_at, passed = excluded.passed, detail = excluded.detail
         where drill_results.ran_at <= excluded.ran_at";
    pub(super) LAST: Platform = "select ran_at, passed, detail from drill_results where duty = $1";
}
