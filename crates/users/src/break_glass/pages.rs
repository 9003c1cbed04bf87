//! `/o/{organization}/break-glass` for owners and auditors, `/break-glass` for owners who do not get in.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::principals;
use platform::time::Timestamp;
use platform::web::extract::Form;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, Shell, Tone};
use platform::web::{self, Access, browser};
use serde::Deserialize;

use super::api::{self, OWNERS};
use super::{HOURS_DEFAULT, Holder, Knock, Knocked, OpeningState};

pub(crate) const PATH: &str = "/o/{organization}/break-glass";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PoliciesRead);
    Routes::new()
        .add(routes::get(PATH, "break_glass.page", read, show))
        .add(
            routes::post("/o/{organization}/break-glass/code", "break_glass.seal_form", OWNERS, seal)
                .recent()
                .records("break_glass."),
        )
        .add(
            routes::post("/o/{organization}/break-glass/unseal", "break_glass.unseal_form", OWNERS, unseal)
                .records("break_glass."),
        )
        .add(
            routes::post("/o/{organization}/break-glass/end", "break_glass.end_form", OWNERS, end)
                .records("break_glass."),
        )
        .add(routes::get("/break-glass", "break_glass.door", Openness::Public, door))
        .add(
            routes::post("/break-glass", "break_glass.knock_form", Openness::Public, knock)
                .limit(Limit::Credential)
                .records("break_glass."),
        )
}

struct OpeningLine {
    state: &'static str,
    reason: String,
    asked_by: String,
    joined_by: String,
    asked_at: Timestamp,
    ends: Timestamp,
    running: bool,
}

#[derive(Template)]
#[template(path = "break_glass/show.html")]
struct ShowPage {
    shell: Shell,
    slug: String,
    owners: Vec<Holder>,
    openings: Vec<OpeningLine>,
    running: bool,
    /// The reader is an owner.
    owner: bool,
    mine: bool,
    seal_label: &'static str,
    seal_kind: &'static str,
    enough: bool,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let reader = access.principal()?.account;
    let (owners, openings) = app
        .db()
        .read(move |tx| {
            let mut lines = Vec::new();
            for one in super::openings(tx, id, None, 50)? {
                let mut name = |account| {
                    Ok::<_, DbError>(
                        principals::account(tx, account)?.map(|one| one.name).unwrap_or_default(),
                    )
                };
                let running =
                    matches!(one.state, OpeningState::Asked | OpeningState::Open) && one.expires_at > now;
                lines.push(OpeningLine {
                    state: one.state.as_str(),
                    reason: one.reason,
                    asked_by: name(one.asked_by)?,
                    joined_by: one.joined_by.map(&mut name).transpose()?.unwrap_or_default(),
                    asked_at: one.asked_at,
                    ends: one.ended_at.unwrap_or(one.expires_at),
                    running,
                });
            }
            Ok::<_, DbError>((super::holders(tx, id)?, lines))
        })
        .await?;
    let mine = owners.iter().any(|one| Some(one.account) == reader && one.sealed_at.is_some());
    let sealed = owners.iter().filter(|one| one.sealed_at.is_some()).count();
    web::html(&ShowPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Break-glass", PATH),
        slug: access.organization()?.slug.clone(),
        running: openings.iter().any(|one| one.running),
        owner: access.may(Permission::OrganizationManage) && reader.is_some(),
        enough: sealed >= 2,
        seal_label: if mine { "Make a new code" } else { "Make my sealed code" },
        seal_kind: if mine { "" } else { "primary" },
        mine,
        owners,
        openings,
    })
}

#[derive(Template)]
#[template(path = "break_glass/code.html")]
struct CodePage {
    shell: Shell,
    slug: String,
    email: String,
    door: String,
    code: String,
}

async fn seal(State(app): State<App>, access: Access) -> web::Result {
    let code = api::make(&app, &access).await?;
    let slug = access.organization()?.slug.clone();
    let mut response = web::html(&CodePage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Your sealed code", PATH),
        email: access.principal()?.email.clone(),
        door: format!("{}/break-glass", app.config().public_origin()),
        code: code.text(),
        slug,
    })?;
    let no_store = axum::http::HeaderValue::from_static("no-store");
    response.headers_mut().insert(axum::http::header::CACHE_CONTROL, no_store);
    Ok(response)
}

async fn unseal(State(app): State<App>, access: Access) -> web::Result {
    let back = format!("/o/{}/break-glass", access.organization()?.slug);
    if api::take_out(&app, &access).await? {
        return browser::see_other_with(
            &back,
            Tone::Good,
            "Your sealed code is out of use. Destroy the paper.",
        );
    }
    browser::see_other_with(&back, Tone::Warn, "You have no sealed code.")
}

async fn end(State(app): State<App>, access: Access) -> web::Result {
    let back = format!("/o/{}/break-glass", access.organization()?.slug);
    if api::stop(&app, &access).await? {
        return browser::see_other_with(&back, Tone::Good, "Break-glass is over. Make new sealed codes.");
    }
    browser::see_other_with(&back, Tone::Warn, "Nothing is open.")
}

#[derive(Template)]
#[template(path = "break_glass/door.html")]
struct DoorPage {
    shell: Shell,
    form: DoorForm,
    hours: Vec<Choice>,
    errors: FieldErrors,
    /// What came of it; empty before.
    said: String,
    open: bool,
}

#[derive(Default, Deserialize)]
struct DoorForm {
    #[serde(default)]
    organization: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    hours: String,
}

fn door_page(app: &App, access: &Access, mut form: DoorForm, errors: FieldErrors, said: String) -> DoorPage {
    // A secret is not sent back.
    form.code.clear();
    let chosen = if form.hours.is_empty() { HOURS_DEFAULT.to_string() } else { form.hours.clone() };
    let hours = [1, 2, 4, 8].map(|hours: u32| {
        Choice::new(
            &hours.to_string(),
            &format!("{hours} hour{}", if hours == 1 { "" } else { "s" }),
            &chosen,
        )
    });
    DoorPage {
        shell: navigation::public_shell(app, access, "Break-glass"),
        form,
        hours: hours.to_vec(),
        errors,
        said,
        open: false,
    }
}

async fn door(State(app): State<App>, access: Access) -> web::Result {
    web::html(&door_page(&app, &access, DoorForm::default(), FieldErrors::default(), String::new()))
}

async fn knock(State(app): State<App>, access: Access, Form(form): Form<DoorForm>) -> web::Result {
    let knock = Knock {
        organization: form.organization.clone(),
        email: form.email.clone(),
        code: form.code.clone(),
        reason: form.reason.clone(),
        hours: form.hours.trim().parse().unwrap_or(0),
    };
    let refuse = |field: &str, why: &str| FieldErrors::default().with(field, why);
    let (errors, said, open) = match api::try_code(&app, &access, knock).await? {
        Knocked::Asked { until } => {
            let said = format!(
                "Your code was right. A second owner has to use theirs here until {}.",
                until.minute_words()
            );
            (FieldErrors::default(), said, false)
        }
        Knocked::Open { until } => (
            FieldErrors::default(),
            format!("Break-glass is open for both of you until {}.", until.minute_words()),
            true,
        ),
        Knocked::Already => (
            refuse("code", "it was asked for or opened already: the second owner uses their own code"),
            String::new(),
            false,
        ),
        Knocked::Wrong => (
            refuse(
                "code",
                "the organization, the address and the code do not fit together, or the code was used",
            ),
            String::new(),
            false,
        ),
        Knocked::Refused(why) => (refuse("reason", why), String::new(), false),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = DoorPage { open, ..door_page(&app, &access, form, errors, said) };
    web::html_with(status, &page)
}
