//! Pages of awareness: the notice with its acknowledgement, who has yet to answer, publishing.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Form, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{DryRun, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, browser};
use serde::Deserialize;

use super::api::{self, NoticeBody};
use super::{Missing, Notice, SUGGESTED_BODY, SUGGESTED_TITLE, Share};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const PATH: &str = "/o/{organization}/awareness";
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const PUBLISH: &str = "/o/{organization}/awareness/publish";
    const SAY: &str = "/o/{organization}/awareness/acknowledge";
    const REMIND: &str = "/o/{organization}/awareness/remind";
    const RECORDS: &str = "awareness.";
    let member = Openness::Member;
    Routes::new()
        .add(routes::get(PATH, "awareness.page", member, show))
        .add(routes::post(SAY, "awareness.acknowledge_form", member, acknowledge).records(RECORDS))
        .add(routes::get(PUBLISH, "awareness.publish_page", MANAGE, publish_page))
        .add(routes::post(PUBLISH, "awareness.publish_form", MANAGE, publish).records(RECORDS))
        .add(routes::post(REMIND, "awareness.remind_form", MANAGE, remind).records(RECORDS))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, PATH)
}

#[derive(Template)]
#[template(path = "awareness/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    notice: Option<Notice>,
    paragraphs: Vec<String>,
    acknowledged_at: Option<Timestamp>,
    /// A person who could acknowledge looks at it.
    person: bool,
    share: Option<Share>,
    missing: Vec<Missing>,
    pager: Pager,
    may_manage: bool,
}

async fn show(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let (notice, acknowledged_at, share) = api::look(&app, &access).await?;
    let slug = access.organization()?.slug.clone();
    let (mut missing, mut next) = (Vec::new(), None);
    if share.is_some() && notice.is_some() {
        let page = api::page(&app, &access, &query).await?;
        (missing, next) = (page.items, page.next_cursor);
    }
    let paragraphs = notice.as_ref().map(|notice| {
        notice.body.split("\n\n").map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect()
    });
    platform::web::html(&ShowPage {
        shell: shell(&app, &access, "Awareness"),
        pager: pager(missing.len(), next.as_deref(), &format!("/o/{slug}/awareness")),
        paragraphs: paragraphs.unwrap_or_default(),
        person: access.principal()?.account.is_some(),
        may_manage: access.may(Permission::PeopleManage),
        notice,
        acknowledged_at,
        share,
        missing,
        slug,
    })
}

#[derive(Deserialize)]
struct VersionForm {
    version: u32,
}

async fn acknowledge(
    State(app): State<App>,
    access: Access,
    Form(form): Form<VersionForm>,
) -> platform::web::Result {
    let to = format!("/o/{}/awareness", access.organization()?.slug);
    match api::say(&app, &access, form.version).await {
        Ok(()) => browser::see_other_with(&to, Tone::Good, "Thank you. It counts for 12 months."),
        Err(problem) if mendable(&problem) => {
            browser::see_other_with(&to, Tone::Bad, "There is another text now: please read it.")
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "awareness/publish.html")]
struct PublishPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    form: PublishForm,
    renews: bool,
    run: DryRun,
}

#[derive(Default, Deserialize)]
struct PublishForm {
    #[serde(default)]
    title: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    renews: String,
}

async fn form_page(
    app: &App,
    access: &Access,
    form: PublishForm,
    errors: FieldErrors,
) -> platform::web::Result {
    let (_, _, share) = api::look(app, access).await?;
    let share = share.unwrap_or(Share { people: 0, acknowledged: 0, next_end: None });
    let left = share.people - share.acknowledged;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = PublishPage {
        shell: shell(app, access, "Publish a notice"),
        slug: access.organization()?.slug.clone(),
        run: DryRun {
            tone: Tone::Info,
            summary: format!(
                "The notice is mailed to {left} of {} people; to all of them if everybody reads again.",
                share.people
            ),
            sample: Vec::new(),
            all_href: String::new(),
        },
        renews: !form.renews.is_empty(),
        form,
        errors,
    };
    platform::web::html_with(status, &page)
}

async fn publish_page(State(app): State<App>, access: Access) -> platform::web::Result {
    let (notice, ..) = api::look(&app, &access).await?;
    let form = match notice {
        Some(notice) => PublishForm { title: notice.title, body: notice.body, renews: String::new() },
        None => PublishForm {
            title: SUGGESTED_TITLE.to_owned(),
            body: SUGGESTED_BODY.to_owned(),
            renews: String::new(),
        },
    };
    form_page(&app, &access, form, FieldErrors::default()).await
}

async fn publish(
    State(app): State<App>,
    access: Access,
    Form(form): Form<PublishForm>,
) -> platform::web::Result {
    let body =
        NoticeBody { title: form.title.clone(), body: form.body.clone(), renews: !form.renews.is_empty() };
    match api::make(&app, &access, &body).await {
        Ok(_) => {
            let to = format!("/o/{}/awareness", access.organization()?.slug);
            browser::see_other_with(&to, Tone::Good, "Published. The mails are on their way.")
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, form, complaints(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn remind(State(app): State<App>, access: Access) -> platform::web::Result {
    let to = format!("/o/{}/awareness", access.organization()?.slug);
    match api::tell(&app, &access).await {
        Ok(()) => browser::see_other_with(&to, Tone::Good, "The mails are on their way."),
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}
