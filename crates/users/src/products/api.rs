//! JSON side of products: the provider's registry.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use platform::App;
use platform::access::Permission;
use platform::db::DbError;
use platform::time::{HOUR, Timestamp};
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{
    AccessId, Allowed, Authentication, GrantType, NewRule, NewSecret, Product, ProductId, Rotation, SecretId,
    Settings,
};
use crate::names::Name;

pub(super) const READ: Openness = Openness::Provider(Permission::ProviderRead);
pub(super) const MANAGE: Openness = Openness::Provider(Permission::ProviderManage);
const LIST: &str = "/api/v1/provider/products";
const ONE: &str = "/api/v1/provider/products/{product}";

pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            routes::get(LIST, "product.list", READ, list)
                .summary("Products that sign people in through this installation, the newest first")
                .paged()
                .gives::<Page<ProductView>>(200),
        )
        .add(
            routes::post(LIST, "product.create", MANAGE, create)
                .summary("Register a product; its secret, where it has one, is in this answer only")
                .recent()
                .takes::<NewProduct>()
                .gives::<CreatedProduct>(201)
                .records("product."),
        )
        .add(routes::get(ONE, "product.show", READ, show).summary("One product").gives::<ProductDetail>(200))
        .add(
            routes::patch(ONE, "product.update", MANAGE, update)
                .summary("Change what a product may do. Disabling it ends everything it holds")
                .takes::<ProductChange>()
                .gives::<ProductDetail>(200)
                .records("product."),
        )
        .add(
            routes::post("/api/v1/provider/products/{product}/secrets", "product.rotate", MANAGE, rotate)
                .summary("Give a product a new secret; the old one works for a while more")
                .recent()
                .takes::<RotationRequest>()
                .gives::<SecretView>(201)
                .records("product."),
        )
        .add(
            routes::post("/api/v1/provider/products/{product}/access", "product.allow", MANAGE, allow)
                .summary("Let members of an organization, or of one of its groups, use a product")
                .takes::<NewAccess>()
                .gives::<ProductDetail>(201)
                .records("product."),
        )
        .add(
            routes::delete(
                "/api/v1/provider/products/{product}/access/{rule}",
                "product.disallow",
                MANAGE,
                disallow,
            )
            .summary("Take such a rule away, and with it the tokens of whom it let in")
            .gives_nothing(204)
            .records("product."),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = Product)]
pub struct ProductView {
    /// Also its `client_id`.
    #[schema(value_type = String)]
    pub id: ProductId,
    pub name: String,
    /// `active` or `disabled`.
    pub state: &'static str,
    pub authentication: Authentication,
    pub grant_types: Vec<GrantType>,
    pub redirect_uris: Vec<String>,
    pub logout_uris: Vec<String>,
    pub backchannel_logout_uri: String,
    pub scopes: Vec<String>,
    pub audiences: Vec<String>,
    pub resource: String,
    pub everyone: bool,
    pub asks_consent: bool,
    pub requires_dpop: bool,
    pub requires_par: bool,
    pub id_token_algorithm: &'static str,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl ProductView {
    fn new(product: Product) -> Self {
        let Product { id, settings, active, created_at } = product;
        Self {
            id,
            name: settings.name,
            state: if active { "active" } else { "disabled" },
            authentication: settings.authentication,
            grant_types: settings.grant_types,
            redirect_uris: settings.redirect_uris,
            logout_uris: settings.logout_uris,
            backchannel_logout_uri: settings.backchannel_logout_uri,
            scopes: settings.scopes,
            audiences: settings.audiences,
            resource: settings.resource,
            everyone: settings.everyone,
            asks_consent: settings.asks_consent,
            requires_dpop: settings.requires_dpop,
            requires_par: settings.requires_par,
            id_token_algorithm: settings.id_token_algorithm.as_str(),
            created_at,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct AccessView {
    #[schema(value_type = String)]
    pub id: AccessId,
    pub organization: String,
    /// Empty: every member.
    pub group: String,
    /// Empty: none.
    pub role: String,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ProductDetail {
    #[serde(flatten)]
    pub product: ProductView,
    pub access: Vec<AccessView>,
    /// Secrets that work now.
    pub secrets: Vec<SecretLine>,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct SecretLine {
    #[schema(value_type = String)]
    pub id: SecretId,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Timestamp>,
}

/// A product just registered.
#[derive(Serialize, utoipa::ToSchema)]
pub struct CreatedProduct {
    #[serde(flatten)]
    pub product: ProductView,
    pub client_id: String,
    /// `bwc_…`; not shown again. Absent where the product has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct SecretView {
    /// `bwc_…`; not shown again.
    pub client_secret: String,
}

/// What is not said has its default.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    #[schema(example = "Harbor notebooks")]
    pub name: String,
    pub authentication: Option<Authentication>,
    /// A JWK set of public keys, for `private_key_jwt`.
    pub jwks: Option<String>,
    #[schema(example = json!(["https://notebooks.example/callback"]))]
    pub redirect_uris: Option<Vec<String>>,
    pub logout_uris: Option<Vec<String>>,
    pub backchannel_logout_uri: Option<String>,
    pub grant_types: Option<Vec<GrantType>>,
    pub scopes: Option<Vec<String>>,
    pub audiences: Option<Vec<String>>,
    pub resource: Option<String>,
    /// Whether everybody with an account may use it; else only whom access rules name.
    pub everyone: Option<bool>,
    pub asks_consent: Option<bool>,
    pub requires_dpop: Option<bool>,
    pub requires_par: Option<bool>,
    /// ES256, EdDSA or RS256.
    pub id_token_algorithm: Option<String>,
}

/// What is said is changed, the rest stays.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    pub name: Option<String>,
    pub jwks: Option<String>,
    pub redirect_uris: Option<Vec<String>>,
    pub logout_uris: Option<Vec<String>>,
    pub backchannel_logout_uri: Option<String>,
    pub grant_types: Option<Vec<GrantType>>,
    pub scopes: Option<Vec<String>>,
    pub audiences: Option<Vec<String>>,
    pub resource: Option<String>,
    pub everyone: Option<bool>,
    pub asks_consent: Option<bool>,
    pub requires_dpop: Option<bool>,
    pub requires_par: Option<bool>,
    /// ES256, EdDSA or RS256.
    pub id_token_algorithm: Option<String>,
    /// `active` or `disabled`.
    pub state: Option<String>,
}

impl ProductChange {
    /// The settings with these changes.
    fn over(self, old: Settings) -> Result<Settings, Problem> {
        let algorithm = match self.id_token_algorithm.as_deref() {
            None => old.id_token_algorithm,
            Some(text) => jose::Algorithm::parse(text).map_err(|_| {
                let why = "the algorithm is ES256, EdDSA or RS256";
                Problem::invalid(why).field("id_token_algorithm", why)
            })?,
        };
        let settings = Settings {
            name: self.name.map(|name| name.trim().to_owned()).unwrap_or(old.name),
            authentication: old.authentication,
            jwks: self.jwks.unwrap_or(old.jwks),
            redirect_uris: self.redirect_uris.unwrap_or(old.redirect_uris),
            logout_uris: self.logout_uris.unwrap_or(old.logout_uris),
            backchannel_logout_uri: self.backchannel_logout_uri.unwrap_or(old.backchannel_logout_uri),
            grant_types: self.grant_types.unwrap_or(old.grant_types),
            scopes: self.scopes.unwrap_or(old.scopes),
            audiences: self.audiences.unwrap_or(old.audiences),
            resource: self.resource.unwrap_or(old.resource),
            everyone: self.everyone.unwrap_or(old.everyone),
            asks_consent: self.asks_consent.unwrap_or(old.asks_consent),
            requires_dpop: self.requires_dpop.unwrap_or(old.requires_dpop),
            requires_par: self.requires_par.unwrap_or(old.requires_par),
            id_token_algorithm: algorithm,
        };
        let wrong = settings.check();
        if wrong.is_empty() {
            return Ok(settings);
        }
        let first = wrong.first().map(|(_, why)| why.clone()).unwrap_or_default();
        Err(wrong.into_iter().fold(Problem::invalid(first), |problem, (name, why)| problem.field(name, why)))
    }
}

impl NewProduct {
    pub(super) fn settings(self) -> Result<Settings, Problem> {
        let start = Settings {
            authentication: self.authentication.unwrap_or(Authentication::Secret),
            ..Settings::default()
        };
        let change = ProductChange {
            name: Some(self.name),
            jwks: self.jwks,
            redirect_uris: self.redirect_uris,
            logout_uris: self.logout_uris,
            backchannel_logout_uri: self.backchannel_logout_uri,
            grant_types: self.grant_types,
            scopes: self.scopes,
            audiences: self.audiences,
            resource: self.resource,
            everyone: self.everyone,
            asks_consent: self.asks_consent,
            requires_dpop: self.requires_dpop,
            requires_par: self.requires_par,
            id_token_algorithm: self.id_token_algorithm,
            state: None,
        };
        change.over(start)
    }
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationRequest {
    /// How long the old secret works beside the new one: 0 to 720 hours, 24 when not said.
    #[serde(default = "overlap_default")]
    pub overlap_hours: u32,
}

fn overlap_default() -> u32 {
    24
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAccess {
    /// The organization's slug.
    #[schema(example = "harbor")]
    pub organization: String,
    /// The name of one of its groups; every member when not said.
    #[serde(default)]
    pub group: String,
    /// What the product is told they are.
    #[serde(default)]
    pub role: String,
}

fn missing() -> Problem {
    Problem::not_found("product")
}

pub(super) fn before(query: &PageQuery) -> Result<Option<ProductId>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

async fn list(State(app): State<App>, _access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let (before, limit) = (before(&query)?, query.limit()?);
    let found = app.db().read(move |tx| super::list(tx, before, limit + 1)).await?;
    let page = Page::of(found, limit, |product| product.id.to_string());
    Ok(Json(page.map(ProductView::new)).into_response())
}

pub(super) async fn detail(app: &App, id: ProductId, now: Timestamp) -> Result<ProductDetail, Problem> {
    let found = app
        .db()
        .read(move |tx| {
            let Some(product) = super::get(tx, id)? else { return Ok(None) };
            Ok::<_, DbError>(Some((product, super::access_rules(tx, id)?, super::secrets(tx, id, now)?)))
        })
        .await?;
    let (product, rules, secrets) = found.ok_or_else(missing)?;
    Ok(ProductDetail {
        product: ProductView::new(product),
        access: rules
            .into_iter()
            .map(|rule| AccessView {
                id: rule.id,
                organization: rule.slug,
                group: rule.group_name,
                role: rule.role,
            })
            .collect(),
        secrets: secrets
            .into_iter()
            .map(|one| SecretLine { id: one.id, created_at: one.created_at, expires_at: one.expires_at })
            .collect(),
    })
}

async fn show(State(app): State<App>, access: Access, Path(id): Path<ProductId>) -> web::Result {
    Ok(Json(detail(&app, id, access.ctx.now).await?).into_response())
}

fn unkept(status: StatusCode, body: impl IntoResponse) -> Response {
    let mut response = (status, body).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(super) async fn register(
    app: &App,
    access: &Access,
    new: NewProduct,
) -> Result<(Product, Option<NewSecret>), Problem> {
    let (ctx, settings) = (access.ctx.clone(), new.settings()?);
    let written = app.db().write(&access.ctx, move |tx| super::create(&ctx, tx, &settings)).await?;
    Ok(written.value)
}

async fn create(State(app): State<App>, access: Access, Json(body): Json<NewProduct>) -> web::Result {
    let (product, secret) = register(&app, &access, body).await?;
    let view = CreatedProduct {
        client_id: product.id.to_string(),
        product: ProductView::new(product),
        client_secret: secret.map(|secret| secret.text()),
    };
    Ok(unkept(StatusCode::CREATED, Json(view)))
}

pub(super) async fn change(
    app: &App,
    access: &Access,
    id: ProductId,
    asked: ProductChange,
) -> Result<(), Problem> {
    let active = match asked.state.as_deref() {
        None => None,
        Some("active") => Some(true),
        Some("disabled") => Some(false),
        Some(_) => {
            let why = "the state is `active` or `disabled`";
            return Err(Problem::invalid(why).field("state", why));
        }
    };
    let old = app.db().read(move |tx| super::get(tx, id)).await?.ok_or_else(missing)?;
    let settings = asked.over(old.settings.clone())?;
    if settings != old.settings {
        let ctx = access.ctx.clone();
        app.db().write(&access.ctx, move |tx| super::update(&ctx, tx, id, &settings)).await?;
    }
    if let Some(active) = active {
        let ctx = access.ctx.clone();
        app.db().write(&access.ctx, move |tx| super::set_active(&ctx, tx, id, active)).await?;
    }
    Ok(())
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Json(body): Json<ProductChange>,
) -> web::Result {
    change(&app, &access, id, body).await?;
    Ok(Json(detail(&app, id, access.ctx.now).await?).into_response())
}

pub(super) async fn new_secret(
    app: &App,
    access: &Access,
    id: ProductId,
    hours: u32,
) -> Result<NewSecret, Problem> {
    let overlap = Duration::from_secs(u64::from(hours) * HOUR.as_secs());
    if overlap > super::OVERLAP_MAX {
        let why = "the old secret works for 0 to 720 hours more";
        return Err(Problem::invalid(why).field("overlap_hours", why));
    }
    let ctx = access.ctx.clone();
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::rotate_secret(&ctx, tx, id, overlap))
        .await
        .map_err(Problem::from)?;
    match written.value {
        Rotation::Done(secret) => Ok(secret),
        Rotation::NoSuchProduct => Err(missing()),
        Rotation::NoSecret => Err(Problem::conflict("this product does not prove itself by a secret")),
    }
}

async fn rotate(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Json(body): Json<RotationRequest>,
) -> web::Result {
    let secret = new_secret(&app, &access, id, body.overlap_hours).await?;
    Ok(unkept(StatusCode::CREATED, Json(SecretView { client_secret: secret.text() })))
}

pub(super) async fn add_rule(
    app: &App,
    access: &Access,
    id: ProductId,
    new: NewAccess,
) -> Result<(), Problem> {
    let field = |name: &str, why: String| Problem::invalid(&why).field(name, why);
    let role = match new.role.trim() {
        "" => String::new(),
        text => Name::parse(text).map_err(|error| field("role", error.to_string()))?.as_str().to_owned(),
    };
    let rule = NewRule { slug: new.organization.trim().to_owned(), group: new.group.trim().to_owned(), role };
    let (ctx, asked) = (access.ctx.clone(), rule.clone());
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::allow(&ctx, tx, id, &asked))
        .await
        .map_err(Problem::from)?;
    match written.value {
        Allowed::Done(_) => Ok(()),
        Allowed::NoSuchProduct => Err(missing()),
        Allowed::NoSuchOrganization if rule.slug.is_empty() => {
            Err(field("organization", "write the short name of an organization".to_owned()))
        }
        Allowed::NoSuchOrganization => {
            Err(field("organization", format!("there is no organization `{}`", rule.slug)))
        }
        Allowed::NoSuchGroup => Err(field("group", format!("`{}` has no group `{}`", rule.slug, rule.group))),
        Allowed::TooMany => {
            Err(Problem::conflict("this product has too many access rules").cure("use groups"))
        }
    }
}

async fn allow(
    State(app): State<App>,
    access: Access,
    Path(id): Path<ProductId>,
    Json(body): Json<NewAccess>,
) -> web::Result {
    add_rule(&app, &access, id, body).await?;
    Ok((StatusCode::CREATED, Json(detail(&app, id, access.ctx.now).await?)).into_response())
}

pub(super) async fn remove_rule(
    app: &App,
    access: &Access,
    id: ProductId,
    rule: AccessId,
) -> Result<(), Problem> {
    let ctx = access.ctx.clone();
    let written = app
        .db()
        .write(&access.ctx, move |tx| super::disallow(&ctx, tx, id, rule))
        .await
        .map_err(Problem::from)?;
    if written.value { Ok(()) } else { Err(Problem::not_found("access rule")) }
}

async fn disallow(
    State(app): State<App>,
    access: Access,
    Path((id, rule)): Path<(ProductId, AccessId)>,
) -> web::Result {
    remove_rule(&app, &access, id, rule).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
