//! Passkeys as JSON: the questions for a browser (`navigator.credentials`), and its answers in the shape that
//! `PublicKeyCredential.toJSON()` gives (WebAuthn Level 3 §5.1).

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use platform::App;
use platform::db::{Commit, DbError};
use platform::ids::Id;
use platform::principals;
use platform::time::Timestamp;
use platform::web::browser::{self, cookie};
use platform::web::extract::{Json, Path};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::challenge::LIFETIME;
use super::cose::ALGORITHMS;
use super::webauthn::Ceremony;
use super::{Added, Assertion, NewCredential, PasskeyId, RelyingParty};
use crate::factors::{self, Removed, Which};
use crate::second_step::ByPasskey;
use crate::sessions;
use crate::sessions::api::current;
use crate::tokens::LinkToken;

/// Binds a question to the browser that asked it.
pub(crate) const CEREMONY_COOKIE: &str = "__Host-bailiwick-ceremony";

pub(crate) fn routes() -> Routes {
    let signed_in = Openness::SignedIn;
    Routes::new()
        .add(
            routes::post("/api/v1/passkey-options", "passkey.ask", Openness::Public, ask)
                .records_nothing("makes a question; nothing is stored until it is answered")
                .summary(
                    "A question for `navigator.credentials.get`: the same for everybody; bound by a cookie",
                )
                .gives::<RequestOptions>(200),
        )
        .add(
            routes::post("/api/v1/sessions/passkey", "session.create_by_passkey", Openness::Public, sign_in)
                .limit(Limit::Credential)
                .records("session.")
                .summary("Sign in with a passkey alone; the session comes as a cookie")
                .takes::<AssertionBody>()
                .gives::<crate::login::api::SignedIn>(201),
        )
        .add(
            routes::post("/api/v1/account/passkeys/options", "passkey.ask_new", signed_in, ask_new)
                .while_restricted()
                .recent()
                .records_nothing("makes a question; nothing is stored until it is answered")
                .summary("A question for `navigator.credentials.create`")
                .gives::<CreationOptions>(200),
        )
        .add(
            routes::post("/api/v1/account/passkeys", "passkey.add", signed_in, add)
                .while_restricted()
                .recent()
                .records("factor.")
                .summary("Add a passkey")
                .takes::<NewPasskeyBody>()
                .gives::<AddedView>(201),
        )
        .add(
            routes::patch("/api/v1/account/passkeys/{passkey}", "passkey.rename", signed_in, rename)
                .while_restricted()
                .records("factor.")
                .summary("Rename a passkey")
                .takes::<NameBody>()
                .gives_nothing(204),
        )
        .add(
            routes::delete("/api/v1/account/passkeys/{passkey}", "passkey.remove", signed_in, remove)
                .while_restricted()
                .recent()
                .records("factor.")
                .summary("Remove a passkey")
                .gives_nothing(204),
        )
}

/// `PublicKeyCredentialRequestOptionsJSON`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RequestOptions {
    challenge: String,
    rp_id: String,
    /// Milliseconds.
    timeout: u64,
    user_verification: &'static str,
    /// Always empty: the authenticator knows what it holds.
    allow_credentials: Vec<String>,
}

/// `PublicKeyCredentialCreationOptionsJSON`.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreationOptions {
    challenge: String,
    rp: Party,
    user: User,
    pub_key_cred_params: Vec<Parameter>,
    /// Milliseconds.
    timeout: u64,
    exclude_credentials: Vec<Descriptor>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyParty)]
pub(crate) struct Party {
    id: String,
    name: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeyUser)]
pub(crate) struct User {
    id: String,
    name: String,
    display_name: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyParameter)]
pub(crate) struct Parameter {
    r#type: &'static str,
    alg: i64,
}

#[derive(Serialize, utoipa::ToSchema)]
#[schema(as = PasskeyDescriptor)]
pub(crate) struct Descriptor {
    r#type: &'static str,
    id: String,
}

#[derive(Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PasskeySelection)]
pub(crate) struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

/// An answer of `navigator.credentials.get`; members that are not named here are not read.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct AssertionBody {
    id: String,
    response: AssertionResponse,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AssertionResponse {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

/// An answer of `navigator.credentials.create`.
#[derive(Deserialize, utoipa::ToSchema)]
pub(crate) struct CredentialBody {
    response: AttestationResponse,
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttestationResponse {
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    attestation_object: String,
}

fn bytes(name: &str, text: &str) -> Result<Vec<u8>, Problem> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| {
        let wrong = format!("`{name}` is not base64url without padding");
        Problem::invalid(&wrong).field(format!("/response/{name}"), wrong)
    })
}

impl AssertionBody {
    pub(crate) fn decode(&self) -> Result<Assertion, Problem> {
        let response = &self.response;
        Ok(Assertion {
            credential_id: bytes("id", &self.id)?,
            client_data_json: bytes("clientDataJSON", &response.client_data_json)?,
            authenticator_data: bytes("authenticatorData", &response.authenticator_data)?,
            signature: bytes("signature", &response.signature)?,
            user_handle: match response.user_handle.as_deref().filter(|handle| !handle.is_empty()) {
                Some(handle) => Some(bytes("userHandle", handle)?),
                None => None,
            },
        })
    }
}

impl CredentialBody {
    pub(crate) fn decode(&self) -> Result<NewCredential, Problem> {
        Ok(NewCredential {
            client_data_json: bytes("clientDataJSON", &self.response.client_data_json)?,
            attestation_object: bytes("attestationObject", &self.response.attestation_object)?,
        })
    }
}

/// Where browsers offer no passkeys.
fn not_here() -> Problem {
    Problem::new(StatusCode::CONFLICT, "no-passkeys-here", "Passkeys do not work at this address")
        .detail(
            "browsers offer passkeys only over HTTPS, or at `localhost`, and not at an address of numbers",
        )
        .cure("set `public_url` to a name with HTTPS")
}

/// What the browser's cookie says a question is bound to.
pub(crate) fn binding(headers: &HeaderMap) -> String {
    cookie(headers, CEREMONY_COOKIE).unwrap_or_default().to_owned()
}

async fn ask(State(app): State<App>, access: Access, headers: HeaderMap) -> web::Result {
    let party = RelyingParty::of(&app);
    let rp_id = party.id().ok_or_else(not_here)?.to_owned();
    let ctx = &access.ctx;
    // The cookie is kept: two tabs that ask must not make each other's question void.
    let known = binding(&headers);
    let binding = match LinkToken::parse(&known) {
        Ok(_) => known,
        Err(_) => LinkToken::generate(&mut |bytes| ctx.fill(bytes)).text(),
    };
    let options = RequestOptions {
        challenge: URL_SAFE_NO_PAD.encode(party.challenge(ctx, Ceremony::Get, &binding)),
        rp_id,
        timeout: LIFETIME.as_secs() * 1000,
        user_verification: "required",
        allow_credentials: Vec::new(),
    };
    let mut response = no_store(Json(options).into_response());
    browser::set_cookie(&mut response, CEREMONY_COOKIE, &binding, Some(LIFETIME.as_secs()));
    Ok(response)
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// One answer for every passkey that does not sign in.
pub(crate) fn refused() -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "passkey-refused", "This passkey does not sign in here")
        .detail("it is not known, was removed, or its answer came too late")
        .cure("try again, or sign in with your address and password")
}

async fn sign_in(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Json(body): Json<AssertionBody>,
) -> web::Result {
    let (assertion, binding) = (body.decode()?, binding(&headers));
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let rule = move |tx: &mut platform::db::Tx| {
        crate::second_step::by_passkey(&inner, &ctx, tx, &assertion, &binding)
    };
    match app.db().write(&access.ctx, rule).await?.value {
        ByPasskey::SignedIn { session, account } => {
            crate::login::api::started(&app, &access, &session, account).await
        }
        ByPasskey::Barred(refusal) => Err(refusal.problem(access.ctx.origin.ip)),
        ByPasskey::Refused => Err(refused()),
    }
}

/// The session's id: what questions for a new passkey are bound to.
fn session_binding(access: &Access) -> Result<String, Problem> {
    let session = access.principal()?.session.ok_or_else(|| Problem::forbidden("a session"))?;
    Ok(session.to_string())
}

async fn ask_new(State(app): State<App>, access: Access) -> web::Result {
    let account = access.account()?;
    let party = RelyingParty::of(&app);
    let rp_id = party.id().ok_or_else(not_here)?.to_owned();
    let challenge = party.challenge(&access.ctx, Ceremony::Create, &session_binding(&access)?);
    let (person, known) = app
        .db()
        .read(move |tx| Ok::<_, DbError>((principals::account(tx, account)?, super::list(tx, account)?)))
        .await?;
    let person = person.ok_or_else(|| Problem::not_found("account"))?;
    let options = CreationOptions {
        challenge: URL_SAFE_NO_PAD.encode(challenge),
        rp: Party { id: rp_id, name: app.provider_name() },
        user: User {
            id: URL_SAFE_NO_PAD.encode(account.bytes()),
            name: person.email,
            display_name: person.name,
        },
        pub_key_cred_params: ALGORITHMS.map(|alg| Parameter { r#type: "public-key", alg }).into(),
        timeout: LIFETIME.as_secs() * 1000,
        exclude_credentials: known
            .iter()
            .map(|one| Descriptor { r#type: "public-key", id: URL_SAFE_NO_PAD.encode(&one.credential_id) })
            .collect(),
        authenticator_selection: Selection {
            resident_key: "required",
            require_resident_key: true,
            user_verification: "required",
        },
        attestation: if party.makes().is_empty() { "none" } else { "direct" },
    };
    Ok(no_store(Json(options).into_response()))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPasskeyBody {
    /// For the list, e.g. `Blue key`.
    name: String,
    credential: CredentialBody,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct AddedView {
    id: String,
    level: factors::Level,
    /// Made when there were none; shown only now.
    recovery_codes: Vec<String>,
}

/// Adds a passkey for the person who asks; a passkey that was just made is a proof, too.
pub(crate) async fn add_for(
    app: &App,
    access: &Access,
    name: String,
    new: NewCredential,
) -> Result<(PasskeyId, factors::Level, Vec<String>), Problem> {
    let (account, session, binding) = (access.account()?, current(access), session_binding(access)?);
    let (inner, ctx) = (app.clone(), access.ctx.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let Some(person) = principals::account_for_update(tx, account)? else {
                return Ok(Commit::unchanged(Err(Problem::not_found("account"))));
            };
            if !factors::may_change(&inner, tx, account, session, ctx.now)? {
                return Ok(Commit::unchanged(Err(factors::api::stronger())));
            }
            let party = RelyingParty::of(&inner);
            let added = super::add(&party, &ctx, tx, &person, &binding, &name, &new)?;
            let Added::Done { passkey, method } = added.value() else {
                return Ok(added.map(|added| Err(not_added(&added))));
            };
            let (passkey, method) = (*passkey, *method);
            let codes = factors::first_codes(&inner, &ctx, tx, &person)?;
            if let Some(session) = session {
                sessions::proved(&ctx, tx, &person, session, method)?;
            }
            factors::tell(&inner, &ctx, tx, &person, "A passkey was added to your account")?;
            Ok::<_, DbError>(added.map(|_| Ok((passkey, method.level(), codes))))
        })
        .await?;
    written.value
}

fn not_added(added: &Added) -> Problem {
    match added {
        Added::Refused(refusal) => Problem::invalid(refusal)
            .field("/credential", refusal)
            .cure("start again and use the passkey soon"),
        Added::Known => Problem::conflict("this authenticator holds a passkey for this site already")
            .cure("use it, or another authenticator"),
        Added::TooMany => Problem::conflict("an account has at most 20 passkeys").cure("remove one first"),
        Added::NotHere | Added::Done { .. } => not_here(),
    }
}

async fn add(State(app): State<App>, access: Access, Json(body): Json<NewPasskeyBody>) -> web::Result {
    let (id, level, recovery_codes) = add_for(&app, &access, body.name, body.credential.decode()?).await?;
    let view = AddedView { id: id.to_string(), level, recovery_codes };
    Ok(no_store((StatusCode::CREATED, Json(view)).into_response()))
}

#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameBody {
    name: String,
}

async fn rename(
    State(app): State<App>,
    access: Access,
    Path(id): Path<PasskeyId>,
    Json(body): Json<NameBody>,
) -> web::Result {
    rename_for(&app, &access, id, body.name).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn rename_for(
    app: &App,
    access: &Access,
    id: PasskeyId,
    name: String,
) -> Result<(), Problem> {
    let (account, ctx) = (access.account()?, access.ctx.clone());
    let written = app.db().write(&access.ctx, move |tx| super::rename(&ctx, tx, account, id, &name)).await?;
    if written.value { Ok(()) } else { Err(Problem::not_found("passkey")) }
}

async fn remove(State(app): State<App>, access: Access, Path(id): Path<PasskeyId>) -> web::Result {
    factors::api::remove_for(&app, &access, Which::Passkey(id)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// What a removal that may not be answers.
pub(crate) fn not_removed(removed: Removed) -> Result<(), Problem> {
    match removed {
        Removed::Done => Ok(()),
        Removed::NoSuch => Err(Problem::not_found("factor")),
        Removed::Needed(level) => {
            Err(Problem::conflict(format!("your organization's policy asks for {}", level.words()))
                .cure("enrol another factor that reaches it first"))
        }
    }
}

/// When a passkey was used last, for views.
pub(crate) fn day(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::rfc3339)
}
