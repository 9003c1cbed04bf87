//! Statements of the job queue. All housekeeping: a job is the consequence of an event, not a change of its own.

crate::statements! {
    pub(super) INSERT: Housekeeping =
        "insert into jobs (id, kind, unique_key, organization_id, payload, state, run_at, attempts, created_at)
         values ($1, $2, $3, $4, $5, 'waiting', $6, 0, $7) on conflict (unique_key) do nothing";
    /// Takes due jobs, and those whose node died with them.
    pub(super) LEASE: Housekeeping =
        "update jobs set state = 'running', attempts = attempts + 1, leased_until = $2
         where id in (select id from jobs where (state = 'waiting' and run_at <= $1)
                        or (state = 'running' and leased_until < $1) order by run_at limit $3)
         returning id, kind, organization_id, payload, attempts",
        postgres
        "update jobs set state = 'running', attempts = attempts + 1, leased_until = $2
         where id in (select id from jobs where (state = 'waiting' and run_at <= $1)
                        or (state = 'running' and leased_until < $1) order by run_at limit $3
                      for update skip locked)
         returning id, kind, organization_id, payload, attempts";
    pub(super) DELETE: Housekeeping = "delete from jobs where id = $1";
    pub(super) RETRY: Housekeeping =
        "update jobs set state = 'waiting', leased_until = null, run_at = $2, last_error = $3 where id = $1";
    pub(super) FAIL: Housekeeping =
        "update jobs set state = 'failed', leased_until = null, last_error = $2 where id = $1";
    pub(super) LIST: Platform =
        "select id, kind, state, run_at, attempts, last_error from jobs order by state, run_at limit $1";
    pub(super) SCHEDULE_NEXT: Platform = "select next_at from schedules where name = $1";
    pub(super) SCHEDULE_SET: Housekeeping =
        "insert into schedules (name, next_at, started_at) values ($1, $2, $3)
         on conflict (name) do update set next_at = excluded.next_at, started_at = excluded.started_at";
}
