//! The provider's view of USR-P3: whether domains are checked, what is in doubt, the drill; and the two acts that go
//! with it, over pages and the API.

use askama::Template;
use axum::extract::State as AppState;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::events::{self, StoredEvent};
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use platform::web::extract::{Form, Json};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Shell, Tone};
use platform::web::{Access, browser};
use serde::Deserialize;

use super::pages::state_badge;
use super::{State, drill, jobs, read_domain, sql};

pub(crate) const PAGE: &str = "/provider/domains";
const READ: Openness = Openness::Provider(Permission::ProviderRead);
const MANAGE: Openness = Openness::Provider(Permission::ProviderManage);

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(PAGE, "domain.provider_page", READ, page))
        .add(
            routes::post("/provider/domains/recheck", "domain.recheck_form", MANAGE, recheck_form)
                .records("domain."),
        )
        .add(
            routes::post("/provider/domains/drill", "domain.drill_form", MANAGE, drill_form)
                .limit(Limit::Heavy)
                .records("drill."),
        )
        .add(
            routes::post("/api/v1/provider/domains/recheck", "domain.recheck", MANAGE, recheck)
                .summary("Check all domains that are due, now")
                .takes::<RecheckRequest>()
                .gives_nothing(202)
                .records("domain."),
        )
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecheckRequest {
    /// Let a wave of missing proofs pass that halted the last run: somebody has looked why.
    #[serde(default)]
    pub accept_losses: bool,
}

struct Troubled {
    name: String,
    organization: String,
    slug: String,
    state: &'static str,
    tone: Tone,
    since: Timestamp,
    unanswered_since: Option<Timestamp>,
}

struct RunFacts {
    halted: bool,
    at: Timestamp,
    checked: String,
    unanswered: String,
    turned: String,
    held_back: String,
}

impl RunFacts {
    fn new(run: &StoredEvent) -> Self {
        let field = |name: &str| run.public.get(name).cloned().unwrap_or_default();
        Self {
            halted: run.action == "domain.recheck_halted",
            at: run.at,
            checked: field("checked"),
            unanswered: field("unanswered"),
            turned: field("turned"),
            held_back: field("held_back"),
        }
    }
}

struct DrillFacts {
    passed: bool,
    at: Timestamp,
    detail: String,
}

#[derive(Template)]
#[template(path = "domains/provider.html")]
struct ProviderPage {
    shell: Shell,
    run: Option<RunFacts>,
    drill: Option<DrillFacts>,
    counts: Vec<(&'static str, u64)>,
    troubled: Vec<Troubled>,
    may_manage: bool,
}

/// Domains in doubt that the page names.
const TROUBLED_MAX: u32 = 200;

async fn page(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let (run, drill, counts, troubled) = app
        .db()
        .read(|tx| {
            let (mut run, mut drilled) = (None, None);
            if let Some(provider) = principals::provider(tx)? {
                run = jobs::last_run(tx, provider.id)?;
                drilled = events::about(tx, provider.id, "row", drill::ROW, 1)?.into_iter().next();
            }
            let counts = tx.list(&sql::COUNT_BY_STATE, &[], |row| {
                Ok((state_badge(row.parse(0, State::parse)?).0, row.get(1)?))
            })?;
            let troubled = tx.list(&sql::TROUBLED, params![TROUBLED_MAX], |row| {
                let domain = read_domain(row)?;
                let (state, tone) = match domain.state {
                    State::Verified if domain.misses > 0 => ("Proof not seen", Tone::Warn),
                    State::Verified => ("No answer", Tone::Info),
                    state => state_badge(state),
                };
                Ok(Troubled {
                    name: domain.name,
                    organization: row.get(19)?,
                    slug: row.get(20)?,
                    state,
                    tone,
                    since: domain.state_since,
                    unanswered_since: domain.unanswered_since,
                })
            })?;
            Ok::<_, DbError>((run, drilled, counts, troubled))
        })
        .await?;
    platform::web::html(&ProviderPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Domain checks", PAGE),
        run: run.as_ref().map(RunFacts::new),
        drill: drill.map(|event| DrillFacts {
            passed: event.action == "drill.passed",
            at: event.at,
            detail: event.public.get("detail").cloned().unwrap_or_default(),
        }),
        counts,
        troubled,
        may_manage: access.may(Permission::ProviderManage),
    })
}

async fn request(app: &App, access: &Access, accept_losses: bool) -> Result<(), DbError> {
    let ctx = access.ctx.clone();
    app.db().write(&access.ctx, move |tx| jobs::request(&ctx, tx, accept_losses)).await?;
    Ok(())
}

async fn recheck(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<RecheckRequest>,
) -> platform::web::Result {
    request(&app, &access, body.accept_losses).await?;
    Ok(axum::http::StatusCode::ACCEPTED.into_response())
}

#[derive(Deserialize)]
struct RecheckForm {
    #[serde(default)]
    accept_losses: String,
}

async fn recheck_form(
    AppState(app): AppState<App>,
    access: Access,
    Form(form): Form<RecheckForm>,
) -> platform::web::Result {
    request(&app, &access, form.accept_losses == "on").await?;
    browser::see_other_with(PAGE, Tone::Good, "The check is under way.")
}

async fn drill_form(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let outcome = drill::run(&app, &access.ctx).await?;
    let tone = if outcome.passed { Tone::Good } else { Tone::Bad };
    browser::see_other_with(PAGE, tone, &format!("Drill: {}.", outcome.detail))
}
