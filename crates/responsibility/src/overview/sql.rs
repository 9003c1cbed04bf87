//! Statements of the provider's view. They read states only, never facts: those are the organization's own.

platform::statements! {
    /// By slug; $2 and $3 bound the search.
    pub(super) BY_NAME: Platform =
        "select o.id, o.slug, o.name, o.kind, o.created_at, s.owes, s.waits, s.held, s.oldest_since
         from organizations o left join matrix_standings s on s.organization_id = o.id
         where o.slug > $1 and o.slug >= $2 and o.slug < $3 and o.state = 'active' order by o.slug limit $4";
    /// Those first that owe the most.
    pub(super) BY_OWES: Platform =
        "select o.id, o.slug, o.name, o.kind, o.created_at, s.owes, s.waits, s.held, s.oldest_since
         from matrix_standings s join organizations o on o.id = s.organization_id
         where (s.owes, s.organization_id) < ($1, $2) and o.state = 'active'
         order by s.owes desc, s.organization_id desc limit $3";
    pub(super) STATES_OF: Tenant =
        "select duty, state, due_at from cells where organization_id = $1 and side = 'customer'";
    pub(super) COUNTS: Platform =
        "select duty, side, state, must_act, cells from matrix_counts where cells > 0";
    pub(super) COUNT_CUSTOMERS: Platform =
        "select count(*) from organizations where kind = 'customer' and state = 'active'";
    pub(super) COUNT_OWING: Platform = "select count(*) from matrix_standings where owes > 0";
    /// One half across organizations; an empty $3 means every state.
    pub(super) ACROSS: Platform =
        "select o.id, o.slug, o.name, c.state, c.must_act, c.since, c.due_at
         from cells c join organizations o on o.id = c.organization_id
         where c.duty = $1 and c.side = $2 and ($3 = '' or c.state = $3) and c.organization_id > $4
         order by c.organization_id limit $5";
}
