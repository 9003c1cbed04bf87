//! Statements that read the bitemporal history of cells.

platform::statements! {
    /// What held at $2, by what was known at $3.
    pub(super) AS_OF: Tenant =
        "select duty, side, cell from cell_versions
         where organization_id = $1 and known_from <= $3 and (known_to is null or known_to > $3)
           and valid_from <= $2 and (valid_to is null or valid_to > $2)";
    pub(super) TIMELINE: Tenant =
        "select duty, side, cell, valid_from, valid_to, cause, known_from from cell_versions
         where organization_id = $1 and duty = $2 and side = $3
           and known_from <= $4 and (known_to is null or known_to > $4)
         order by valid_from desc limit $5";
    /// Changes as they are believed now, with what stood before.
    pub(super) RECENT: Tenant =
        "select v.duty, v.side, v.cell, v.valid_from, v.valid_to, v.cause, v.known_from,
           (select p.state from cell_versions p
            where p.organization_id = v.organization_id and p.duty = v.duty and p.side = v.side
              and p.known_to is null and p.valid_to = v.valid_from)
         from cell_versions v
         where v.organization_id = $1 and v.known_to is null and v.valid_from >= $2 and v.valid_from < $3
         order by v.valid_from desc limit $4";
}
