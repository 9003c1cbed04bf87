//! `/setup/{token}`: the first page of an empty installation.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::ids::Slug;
use platform::web::extract::{Form, Path};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{FieldErrors, Shell};
use platform::web::{self, Access, Problem, navigation};
use serde::Deserialize;

use super::{NewProvider, SetUp};
use crate::accounts::email::EmailAddress;
use crate::accounts::pages::add_refusals;
use crate::accounts::{check_name, prepare_password};
use crate::links::{self, Purpose};
use crate::login::pages::{link_dead, signed_in};
use crate::passwords::Password;
use crate::tokens::LinkToken;

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(routes::get("/setup/{token}", "set_up.show", Openness::Public, show).limit(Limit::Credential))
        .add(
            routes::post("/setup/{token}", "set_up.finish", Openness::Public, finish)
                .limit(Limit::Credential)
                .records("installation."),
        )
}

#[derive(Template)]
#[template(path = "set_up/set_up.html")]
struct SetUpPage {
    shell: Shell,
    form: SetUpForm,
    errors: FieldErrors,
}

#[derive(Deserialize, Default)]
struct SetUpForm {
    provider: String,
    email: String,
    name: String,
    #[serde(default)]
    password: String,
}

async fn check_link(app: &App, access: &Access, token: &str) -> Result<LinkToken, Problem> {
    let token = LinkToken::parse(token).map_err(|_| link_dead())?;
    let (asked, now) = (token.clone(), access.ctx.now);
    app.db().read(move |tx| links::find(tx, Purpose::SetUp, &asked, now)).await?.ok_or_else(|| {
        link_dead().cure("start the program again: it prints a new link while it is not set up")
    })?;
    Ok(token)
}

async fn show(State(app): State<App>, access: Access, Path(token): Path<String>) -> web::Result {
    check_link(&app, &access, &token).await?;
    let shell = navigation::public_shell(&app, &access, "Set up");
    let form = SetUpForm { provider: app.provider_name(), ..SetUpForm::default() };
    web::html(&SetUpPage { shell, form, errors: FieldErrors::default() })
}

async fn finish(
    State(app): State<App>,
    access: Access,
    Path(token): Path<String>,
    Form(form): Form<SetUpForm>,
) -> web::Result {
    let token = check_link(&app, &access, &token).await?;
    let mut errors = FieldErrors::default();
    let new = read_form(&app, &access, &form, &mut errors).await?;
    let Some(new) = new.filter(|_| errors.is_empty()) else {
        let shell = navigation::public_shell(&app, &access, "Set up");
        return web::html_with(StatusCode::UNPROCESSABLE_ENTITY, &SetUpPage { shell, form, errors });
    };
    let ctx = access.ctx.clone();
    let written = app.db().write(&access.ctx, move |tx| super::finish(&ctx, tx, &token, &new)).await?;
    match written.value {
        SetUp::Done { session } => {
            app.learn_provider().await?;
            signed_in(&app, &access, &session, "/provider").await
        }
        SetUp::LinkDead => Err(link_dead()),
        SetUp::AlreadyDone => Err(Problem::conflict("this installation is set up already").cure("sign in")),
    }
}

async fn read_form(
    app: &App,
    access: &Access,
    form: &SetUpForm,
    errors: &mut FieldErrors,
) -> Result<Option<NewProvider>, Problem> {
    let provider = check_name(&form.provider).map_err(|why| errors.add("provider", why)).ok();
    let name = check_name(&form.name).map_err(|why| errors.add("name", why)).ok();
    let email = EmailAddress::parse(&form.email).map_err(|why| errors.add("email", why.to_string())).ok();
    let slug = Slug::suggest(&form.provider);
    if slug.is_none() && provider.is_some() {
        errors.add("provider", "the name needs at least two letters or digits of a-z, 0-9");
    }
    let address = email.as_ref().map(|email| email.key().to_owned()).unwrap_or_default();
    let password = Password::new(form.password.clone());
    let phc = match prepare_password(app, &access.ctx, None, &address, password).await? {
        Ok(phc) => Some(phc),
        Err(refusals) => {
            add_refusals(errors, &refusals);
            None
        }
    };
    let (Some(provider_name), Some(owner_name), Some(owner_email), Some(slug)) =
        (provider, name, email, slug)
    else {
        return Ok(None);
    };
    Ok(phc.map(|phc| NewProvider { provider_name, slug, owner_email, owner_name, phc: Some(phc) }))
}
