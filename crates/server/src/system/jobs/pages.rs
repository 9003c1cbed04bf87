//! `/provider/jobs` and `/provider/mails`.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::ids::JobId;
use platform::jobs::repair::{self, Counts};
use platform::jobs::{self, JobState, JobView};
use platform::mail::{self, MailId, MailState, OutboxEntry};
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{DryRun, FieldErrors, NavItem, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::{JOBS, MAILS, MANAGE, READ, SHOWN_MAX, api};

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(JOBS, "job.page", READ, page))
        .add(
            routes::post("/provider/jobs/retry-failed", "job.retry_failed_form", MANAGE, retry_failed)
                .records("job.retried"),
        )
        .add(routes::get("/provider/jobs/{job}", "job.show_page", READ, show))
        .add(
            routes::post("/provider/jobs/{job}/retry", "job.retry_form", MANAGE, retry)
                .records("job.retried"),
        )
        .add(
            routes::post("/provider/jobs/{job}/discard", "job.discard_form", MANAGE, discard)
                .records("job.discarded"),
        )
        .add(routes::get(MAILS, "mail.page", READ, mails))
        .add(
            routes::post("/provider/mails/{mail}/retry", "mail.retry_form", MANAGE, retry_mail)
                .records("mail.retried"),
        )
}

fn tone(state: JobState) -> Tone {
    if state == JobState::Failed { Tone::Bad } else { Tone::Info }
}

struct Line {
    tone: Tone,
    /// A try now makes sense: it failed, or waits after a failure.
    again: bool,
    job: JobView,
}

impl From<JobView> for Line {
    fn from(job: JobView) -> Self {
        let waits = job.state == JobState::Waiting && job.last_error.is_some();
        Self { tone: tone(job.state), again: job.state == JobState::Failed || waits, job }
    }
}

#[derive(Template)]
#[template(path = "system/jobs/list.html")]
struct JobsPage {
    shell: Shell,
    jobs: Vec<Line>,
    counts: Counts,
    mails_failed: u64,
    may_manage: bool,
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    let (jobs, counts, mails) = app
        .db()
        .read(|tx| Ok::<_, DbError>((jobs::list(tx, SHOWN_MAX)?, repair::counts(tx)?, mail::counts(tx)?)))
        .await?;
    web::html(&JobsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Background jobs", JOBS),
        jobs: jobs.into_iter().map(Line::from).collect(),
        counts,
        mails_failed: count(&mails, MailState::Failed),
        may_manage: access.may(Permission::ProviderManage),
    })
}

fn count(mails: &[(MailState, u64)], state: MailState) -> u64 {
    mails.iter().find(|(one, _)| *one == state).map_or(0, |(_, count)| *count)
}

#[derive(Template)]
#[template(path = "system/jobs/show.html")]
struct JobPage {
    shell: Shell,
    line: Line,
    run: DryRun,
    errors: FieldErrors,
    may_manage: bool,
}

async fn show(State(app): State<App>, access: Access, Path(job): Path<JobId>) -> web::Result {
    show_job(&app, &access, job, StatusCode::OK, FieldErrors::default()).await
}

async fn show_job(
    app: &App,
    access: &Access,
    job: JobId,
    status: StatusCode,
    errors: FieldErrors,
) -> web::Result {
    let line = Line::from(api::find(app, job).await?);
    let page = JobPage {
        shell: navigation::shell(app, access, NavConsole::Provider, &line.job.kind, JOBS),
        run: DryRun {
            tone: Tone::Warn,
            summary:
                "Discarding drops it for good: what it should have done is not done, and nothing tries again."
                    .to_owned(),
            sample: Vec::new(),
            all_href: String::new(),
        },
        line,
        errors,
        may_manage: access.may(Permission::ProviderManage),
    };
    web::html_with(status, &page)
}

/// Back to a list with what happened, or why it did not.
fn back(to: &str, done: Result<(), Problem>, words: &str) -> web::Result {
    match done {
        Ok(()) => browser::see_other_with(to, Tone::Good, words),
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let cure = problem.cure.map(|cure| format!(" To mend it: {cure}.")).unwrap_or_default();
            browser::see_other_with(to, Tone::Bad, &format!("Not done: {}.{cure}", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}

async fn retry(State(app): State<App>, access: Access, Path(job): Path<JobId>) -> web::Result {
    let done = api::apply_retry(&app, &access, job).await.map(|_| ());
    back(JOBS, done, "It is tried again now.")
}

async fn retry_failed(State(app): State<App>, access: Access) -> web::Result {
    let count = api::apply_retry_failed(&app, &access, None).await?;
    let words = match count {
        0 => "No failed job could be tried again.".to_owned(),
        1 => "1 job is tried again now.".to_owned(),
        many => format!("{many} jobs are tried again now."),
    };
    browser::see_other_with(JOBS, Tone::Good, &words)
}

#[derive(Deserialize)]
struct DiscardForm {
    #[serde(default)]
    confirm: String,
}

async fn discard(
    State(app): State<App>,
    access: Access,
    Path(job): Path<JobId>,
    Form(form): Form<DiscardForm>,
) -> web::Result {
    let found = api::find(&app, job).await?;
    if form.confirm.trim() != found.kind {
        let errors = FieldErrors::default().with("confirm", "this is not the job's kind");
        return show_job(&app, &access, job, StatusCode::UNPROCESSABLE_ENTITY, errors).await;
    }
    let done = api::apply_discard(&app, &access, job).await.map(|_| ());
    back(JOBS, done, "The job was dropped.")
}

struct MailLine {
    tone: Tone,
    again: bool,
    mail: OutboxEntry,
}

#[derive(Template)]
#[template(path = "system/jobs/mails.html")]
struct MailsPage {
    shell: Shell,
    tabs: Vec<NavItem>,
    state: MailState,
    empty: &'static str,
    mails: Vec<MailLine>,
    may_manage: bool,
}

async fn mails(State(app): State<App>, access: Access, Query(query): Query<api::StateQuery>) -> web::Result {
    let state = query.state()?;
    let (found, counts) = app
        .db()
        .read(move |tx| Ok::<_, DbError>((mail::list(tx, state, SHOWN_MAX)?, mail::counts(tx)?)))
        .await?;
    let tab = |label: &str, one: MailState| {
        let count = u32::try_from(count(&counts, one)).unwrap_or(u32::MAX);
        NavItem::new(label, format!("{MAILS}?state={}", one.as_str())).current(one == state).count(count)
    };
    let line = |mail: OutboxEntry| MailLine {
        tone: if mail.state == MailState::Failed { Tone::Bad } else { Tone::Info },
        again: mail.state == MailState::Failed || mail.last_error.is_some(),
        mail,
    };
    web::html(&MailsPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Mail outbox", MAILS),
        tabs: vec![
            tab("Failed", MailState::Failed),
            tab("Waiting", MailState::Waiting),
            tab("Sent", MailState::Sent),
        ],
        state,
        empty: match state {
            MailState::Failed => "No mail failed",
            MailState::Waiting => "No mail waits",
            MailState::Sent => "No mail was sent yet",
        },
        mails: found.into_iter().map(line).collect(),
        may_manage: access.may(Permission::ProviderManage),
    })
}

async fn retry_mail(State(app): State<App>, access: Access, Path(mail): Path<MailId>) -> web::Result {
    let done = api::apply_retry_mail(&app, &access, mail).await.map(|_| ());
    back(MAILS, done, "The mail is tried again now.")
}
