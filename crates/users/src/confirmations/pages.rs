//! `/confirm`: the page between somebody and an act that needs a recent proof.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use platform::App;
use platform::db::DbError;
use platform::web::extract::{Form, Query};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell};
use platform::web::{self, Access, navigation};
use serde::Deserialize;

use super::api::confirm_for;
use super::{Asked, Confirmed};
use crate::factors;
use crate::login::pages::safe_next;
use crate::passwords::Password;
use crate::second_step::Given;
use crate::second_step::pages::assertion_of;
use crate::single_sign_on;

const PATH: &str = "/confirm";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get(PATH, "confirmation.page", Openness::SignedIn, show).while_restricted())
        .add(
            routes::post(PATH, "confirmation.form", Openness::SignedIn, submit)
                .while_restricted()
                .limit(Limit::Credential)
                .records("session."),
        )
}

#[derive(Template)]
#[template(path = "confirmations/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    email: String,
    next: String,
    passkey: bool,
    has_factor: bool,
    /// The provider that this session came through, to be asked anew.
    provider: String,
    again: String,
    errors: FieldErrors,
}

#[derive(Deserialize, Default)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn page(
    app: &App,
    access: &Access,
    next: &str,
    status: StatusCode,
    errors: FieldErrors,
) -> web::Result {
    let account = access.account()?;
    let session = crate::sessions::api::current(access);
    let (state, came) = app
        .db()
        .read(move |tx| {
            Ok::<_, DbError>((factors::state(tx, account)?, single_sign_on::links::of_session(tx, session)?))
        })
        .await?;
    let next = safe_next(next);
    let came = came.map(|(connection, _)| connection).filter(|connection| connection.active);
    let escaped: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    let again = came.as_ref().map(|connection| {
        format!("{}?again=yes&next={escaped}", single_sign_on::pages::sign_in::begin_path(connection.id))
    });
    web::html_with(
        status,
        &ConfirmPage {
            shell: navigation::public_shell(app, access, "Confirm that it is you"),
            email: access.principal()?.email.clone(),
            next,
            again: again.unwrap_or_default(),
            provider: came.map(|connection| connection.name).unwrap_or_default(),
            passkey: !state.passkeys.is_empty(),
            has_factor: state.any(),
            errors,
        },
    )
}

async fn show(State(app): State<App>, access: Access, Query(query): Query<Next>) -> web::Result {
    page(&app, &access, &query.next, StatusCode::OK, FieldErrors::default()).await
}

#[derive(Deserialize)]
struct ConfirmForm {
    #[serde(default)]
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    credential: String,
    #[serde(default)]
    next: String,
}

/// A code of the app has six digits; whatever else was typed is meant as a recovery code.
fn code_of(typed: String) -> Option<Given> {
    let digits = typed.chars().filter(|c| !c.is_whitespace()).count();
    match digits {
        0 => None,
        6 => Some(Given::Totp(typed)),
        _ => Some(Given::RecoveryCode(typed)),
    }
}

async fn submit(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Form(form): Form<ConfirmForm>,
) -> web::Result {
    let by_passkey = !form.credential.is_empty();
    let factor =
        if by_passkey { Some(assertion_of(&form.credential, &headers)?) } else { code_of(form.code) };
    let password = Some(form.password).filter(|password| !password.is_empty()).map(Password::new);
    let (status, words) = match confirm_for(&app, &access, Asked { password, factor }).await? {
        Confirmed::Done => return web::see_other(&safe_next(&form.next)),
        Confirmed::Wrong if by_passkey => {
            (StatusCode::UNPROCESSABLE_ENTITY, "This passkey does not belong to this account.".to_owned())
        }
        Confirmed::Wrong => (StatusCode::UNPROCESSABLE_ENTITY, "Something of this is wrong.".to_owned()),
        Confirmed::Throttled(wait) => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("Too many tries. Wait {} minutes.", wait.as_secs().div_ceil(60)),
        ),
    };
    page(&app, &access, &form.next, status, FieldErrors::default().with("", words)).await
}
