//! Statements over mails that were sent about alerts.

platform::statements! {
    pub(super) MAILED: Tenant =
        "select count(*) from alert_mails where organization_id = $1 and severity = $2 and mailed_at > $3";
    pub(super) MAIL: Housekeeping =
        "insert into alert_mails (organization_id, alert_id, severity, mailed_at) values ($1, $2, $3, $4)
         on conflict (organization_id, alert_id, severity, mailed_at) do nothing";
}
