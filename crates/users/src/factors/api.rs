//! Factors as JSON: one's own, and an admin's look at and reset of a member's.

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::db::{Commit, DbError};
use platform::ids::AccountId;
use platform::principals::{self, Account};
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{Level, Reset, Which};
use crate::accounts::api::Address;
use crate::passkeys;
use crate::passkeys::api::{day, not_removed};
use crate::people::api::authority;
use crate::sessions;
use crate::sessions::api::current;
use crate::totp::{self, Enrolment};

pub(crate) fn routes() -> Routes {
    const TOTP: &str = "/api/v1/account/totp";
    let signed_in = Openness::SignedIn;
    let manage = Openness::Organization(Permission::PeopleManage);
    Routes::new()
        .add(
            routes::get("/api/v1/account/factors", "factor.show", signed_in, show)
                .while_restricted()
                .summary("Your factors, what they reach and what is asked for")
                .gives::<FactorsView>(200),
        )
        .add(
            routes::post(TOTP, "totp.begin", signed_in, begin)
                .while_restricted()
                .recent()
                .records("factor.")
                .summary("Begin with an authenticator app: its secret, until the first code confirms it")
                .gives::<EnrolmentView>(201),
        )
        .add(
            routes::post("/api/v1/account/totp/confirmation", "totp.confirm", signed_in, confirm)
                .while_restricted()
                .recent()
                .limit(Limit::Credential)
                .records("factor.")
                .summary("Confirm the authenticator app by its first code")
                .takes::<CodeBody>()
                .gives::<CodesView>(200),
        )
        .add(
            routes::delete(TOTP, "totp.remove", signed_in, remove_totp)
                .while_restricted()
                .recent()
                .records("factor.")
                .summary("Remove the authenticator app")
                .gives_nothing(204),
        )
        .add(
            routes::post("/api/v1/account/recovery-codes", "recovery_codes.make", signed_in, make_codes)
                .while_restricted()
                .recent()
                .records("factor.")
                .summary("Ten new recovery codes; the old ones stop working")
                .gives::<CodesView>(201),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/people/{account}/factors",
                "people.factors",
                Openness::Organization(Permission::PeopleRead),
                of_person,
            )
            .summary("What somebody whose account the organization manages can prove")
            .gives::<PersonFactorsView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/people/{account}/factor-reset",
                "people.reset_factors",
                manage,
                reset,
            )
            .recent()
            .records("factor.")
            .summary("Take the factors of a managed account away; its sessions end and its owner is told")
            .gives_nothing(204),
        )
        .add(
            routes::post(
                "/api/v1/provider/factor-resets",
                "account.reset_factors",
                Openness::Provider(Permission::ProviderManage),
                reset_any,
            )
            .recent()
            .records("factor.")
            .summary("Take the factors of any account away; its sessions end and its owner is told")
            .takes::<Address>()
            .gives_nothing(204),
        )
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FactorsView {
    /// What your policies ask for.
    required: Level,
    /// What your factors can reach.
    reachable: Level,
    /// What this session has proved.
    reached: Level,
    /// Whether this session can do nothing but enrol or confirm.
    restricted: bool,
    /// RFC 3339: since when an authenticator app is set up.
    totp_since: Option<String>,
    passkeys: Vec<PasskeyView>,
    recovery_codes_left: u64,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PasskeyView {
    id: String,
    name: String,
    level: Level,
    /// Its maker may copy it to other devices.
    synced: bool,
    aaguid: String,
    created_at: String,
    last_used_at: Option<String>,
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (account, session, now) = (access.account()?, current(&access), access.ctx.now);
    let (state, required, standing) = app
        .db()
        .read(move |tx| {
            let person = principals::account(tx, account)?.ok_or_else(|| Problem::not_found("account"))?;
            let standing = match session {
                Some(session) => sessions::standing(tx, account, session)?,
                None => None,
            };
            let required = crate::policies::required_level(tx, &person, now)?;
            Ok::<_, Problem>((super::state(tx, account)?, required, standing))
        })
        .await?;
    let makes = passkeys::makes(&app);
    let (reached, restricted) = standing.unwrap_or_default();
    let view = FactorsView {
        required,
        reachable: state.reachable(&makes),
        reached,
        restricted,
        totp_since: day(state.totp_since),
        recovery_codes_left: state.recovery_codes_left,
        passkeys: state
            .passkeys
            .iter()
            .map(|one| PasskeyView {
                id: one.id.to_string(),
                name: one.name.clone(),
                level: one.level(&makes),
                synced: one.synced,
                aaguid: uuid::Uuid::from_slice(&one.aaguid).unwrap_or_default().to_string(),
                created_at: one.created_at.rfc3339(),
                last_used_at: day(one.last_used_at),
            })
            .collect(),
    };
    Ok(Json(view).into_response())
}

/// Runs a rule on the person who asks, whose session must have proved a factor where there is one.
pub(crate) async fn on_own<T: Send + 'static>(
    app: &App,
    access: &Access,
    rule: impl Fn(&platform::Ctx, &mut platform::db::Tx, &Account) -> Result<Commit<T>, DbError>
    + Send
    + Sync
    + 'static,
) -> Result<T, Problem> {
    let (account, session, ctx) = (access.account()?, current(access), access.ctx.clone());
    let inner = app.clone();
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let Some(person) = principals::account_for_update(tx, account)? else {
                return Ok(Commit::unchanged(Err(Problem::not_found("account"))));
            };
            if !super::may_change(&inner, tx, account, session, ctx.now)? {
                return Ok(Commit::unchanged(Err(stronger())));
            }
            Ok::<_, DbError>(rule(&ctx, tx, &person)?.map(Ok))
        })
        .await?;
    written.value
}

/// The session has not proved what changes factors: see [`super::may_change`].
pub(crate) fn stronger() -> Problem {
    Problem::step_up()
        .detail(
            "factors are changed by a session that has proved one, and the strongest that a policy asks for",
        )
        .cure("confirm at `/confirm` with that factor; who has lost it asks an admin to reset the factors")
}

/// Begins with an authenticator app.
pub(crate) async fn begin_for(app: &App, access: &Access) -> Result<(), Problem> {
    let (keyring, session) = (app.keyring().clone(), current(access));
    let begun = on_own(app, access, move |ctx, tx, person| {
        if !totp::begin(ctx, tx, &keyring, person.id, session)? {
            return Ok(Commit::unchanged(false));
        }
        let provider = sessions::provider_id(tx)?;
        let event = platform::events::Event::new(provider, "factor.totp_begun").target("account", person.id);
        let recorded = tx.record(event);
        Ok(Commit::changed(true, recorded))
    });
    if begun.await? {
        return Ok(());
    }
    Err(Problem::conflict("an authenticator app is set up already").cure("remove it first"))
}

/// What the app needs, while it is not confirmed.
pub(crate) async fn enrolment(app: &App, access: &Access) -> Result<Option<Enrolment>, Problem> {
    let (account, keyring) = (access.account()?, app.keyring().clone());
    let found = app.db().read(move |tx| totp::find(tx, &keyring, account)).await?;
    let (issuer, email) = (app.provider_name(), &access.principal()?.email);
    Ok(found.and_then(|found| found.enrolment(current(access), &issuer, email)))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct EnrolmentView {
    /// Base 32.
    secret: String,
    /// For a QR code.
    uri: String,
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn begin(State(app): State<App>, access: Access) -> web::Result {
    begin_for(&app, &access).await?;
    let found = enrolment(&app, &access).await?.ok_or_else(|| Problem::not_found("authenticator app"))?;
    let view = EnrolmentView { secret: found.secret, uri: found.uri };
    Ok(no_store((StatusCode::CREATED, Json(view)).into_response()))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CodeBody {
    code: String,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CodesView {
    /// Shown only now; empty when there are codes that still work.
    recovery_codes: Vec<String>,
}

pub(crate) async fn confirm_for(app: &App, access: &Access, code: String) -> Result<Vec<String>, Problem> {
    let (inner, session) = (app.clone(), current(access));
    let confirmed = on_own(app, access, move |ctx, tx, person| {
        super::confirm_totp(&inner, ctx, tx, person, session, &code)
    });
    confirmed.await?.ok_or_else(|| {
        let wrong = "this code does not fit: wait for the next one, and check the clock of your phone";
        Problem::invalid(wrong).field("/code", wrong)
    })
}

async fn confirm(State(app): State<App>, access: Access, Json(body): Json<CodeBody>) -> web::Result {
    let recovery_codes = confirm_for(&app, &access, body.code).await?;
    Ok(no_store(Json(CodesView { recovery_codes }).into_response()))
}

pub(crate) async fn remove_for(app: &App, access: &Access, which: Which) -> Result<(), Problem> {
    let inner = app.clone();
    let removed =
        on_own(app, access, move |ctx, tx, person| super::remove(&inner, ctx, tx, person, which)).await?;
    not_removed(removed)
}

async fn remove_totp(State(app): State<App>, access: Access) -> web::Result {
    remove_for(&app, &access, Which::Totp).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn codes_for(app: &App, access: &Access) -> Result<Vec<String>, Problem> {
    let inner = app.clone();
    let made = on_own(app, access, move |ctx, tx, person| {
        // Without a factor they would stand in for nothing.
        if !super::has_any(tx, person.id)? {
            return Ok(Commit::unchanged(None));
        }
        let (codes, recorded) = super::make_codes(&inner, ctx, tx, person)?;
        Ok(Commit::changed(Some(codes), recorded))
    });
    made.await?.ok_or_else(|| {
        Problem::conflict("recovery codes stand in for a factor, and there is none")
            .cure("add a passkey or an authenticator app first")
    })
}

async fn make_codes(State(app): State<App>, access: Access) -> web::Result {
    let recovery_codes = codes_for(&app, &access).await?;
    Ok(no_store((StatusCode::CREATED, Json(CodesView { recovery_codes })).into_response()))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct PersonFactorsView {
    /// Whether this organization manages the account; if not, its factors are its owner's alone to know.
    managed: bool,
    reachable: Option<Level>,
    required: Option<Level>,
    totp: Option<bool>,
    passkeys: Option<usize>,
    recovery_codes_left: Option<u64>,
}

/// What an organization may know of a member's factors: those of accounts that it manages.
pub(crate) async fn of_member(
    app: &App,
    access: &Access,
    account: AccountId,
) -> Result<Option<(Level, super::State, Level)>, Problem> {
    let (organization, makes, now) = (access.organization_id()?, passkeys::makes(app), access.ctx.now);
    app.db()
        .read(move |tx| {
            let member = principals::membership(tx, organization, account)?;
            let person = principals::account(tx, account)?.filter(|_| member.is_some());
            let person = person.ok_or_else(|| Problem::not_found("person"))?;
            if person.managed_by != Some(organization) {
                return Ok(None);
            }
            let state = super::state(tx, account)?;
            let required = crate::policies::required_level(tx, &person, now)?;
            Ok(Some((state.reachable(&makes), state, required)))
        })
        .await
}

async fn of_person(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> web::Result {
    let found = of_member(&app, &access, account).await?;
    let view = PersonFactorsView {
        managed: found.is_some(),
        reachable: found.as_ref().map(|(reachable, ..)| *reachable),
        required: found.as_ref().map(|(.., required)| *required),
        totp: found.as_ref().map(|(_, state, _)| state.totp_since.is_some()),
        passkeys: found.as_ref().map(|(_, state, _)| state.passkeys.len()),
        recovery_codes_left: found.as_ref().map(|(_, state, _)| state.recovery_codes_left),
    };
    Ok(Json(view).into_response())
}

/// What a reset answers.
fn outcome(reset: Reset) -> Result<(), Problem> {
    match reset {
        Reset::Done => Ok(()),
        Reset::NoSuchPerson => Err(Problem::not_found("person")),
        Reset::NotManaged => Err(Problem::conflict("this organization does not manage the account")
            .cure("claim it, or ask its owner to reset it with the provider")),
        Reset::OwnersOnly => Err(Problem::forbidden("organization.manage")),
        Reset::ProviderStaff => Err(Problem::conflict("they run this installation").cure("ask the provider")),
        Reset::Nothing => Err(Problem::conflict("the account has no factors to reset")),
    }
}

pub(crate) async fn reset_for(app: &App, access: &Access, account: AccountId) -> Result<(), Problem> {
    let organization = access.organization_id()?;
    let authority = authority(access);
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::reset(&inner, &ctx, tx, organization, authority, account))
        .await?;
    outcome(written.value)
}

async fn reset(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> web::Result {
    reset_for(&app, &access, account).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn reset_any(State(app): State<App>, access: Access, Json(body): Json<Address>) -> web::Result {
    let email = body.parse()?;
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| match principals::account_by_email(tx, email.key())? {
            Some(person) => super::reset_account(&inner, &ctx, tx, &person),
            None => Ok::<_, DbError>(Commit::unchanged(Reset::NoSuchPerson)),
        })
        .await?;
    outcome(written.value)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
