//! Statements over guided set-up. Selects of progress list the columns that `read_progress` expects first.

platform::statements! {
    pub(super) PROGRESS: Tenant =
        "select done, skipped, steps, next_step, finished_at, hidden from set_up_guides where organization_id = $1";
    /// Derived; whoever finished once stays so.
    pub(super) KEEP: Housekeeping =
        "insert into set_up_guides (organization_id, done, skipped, steps, next_step, next_label, finished, finished_at,
           hidden, looked_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)
         on conflict (organization_id) do update set done = excluded.done, skipped = excluded.skipped,
           steps = excluded.steps, next_step = excluded.next_step, next_label = excluded.next_label,
           finished = case when set_up_guides.finished = 1 then 1 else excluded.finished end,
           finished_at = coalesce(set_up_guides.finished_at, excluded.finished_at), looked_at = excluded.looked_at";
    pub(super) IS_FINISHED: Tenant =
        "select finished from set_up_guides where organization_id = $1";
    pub(super) SET_HIDDEN: Tenant = "update set_up_guides set hidden = $2 where organization_id = $1";
    pub(super) SKIPS: Tenant =
        "select step, reason, skipped_by, skipped_at from set_up_skips where organization_id = $1";
    pub(super) SKIP: Tenant =
        "insert into set_up_skips (organization_id, step, reason, skipped_by, skipped_at) values ($1, $2, $3, $4, $5)
         on conflict (organization_id, step) do update set reason = excluded.reason,
           skipped_by = excluded.skipped_by, skipped_at = excluded.skipped_at";
    pub(super) TAKE_UP: Tenant = "delete from set_up_skips where organization_id = $1 and step = $2";
    /// Across organizations: finished ones and those under way.
    pub(super) TALLY: Platform =
        "select finished, count(*) from set_up_guides where finished in (0, 1) group by finished";
    /// Across organizations: those first that did the least.
    pub(super) BY_PROGRESS: Platform =
        "select g.done, g.skipped, g.steps, g.next_step, g.finished_at, g.hidden, o.id, o.slug, o.name
         from set_up_guides g join organizations o on o.id = g.organization_id and o.state = 'active'
         where g.finished = $1 and (g.done, g.organization_id) > ($2, $3)
         order by g.done, g.organization_id limit $4";
    /// Across organizations: by slug; $2 and $3 bound the search.
    pub(super) BY_SLUG: Platform =
        "select g.done, g.skipped, g.steps, g.next_step, g.finished_at, g.hidden, o.id, o.slug, o.name
         from organizations o join set_up_guides g on g.organization_id = o.id
         where o.slug > $1 and o.slug >= $2 and o.slug < $3 and o.state = 'active' order by o.slug limit $4";

    // ---- what is there
    pub(super) VERIFIED: Tenant =
        "select count(*) from domains where organization_id = $1 and state = 'verified'";
    pub(super) CONNECTED: Tenant =
        "select count(*) from connections
         where organization_id = $1 and state = 'active' and social is null and succeeded_at is not null";
    /// Directories whose token was used.
    pub(super) PROVISIONED: Tenant =
        "select count(*) from directories d where d.organization_id = $1 and d.kind = 'linked'
           and exists (select 1 from scim_tokens t where t.organization_id = d.organization_id
             and t.directory_id = d.id and t.last_used_at is not null)";
}
