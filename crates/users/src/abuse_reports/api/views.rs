//! Reports of misuse as JSON describes them.

use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::abuse_reports::{Kind, Note, Report, ReportId, Standing, State};

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReportStanding)]
pub struct StandingView {
    pub state: State,
    /// Who answered last.
    pub by: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub at: Option<Timestamp>,
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        let Standing { state, by, at } = standing;
        Self { state, by, at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReport)]
pub struct ReportView {
    #[schema(value_type = String)]
    pub id: ReportId,
    pub kind: Kind,
    /// Somebody tried the channel.
    pub test: bool,
    pub from_public_page: bool,
    /// The reporter's address. Nobody has proved it where the report came from the public page.
    pub contact: String,
    pub about: String,
    pub body: String,
    #[schema(value_type = String, format = DateTime)]
    pub opened_at: Timestamp,
    pub organization: StandingView,
    pub provider: StandingView,
}

impl From<Report> for ReportView {
    fn from(report: Report) -> Self {
        Self {
            id: report.id,
            kind: report.kind,
            test: report.test,
            from_public_page: report.from_public_page,
            contact: report.contact,
            about: report.about,
            body: report.body,
            opened_at: report.opened_at,
            organization: report.customer.into(),
            provider: report.provider.into(),
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReportOfOrganization)]
pub struct DeskReport {
    /// The organization's short name.
    pub slug: String,
    pub name: String,
    pub report: ReportView,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReportNote)]
pub struct NoteView {
    /// `provider` or `customer`.
    pub side: String,
    pub author: String,
    /// What the side's state became with it.
    pub state: State,
    pub body: String,
    #[schema(value_type = String, format = DateTime)]
    pub written_at: Timestamp,
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        let Note { side, author, state, body, written_at } = note;
        Self { side: side.as_str().to_owned(), author, state, body, written_at }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReportDetail)]
pub struct ReportDetail {
    pub report: ReportView,
    pub notes: Vec<NoteView>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAbuseReport)]
pub struct NewReportBody {
    pub kind: Kind,
    /// The account, address or thing that is misused; up to 200 characters.
    #[schema(example = "ann@harbor.example")]
    pub about: String,
    /// What happened, and since when; up to 5000 characters.
    #[schema(example = "She got a code that she had not asked for.")]
    pub body: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AbuseReportAnswer)]
pub struct AnswerBody {
    /// `working`, `resolved` or `dismissed`.
    pub state: State,
    /// Both sides read it, and so does whoever reported as a member; up to 2000 characters.
    #[serde(default)]
    #[schema(example = "Her sessions were ended, the password is new.")]
    pub note: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = AbuseReportChannel)]
pub struct ChannelView {
    /// When the provider answered the last test.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub tested_at: Option<Timestamp>,
    /// A later test that waits for the provider.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub waiting_since: Option<Timestamp>,
    /// Where anybody can report, while that is open.
    pub public_page: Option<String>,
}
