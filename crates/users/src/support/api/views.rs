//! What the API says about tickets and the desk.

use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::desk::{Desk, Settings};
use super::super::queue::{Asked, Case, Note};
use super::super::{Message, Severity, Ticket, TicketId};

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Ticket)]
pub struct TicketView {
    #[schema(value_type = String)]
    pub id: TicketId,
    pub number: u32,
    pub subject: String,
    /// `urgent`, `high`, `normal` or `low`.
    pub severity: &'static str,
    /// `open`, `answered`, `waiting` (for the organization), `resolved` or `closed`.
    pub state: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub state_since: Timestamp,
    /// A row of the matrix or a page of the organization; may be empty.
    pub about: String,
    pub opened_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    /// When the provider first answered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub answered_at: Option<Timestamp>,
    /// By when the provider owes an answer; null: it owes none.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub due_at: Option<Timestamp>,
    /// Whether that is past.
    pub past_target: bool,
    /// Targets of this ticket that passed.
    pub targets_missed: u32,
}

impl TicketView {
    pub fn new(ticket: Ticket, now: Timestamp) -> Self {
        Self {
            past_target: ticket.is_past(now),
            targets_missed: ticket.missed(now),
            id: ticket.id,
            number: ticket.number,
            subject: ticket.subject,
            severity: ticket.severity.as_str(),
            state: ticket.state.as_str(),
            state_since: ticket.state_at,
            about: ticket.about,
            opened_by: ticket.opened_name,
            opened_at: ticket.opened_at,
            answered_at: ticket.answered_at,
            due_at: ticket.due_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = TicketMessage)]
pub struct MessageView {
    pub number: u32,
    /// `customer` or `provider`.
    pub side: &'static str,
    pub author: String,
    /// What became of the ticket by it.
    pub did: String,
    pub body: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<Message> for MessageView {
    fn from(message: Message) -> Self {
        let Message { number, side, author, did, body, at } = message;
        Self { number, side: side.as_str(), author, did, body, at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = TicketDetail)]
pub struct TicketDetailView {
    #[serde(flatten)]
    pub ticket: TicketView,
    pub messages: Vec<MessageView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTicket)]
pub struct NewTicketBody {
    #[schema(example = "Sign-in with our provider stops at the second step")]
    pub subject: String,
    /// `urgent` (nobody can work, or data is in danger), `high` (many are held up), `normal`, `low` (a question).
    #[schema(example = "normal")]
    pub severity: String,
    /// Plain text, up to 10,000 characters.
    #[schema(example = "Since this morning three of us get no further than the code.")]
    pub body: String,
    /// What it is about: the id of a row, such as `USR-C5`, or a page, such as `/o/harbor/policies`.
    #[serde(default)]
    #[schema(example = "USR-C5")]
    pub about: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTicketMessage)]
pub struct MessageBody {
    #[schema(example = "It works again since noon.")]
    pub body: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = OrganizationSupport)]
pub struct SupportView {
    /// Whether members without `support.manage` may open tickets.
    pub members_may_open: bool,
    /// Whether you may.
    pub you_may_open: bool,
    /// The provider's targets.
    #[serde(flatten)]
    pub targets: TargetsView,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SupportTargets)]
pub struct TargetsView {
    pub targets: Vec<TargetView>,
    /// Whether they run day and night.
    pub around_the_clock: bool,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SupportTargetOf)]
pub struct TargetView {
    pub severity: &'static str,
    pub meaning: &'static str,
    pub first_minutes: u32,
    pub next_minutes: u32,
}

impl From<&Settings> for TargetsView {
    fn from(settings: &Settings) -> Self {
        let of = |severity: Severity| {
            let target = settings.target(severity);
            TargetView {
                severity: severity.as_str(),
                meaning: severity.meaning(),
                first_minutes: target.first_minutes,
                next_minutes: target.next_minutes,
            }
        };
        Self { targets: Severity::ALL.map(of).to_vec(), around_the_clock: settings.hours.is_none() }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrganizationSupportChoice)]
pub struct ChoiceBody {
    #[schema(example = true)]
    pub members_may_open: bool,
}

// ---- the desk

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = DeskTicket)]
pub struct AskedView {
    #[serde(flatten)]
    pub ticket: TicketView,
    /// The slug of the organization.
    pub organization: String,
    pub assigned_to: String,
}

impl AskedView {
    pub fn new(asked: Asked, now: Timestamp) -> Self {
        let assigned_to = asked.ticket.assignee.clone();
        Self { ticket: TicketView::new(asked.ticket, now), organization: asked.slug, assigned_to }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = TicketNote)]
pub struct NoteView {
    pub number: u32,
    pub author: String,
    pub body: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        let Note { number, author, body, at } = note;
        Self { number, author, body, at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = DeskTicketDetail)]
pub struct CaseView {
    #[serde(flatten)]
    pub asked: AskedView,
    pub messages: Vec<MessageView>,
    /// What only the provider's people read.
    pub notes: Vec<NoteView>,
}

impl CaseView {
    pub fn new(case: Case, now: Timestamp) -> Self {
        Self {
            asked: AskedView::new(case.asked, now),
            messages: case.messages.into_iter().map(MessageView::from).collect(),
            notes: case.notes.into_iter().map(NoteView::from).collect(),
        }
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketAnswer)]
pub struct AnswerBody {
    #[schema(example = "The certificate of your provider ended last night. Please upload the new one.")]
    pub body: String,
    /// `answered` (more follows), `waiting` (the organization has to answer) or `resolved`.
    #[schema(example = "waiting")]
    pub then: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketAssignee)]
pub struct AssigneeBody {
    /// Of one of the provider's owners or admins; null: nobody.
    #[schema(example = "nora.winter@northwind.example")]
    pub email: Option<String>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TicketSeverity)]
pub struct SeverityBody {
    #[schema(example = "high")]
    pub severity: String,
    /// Its people read it.
    #[schema(example = "More people are held up than it seemed")]
    pub reason: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = SupportDesk)]
pub struct DeskView {
    pub settings: Settings,
    /// Empty: these are the defaults.
    pub changed_by: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Timestamp>,
}

impl From<Desk> for DeskView {
    fn from(desk: Desk) -> Self {
        let (changed_by, changed_at) = match desk.changed {
            Some((by, at)) => (by, Some(at)),
            None => (String::new(), None),
        };
        Self { settings: desk.settings, changed_by, changed_at }
    }
}
