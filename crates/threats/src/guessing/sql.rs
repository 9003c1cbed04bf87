//! Statements over what detectors of guessing have seen. All of it is derived: each try has its event.

platform::statements! {
    pub(super) WINDOW: Platform =
        "select other, failures, failed_at, code_failed_at, used_up_at, known_at, entered_at, home_at
         from detector_tries where detector = $1 and subject = $2 and last_at > $3
         order by last_at desc, other limit $4";
    pub(super) SAVE: Housekeeping =
        "insert into detector_tries (detector, subject, other, failures, failed_at, code_failed_at, used_up_at, known_at,
           entered_at, home_at, last_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (detector, subject, other) do update
           set failures = excluded.failures, failed_at = excluded.failed_at, code_failed_at = excluded.code_failed_at,
             used_up_at = excluded.used_up_at, known_at = excluded.known_at, entered_at = excluded.entered_at,
             home_at = excluded.home_at, last_at = excluded.last_at";
    pub(super) CLEAN: Housekeeping = "delete from detector_tries where detector = $1 and last_at < $2";
}
