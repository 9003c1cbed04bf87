//! Statements over counters of failed tries. Counters are derived: each failure has its event.

platform::statements! {
    pub(super) FAILURES: Platform =
        "select failures from sign_in_failures where subject = $1 and window_start = $2";
    pub(super) COUNT: Housekeeping =
        "insert into sign_in_failures (subject, window_start, failures) values ($1, $2, 1)
         on conflict (subject, window_start) do update set failures = sign_in_failures.failures + 1";
    pub(super) FORGET: Housekeeping = "delete from sign_in_failures where subject = $1 and window_start = $2";
    pub(super) CLEAN: Housekeeping = "delete from sign_in_failures where window_start < $1";
    pub(super) FAMILIAR: Platform =
        "select 1 from sessions
         where account_id = $1 and network = $2 and created_at > $3 and created_at <= $4 limit 1";
}
