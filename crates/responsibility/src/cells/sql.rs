//! Statements of cells, their versions and the standings. All derived from evidence, hence housekeeping.

platform::statements! {
    pub(super) OF_ORGANIZATION: Tenant = "select duty, side, cell from cells where organization_id = $1";
    pub(super) ONE: Tenant = "select cell from cells where organization_id = $1 and duty = $2 and side = $3";
    pub(super) SAVE: Housekeeping =
        "insert into cells (organization_id, duty, side, state, must_act, since, evaluated_at, due_at, cell)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         on conflict (organization_id, duty, side) do update set
           state = excluded.state, must_act = excluded.must_act, since = excluded.since,
           evaluated_at = excluded.evaluated_at, due_at = excluded.due_at, cell = excluded.cell";
    pub(super) DUE: Platform =
        "select organization_id, duty, side from cells where due_at <= $1 order by due_at limit $2";
    pub(super) NEXT_DUE: Platform = "select min(due_at) from cells";
    /// Makes the cells of a duty due, everywhere.
    pub(super) RAISE: Housekeeping = "update cells set due_at = $3 where duty = $1 and side = $2";
    /// As above, only those that another side's cell can turn.
    pub(super) RAISE_UNMET: Housekeeping =
        "update cells set due_at = $3 where duty = $1 and side = $2 and state in ('gap', 'blocked')";
    pub(super) STANDS_AS: Tenant =
        "select state, must_act from cells where organization_id = $1 and duty = $2 and side = $3";
    pub(super) COUNT: Housekeeping =
        "insert into matrix_counts (duty, side, state, must_act, cells) values ($1, $2, $3, $4, $5)
         on conflict (duty, side, state, must_act) do update set cells = matrix_counts.cells + excluded.cells";
    pub(super) DROP_COUNTS: Housekeeping = "delete from matrix_counts";
    pub(super) COUNT_ALL: Housekeeping =
        "insert into matrix_counts (duty, side, state, must_act, cells)
         select duty, side, state, must_act, count(*) from cells group by duty, side, state, must_act";
    pub(super) FORGET: Housekeeping = "delete from cells where organization_id = $1 and duty = $2 and side = $3";

    pub(super) OPEN_VERSIONS: Tenant =
        "select known_from, valid_from, valid_to, state, cell, cause from cell_versions
         where organization_id = $1 and duty = $2 and side = $3 and known_to is null
           and (valid_to is null or valid_to > $4)
         order by valid_from";
    pub(super) CLOSE_VERSION: Housekeeping =
        "update cell_versions set known_to = $6
         where organization_id = $1 and duty = $2 and side = $3 and known_from = $4 and valid_from = $5";
    pub(super) DROP_VERSION: Housekeeping =
        "delete from cell_versions
         where organization_id = $1 and duty = $2 and side = $3 and known_from = $4 and valid_from = $5";
    pub(super) ADD_VERSION: Housekeeping =
        "insert into cell_versions
           (organization_id, duty, side, known_from, valid_from, valid_to, state, cell, cause)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

    /// Counted again from the cells, so that it cannot drift.
    pub(super) STAND: Housekeeping =
        "insert into matrix_standings (organization_id, owes, waits, held, oldest_since)
         select organization_id,
           sum(case when must_act in ('customer', 'both') then 1 else 0 end),
           sum(case when must_act in ('provider', 'both') then 1 else 0 end),
           sum(case when state = 'held' then 1 else 0 end),
           min(case when must_act in ('customer', 'both') then since end)
         from cells where organization_id = $1 and side = 'customer' group by organization_id
         on conflict (organization_id) do update set
           owes = excluded.owes, waits = excluded.waits, held = excluded.held, oldest_since = excluded.oldest_since";
}
