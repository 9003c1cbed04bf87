//! JSON side of reports of misuse: for members, for the organization's admins, and for the provider's desk.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::evidence::Side;
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::HOUR;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::Deserialize;

use super::{
    ABOUT_CHARS_MAX, Answer, BODY_CHARS_MAX, Channel, Kind, NOTE_CHARS_MAX, NewReport, Note, Opened, Report,
    ReportId, Reporter, Shown, State,
};
use crate::accounts::join;
use crate::domains::name::hidden_character;

mod views;

pub use views::{AnswerBody, ChannelView, DeskReport, NewReportBody, NoteView, ReportDetail, ReportView};

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/abuse-reports";
    const ONE: &str = "/api/v1/organizations/{organization}/abuse-reports/{report}";
    const ANSWERS: &str = "/api/v1/organizations/{organization}/abuse-reports/{report}/answers";
    const CHANNEL: &str = "/api/v1/organizations/{organization}/abuse-report-channel";
    const TESTS: &str = "/api/v1/organizations/{organization}/abuse-report-channel/tests";
    const PAGE: &str = "/api/v1/organizations/{organization}/abuse-report-channel/page";
    Routes::new()
        .add(
            routes::post(ALL, "abuse_report.open", Openness::Member, open)
                .summary("Report misuse to the organization's admins and to the provider")
                .takes::<NewReportBody>()
                .gives::<ReportView>(201)
                .records("abuse_report."),
        )
        .add(
            routes::get(ALL, "abuse_report.list", READ, list)
                .summary("Reports of misuse, the newest first")
                .paged()
                .query("state", "`open` (not finished by the organization) or `all`")
                .gives::<Page<ReportView>>(200),
        )
        .add(
            routes::get(ONE, "abuse_report.show", READ, show)
                .summary("A report with what both sides wrote")
                .gives::<ReportDetail>(200),
        )
        .add(
            routes::post(ANSWERS, "abuse_report.answer", MANAGE, answer)
                .summary("Say how a report stands on the organization's side")
                .takes::<AnswerBody>()
                .gives::<ReportDetail>(200)
                .records("abuse_report."),
        )
        .add(
            routes::get(CHANNEL, "abuse_report.channel", READ, show_channel)
                .summary("When the report channel was tested, and its public page")
                .gives::<ChannelView>(200),
        )
        .add(
            routes::post(TESTS, "abuse_report.test", MANAGE, test)
                .summary(
                    "Send a marked test report the whole way; it counts once the provider has answered it",
                )
                .gives::<ReportView>(201)
                .records("abuse_report."),
        )
        .add(
            routes::put(PAGE, "abuse_report.open_page", MANAGE, open_page)
                .summary("Open the public page at a new address; an address of before is dead")
                .gives::<ChannelView>(200)
                .records("abuse_report."),
        )
        .add(
            routes::delete(PAGE, "abuse_report.close_page", MANAGE, close_page)
                .summary("Close the public page")
                .gives_nothing(204)
                .records("abuse_report."),
        )
        .merge(desk_routes())
}

fn desk_routes() -> Routes {
    const ALL: &str = "/api/v1/provider/abuse-reports";
    const ONE: &str = "/api/v1/provider/abuse-reports/{customer}/{report}";
    const ANSWERS: &str = "/api/v1/provider/abuse-reports/{customer}/{report}/answers";
    let read = Openness::Provider(Permission::ProviderRead);
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(
            routes::get(ALL, "abuse_report.desk_list", read, desk_list)
                .summary("Reports of misuse of every organization, the newest first")
                .paged()
                .query("state", "`open` (not finished by the provider) or `all`")
                .gives::<Page<DeskReport>>(200),
        )
        .add(
            routes::get(ONE, "abuse_report.desk_show", read, desk_show)
                .summary("A report of an organization with what both sides wrote")
                .gives::<ReportDetail>(200),
        )
        .add(
            routes::post(ANSWERS, "abuse_report.desk_answer", manage, desk_answer)
                .summary("Say how a report stands on the provider's side")
                .takes::<AnswerBody>()
                .gives::<ReportDetail>(200)
                .records("abuse_report."),
        )
}

/// Text of a person: trimmed, not longer than `max`, nothing hidden in it. `field`: as the body calls it.
fn text(field: &'static str, given: &str, max: usize, needed: Option<&str>) -> Result<String, Problem> {
    let text = given.trim().replace("\r\n", "\n");
    let wrong = |why: String| Problem::invalid(&why).field(field, why);
    if let Some(needed) = needed.filter(|_| text.is_empty()) {
        return Err(wrong(needed.to_owned()));
    }
    let long = text.chars().count();
    if long > max {
        return Err(wrong(format!("up to {max} characters fit; these are {long}")));
    }
    match hidden_character(&text.replace('\n', " ")) {
        Some((at, _)) => Err(wrong(format!("there is a hidden character at position {}: delete it", at + 1))),
        None => Ok(text),
    }
}

/// What somebody wrote, checked; the same for members and strangers.
pub(super) fn read_report(body: &NewReportBody) -> Result<NewReport, Problem> {
    Ok(NewReport {
        kind: body.kind,
        about: text("about", &body.about, ABOUT_CHARS_MAX, Some("say which account or what is misused"))?,
        body: text("body", &body.body, BODY_CHARS_MAX, Some("say what happened"))?,
        test: false,
    })
}

/// The address that a stranger leaves: any text that could be one, or nothing.
pub(super) fn read_contact(given: &str) -> Result<String, Problem> {
    let contact = text("contact", given, 320, None)?;
    if !contact.is_empty() && crate::accounts::email::EmailAddress::parse(&contact).is_err() {
        let why = "this is no e-mail address: correct it, or leave it empty";
        return Err(Problem::invalid(why).field("contact", why));
    }
    Ok(contact)
}

/// Opens a report and says what came of it.
pub(super) async fn make(
    app: &App,
    access: &Access,
    organization: OrganizationId,
    from: Reporter,
    new: NewReport,
) -> Result<Report, Problem> {
    let (inside, ctx) = (app.clone(), access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::open(&inside, &ctx, tx, organization, &from, &new))
        .await?;
    match done.value {
        Opened::Done(report) => Ok(*report),
        Opened::TooMany => Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many reports")
            .detail("as many reports came as are taken for now")
            .retry_after(HOUR.as_secs())
            .cure("wait an hour, or tell an admin another way")),
    }
}

/// Who reports from inside: a person, or a token that may do more than read.
pub(super) fn member(access: &Access) -> Result<Reporter, Problem> {
    let principal = access.principal()?;
    if principal.account.is_none() && !access.may(Permission::PeopleManage) {
        return Err(Problem::forbidden(Permission::PeopleManage.as_str()));
    }
    Ok(Reporter::Member { account: principal.account, email: principal.email.clone() })
}

async fn open(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewReportBody>,
) -> platform::web::Result {
    let new = read_report(&body)?;
    let made = make(&app, &access, access.organization_id()?, member(&access)?, new).await?;
    Ok((StatusCode::CREATED, Json(ReportView::from(made))).into_response())
}

/// What lists are asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Asked {
    pub cursor: Option<String>,
    pub limit: Option<u32>,
    #[serde(default)]
    pub state: String,
}

impl Asked {
    pub(super) fn shown(&self) -> Result<Shown, Problem> {
        match self.state.as_str() {
            "" | "open" => Ok(Shown::Open),
            "all" => Ok(Shown::All),
            _ => Err(Problem::invalid("`state` is `open` or `all`").field("state", "not known")),
        }
    }

    fn page(&self) -> Result<(Option<ReportId>, u32), Problem> {
        let query = PageQuery { cursor: self.cursor.clone(), limit: self.limit, q: None };
        let after = query.after()?;
        let before = if after.is_empty() {
            None
        } else {
            Some(after.parse().map_err(|_| Problem::invalid("`cursor` is not one that a list gave"))?)
        };
        Ok((before, query.limit()?))
    }
}

pub(super) async fn page_of(app: &App, access: &Access, asked: &Asked) -> Result<Page<Report>, Problem> {
    let (organization, shown) = (access.organization_id()?, asked.shown()?);
    let (before, limit) = asked.page()?;
    let found = app.db().read(move |tx| super::list(tx, organization, shown, before, limit + 1)).await?;
    Ok(Page::of(found, limit, |one| one.id.to_string()))
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(asked): Query<Asked>,
) -> platform::web::Result {
    Ok(Json(page_of(&app, &access, &asked).await?.map(ReportView::from)).into_response())
}

/// A report with its notes.
pub(super) async fn look(
    app: &App,
    organization: OrganizationId,
    id: ReportId,
) -> Result<(Report, Vec<Note>), Problem> {
    let found = app.db().read(move |tx| {
        let Some(report) = super::get(tx, organization, id)? else { return Ok(None) };
        Ok::<_, DbError>(Some((report, super::notes(tx, organization, id)?)))
    });
    found.await?.ok_or_else(|| Problem::not_found("report"))
}

async fn detail(app: &App, organization: OrganizationId, id: ReportId) -> platform::web::Result {
    let (report, notes) = look(app, organization, id).await?;
    let notes = notes.into_iter().map(NoteView::from).collect();
    Ok(Json(ReportDetail { report: report.into(), notes }).into_response())
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReportId)>,
) -> platform::web::Result {
    detail(&app, access.organization_id()?, id).await
}

/// Says how a report stands on `side`.
pub(super) async fn say(
    app: &App,
    access: &Access,
    organization: OrganizationId,
    id: ReportId,
    side: Side,
    body: &AnswerBody,
) -> Result<(), Problem> {
    if body.state == State::New {
        let why = "say `working`, `resolved` or `dismissed`";
        return Err(Problem::invalid(why).field("state", why));
    }
    let principal = access.principal()?;
    let by = if principal.name.is_empty() { principal.email.clone() } else { principal.name.clone() };
    let answer =
        Answer { side, by, state: body.state, note: text("note", &body.note, NOTE_CHARS_MAX, None)? };
    let (inside, ctx) = (app.clone(), access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::answer(&inside, &ctx, tx, organization, id, &answer))
        .await?;
    done.value.map(drop).ok_or_else(|| Problem::not_found("report"))
}

async fn answer(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReportId)>,
    Json(body): Json<AnswerBody>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    say(&app, &access, organization, id, Side::Customer, &body).await?;
    detail(&app, organization, id).await
}

/// How the channel stands, and the address of the public page.
pub(super) async fn channel_of(app: &App, access: &Access) -> Result<(Channel, Option<String>), Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| {
        Ok::<_, DbError>((super::channel(tx, organization)?, super::page_token(tx, organization)?))
    });
    let (channel, token) = found.await?;
    let page = token.map(|token| join(&app.config().public_url, &format!("/report/{token}")));
    Ok((channel, page))
}

async fn channel_view(app: &App, access: &Access) -> platform::web::Result {
    let (Channel { tested_at, waiting_since }, public_page) = channel_of(app, access).await?;
    Ok(Json(ChannelView { tested_at, waiting_since, public_page }).into_response())
}

async fn show_channel(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    channel_view(&app, &access).await
}

pub(super) async fn try_channel(app: &App, access: &Access) -> Result<Report, Problem> {
    let new = NewReport {
        kind: Kind::Other,
        about: "the report channel".to_owned(),
        body: "This is a test of the report channel. Nothing is misused. The provider answers it, and the test counts."
            .to_owned(),
        test: true,
    };
    make(app, access, access.organization_id()?, member(access)?, new).await
}

async fn test(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let made = try_channel(&app, &access).await?;
    Ok((StatusCode::CREATED, Json(ReportView::from(made))).into_response())
}

pub(super) async fn set_page(app: &App, access: &Access, open: bool) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    app.db().write(&access.ctx, move |tx| super::set_page(&ctx, tx, organization, open)).await?;
    Ok(())
}

async fn open_page(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    set_page(&app, &access, true).await?;
    channel_view(&app, &access).await
}

async fn close_page(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    set_page(&app, &access, false).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn desk_page(app: &App, asked: &Asked) -> Result<Page<DeskReport>, Problem> {
    let shown = asked.shown()?;
    let (before, limit) = asked.page()?;
    let found = app.db().read(move |tx| super::list_all(tx, shown, before, limit + 1)).await?;
    let page = Page::of(found, limit, |(report, _, _)| report.id.to_string());
    Ok(page.map(|(report, name, slug)| DeskReport { slug, name, report: report.into() }))
}

async fn desk_list(AppState(app): AppState<App>, Query(asked): Query<Asked>) -> platform::web::Result {
    Ok(Json(desk_page(&app, &asked).await?).into_response())
}

/// The organization that a report of the provider's desk is about.
pub(super) async fn customer(app: &App, slug: String) -> Result<principals::Organization, Problem> {
    let found = app.db().read(move |tx| principals::organization_by_slug(tx, &slug)).await?;
    found.ok_or_else(|| Problem::not_found("report"))
}

async fn desk_show(
    AppState(app): AppState<App>,
    Path((slug, id)): Path<(String, ReportId)>,
) -> platform::web::Result {
    let organization = customer(&app, slug).await?;
    detail(&app, organization.id, id).await
}

async fn desk_answer(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReportId)>,
    Json(body): Json<AnswerBody>,
) -> platform::web::Result {
    let organization = customer(&app, slug).await?;
    say(&app, &access, organization.id, id, Side::Provider, &body).await?;
    detail(&app, organization.id, id).await
}
