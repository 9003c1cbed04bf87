//! Pages of reports of misuse: for whoever reports (`…/abuse-reports/new`, `/report/{token}`), for the organization's
//! admins, and for the provider's desk.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::evidence::Side;
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, NavItem, Pager, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, AnswerBody, Asked, NewReportBody, ReportView};
use super::{Channel, Kind, Note, Report, ReportId, Reporter, Shown, Standing, State};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/o/{organization}/abuse-reports";
pub(crate) const NEW: &str = "/o/{organization}/abuse-reports/new";
pub(crate) const DESK: &str = "/provider/abuse-reports";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);
const RECORDS: &str = "abuse_report.";

pub(crate) fn routes() -> Routes {
    const ONE: &str = "/o/{organization}/abuse-reports/{report}";
    const ANSWER: &str = "/o/{organization}/abuse-reports/{report}/answer";
    const TEST: &str = "/o/{organization}/abuse-reports/test";
    const PAGE: &str = "/o/{organization}/abuse-reports/page";
    const DESK_ONE: &str = "/provider/abuse-reports/{customer}/{report}";
    const DESK_ANSWER: &str = "/provider/abuse-reports/{customer}/{report}/answer";
    const PUBLIC: &str = "/report/{token}";
    let (member, anybody) = (Openness::Member, Openness::Public);
    let desk = Openness::Provider(Permission::ProviderRead);
    let staff = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(routes::get(LIST, "abuse_report.list_page", READ, list))
        .add(routes::get(NEW, "abuse_report.new_page", member, new_page))
        .add(routes::post(NEW, "abuse_report.open_form", member, open).records(RECORDS))
        .add(routes::post(TEST, "abuse_report.test_form", MANAGE, test).records(RECORDS))
        .add(routes::post(PAGE, "abuse_report.page_form", MANAGE, set_page).records(RECORDS))
        .add(routes::get(ONE, "abuse_report.show_page", READ, show))
        .add(routes::post(ANSWER, "abuse_report.answer_form", MANAGE, answer).records(RECORDS))
        .add(routes::get(DESK, "abuse_report.desk_page", desk, desk_list))
        .add(routes::get(DESK_ONE, "abuse_report.desk_show_page", desk, desk_show))
        .add(routes::post(DESK_ANSWER, "abuse_report.desk_answer_form", staff, desk_answer).records(RECORDS))
        .add(routes::get(PUBLIC, "abuse_report.public_page", anybody, public_page).limit(Limit::Credential))
        .add(
            routes::post(PUBLIC, "abuse_report.public_form", anybody, public_open)
                .limit(Limit::Credential)
                .records(RECORDS),
        )
}

fn tone(state: State) -> Tone {
    match state {
        State::New => Tone::Bad,
        State::Working => Tone::Warn,
        State::Resolved => Tone::Good,
        State::Dismissed => Tone::Info,
    }
}

/// A report as a line of a list.
struct Line {
    href: String,
    what: &'static str,
    about: String,
    test: bool,
    /// Whose it is, on the provider's desk.
    whose: String,
    opened_at: Timestamp,
    customer: (&'static str, Tone),
    provider: (&'static str, Tone),
}

impl Line {
    fn new(report: ReportView, whose: String, href: String) -> Self {
        let shown = |state: State| (state.words(), tone(state));
        Self {
            href,
            what: report.kind.words(),
            about: report.about,
            test: report.test,
            whose,
            opened_at: report.opened_at,
            customer: shown(report.organization.state),
            provider: shown(report.provider.state),
        }
    }
}

fn tabs(base: &str, shown: Shown) -> Vec<NavItem> {
    vec![
        NavItem::new("Open", base).current(shown == Shown::Open),
        NavItem::new("All", format!("{base}?state=all")).current(shown == Shown::All),
    ]
}

#[derive(Template)]
#[template(path = "abuse_reports/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    tabs: Vec<NavItem>,
    lines: Vec<Line>,
    pager: Pager,
    channel: Channel,
    counts_until: Option<Timestamp>,
    public_page: Option<String>,
    may_manage: bool,
}

async fn list(AppState(app): AppState<App>, access: Access, Query(asked): Query<Asked>) -> web::Result {
    let page = api::page_of(&app, &access, &asked).await?;
    let (channel, public_page) = api::channel_of(&app, &access).await?;
    let slug = access.organization()?.slug.clone();
    let base = format!("/o/{slug}/abuse-reports");
    let shown = asked.shown()?;
    let more = if shown == Shown::All { format!("{base}?state=all") } else { base.clone() };
    web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Reports of misuse", LIST),
        tabs: tabs(&base, shown),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &more),
        lines: page
            .items
            .into_iter()
            .map(|one| {
                let href = format!("{base}/{}", one.id);
                Line::new(one.into(), String::new(), href)
            })
            .collect(),
        channel,
        counts_until: channel.counts_until(access.ctx.now),
        public_page,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

#[derive(Default, Deserialize)]
struct ReportForm {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    about: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    contact: String,
}

impl ReportForm {
    fn body(&self) -> Result<NewReportBody, Problem> {
        let Some(kind) = Kind::parse(&self.kind) else {
            return Err(Problem::invalid("choose what happened").field("kind", "choose what happened"));
        };
        Ok(NewReportBody { kind, about: self.about.clone(), body: self.body.clone() })
    }

    fn kinds(&self) -> Vec<Choice> {
        Kind::ALL.into_iter().map(|kind| Choice::new(kind.as_str(), kind.words(), &self.kind)).collect()
    }
}

#[derive(Template)]
#[template(path = "abuse_reports/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    kinds: Vec<Choice>,
    form: ReportForm,
    own: Vec<Line>,
    may_read: bool,
}

/// Reports of their own that a person sees.
const OWN_SHOWN: u32 = 20;

async fn form_page(app: &App, access: &Access, form: ReportForm, refused: Option<&Problem>) -> web::Result {
    let (organization, account) = (access.organization_id()?, access.principal()?.account);
    let own = app.db().read(move |tx| match account {
        Some(account) => super::own(tx, organization, account, OWN_SHOWN),
        None => Ok::<_, DbError>(Vec::new()),
    });
    let own = own.await?.into_iter().map(|one| Line::new(one.into(), String::new(), String::new())).collect();
    let page = NewPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Report misuse", NEW),
        slug: access.organization()?.slug.clone(),
        errors: refused.map(complaints).unwrap_or_default(),
        kinds: form.kinds(),
        form,
        own,
        may_read: access.may(Permission::PeopleRead),
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn new_page(AppState(app): AppState<App>, access: Access) -> web::Result {
    form_page(&app, &access, ReportForm::default(), None).await
}

async fn open(AppState(app): AppState<App>, access: Access, Form(form): Form<ReportForm>) -> web::Result {
    let made = match form.body().and_then(|body| api::read_report(&body)) {
        Ok(new) => api::make(&app, &access, access.organization_id()?, api::member(&access)?, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => {
            let to = format!("/o/{}/abuse-reports/new", access.organization()?.slug);
            browser::see_other_with(&to, Tone::Good, "Thank you. Your admins and the provider have it.")
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, form, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn test(AppState(app): AppState<App>, access: Access) -> web::Result {
    let to = format!("/o/{}/abuse-reports", access.organization()?.slug);
    match api::try_channel(&app, &access).await {
        Ok(_) => browser::see_other_with(
            &to,
            Tone::Good,
            "The test report is on its way. It counts when the provider has answered it.",
        ),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct PageForm {
    /// `on`: open it, at a new address.
    #[serde(default)]
    open: String,
}

async fn set_page(AppState(app): AppState<App>, access: Access, Form(form): Form<PageForm>) -> web::Result {
    let to = format!("/o/{}/abuse-reports", access.organization()?.slug);
    let open = form.open == "on";
    api::set_page(&app, &access, open).await?;
    let said = if open { "The public page is open at a new address." } else { "The public page is closed." };
    browser::see_other_with(&to, Tone::Good, said)
}

#[derive(Template)]
#[template(path = "abuse_reports/show.html")]
struct ShowPage {
    shell: Shell,
    back: String,
    whose: String,
    paragraphs: Vec<String>,
    report: Report,
    sides: Vec<(&'static str, Standing, Tone)>,
    notes: Vec<(&'static str, Note, Tone)>,
    answer: String,
    states: Vec<Choice>,
    note: String,
    errors: FieldErrors,
    may_answer: bool,
}

fn side_words(side: Side) -> &'static str {
    match side {
        Side::Customer => "The organization",
        Side::Provider => "The provider",
    }
}

/// Where a report is shown, and by whom it is answered there.
struct Desk {
    side: Side,
    organization: principals::Organization,
    base: String,
}

impl Desk {
    fn own(access: &Access) -> Result<Self, Problem> {
        let organization = access.organization()?.clone();
        let base = format!("/o/{}/abuse-reports", organization.slug);
        Ok(Self { side: Side::Customer, organization, base })
    }

    async fn of_provider(app: &App, slug: String) -> Result<Self, Problem> {
        let organization = api::customer(app, slug).await?;
        let base = format!("{DESK}/{}", organization.slug);
        Ok(Self { side: Side::Provider, organization, base })
    }

    fn may_answer(&self, access: &Access) -> bool {
        access.may(match self.side {
            Side::Customer => Permission::PeopleManage,
            Side::Provider => Permission::ProviderManage,
        })
    }

    async fn page(
        &self,
        app: &App,
        access: &Access,
        id: ReportId,
        form: AnswerForm,
        refused: Option<&Problem>,
    ) -> web::Result {
        let (report, notes) = api::look(app, self.organization.id, id).await?;
        let (console, path, back) = match self.side {
            Side::Customer => (NavConsole::Organization, LIST, self.base.clone()),
            Side::Provider => (NavConsole::Provider, DESK, DESK.to_owned()),
        };
        let sides = Side::BOTH.map(|side| {
            let standing = report.side(side).clone();
            let tone = tone(standing.state);
            (side_words(side), standing, tone)
        });
        let chosen = if form.state.is_empty() { State::Working.as_str().to_owned() } else { form.state };
        let page = ShowPage {
            shell: navigation::shell(app, access, console, "A report of misuse", path),
            back,
            whose: self.organization.name.clone(),
            sides: sides.into_iter().collect(),
            notes: notes
                .into_iter()
                .map(|note| (side_words(note.side), note.clone(), tone(note.state)))
                .collect(),
            answer: format!("{}/{id}/answer", self.base),
            states: State::ANSWERS
                .into_iter()
                .map(|state| Choice::new(state.as_str(), state.words(), &chosen))
                .collect(),
            note: form.note,
            errors: refused.map(complaints).unwrap_or_default(),
            may_answer: self.may_answer(access),
            paragraphs: report
                .body
                .lines()
                .filter(|text| !text.trim().is_empty())
                .map(str::to_owned)
                .collect(),
            report,
        };
        let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        web::html_with(status, &page)
    }

    async fn answer(&self, app: &App, access: &Access, id: ReportId, form: AnswerForm) -> web::Result {
        let said = match State::parse(&form.state) {
            Some(state) => {
                let body = AnswerBody { state, note: form.note.clone() };
                api::say(app, access, self.organization.id, id, self.side, &body).await
            }
            None => Err(Problem::invalid("choose how it stands").field("state", "choose how it stands")),
        };
        match said {
            Ok(()) => {
                let to = format!("{}/{id}", self.base);
                browser::see_other_with(&to, Tone::Good, "Answered. Whoever reported as a member has a mail.")
            }
            Err(problem) if mendable(&problem) => self.page(app, access, id, form, Some(&problem)).await,
            Err(problem) => Err(problem),
        }
    }
}

#[derive(Default, Deserialize)]
struct AnswerForm {
    #[serde(default)]
    state: String,
    #[serde(default)]
    note: String,
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReportId)>,
) -> web::Result {
    Desk::own(&access)?.page(&app, &access, id, AnswerForm::default(), None).await
}

async fn answer(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ReportId)>,
    Form(form): Form<AnswerForm>,
) -> web::Result {
    Desk::own(&access)?.answer(&app, &access, id, form).await
}

#[derive(Template)]
#[template(path = "abuse_reports/desk.html")]
struct DeskPage {
    shell: Shell,
    tabs: Vec<NavItem>,
    lines: Vec<Line>,
    pager: Pager,
}

async fn desk_list(AppState(app): AppState<App>, access: Access, Query(asked): Query<Asked>) -> web::Result {
    let page = api::desk_page(&app, &asked).await?;
    let shown = asked.shown()?;
    let more = if shown == Shown::All { format!("{DESK}?state=all") } else { DESK.to_owned() };
    web::html(&DeskPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Reports of misuse", DESK),
        tabs: tabs(DESK, shown),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &more),
        lines: page
            .items
            .into_iter()
            .map(|one| {
                let href = format!("{DESK}/{}/{}", one.slug, one.report.id);
                Line::new(one.report, one.name, href)
            })
            .collect(),
    })
}

async fn desk_show(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReportId)>,
) -> web::Result {
    Desk::of_provider(&app, slug).await?.page(&app, &access, id, AnswerForm::default(), None).await
}

async fn desk_answer(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, ReportId)>,
    Form(form): Form<AnswerForm>,
) -> web::Result {
    Desk::of_provider(&app, slug).await?.answer(&app, &access, id, form).await
}

#[derive(Template)]
#[template(path = "abuse_reports/stranger.html")]
struct PublicPage {
    shell: Shell,
    name: String,
    path: String,
    errors: FieldErrors,
    kinds: Vec<Choice>,
    form: ReportForm,
    sent: bool,
}

/// The organization whose public page this is.
async fn of_page(app: &App, token: &str) -> Result<(OrganizationId, String), Problem> {
    let token = token.to_owned();
    let found = app.db().read(move |tx| {
        let Some(id) = super::of_page(tx, &token)? else { return Ok(None) };
        Ok::<_, DbError>(principals::organization(tx, id)?.map(|found| (id, found.name)))
    });
    found.await?.ok_or_else(|| Problem::not_found("page"))
}

async fn shown_page(
    app: &App,
    access: &Access,
    token: &str,
    form: ReportForm,
    refused: Option<&Problem>,
    sent: bool,
) -> web::Result {
    let (_, name) = of_page(app, token).await?;
    let page = PublicPage {
        shell: navigation::public_shell(app, access, "Report misuse"),
        name,
        path: format!("/report/{token}"),
        errors: refused.map(complaints).unwrap_or_default(),
        kinds: form.kinds(),
        form,
        sent,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn public_page(AppState(app): AppState<App>, access: Access, Path(token): Path<String>) -> web::Result {
    shown_page(&app, &access, &token, ReportForm::default(), None, false).await
}

async fn public_open(
    AppState(app): AppState<App>,
    access: Access,
    Path(token): Path<String>,
    Form(form): Form<ReportForm>,
) -> web::Result {
    let (organization, _) = of_page(&app, &token).await?;
    let read = form
        .body()
        .and_then(|body| api::read_report(&body))
        .and_then(|new| Ok((new, api::read_contact(&form.contact)?)));
    let made = match read {
        Ok((new, contact)) => {
            api::make(&app, &access, organization, Reporter::Stranger { contact }, new).await
        }
        Err(problem) => Err(problem),
    };
    match made {
        Ok(_) => shown_page(&app, &access, &token, ReportForm::default(), None, true).await,
        Err(problem) if mendable(&problem) => {
            shown_page(&app, &access, &token, form, Some(&problem), false).await
        }
        Err(problem) => Err(problem),
    }
}
