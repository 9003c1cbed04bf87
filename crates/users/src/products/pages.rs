//! `/provider/products`: the registry in the provider's console.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Routes};
use platform::web::ui::{Choice, FieldErrors, Pager, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, MANAGE, NewAccess, NewProduct, ProductChange, ProductDetail, READ};
use super::{AccessId, Authentication, GrantType, ProductId};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::pager;

pub(crate) const LIST: &str = "/provider/products";

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/provider/products/new";
    const ONE: &str = "/provider/products/{product}";
    Routes::new()
        .add(routes::get(LIST, "product.list_page", READ, list))
        .add(routes::get(NEW, "product.create_page", MANAGE, new_page).recent())
        .add(routes::post(NEW, "product.create_form", MANAGE, create).recent().records("product."))
        .add(routes::get(ONE, "product.show_page", READ, show))
        .add(routes::post(ONE, "product.update_form", MANAGE, update).records("product."))
        .add(
            routes::post("/provider/products/{product}/state", "product.state_form", MANAGE, set_state)
                .records("product."),
        )
        .add(
            routes::post("/provider/products/{product}/secrets", "product.rotate_form", MANAGE, rotate)
                .recent()
                .records("product."),
        )
        .add(
            routes::post("/provider/products/{product}/access", "product.allow_form", MANAGE, allow)
                .records("product."),
        )
        .add(
            routes::post(
                "/provider/products/{product}/access/{rule}/remove",
                "product.disallow_form",
                MANAGE,
                disallow,
            )
            .records("product."),
        )
        .add(
            routes::post("/provider/products/keys/rotate", "oauth_key.rotate_form", MANAGE, rotate_keys)
                .recent()
                .records("oauth_key."),
        )
}

struct Line {
    id: ProductId,
    name: String,
    active: bool,
    everyone: bool,
    grants: String,
    created_at: Timestamp,
}

#[derive(Template)]
#[template(path = "products/list.html")]
struct ListPage {
    shell: Shell,
    lines: Vec<Line>,
    pager: Pager,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (before, limit) = (api::before(&query)?, query.limit()?);
    let found = app.db().read(move |tx| super::list(tx, before, limit + 1)).await?;
    let page = Page::of(found, limit, |product| product.id.to_string());
    web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Provider, "Products", LIST),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), LIST),
        lines: page
            .items
            .into_iter()
            .map(|product| Line {
                id: product.id,
                name: product.settings.name,
                active: product.active,
                everyone: product.settings.everyone,
                grants: product
                    .settings
                    .grant_types
                    .iter()
                    .map(|one| words(*one))
                    .collect::<Vec<_>>()
                    .join(", "),
                created_at: product.created_at,
            })
            .collect(),
        may_manage: access.may(Permission::ProviderManage),
    })
}

fn words(grant: GrantType) -> &'static str {
    match grant {
        GrantType::AuthorizationCode => "people sign in",
        GrantType::RefreshToken => "stays signed in",
        GrantType::ClientCredentials => "acts for itself",
        GrantType::DeviceCode => "devices",
    }
}

/// What the form holds; lists are one a line.
#[derive(Clone, Debug, Default, Deserialize)]
struct Typed {
    #[serde(default)]
    name: String,
    #[serde(default)]
    authentication: String,
    #[serde(default)]
    jwks: String,
    #[serde(default)]
    redirect_uris: String,
    #[serde(default)]
    logout_uris: String,
    #[serde(default)]
    backchannel_logout_uri: String,
    #[serde(default)]
    scopes: String,
    #[serde(default)]
    audiences: String,
    #[serde(default)]
    resource: String,
    #[serde(default)]
    id_token_algorithm: String,
    code: Option<String>,
    refresh: Option<String>,
    own: Option<String>,
    device: Option<String>,
    everyone: Option<String>,
    asks_consent: Option<String>,
    requires_dpop: Option<String>,
    requires_par: Option<String>,
}

fn list_of(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Typed {
    fn grants(&self) -> Vec<GrantType> {
        [
            (&self.code, GrantType::AuthorizationCode),
            (&self.refresh, GrantType::RefreshToken),
            (&self.own, GrantType::ClientCredentials),
            (&self.device, GrantType::DeviceCode),
        ]
        .into_iter()
        .filter(|(chosen, _)| chosen.is_some())
        .map(|(_, grant)| grant)
        .collect()
    }

    fn change(&self) -> ProductChange {
        ProductChange {
            name: Some(self.name.clone()),
            jwks: Some(self.jwks.trim().to_owned()),
            redirect_uris: Some(list_of(&self.redirect_uris)),
            logout_uris: Some(list_of(&self.logout_uris)),
            backchannel_logout_uri: Some(self.backchannel_logout_uri.trim().to_owned()),
            grant_types: Some(self.grants()),
            scopes: Some(list_of(&self.scopes)),
            audiences: Some(list_of(&self.audiences)),
            resource: Some(self.resource.trim().to_owned()),
            everyone: Some(self.everyone.is_some()),
            asks_consent: Some(self.asks_consent.is_some()),
            requires_dpop: Some(self.requires_dpop.is_some()),
            requires_par: Some(self.requires_par.is_some()),
            id_token_algorithm: Some(self.id_token_algorithm.clone()),
            state: None,
        }
    }

    fn new_product(&self) -> Result<NewProduct, Problem> {
        let authentication = Authentication::parse(&self.authentication).ok_or_else(|| {
            Problem::invalid("choose how the product proves itself").field("authentication", "choose one")
        })?;
        let change = self.change();
        Ok(NewProduct {
            name: self.name.clone(),
            authentication: Some(authentication),
            jwks: change.jwks,
            redirect_uris: change.redirect_uris,
            logout_uris: change.logout_uris,
            backchannel_logout_uri: change.backchannel_logout_uri,
            grant_types: change.grant_types,
            scopes: change.scopes,
            audiences: change.audiences,
            resource: change.resource,
            everyone: change.everyone,
            asks_consent: change.asks_consent,
            requires_dpop: change.requires_dpop,
            requires_par: change.requires_par,
            id_token_algorithm: change.id_token_algorithm,
        })
    }

    fn fresh() -> Self {
        Self {
            authentication: Authentication::Secret.as_str().to_owned(),
            scopes: super::settings::IDENTITY_SCOPES.join("\n"),
            id_token_algorithm: jose::Algorithm::Es256.as_str().to_owned(),
            code: Some(String::new()),
            refresh: Some(String::new()),
            asks_consent: Some(String::new()),
            ..Self::default()
        }
    }

    fn of(detail: &ProductDetail) -> Self {
        let product = &detail.product;
        let on = |flag: bool| flag.then(String::new);
        let grant = |grant: GrantType| on(product.grant_types.contains(&grant));
        Self {
            name: product.name.clone(),
            authentication: product.authentication.as_str().to_owned(),
            jwks: String::new(),
            redirect_uris: product.redirect_uris.join("\n"),
            logout_uris: product.logout_uris.join("\n"),
            backchannel_logout_uri: product.backchannel_logout_uri.clone(),
            scopes: product.scopes.join("\n"),
            audiences: product.audiences.join("\n"),
            resource: product.resource.clone(),
            id_token_algorithm: product.id_token_algorithm.to_owned(),
            code: grant(GrantType::AuthorizationCode),
            refresh: grant(GrantType::RefreshToken),
            own: grant(GrantType::ClientCredentials),
            device: grant(GrantType::DeviceCode),
            everyone: on(product.everyone),
            asks_consent: on(product.asks_consent),
            requires_dpop: on(product.requires_dpop),
            requires_par: on(product.requires_par),
        }
    }

    fn algorithms(&self) -> Vec<Choice> {
        let all = jose::Algorithm::ALL.iter();
        all.map(|one| Choice::new(one.as_str(), one.as_str(), &self.id_token_algorithm)).collect()
    }
}

#[derive(Template)]
#[template(path = "products/new.html")]
struct NewPage {
    shell: Shell,
    typed: Typed,
    ways: Vec<Choice>,
    algorithms: Vec<Choice>,
    errors: FieldErrors,
}

fn form_page(app: &App, access: &Access, typed: Typed, refused: Option<&Problem>) -> web::Result {
    let ways = [
        (Authentication::Secret, "By a secret", "A server that keeps it"),
        (
            Authentication::PrivateKeyJwt,
            "By a key of its own",
            "It signs each request; only its public key is here",
        ),
        (Authentication::None, "Not at all", "An app on a device or in a browser, where no secret stays one"),
    ];
    let page = NewPage {
        shell: navigation::shell(app, access, NavConsole::Provider, "New product", LIST),
        ways: ways
            .into_iter()
            .map(|(way, label, hint)| Choice::new(way.as_str(), label, &typed.authentication).hint(hint))
            .collect(),
        algorithms: typed.algorithms(),
        errors: refused.map(complaints).unwrap_or_default(),
        typed,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> web::Result {
    form_page(&app, &access, Typed::fresh(), None)
}

#[derive(Template)]
#[template(path = "products/secret.html")]
struct SecretPage {
    shell: Shell,
    name: String,
    id: ProductId,
    secret: String,
    issuer: String,
}

fn secret_page(app: &App, access: &Access, name: &str, id: ProductId, secret: String) -> web::Result {
    let page = SecretPage {
        shell: navigation::shell(app, access, NavConsole::Provider, name, LIST),
        name: name.to_owned(),
        id,
        secret,
        issuer: crate::openid_provider::issuer(app),
    };
    let mut response = web::html_with(StatusCode::CREATED, &page)?;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

async fn create(State(app): State<App>, access: Access, Form(typed): Form<Typed>) -> web::Result {
    let made = match typed.new_product() {
        Ok(new) => api::register(&app, &access, new).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok((product, Some(secret))) => {
            secret_page(&app, &access, &product.settings.name, product.id, secret.text())
        }
        Ok((product, None)) => {
            let to = format!("{LIST}/{}", product.id);
            browser::see_other_with(&to, Tone::Good, "The product is registered.")
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, typed, Some(&problem)),
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "products/show.html")]
struct ShowPage {
    shell: Shell,
    detail: ProductDetail,
    typed: Typed,
    algorithms: Vec<Choice>,
    errors: FieldErrors,
    issuer: String,
    by_secret: bool,
    by_key: bool,
    active: bool,
    may_manage: bool,
}

async fn show_page(
    app: &App,
    access: &Access,
    id: ProductId,
    typed: Option<Typed>,
    refused: Option<&Problem>,
) -> web::Result {
    let detail = api::detail(app, id, access.ctx.now).await?;
    let typed = typed.unwrap_or_else(|| Typed::of(&detail));
    let page = ShowPage {
        shell: navigation::shell(app, access, NavConsole::Provider, &detail.product.name, LIST),
        algorithms: typed.algorithms(),
        typed,
        errors: refused.map(complaints).unwrap_or_default(),
        issuer: crate::openid_provider::issuer(app),
        by_secret: detail.product.authentication == Authentication::Secret,
        by_key: detail.product.authentication == Authentication::PrivateKeyJwt,
        active: detail.product.state == "active",
        may_manage: access.may(Permission::ProviderManage),
        detail,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    web::html_with(status, &page)
}

async fn show(State(app): State<App>, access: Access, Path(id): Path<ProductId>) -> web::Result {
    show_page(&app, &access, id, None, None).await
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Form(typed): Form<Typed>,
) -> web::Result {
    let mut change = typed.change();
    // The keys are not shown in the form; an empty field leaves them.
    change.jwks = change.jwks.filter(|jwks| !jwks.is_empty());
    match api::change(&app, &access, id, change).await {
        Ok(()) => browser::see_other_with(&format!("{LIST}/{id}"), Tone::Good, "Saved."),
        Err(problem) if mendable(&problem) => show_page(&app, &access, id, Some(typed), Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

#[derive(Deserialize)]
struct StateForm {
    #[serde(default)]
    state: String,
}

async fn set_state(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Form(form): Form<StateForm>,
) -> web::Result {
    let message = if form.state == "disabled" {
        "The product is disabled: everything it held is dead."
    } else {
        "The product is enabled. People sign in to it anew."
    };
    let change = ProductChange { state: Some(form.state), ..ProductChange::default() };
    api::change(&app, &access, id, change).await?;
    browser::see_other_with(&format!("{LIST}/{id}"), Tone::Good, message)
}

#[derive(Deserialize)]
struct RotationForm {
    #[serde(default)]
    overlap_hours: String,
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Form(form): Form<RotationForm>,
) -> web::Result {
    let hours = form.overlap_hours.trim().parse().unwrap_or(24);
    let secret = api::new_secret(&app, &access, id, hours).await?;
    let detail = api::detail(&app, id, access.ctx.now).await?;
    secret_page(&app, &access, &detail.product.name, id, secret.text())
}

#[derive(Deserialize)]
struct RuleForm {
    #[serde(default)]
    organization: String,
    #[serde(default)]
    group: String,
    #[serde(default)]
    role: String,
}

async fn allow(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Form(form): Form<RuleForm>,
) -> web::Result {
    let new = NewAccess { organization: form.organization, group: form.group, role: form.role };
    match api::add_rule(&app, &access, id, new).await {
        Ok(()) => browser::see_other_with(&format!("{LIST}/{id}#access"), Tone::Good, "They may use it now."),
        Err(problem) if mendable(&problem) => show_page(&app, &access, id, None, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn disallow(
    State(app): State<App>,
    access: Access,
    Path((id, rule)): Path<(ProductId, AccessId)>,
) -> web::Result {
    api::remove_rule(&app, &access, id, rule).await?;
    browser::see_other_with(&format!("{LIST}/{id}#access"), Tone::Good, "They may not use it any more.")
}

async fn rotate_keys(State(app): State<App>, access: Access) -> web::Result {
    crate::openid_provider::api::rotate(&app, &access.ctx).await?;
    browser::see_other_with(LIST, Tone::Good, "New keys sign now; tokens of the old ones are worth nothing.")
}
