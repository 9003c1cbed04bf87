//! `/account/factors`: what one proves oneself with; and an admin's page that resets a member's factors.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use platform::App;
use platform::access::Permission;
use platform::ids::AccountId;
use platform::principals;
use platform::web::extract::{Form, Path};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use qrcode::{Color, EcLevel, QrCode};
use serde::Deserialize;

use super::{Level, State as Factors, Which, api};
use crate::passkeys::{self, Passkey, RelyingParty};

pub(crate) const PATH: &str = "/account/factors";

pub(crate) fn routes() -> Routes {
    const TOTP: &str = "/account/factors/totp";
    const RESET: &str = "/o/{organization}/people/{account}/reset-factors";
    let signed_in = Openness::SignedIn;
    let manage = Openness::Organization(Permission::PeopleManage);
    Routes::new()
        .add(routes::get(PATH, "factor.page", signed_in, show).while_restricted())
        .add(routes::get(TOTP, "totp.page", signed_in, show_totp).while_restricted().recent())
        .add(
            routes::post(TOTP, "totp.begin_form", signed_in, begin)
                .while_restricted()
                .recent()
                .records("factor."),
        )
        .add(
            routes::post("/account/factors/totp/confirm", "totp.confirm_form", signed_in, confirm)
                .while_restricted()
                .recent()
                .limit(Limit::Credential)
                .records("factor."),
        )
        .add(
            routes::post("/account/factors/totp/remove", "totp.remove_form", signed_in, remove_totp)
                .while_restricted()
                .recent()
                .records("factor."),
        )
        .add(
            routes::post(
                "/account/factors/recovery-codes",
                "recovery_codes.make_form",
                signed_in,
                make_codes,
            )
            .while_restricted()
            .recent()
            .records("factor."),
        )
        .add(routes::get(RESET, "people.reset_factors_page", manage, reset_page).recent())
        .add(routes::post(RESET, "people.reset_factors_form", manage, reset).recent().records("factor."))
}

struct PasskeyLine {
    passkey: Passkey,
    make: String,
}

#[derive(Template)]
#[template(path = "factors/factors.html")]
struct FactorsPage {
    shell: Shell,
    state: Factors,
    lines: Vec<PasskeyLine>,
    required: Level,
    reachable: Level,
    restricted: bool,
    /// Whose policy asks for it: `Harbor asks`.
    asking: String,
    passkeys_work: bool,
}

impl FactorsPage {
    /// Enrolled enough; this session has yet to prove it.
    fn only_confirm(&self) -> bool {
        self.restricted && self.reachable >= self.required
    }
}

async fn show(State(app): State<App>, access: Access) -> web::Result {
    let (account, now) = (access.account()?, access.ctx.now);
    let (state, required, asking) = app
        .db()
        .read(move |tx| {
            let person = principals::account(tx, account)?.ok_or_else(|| Problem::not_found("account"))?;
            let required = crate::policies::required_level(tx, &person, now)?;
            let all = crate::policies::contributions(tx, account, now)?;
            let asking = all.into_iter().filter(|one| one.rules.factor >= required).map(|one| one.name);
            let asking: Vec<String> = asking.collect();
            Ok::<_, Problem>((super::state(tx, account)?, required, asking))
        })
        .await?;
    let makes = passkeys::makes(&app);
    let lines = state
        .passkeys
        .iter()
        .map(|one| PasskeyLine {
            make: makes
                .name(&one.aaguid)
                .filter(|_| one.level(&makes) > Level::Passkey)
                .unwrap_or_default()
                .to_owned(),
            passkey: one.clone(),
        })
        .collect();
    web::html(&FactorsPage {
        shell: navigation::shell(&app, &access, NavConsole::Account, "Factors", PATH),
        lines,
        required,
        reachable: state.reachable(&makes),
        // As the guard judged this request: a policy that was decided a moment ago counts.
        restricted: access.principal()?.proof.restricted,
        asking: match asking.as_slice() {
            [] => "Your organization asks".to_owned(),
            [one] => format!("{one} asks"),
            [some @ .., last] => format!("{} and {last} ask", some.join(", ")),
        },
        passkeys_work: RelyingParty::of(&app).id().is_some(),
        state,
    })
}

#[derive(Template)]
#[template(path = "factors/totp.html")]
struct TotpPage {
    shell: Shell,
    secret: String,
    /// The QR code as one path of an SVG, and its side in modules with the quiet zone.
    qr: String,
    side: usize,
    errors: FieldErrors,
}

/// The quiet zone around a QR code, in modules (ISO/IEC 18004 asks for four).
const QUIET: usize = 4;

/// A QR code as the data of an SVG path, a square per dark module.
fn qr_path(text: &str) -> Result<(String, usize), Problem> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|error| {
        tracing::error!(%error, "a QR code cannot be drawn");
        Problem::internal()
    })?;
    let width = code.width();
    let mut path = String::new();
    for (at, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            path.push_str(&format!("M{} {}h1v1h-1z", at % width + QUIET, at / width + QUIET));
        }
    }
    Ok((path, width + 2 * QUIET))
}

async fn totp_page(app: &App, access: &Access, status: StatusCode, errors: FieldErrors) -> web::Result {
    let Some(enrolment) = api::enrolment(app, access).await? else { return web::see_other(PATH) };
    let (qr, side) = qr_path(&enrolment.uri)?;
    let grouped: Vec<String> = enrolment
        .secret
        .as_bytes()
        .chunks(4)
        .map(|four| String::from_utf8_lossy(four).into_owned())
        .collect();
    let page = TotpPage {
        shell: navigation::shell(app, access, NavConsole::Account, "Authenticator app", PATH),
        secret: grouped.join(" "),
        qr,
        side,
        errors,
    };
    no_store(web::html_with(status, &page)?)
}

fn no_store(mut response: axum::response::Response) -> web::Result {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn show_totp(State(app): State<App>, access: Access) -> web::Result {
    totp_page(&app, &access, StatusCode::OK, FieldErrors::default()).await
}

async fn begin(State(app): State<App>, access: Access) -> web::Result {
    match api::begin_for(&app, &access).await {
        Ok(()) => web::see_other("/account/factors/totp"),
        Err(problem) => told(problem),
    }
}

/// Back to the factors, saying why nothing was changed.
pub(crate) fn told(problem: Problem) -> web::Result {
    if ![StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY].contains(&problem.status) {
        return Err(problem);
    }
    let words = format!("Not changed: {}. {}", problem.detail, problem.cure.unwrap_or_default());
    browser::see_other_with(PATH, Tone::Bad, words.trim())
}

#[derive(Deserialize)]
struct CodeForm {
    code: String,
}

async fn confirm(State(app): State<App>, access: Access, Form(form): Form<CodeForm>) -> web::Result {
    match api::confirm_for(&app, &access, form.code).await {
        Ok(codes) if codes.is_empty() => {
            browser::see_other_with(PATH, Tone::Good, "The authenticator app is set up.")
        }
        Ok(codes) => show_codes(&app, &access, codes),
        Err(problem) if problem.status == StatusCode::UNPROCESSABLE_ENTITY => {
            let errors = FieldErrors::default().with("code", problem.detail);
            totp_page(&app, &access, problem.status, errors).await
        }
        Err(problem) => Err(problem),
    }
}

async fn remove_totp(State(app): State<App>, access: Access) -> web::Result {
    match api::remove_for(&app, &access, Which::Totp).await {
        Ok(()) => browser::see_other_with(PATH, Tone::Good, "The authenticator app was removed."),
        Err(problem) => told(problem),
    }
}

#[derive(Template)]
#[template(path = "factors/codes.html")]
struct CodesPage {
    shell: Shell,
    codes: Vec<String>,
}

/// Recovery codes, once.
pub(crate) fn show_codes(app: &App, access: &Access, codes: Vec<String>) -> web::Result {
    let shell = navigation::shell(app, access, NavConsole::Account, "Recovery codes", PATH);
    no_store(web::html_with(StatusCode::CREATED, &CodesPage { shell, codes })?)
}

async fn make_codes(State(app): State<App>, access: Access) -> web::Result {
    match api::codes_for(&app, &access).await {
        Ok(codes) => show_codes(&app, &access, codes),
        Err(problem) => told(problem),
    }
}

#[derive(Template)]
#[template(path = "factors/reset.html")]
struct ResetPage {
    shell: Shell,
    href: String,
    email: String,
    errors: FieldErrors,
}

async fn reset_form(
    app: &App,
    access: &Access,
    account: AccountId,
    status: StatusCode,
    errors: FieldErrors,
) -> web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| principals::membership(tx, organization, account)).await?;
    let member = found.ok_or_else(|| Problem::not_found("person"))?;
    let slug = &access.organization()?.slug;
    let page = ResetPage {
        shell: navigation::shell(
            app,
            access,
            NavConsole::Organization,
            "Reset factors",
            crate::people::pages::LIST,
        ),
        href: format!("/o/{slug}/people/{account}"),
        email: member.email,
        errors,
    };
    web::html_with(status, &page)
}

async fn reset_page(
    State(app): State<App>,
    access: Access,
    Path((_, account)): Path<(String, AccountId)>,
) -> web::Result {
    reset_form(&app, &access, account, StatusCode::OK, FieldErrors::default()).await
}

async fn reset(
    State(app): State<App>,
    access: Access,
    Path((slug, account)): Path<(String, AccountId)>,
) -> web::Result {
    match api::reset_for(&app, &access, account).await {
        Ok(()) => {
            let words = "Their factors are gone and they are signed out everywhere. They were told by mail.";
            browser::see_other_with(&format!("/o/{slug}/people/{account}"), Tone::Good, words)
        }
        Err(problem) if problem.status == StatusCode::CONFLICT => {
            let words = format!("{}. {}", problem.detail, problem.cure.unwrap_or_default());
            let errors = FieldErrors::default().with("", words);
            reset_form(&app, &access, account, problem.status, errors).await
        }
        Err(problem) => Err(problem),
    }
}
