//! The keys that sign checkpoints: the list for everybody, and their rotation by the provider. The rules are
//! `platform::events::signing`.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::events::signing::{self, LedgerKey, OVERLAP, OVERLAP_MAX, Rotating};
use platform::time::{DAY, Timestamp};
use platform::web::extract::{Form, Json};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::{Deserialize, Serialize};

const SECRETS: &str = "/provider/secrets";
const PAGE: &str = "/provider/secrets/ledger-key";
/// What is typed to confirm.
const CONFIRM: &str = "rotate";

pub fn routes() -> Routes {
    let manage = Openness::Provider(Permission::ProviderManage);
    Routes::new()
        .add(
            routes::get("/api/v1/ledger-keys", "ledger_keys.list", Openness::Public, list)
                .summary("The keys that sign checkpoints and exports, with the times they do so and who vouches for each")
                .gives::<LedgerKeysView>(200),
        )
        .add(
            routes::post("/api/v1/provider/secrets/rotate-ledger-key", "ledger_keys.rotate", manage, rotate)
                .summary("Sign checkpoints with a new key that the old one vouches for; both sign during the overlap")
                .takes::<RotateLedgerKeyRequest>()
                .gives::<LedgerKeysView>(200)
                .records("ledger.key_"),
        )
        .add(routes::get(PAGE, "ledger_keys.rotate_page", manage, page))
        .add(
            routes::post(PAGE, "ledger_keys.rotate_form", manage, rotate_form)
                .records("ledger.key_"),
        )
}

/// One key. Nothing of it is secret.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub(crate) struct LedgerKeyView {
    pub number: u32,
    /// As a verifier key ends: base64 of the byte 1 and the Ed25519 public key.
    pub public_key: String,
    /// `current`, `overlapping` (signs beside the current one) or `ended`.
    #[schema(value_type = String)]
    pub state: signing::State,
    #[schema(value_type = String, format = DateTime)]
    pub begins_at: Timestamp,
    /// Signs no checkpoint from then on.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ends_at: Option<Timestamp>,
    /// Signed by the key before and by this one; none for the first.
    pub handover: Option<String>,
}

impl LedgerKeyView {
    fn new(key: LedgerKey, now: Timestamp) -> Self {
        Self {
            number: key.number,
            public_key: key.public.to_string(),
            state: key.state(now),
            begins_at: key.begins_at,
            ends_at: key.ends_at,
            handover: key.handover,
        }
    }

    pub(super) fn tone(&self) -> Tone {
        match self.state {
            signing::State::Current => Tone::Good,
            signing::State::Overlapping => Tone::Warn,
            signing::State::Ended => Tone::Info,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        match self.state {
            signing::State::Current => "current",
            signing::State::Overlapping => "signs, too",
            signing::State::Ended => "ended",
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
struct LedgerKeysView {
    /// The name under which handovers are signed.
    name: String,
    /// The oldest first.
    keys: Vec<LedgerKeyView>,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct RotateLedgerKeyRequest {
    /// How long the old key signs beside the new one: 0 to 365; 30 when not said. 0 ends every older key now, as after
    /// a theft.
    #[serde(default = "overlap_days")]
    overlap_days: u32,
    /// Only say where things stand.
    #[serde(default)]
    dry_run: bool,
}

fn overlap_days() -> u32 {
    in_days(OVERLAP)
}

fn in_days(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs() / DAY.as_secs()).unwrap_or(u32::MAX)
}

fn name(app: &App) -> String {
    let public = app.config().public_origin();
    signing::name(public.split_once("://").map_or(public.as_str(), |(_, host)| host))
}

pub(super) fn views(tx: &mut ReadTx, app: &App, now: Timestamp) -> Result<Vec<LedgerKeyView>, DbError> {
    let keys = signing::keys(tx, app.keyring())?;
    Ok(keys.into_iter().map(|key| LedgerKeyView::new(key, now)).collect())
}

async fn current(app: &App, access: &Access) -> Result<Vec<LedgerKeyView>, DbError> {
    let (inside, now) = (app.clone(), access.ctx.now);
    app.db().read(move |tx| views(tx, &inside, now)).await
}

async fn listed(app: &App, access: &Access) -> web::Result {
    Ok(Json(LedgerKeysView { name: name(app), keys: current(app, access).await? }).into_response())
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    listed(&app, &access).await
}

fn overlap_of(days: u32) -> Result<Duration, Problem> {
    let max = in_days(OVERLAP_MAX);
    if days > max {
        return Err(Problem::invalid(format!("the overlap is 0 to {max} days"))
            .field("overlap_days", format!("say 0 to {max}")));
    }
    Ok(Duration::from_secs(u64::from(days) * DAY.as_secs()))
}

fn overlapping(number: u32, ends_at: Option<Timestamp>) -> Problem {
    let until = ends_at.map(|at| format!(" until {}", at.rfc3339())).unwrap_or_default();
    Problem::conflict(format!("key {number} still signs beside the current one{until}"))
        .cure("wait for its end, or rotate with an overlap of 0 days, which ends it now")
}

async fn apply(app: &App, access: &Access, overlap: Duration) -> Result<LedgerKey, Problem> {
    let (ctx, keyring, name) = (access.ctx.clone(), app.keyring().clone(), name(app));
    let rotate = move |tx: &mut platform::db::Tx| signing::rotate(&ctx, tx, &keyring, &name, overlap);
    match app.db().write::<_, DbError, _>(&access.ctx, rotate).await?.value {
        Rotating::Done(key) => Ok(key),
        Rotating::Overlapping(older) => Err(overlapping(older.number, older.ends_at)),
        Rotating::Raced => Err(Problem::conflict("somebody else rotated the key at the same moment")
            .cure("look at the list of keys, and rotate again if that is still wanted")),
        Rotating::Full => Err(Problem::conflict("this ledger has had as many keys as one may have")
            .cure("go on with the current key")),
    }
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Json(asked): Json<RotateLedgerKeyRequest>,
) -> web::Result {
    let overlap = overlap_of(asked.overlap_days)?;
    if asked.dry_run {
        let keys = current(&app, &access).await?;
        if let Some(older) = keys.iter().find(|key| key.state == signing::State::Overlapping)
            && !overlap.is_zero()
        {
            return Err(overlapping(older.number, older.ends_at));
        }
    } else {
        apply(&app, &access, overlap).await?;
    }
    listed(&app, &access).await
}

#[derive(Template)]
#[template(path = "system/ledger_keys/rotate.html")]
struct RotatePage {
    shell: Shell,
    run: DryRun,
    overlaps: Vec<Choice>,
    confirm: &'static str,
    errors: FieldErrors,
}

/// What a rotation would do, from what stands now.
fn dry_run(keys: &[LedgerKeyView]) -> DryRun {
    let number = keys.last().map_or(1, |key| key.number);
    let older = keys.iter().find(|key| key.state == signing::State::Overlapping);
    let (tone, summary) = match older.and_then(|key| key.ends_at.map(|at| (key.number, at))) {
        Some((older, at)) => (
            Tone::Warn,
            format!(
                "Key {older} still signs beside key {number} until {}. Only a rotation without overlap is possible \
                 before that, and it ends both at once.",
                at.minute_words()
            ),
        ),
        None => (
            Tone::Info,
            format!(
                "Key {} would sign from now on, and key {number} beside it for the time you choose. Old exports stay \
                 verifiable; whoever pinned key {number} follows to the new one by what it signs now.",
                number + 1
            ),
        ),
    };
    DryRun { tone, summary, sample: Vec::new(), all_href: String::new() }
}

fn overlaps(chosen: u32) -> Vec<Choice> {
    let words = [
        (30, "30 days"),
        (7, "7 days"),
        (90, "90 days"),
        (365, "365 days"),
        (0, "none: the key was stolen, and every older one ends now"),
    ];
    let chosen = chosen.to_string();
    words.into_iter().map(|(days, label)| Choice::new(&days.to_string(), label, &chosen)).collect()
}

async fn form(app: &App, access: &Access, chosen: u32, errors: FieldErrors) -> Result<RotatePage, DbError> {
    Ok(RotatePage {
        shell: navigation::shell(app, access, NavConsole::Provider, "Rotate the ledger's key", SECRETS),
        run: dry_run(&current(app, access).await?),
        overlaps: overlaps(chosen),
        confirm: CONFIRM,
        errors,
    })
}

async fn page(State(app): State<App>, access: Access) -> web::Result {
    web::html(&form(&app, &access, overlap_days(), FieldErrors::default()).await?)
}

#[derive(Deserialize)]
struct RotateForm {
    #[serde(default)]
    confirm: String,
    #[serde(default = "overlap_days")]
    overlap_days: u32,
}

async fn rotate_form(State(app): State<App>, access: Access, Form(asked): Form<RotateForm>) -> web::Result {
    let mut errors = FieldErrors::default();
    if asked.confirm.trim() != CONFIRM {
        errors.add("confirm", format!("type `{CONFIRM}`"));
        let page = form(&app, &access, asked.overlap_days, errors).await?;
        return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    match apply(&app, &access, overlap_of(asked.overlap_days)?).await {
        Ok(key) => {
            let said = format!("Key {} signs checkpoints from now on.", key.number);
            browser::see_other_with(SECRETS, Tone::Good, &said)
        }
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let cure = problem.cure.unwrap_or_default();
            browser::see_other_with(SECRETS, Tone::Bad, &format!("Not done: {}; {cure}.", problem.detail))
        }
        Err(problem) => Err(problem),
    }
}
