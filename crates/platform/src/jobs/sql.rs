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
    /// Gives its key free, or a scheduled kind that failed once would never be enqueued again.
    pub(super) FAIL: Housekeeping =
        "update jobs set state = 'failed', leased_until = null, unique_key = null, last_error = $2 where id = $1";
    pub(super) LIST: Platform =
        "select j.id, j.kind, j.state, j.run_at, j.attempts, j.last_error, o.slug, j.created_at, j.leased_until
         from jobs j left join organizations o on o.id = j.organization_id
         order by j.state, j.run_at limit $1";
    pub(super) FIND: Platform =
        "select j.id, j.kind, j.state, j.run_at, j.attempts, j.last_error, o.slug, j.created_at, j.leased_until
         from jobs j left join organizations o on o.id = j.organization_id
         where j.id = $1";
    pub(super) FAILED: Platform =
        "select j.id, j.kind, j.state, j.run_at, j.attempts, j.last_error, o.slug, j.created_at, j.leased_until
         from jobs j left join organizations o on o.id = j.organization_id
         where j.state = 'failed' and (j.kind = $1 or $1 is null) order by j.run_at, j.id limit $2";
    pub(super) COUNTS: Platform = "select state, count(*) from jobs group by state";
    pub(super) PAYLOAD: Platform = "select payload from jobs where id = $1";
    /// A person's act, so it comes with an event.
    pub(super) TRY_NOW: Platform =
        "update jobs set state = 'waiting', run_at = $2, attempts = 0, leased_until = null
         where id = $1 and state in ('failed', 'waiting')";
    pub(super) DISCARD: Platform = "delete from jobs where id = $1 and state = 'failed'";
    pub(super) SCHEDULE_NEXT: Platform = "select next_at from schedules where name = $1";
    pub(super) SCHEDULE_SET: Housekeeping =
        "insert into schedules (name, next_at, started_at) values ($1, $2, $3)
         on conflict (name) do update set next_at = excluded.next_at, started_at = excluded.started_at";
}
