//! Statements over the regimes an organization reports under.

platform::statements! {
    pub(super) CHOSEN: Tenant =
        "select regimes, reason, chosen_at from breach_regimes where organization_id = $1";
    pub(super) CHOOSE: Tenant =
        "insert into breach_regimes (organization_id, regimes, reason, chosen_at) values ($1, $2, $3, $4)
         on conflict (organization_id) do update
         set regimes = excluded.regimes, reason = excluded.reason, chosen_at = excluded.chosen_at";
}
