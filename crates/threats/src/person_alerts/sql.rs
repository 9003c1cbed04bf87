//! Statements over what organizations see of alerts.

platform::statements! {
    /// The farthest that somebody got stays.
    pub(super) KEEP: Housekeeping =
        "insert into person_alerts (organization_id, id, alert_organization_id, alert_id, account_id, outcome, network,
           networks, first_at, last_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)
         on conflict (organization_id, alert_id, account_id) do update set
           outcome = case when excluded.outcome = 'entered' or (person_alerts.outcome = 'failed' and excluded.outcome = 'known')
             then excluded.outcome else person_alerts.outcome end,
           networks = case when person_alerts.networks < excluded.networks then excluded.networks else person_alerts.networks end,
           last_at = case when person_alerts.last_at < excluded.last_at then excluded.last_at else person_alerts.last_at end";
    /// `$2` is the provider, whose alerts they are.
    pub(super) LIST: TenantAcross =
        "select p.id, p.account_id, c.email, p.outcome, p.network, p.networks, p.first_at, p.last_at, a.kind, a.state, a.verdict,
           (select count(*) from memberships m where m.organization_id = $1 and m.account_id = p.account_id) as member
         from person_alerts p
           join alerts a on a.organization_id = $2 and a.id = p.alert_id
           join accounts c on c.id = p.account_id
         where p.organization_id = $1 and p.id < $3
           and ($4 = '' or ($4 = 'live' and a.state <> 'resolved') or a.state = $4)
           and ($5 = '' or p.outcome = $5)
         order by p.id desc limit $6";
    /// Of an alert of the provider, which is `$1`.
    pub(crate) FORGET: Housekeeping =
        "delete from person_alerts where alert_organization_id = $1 and alert_id = $2";
}
