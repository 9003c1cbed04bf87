//! `/sign-up`, `/account`: making an account, one's profile and password.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::email::EmailAddress;
use super::{NewPerson, PasswordChange, Profile, SignUp};
use crate::links::{self, Purpose};
use crate::login::pages::{link_dead, safe_next, signed_in};
use crate::passwords::Password;
use crate::passwords::strength::Refusal;
use crate::sessions::api::current;
use crate::tokens::LinkToken;
use crate::waiting::Waiting;

pub(crate) fn routes() -> Routes {
    let public = Openness::Public;
    Routes::new()
        .add(routes::get("/sign-up", "sign_up.show", public, show_request))
        .add(
            routes::post("/sign-up", "sign_up.request", public, request)
                .limit(Limit::Credential)
                .records("sign_up."),
        )
        .add(
            routes::get("/sign-up/{token}", "sign_up.show_finish", public, show_finish)
                .limit(Limit::Credential),
        )
        .add(
            routes::post("/sign-up/{token}", "sign_up.finish", public, finish)
                .limit(Limit::Credential)
                .records("account."),
        )
        .add(routes::get("/account", "account.page", Openness::SignedIn, show_account))
        .add(routes::post("/account", "account.rename_page", Openness::SignedIn, rename).records("account."))
        .add(routes::get("/account/password", "password.page", Openness::SignedIn, show_password))
        .add(
            routes::post("/account/password", "password.change_page", Openness::SignedIn, change_password)
                .limit(Limit::Credential)
                .records("password."),
        )
}

#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    email: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "accounts/sign_up.html")]
struct SignUpPage {
    shell: Shell,
    email: String,
    next: String,
    errors: FieldErrors,
}

#[derive(Template)]
#[template(path = "accounts/mail_sent.html")]
pub(crate) struct MailSentPage {
    pub shell: Shell,
    pub email: String,
    pub what: &'static str,
}

async fn show_request(State(app): State<App>, access: Access, Query(query): Query<Asked>) -> web::Result {
    let shell = navigation::public_shell(&app, &access, "Make an account");
    web::html(&SignUpPage {
        shell,
        email: query.email,
        next: safe_next(&query.next),
        errors: FieldErrors::default(),
    })
}

#[derive(Deserialize)]
struct RequestForm {
    email: String,
    #[serde(default)]
    next: String,
}

async fn request(State(app): State<App>, access: Access, Form(form): Form<RequestForm>) -> web::Result {
    let next = safe_next(&form.next);
    let email = match EmailAddress::parse(&form.email) {
        Ok(email) => email,
        Err(error) => {
            let page = SignUpPage {
                shell: navigation::public_shell(&app, &access, "Make an account"),
                email: form.email,
                next,
                errors: FieldErrors::default().with("email", error.to_string()),
            };
            return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (inner, ctx, address) = (app.clone(), access.ctx.clone(), email.clone());
    app.db().write(&access.ctx, move |tx| super::request_sign_up(&inner, &ctx, tx, &address, &next)).await?;
    let shell = navigation::public_shell(&app, &access, "Look into your mail");
    web::html(&MailSentPage { shell, email: email.key().to_owned(), what: "to choose a password" })
}

#[derive(Template)]
#[template(path = "accounts/finish.html")]
struct FinishPage {
    shell: Shell,
    email: String,
    typed_name: String,
    errors: FieldErrors,
}

async fn link_email(app: &App, access: &Access, token: &LinkToken) -> Result<String, Problem> {
    let (token, now) = (token.clone(), access.ctx.now);
    let link = app.db().read(move |tx| links::find(tx, Purpose::SignUp, &token, now)).await?;
    Ok(link.ok_or_else(link_dead)?.email)
}

async fn show_finish(State(app): State<App>, access: Access, Path(token): Path<String>) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let email = link_email(&app, &access, &token).await?;
    let shell = navigation::public_shell(&app, &access, "Choose a password");
    web::html(&FinishPage { shell, email, typed_name: String::new(), errors: FieldErrors::default() })
}

#[derive(Deserialize)]
struct FinishForm {
    name: String,
    password: String,
}

async fn finish(
    State(app): State<App>,
    access: Access,
    Path(token): Path<String>,
    Query(query): Query<Asked>,
    Form(form): Form<FinishForm>,
) -> web::Result {
    let token = LinkToken::parse(&token).map_err(|_| link_dead())?;
    let email = link_email(&app, &access, &token).await?;
    let mut errors = FieldErrors::default();
    let name = super::check_name(&form.name).unwrap_or_else(|wrong| {
        errors.add("name", wrong);
        String::new()
    });
    let prepared =
        super::prepare_password(&app, &access.ctx, None, &email, Password::new(form.password)).await?;
    let phc = prepared.unwrap_or_else(|refusals| {
        add_refusals(&mut errors, &refusals);
        String::new()
    });
    if !errors.is_empty() {
        let shell = navigation::public_shell(&app, &access, "Choose a password");
        let page = FinishPage { shell, email, typed_name: form.name, errors };
        return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    let ctx = access.ctx.clone();
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            let new = NewPerson { name: name.clone(), phc: phc.clone() };
            super::finish_sign_up(&ctx, tx, &token, &new)
        })
        .await?;
    match written.value {
        SignUp::Done { session, .. } => signed_in(&app, &access, &session, &safe_next(&query.next)).await,
        SignUp::SingleSignOn => Err(crate::policies::admit::single_sign_on_problem()),
        SignUp::LinkDead => Err(link_dead()),
    }
}

pub(crate) fn add_refusals(errors: &mut FieldErrors, refusals: &[Refusal]) {
    for refusal in refusals {
        errors.add("password", refusal.to_string());
    }
}

#[derive(Template)]
#[template(path = "accounts/account.html")]
struct AccountPage {
    shell: Shell,
    profile: Profile,
    waiting: Vec<Waiting>,
    has_factor: bool,
    typed_name: String,
    errors: FieldErrors,
}

async fn account_page(app: &App, access: &Access, name: Option<String>, errors: FieldErrors) -> web::Result {
    let (account, now) = (access.account()?, access.ctx.now);
    let (profile, has_factor, waiting) = app
        .db()
        .read(move |tx| {
            let profile = super::profile(tx, account)?.ok_or_else(|| Problem::not_found("account"))?;
            let waiting = crate::waiting::of(tx, account, now)?;
            Ok::<_, Problem>((profile, crate::factors::has_any(tx, account)?, waiting))
        })
        .await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let shell = navigation::shell(app, access, NavConsole::Account, "Your account", "/account");
    let typed_name = name.unwrap_or_else(|| profile.account.name.clone());
    web::html_with(status, &AccountPage { shell, profile, waiting, has_factor, typed_name, errors })
}

async fn show_account(State(app): State<App>, access: Access) -> web::Result {
    account_page(&app, &access, None, FieldErrors::default()).await
}

#[derive(Deserialize)]
struct RenameForm {
    name: String,
}

async fn rename(State(app): State<App>, access: Access, Form(form): Form<RenameForm>) -> web::Result {
    let name = match super::check_name(&form.name) {
        Ok(name) => name,
        Err(wrong) => {
            return account_page(&app, &access, Some(form.name), FieldErrors::default().with("name", wrong))
                .await;
        }
    };
    let (account, ctx) = (access.account()?, access.ctx.clone());
    app.db().write(&access.ctx, move |tx| super::rename(&ctx, tx, account, &name)).await?;
    browser::see_other_with("/account", Tone::Good, "Your name was changed.")
}

#[derive(Template)]
#[template(path = "accounts/password.html")]
struct PasswordPage {
    shell: Shell,
    errors: FieldErrors,
}

fn password_page(app: &App, access: &Access, errors: FieldErrors) -> PasswordPage {
    PasswordPage {
        shell: navigation::shell(app, access, NavConsole::Account, "Password", "/account/password"),
        errors,
    }
}

async fn show_password(State(app): State<App>, access: Access) -> web::Result {
    web::html(&password_page(&app, &access, FieldErrors::default()))
}

#[derive(Deserialize)]
struct PasswordForm {
    current: String,
    password: String,
}

async fn change_password(
    State(app): State<App>,
    access: Access,
    Form(form): Form<PasswordForm>,
) -> web::Result {
    let changed = super::change_password(
        &app,
        &access.ctx,
        access.account()?,
        current(&access),
        Password::new(form.current),
        Password::new(form.password),
    )
    .await?;
    let mut errors = FieldErrors::default();
    let mut status = StatusCode::UNPROCESSABLE_ENTITY;
    match changed {
        PasswordChange::Done => {
            let message = "Your password was changed. All other devices were signed out.";
            return browser::see_other_with("/account/password", Tone::Good, message);
        }
        PasswordChange::NeedsFactor => return Err(Problem::step_up()),
        PasswordChange::WrongCurrent => errors.add("current", "this is not your current password"),
        PasswordChange::Refused(refusals) => add_refusals(&mut errors, &refusals),
        PasswordChange::Throttled { wait } => {
            status = StatusCode::TOO_MANY_REQUESTS;
            let minutes = wait.as_secs().div_ceil(60);
            errors.add("current", format!("too many wrong ones: wait {minutes} minutes"));
        }
    }
    web::html_with(status, &password_page(&app, &access, errors))
}
