//! Statements over tickets. Selects of whole tickets list the columns that `read_ticket` expects.
//!
//! What the provider's people write to each other stands in `ticket_notes`, which only statements of the desk read.

platform::statements! {
    pub(super) NEXT_NUMBER: Tenant =
        "select coalesce(max(number), 0) + 1 as next_number from tickets where organization_id = $1";
    pub(super) INSERT: Tenant =
        "insert into tickets (organization_id, id, number, subject, search, severity, state, state_at, turn, about,
           opened_by, opened_name, opened_at, clock_at, near_at, due_at, missed)
         values ($1, $2, $3, $4, $5, $6, 'open', $7, 1, $8, $9, $10, $7, $7, $11, $12, 0)";
    pub(super) FIND: Tenant =
        "select t.organization_id, t.id, t.number, t.subject, t.severity, t.state, t.state_at, t.turn, t.about, t.opened_by,
           t.opened_name, t.opened_at, t.assigned_to, coalesce(s.name, '') as assignee, t.answered_at, t.clock_at, t.near_at,
           t.due_at, t.past_at, t.missed
         from tickets t left join accounts s on s.id = t.assigned_to
         where t.organization_id = $1 and t.id = $2";
    /// `$3` bounds whose: null means everybody's.
    pub(super) LIST: Tenant =
        "select t.organization_id, t.id, t.number, t.subject, t.severity, t.state, t.state_at, t.turn, t.about, t.opened_by,
           t.opened_name, t.opened_at, t.assigned_to, coalesce(s.name, '') as assignee, t.answered_at, t.clock_at, t.near_at,
           t.due_at, t.past_at, t.missed
         from tickets t left join accounts s on s.id = t.assigned_to
         where t.organization_id = $1 and t.number < $2 and (t.opened_by = $3 or $3 is null)
           and ($4 = '' or ($4 = 'live' and t.state <> 'closed') or t.state = $4)
           and t.search like $5 escape '\\'
         order by t.number desc limit $6";
    pub(super) COUNT_LIVE: Tenant =
        "select count(*), count(case when opened_by = $2 then 1 end) from tickets
         where organization_id = $1 and state <> 'closed'";
    pub(super) COUNT_OPENED: Tenant =
        "select count(*), count(case when opened_by = $2 then 1 end) from tickets
         where organization_id = $1 and opened_at > $3";
    pub(super) SET_STATE: Tenant =
        "update tickets set state = $3, state_at = $4, turn = $5, answered_at = $6, clock_at = $7, near_at = $8,
           due_at = $9, past_at = $10, missed = $11
         where organization_id = $1 and id = $2";
    pub(super) SET_SEVERITY: Tenant =
        "update tickets set severity = $3, turn = $4, near_at = $5, due_at = $6, past_at = $7
         where organization_id = $1 and id = $2";
    pub(super) SET_ASSIGNEE: Tenant =
        "update tickets set assigned_to = $3 where organization_id = $1 and id = $2";
    pub(super) NOTE_PAST: Tenant =
        "update tickets set past_at = $3, missed = missed + 1
         where organization_id = $1 and id = $2 and past_at is null";

    pub(super) INSERT_MESSAGE: Tenant =
        "insert into ticket_messages
           (organization_id, ticket_id, number, side, author_id, author_name, did, body, written_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    pub(super) COUNT_MESSAGES: Tenant =
        "select count(*) from ticket_messages where organization_id = $1 and ticket_id = $2";
    pub(super) WRITTEN_SINCE: Tenant =
        "select count(*) from ticket_messages
         where organization_id = $1 and ticket_id = $2 and side = 'customer' and written_at > $3";
    pub(super) MESSAGES: Tenant =
        "select number, side, author_name, did, body, written_at from ticket_messages
         where organization_id = $1 and ticket_id = $2 order by number limit $3";
    /// Who of the organization wrote on it and may still see it.
    pub(super) WRITERS: Tenant =
        "select m.email from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         where m.organization_id = $1 and m.state = 'active'
           and (m.account_id = $3 or m.role in ('owner', 'admin', 'auditor'))
           and m.account_id in (select author_id from ticket_messages
             where organization_id = $1 and ticket_id = $2 and side = 'customer')
         order by m.email limit 20";

    // ---- the desk
    pub(super) INSERT_NOTE: Tenant =
        "insert into ticket_notes (organization_id, ticket_id, number, author_id, author_name, body, written_at)
         values ($1, $2, $3, $4, $5, $6, $7)";
    pub(super) COUNT_NOTES: Tenant =
        "select count(*) from ticket_notes where organization_id = $1 and ticket_id = $2";
    pub(super) NOTES: Tenant =
        "select number, author_name, body, written_at from ticket_notes
         where organization_id = $1 and ticket_id = $2 order by number limit $3";
    /// Across organizations: whose ticket it is.
    pub(super) ORGANIZATION_OF: Platform =
        "select t.organization_id from tickets t
         join organizations o on o.id = t.organization_id and o.state = 'active'
         where t.id = $1";
    /// Across organizations: what the provider owes an answer on, the least time left first.
    pub(super) OWED: Platform =
        "select t.organization_id, t.id, t.number, t.subject, t.severity, t.state, t.state_at, t.turn, t.about, t.opened_by,
           t.opened_name, t.opened_at, t.assigned_to, coalesce(s.name, '') as assignee, t.answered_at, t.clock_at, t.near_at,
           t.due_at, t.past_at, t.missed, o.slug, o.name
         from tickets t join organizations o on o.id = t.organization_id and o.state = 'active'
         left join accounts s on s.id = t.assigned_to
         where (t.due_at, t.id) > ($1, $2) and ($3 = '' or t.severity = $3)
           and ($4 = '' or ($4 = 'nobody' and t.assigned_to is null) or ($4 = 'one' and t.assigned_to = $5))
           and (t.search like $6 escape '\\' or o.slug like $6 escape '\\')
         order by t.due_at, t.id limit $7";
    /// Across organizations: those in one state, what changed last first.
    pub(super) IN_STATE: Platform =
        "select t.organization_id, t.id, t.number, t.subject, t.severity, t.state, t.state_at, t.turn, t.about, t.opened_by,
           t.opened_name, t.opened_at, t.assigned_to, coalesce(s.name, '') as assignee, t.answered_at, t.clock_at, t.near_at,
           t.due_at, t.past_at, t.missed, o.slug, o.name
         from tickets t join organizations o on o.id = t.organization_id and o.state = 'active'
         left join accounts s on s.id = t.assigned_to
         where t.state = $8 and (t.state_at, t.id) < ($1, $2) and ($3 = '' or t.severity = $3)
           and ($4 = '' or ($4 = 'nobody' and t.assigned_to is null) or ($4 = 'one' and t.assigned_to = $5))
           and (t.search like $6 escape '\\' or o.slug like $6 escape '\\')
         order by t.state_at desc, t.id desc limit $7";
    /// Across organizations: how many the provider owes an answer on, how many of them are past, and when the next one is.
    pub(super) STANDING: Platform =
        "select count(*), count(case when t.due_at <= $1 then 1 end), min(t.due_at),
           min(case when t.due_at > $1 then t.due_at end)
         from tickets t join organizations o on o.id = t.organization_id and o.state = 'active'
         where t.due_at > 0";
    pub(super) COUNT_WAITING: Platform =
        "select count(*) from tickets t join organizations o on o.id = t.organization_id and o.state = 'active'
         where t.state = 'waiting'";
    /// The provider's people who run the desk.
    pub(super) STAFF: Tenant =
        "select m.account_id, m.email, m.name from memberships m
         join accounts a on a.id = m.account_id and a.state = 'active'
         where m.organization_id = $1 and m.state = 'active' and m.role in ('owner', 'admin')
         order by m.email limit 200";
    pub(super) DESK: Platform = "select settings, changed_by, changed_at from support_desk where id = 1";
    pub(super) SET_DESK: Platform =
        "insert into support_desk (id, settings, changed_by, changed_at) values (1, $1, $2, $3)
         on conflict (id) do update
           set settings = excluded.settings, changed_by = excluded.changed_by, changed_at = excluded.changed_at";
    pub(super) CHOICE: Tenant =
        "select members_may_open from support_choices where organization_id = $1";
    pub(super) CHOOSE: Tenant =
        "insert into support_choices (organization_id, members_may_open, changed_by, changed_at)
         values ($1, $2, $3, $4)
         on conflict (organization_id) do update set members_may_open = excluded.members_may_open,
           changed_by = excluded.changed_by, changed_at = excluded.changed_at";
}
