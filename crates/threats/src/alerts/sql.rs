//! Statements over alerts. Selects of whole alerts list the columns that `read_alert` expects.
//!
//! What somebody decided stands in `alerts`; the figures beside it are derived from events.

platform::statements! {
    pub(super) INSERT: Tenant =
        "insert into alerts (organization_id, id, kind, subject, severity, state, state_at, state_by, verdict, note,
           raised_at, reopened)
         values ($1, $2, $3, $4, $5, 'open', $6, '', '', '', $6, 0)";
    pub(super) LOCK: Tenant =
        "select 1 from alerts where organization_id = $1 and id = $2",
        postgres "select 1 from alerts where organization_id = $1 and id = $2 for update";
    pub(super) GET: Tenant =
        "select a.organization_id, a.id, a.kind, a.subject, a.severity, a.state, a.state_at, a.state_by, a.verdict, a.note,
           a.raised_at, a.reopened, a.assigned_to, coalesce(s.name, '') as assignee, f.tries, f.first_at, f.last_at
         from alerts a join alert_figures f on f.organization_id = a.organization_id and f.alert_id = a.id
         left join accounts s on s.id = a.assigned_to
         where a.organization_id = $1 and a.id = $2";
    /// Held while a detector adds to it.
    pub(super) NEWEST_OF: Tenant =
        "select a.organization_id, a.id, a.kind, a.subject, a.severity, a.state, a.state_at, a.state_by, a.verdict, a.note,
           a.raised_at, a.reopened, a.assigned_to, '' as assignee, f.tries, f.first_at, f.last_at
         from alerts a join alert_figures f on f.organization_id = a.organization_id and f.alert_id = a.id
         where a.organization_id = $1 and a.kind = $2 and a.subject = $3 order by a.id desc limit 1",
        postgres
        "select a.organization_id, a.id, a.kind, a.subject, a.severity, a.state, a.state_at, a.state_by, a.verdict, a.note,
           a.raised_at, a.reopened, a.assigned_to, '' as assignee, f.tries, f.first_at, f.last_at
         from alerts a join alert_figures f on f.organization_id = a.organization_id and f.alert_id = a.id
         where a.organization_id = $1 and a.kind = $2 and a.subject = $3 order by a.id desc limit 1 for update of a";
    pub(super) LIST: Tenant =
        "select a.organization_id, a.id, a.kind, a.subject, a.severity, a.state, a.state_at, a.state_by, a.verdict, a.note,
           a.raised_at, a.reopened, a.assigned_to, coalesce(s.name, '') as assignee, f.tries, f.first_at, f.last_at
         from alerts a join alert_figures f on f.organization_id = a.organization_id and f.alert_id = a.id
         left join accounts s on s.id = a.assigned_to
         where a.organization_id = $1 and a.id < $2
           and ($3 = '' or ($3 = 'live' and a.state <> 'resolved') or a.state = $3)
           and ($4 = '' or a.severity = $4) and ($5 = '' or a.kind = $5)
           and a.subject like $6 escape '\\'
         order by a.id desc limit $7";
    pub(super) STANDING: Tenant =
        "select count(case when state = 'open' then 1 end), count(case when state = 'acknowledged' then 1 end),
           count(case when severity in ('high', 'critical') then 1 end)
         from alerts where organization_id = $1 and state <> 'resolved'";
    pub(super) SET_SEVERITY: Tenant =
        "update alerts set severity = $3 where organization_id = $1 and id = $2";
    pub(super) REOPEN: Tenant =
        "update alerts set state = 'open', severity = $3, state_at = $4, state_by = '', verdict = '', reopened = reopened + 1
         where organization_id = $1 and id = $2";
    pub(super) ACKNOWLEDGE: Tenant =
        "update alerts set state = 'acknowledged', state_by = $3, state_at = $4
         where organization_id = $1 and id = $2";
    pub(super) RESOLVE: Tenant =
        "update alerts set state = 'resolved', verdict = $3, note = $4, state_by = $5, state_at = $6
         where organization_id = $1 and id = $2";
    pub(super) ASSIGN: Tenant =
        "update alerts set assigned_to = $3 where organization_id = $1 and id = $2";

    // ---- figures
    pub(super) BEGIN_FIGURES: Housekeeping =
        "insert into alert_figures (organization_id, alert_id, tries, first_at, last_at) values ($1, $2, 0, $3, $4)";
    pub(super) ADD: Housekeeping =
        "update alert_figures set tries = tries + $3, last_at = case when last_at < $4 then $4 else last_at end
         where organization_id = $1 and alert_id = $2";
    pub(super) ADD_TO_SLOT: Housekeeping =
        "insert into alert_slots (organization_id, alert_id, slot_at, tries) values ($1, $2, $3, $4)
         on conflict (organization_id, alert_id, slot_at) do update set tries = alert_slots.tries + excluded.tries";
    pub(super) SLOTS: Tenant =
        "select slot_at, tries from alert_slots where organization_id = $1 and alert_id = $2
         order by slot_at desc limit $3";
    pub(super) COUNT_SIGHTINGS: Tenant =
        "select count(*) from alert_sightings where organization_id = $1 and alert_id = $2";
    pub(super) SEE_AGAIN: Housekeeping =
        "update alert_sightings
         set last_at = case when last_at < $5 then $5 else last_at end,
           outcome = case when $4 = 'entered' or (outcome = 'failed' and $4 = 'known') then $4 else outcome end
         where organization_id = $1 and alert_id = $2 and other = $3";
    pub(super) SEE_FIRST: Housekeeping =
        "insert into alert_sightings (organization_id, alert_id, other, outcome, first_at, last_at)
         values ($1, $2, $3, $4, $5, $5)";
    pub(super) SIGHTINGS: Tenant =
        "select other, outcome, first_at, last_at from alert_sightings where organization_id = $1 and alert_id = $2
         order by case outcome when 'entered' then 0 when 'known' then 1 else 2 end, last_at desc, other limit 1000";

    // ---- forgetting
    pub(super) TO_FORGET: Tenant =
        "select id from alerts where organization_id = $1 and state = 'resolved' and subject <> '' and state_at < $2
         order by state_at limit $3";
    pub(super) FORGET_SUBJECT: Tenant =
        "update alerts set subject = '', note = '' where organization_id = $1 and id = $2";
    pub(super) FORGET_SIGHTINGS: Housekeeping =
        "delete from alert_sightings where organization_id = $1 and alert_id = $2";
    pub(super) FORGET_SLOTS: Housekeeping =
        "delete from alert_slots where organization_id = $1 and alert_id = $2";
    pub(super) FORGET_MAILS: Housekeeping =
        "delete from alert_mails where organization_id = $1 and alert_id = $2";
}
