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

use super::{AccessId, Allowed, NewRule, NewSecret, Product, ProductId, Rotation};
use crate::names::Name;

mod views;

pub use views::{
    AccessView, CreatedProduct, NewAccess, NewProduct, ProductChange, ProductDetail, ProductView,
    RotationRequest, SecretLine, SecretView,
};

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
