//! Connections as JSON, and what pages and commands share with it.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::AccountId;
use platform::outbound::Outbound;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{self, Access, Problem};

use super::links::{self, Unlinked};
use super::oidc::{self, Report};
use super::{Connection, ConnectionId, Content, For, Kind, Oidc, Saved, Settings, Switched, Wrong};
use crate::names::Name;

pub(super) mod own_key;
mod saml;
mod views;

pub use saml::{SamlChange, SamlView};
pub use views::{ConnectionChange, ConnectionView, EffectView, LinkView, NewConnection, OwnLinkView};

pub(super) const READ: Openness = Openness::Organization(Permission::PoliciesRead);
pub(super) const MANAGE: Openness = Openness::Organization(Permission::PoliciesManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/connections";
    const ONE: &str = "/api/v1/organizations/{organization}/connections/{connection}";
    Routes::new()
        .add(
            routes::get(ALL, "connection.list", READ, list)
                .summary("Connections to identity providers, by name")
                .gives::<Page<ConnectionView>>(200),
        )
        .add(
            routes::post(ALL, "connection.create", MANAGE, create)
                .recent()
                .summary("Connect an identity provider; nobody comes through it before it is enabled")
                .takes::<NewConnection>()
                .gives::<ConnectionView>(201)
                .records("connection."),
        )
        .add(
            routes::get(ONE, "connection.show", READ, show)
                .summary("One connection; its secret is never shown")
                .gives::<ConnectionView>(200),
        )
        .add(
            routes::patch(ONE, "connection.update", MANAGE, update)
                .recent()
                .summary("Change a connection; what is left out stays. Its issuer stays in any case")
                .takes::<ConnectionChange>()
                .gives::<ConnectionView>(200)
                .records("connection."),
        )
        .merge(act_routes())
        .merge(own_key::routes())
        .merge(link_routes())
}

fn act_routes() -> Routes {
    Routes::new()
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/connections/{connection}/test",
                "connection.test",
                MANAGE,
                test,
            )
            .summary("Ask the provider and say what is wrong, by field")
            .limit(Limit::Heavy)
            .gives::<Report>(200)
            .records("connection."),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/connections/{connection}/disabling",
                "connection.dry_run",
                READ,
                dry_run,
            )
            .summary("What disabling would do: people, sessions, who has no other way in")
            .gives::<EffectView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/connections/{connection}/disable",
                "connection.disable",
                MANAGE,
                disable,
            )
            .recent()
            .summary("Disable a connection: its sessions end at once")
            .gives::<ConnectionView>(200)
            .records("connection."),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/connections/{connection}/enable",
                "connection.enable",
                MANAGE,
                enable,
            )
            .recent()
            .summary("Let people sign in through a connection")
            .gives::<ConnectionView>(200)
            .records("connection."),
        )
}

fn link_routes() -> Routes {
    const OWN: &str = "/api/v1/account/connections";
    Routes::new()
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/connections/{connection}/links",
                "connection.links",
                READ,
                list_links,
            )
            .summary("Who is linked through a connection, by address")
            .paged()
            .gives::<Page<LinkView>>(200),
        )
        .add(
            routes::delete(
                "/api/v1/organizations/{organization}/connections/{connection}/links/{account}",
                "connection.unlink",
                MANAGE,
                unlink,
            )
            .recent()
            .summary("End somebody's link, and the sessions that came through it")
            .gives_nothing(204)
            .records("single_sign_on."),
        )
        .add(
            routes::get(OWN, "account.connections", Openness::SignedIn, own_links)
                .summary("Identity providers that can sign you in")
                .gives::<Vec<OwnLinkView>>(200),
        )
        .add(
            routes::delete(
                "/api/v1/account/connections/{connection}",
                "account.disconnect",
                Openness::SignedIn,
                end_own_link,
            )
            .recent()
            .summary("End the link of your account to an identity provider")
            .gives_nothing(204)
            .records("single_sign_on."),
        )
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn name_of(text: &str) -> Result<Name, Problem> {
    Name::parse(text).map_err(|error| Problem::invalid(&error).field("name", error))
}

fn refused(wrong: &[Wrong]) -> Problem {
    let detail = wrong.first().map_or("", |(_, why)| why.as_str());
    wrong.iter().fold(Problem::invalid(detail), |problem, (field, why)| problem.field(*field, why))
}

fn saved(saved: Saved) -> Result<Connection, Problem> {
    match saved {
        Saved::Done(connection) => Ok(*connection),
        Saved::Refused(wrong) => Err(refused(&wrong)),
        Saved::NameTaken => Err(Problem::conflict("a connection or a directory has this name already")
            .field("name", "is taken")
            .cure("choose another name, or name that directory")),
        Saved::TooMany => {
            Err(Problem::conflict("this organization has as many connections as it can")
                .cure("use one of them"))
        }
        Saved::NoSuchConnection => Err(Problem::not_found("connection")),
        Saved::NoSuchDirectory => {
            Err(Problem::invalid("there is no such directory").field("directory", "does not exist"))
        }
        Saved::DirectoryTaken => Err(Problem::conflict("that directory belongs to another connection")
            .field("directory", "is taken")
            .cure("choose another one, or leave it out")),
    }
}

fn oidc_of(new: &NewConnection) -> Oidc {
    Oidc {
        issuer: new.issuer.trim().to_owned(),
        client_id: new.client_id.trim().to_owned(),
        client_proof: new.client_proof.unwrap_or_default(),
        algorithm: new.algorithm.clone().unwrap_or_else(|| "RS256".to_owned()),
        scopes: new.scopes.clone().unwrap_or_else(default_scopes),
        sign_out_upstream: new.sign_out_upstream.unwrap_or(true),
    }
}

/// What is wrong with the rest of a connection, beside `problem`.
fn also(mut problem: Problem, new: &NewConnection) -> Problem {
    let settings = oidc_of(new);
    let needs_secret = settings.client_proof != super::ClientProof::None;
    for (field, why) in Settings::Oidc(settings).check() {
        problem = problem.field(field, why);
    }
    if needs_secret && new.client_secret.as_deref().unwrap_or_default().is_empty() {
        problem = problem.field("client_secret", "the secret that the provider gave is needed");
    }
    problem
}

/// An issuer that this program would never ask is told where it is typed: it cannot be changed later.
fn askable(app: &App, issuer: &str) -> Result<(), Problem> {
    let Some(client) = app.find_service::<Outbound>() else { return Ok(()) };
    // What is no issuer at all is told in better words.
    if super::settings::wrong_issuer(issuer).is_some() {
        return Ok(());
    }
    client.looks_reachable(issuer).map_err(|refusal| {
        let why = format!("the provider cannot be asked at this address: {refusal}");
        Problem::invalid(&why).field("issuer", &why)
    })
}

/// Whether anybody's address could come through a connection: its organization holds a domain, or it is for everybody.
pub(super) async fn has_people(app: &App, access: &Access, connection: &Connection) -> Result<bool, Problem> {
    if connection.social.is_some() {
        return Ok(true);
    }
    let organization = access.organization_id()?;
    Ok(app.db().read(move |tx| crate::domains::holds_any(tx, organization)).await?)
}

/// Makes a connection, for the API and the form alike.
pub(super) async fn add(app: &App, access: &Access, new: NewConnection) -> Result<Connection, Problem> {
    let is_oidc = new.kind.unwrap_or(Kind::Oidc) == Kind::Oidc;
    let name = match name_of(&new.name) {
        Ok(name) => name,
        // All faults of a form at once.
        Err(problem) if is_oidc => return Err(also(problem, &new)),
        Err(problem) => return Err(problem),
    };
    if is_oidc {
        askable(app, new.issuer.trim())?;
    }
    let content = match new.kind.unwrap_or(Kind::Oidc) {
        Kind::Saml => saml::new_content(app, access, name, &new).await?,
        Kind::Oidc => Content {
            name,
            settings: Settings::Oidc(oidc_of(&new)),
            mapping: new.mapping.unwrap_or_default(),
            secret: new.client_secret,
        },
    };
    let whom = match new.social {
        Some(social) => For::Everybody(social),
        None => For::Directory(new.directory),
    };
    let (organization, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::create(&inner, &ctx, tx, organization, &whom, &content))
        .await?;
    saved(done.value)
}

/// Changes a connection, for the API and the form alike.
pub(super) async fn change(
    app: &App,
    access: &Access,
    id: ConnectionId,
    change: ConnectionChange,
) -> Result<Connection, Problem> {
    let old = one(app, access, id).await?;
    let name = name_of(change.name.as_deref().unwrap_or(&old.name))?;
    let content = match old.settings.clone() {
        Settings::Saml(mut before) => {
            before.sign_out_upstream = change.sign_out_upstream.unwrap_or(before.sign_out_upstream);
            Content {
                name,
                settings: saml::changed(app, access, before, change.saml.as_ref()).await?,
                mapping: change.mapping.unwrap_or(old.mapping),
                // The key is ours; nobody gives it.
                secret: None,
            }
        }
        Settings::Oidc(before) => Content {
            name,
            settings: Settings::Oidc(Oidc {
                client_id: change.client_id.map_or(before.client_id, |text| text.trim().to_owned()),
                client_proof: change.client_proof.unwrap_or(before.client_proof),
                algorithm: change.algorithm.unwrap_or(before.algorithm),
                scopes: change.scopes.unwrap_or(before.scopes),
                sign_out_upstream: change.sign_out_upstream.unwrap_or(before.sign_out_upstream),
                issuer: before.issuer,
            }),
            mapping: change.mapping.unwrap_or(old.mapping),
            secret: change.client_secret,
        },
    };
    let (organization, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::update(&inner, &ctx, tx, organization, id, &content))
        .await?;
    saved(done.value)
}

/// One connection of the organization in the path.
pub(super) async fn one(app: &App, access: &Access, id: ConnectionId) -> Result<Connection, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::get(tx, organization, id)).await?;
    found.ok_or_else(|| Problem::not_found("connection"))
}

pub(super) async fn all(app: &App, access: &Access) -> Result<Vec<Connection>, Problem> {
    let organization = access.organization_id()?;
    Ok(app.db().read(move |tx| super::list(tx, organization)).await?)
}

pub(super) async fn effect(app: &App, access: &Access, id: ConnectionId) -> Result<EffectView, Problem> {
    let connection = one(app, access, id).await?;
    let (organization, now) = (access.organization_id()?, access.ctx.now);
    let effect =
        app.db().read(move |tx| super::effect_of_disabling(tx, organization, &connection, now)).await?;
    Ok(effect.into())
}

pub(super) async fn switch(
    app: &App,
    access: &Access,
    id: ConnectionId,
    active: bool,
) -> Result<Connection, Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::set_active(&ctx, tx, organization, id, active)).await?;
    match done.value {
        Switched::Done(connection) => Ok(*connection),
        Switched::Same => one(app, access, id).await,
        Switched::NoSuchConnection => Err(Problem::not_found("connection")),
        Switched::Needed(policies) => {
            let detail =
                format!("the policies {} let people in through this connection alone", policies.join(", "));
            Err(Problem::conflict(detail).cure("change those policies first, or enable another connection"))
        }
    }
}

/// Asks the provider, and records that and how it went.
pub(super) async fn try_out(app: &App, access: &Access, id: ConnectionId) -> Result<Report, Problem> {
    let connection = one(app, access, id).await?;
    let report = oidc::probe(app, &connection, access.ctx.now).await;
    let works = report.works;
    app.db()
        .write(&access.ctx, move |tx| {
            let event = Event::new(connection.organization, "connection.tested")
                .target("connection", connection.id)
                .with("name", &connection.name)
                .with("works", works);
            let recorded = tx.record(event);
            Ok::<_, DbError>(Commit::changed((), recorded))
        })
        .await?;
    Ok(report)
}

async fn list(AppState(app): AppState<App>, access: Access) -> web::Result {
    let found = all(&app, &access).await?;
    let items: Vec<_> = found.into_iter().map(|one| ConnectionView::new(&app, one)).collect();
    Ok(Json(Page { items, next_cursor: None }).into_response())
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewConnection>,
) -> web::Result {
    let made = add(&app, &access, body).await?;
    Ok((StatusCode::CREATED, Json(ConnectionView::new(&app, made))).into_response())
}

type OnePath = Path<(String, ConnectionId)>;

async fn show(AppState(app): AppState<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    let found = one(&app, &access, id).await?;
    Ok(Json(ConnectionView::new(&app, found)).into_response())
}

async fn update(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): OnePath,
    Json(body): Json<ConnectionChange>,
) -> web::Result {
    let changed = change(&app, &access, id, body).await?;
    Ok(Json(ConnectionView::new(&app, changed)).into_response())
}

async fn test(AppState(app): AppState<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    Ok(Json(try_out(&app, &access, id).await?).into_response())
}

async fn dry_run(AppState(app): AppState<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    Ok(Json(effect(&app, &access, id).await?).into_response())
}

async fn disable(AppState(app): AppState<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    let done = switch(&app, &access, id, false).await?;
    Ok(Json(ConnectionView::new(&app, done)).into_response())
}

async fn enable(AppState(app): AppState<App>, access: Access, Path((_, id)): OnePath) -> web::Result {
    let done = switch(&app, &access, id, true).await?;
    Ok(Json(ConnectionView::new(&app, done)).into_response())
}

pub(super) async fn linked(
    app: &App,
    access: &Access,
    id: ConnectionId,
    page: &PageQuery,
) -> Result<Page<LinkView>, Problem> {
    one(app, access, id).await?;
    let (organization, after, limit) = (access.organization_id()?, page.after()?, page.limit()?);
    let found = app.db().read(move |tx| links::list(tx, organization, id, &after, limit + 1)).await?;
    let page = Page::of(found, limit, |link| link.email.clone());
    Ok(page.map(|link| LinkView {
        account: link.account,
        email: link.email,
        name: link.name,
        subject: link.subject,
        linked_at: link.linked_at,
        used_at: link.used_at,
    }))
}

async fn list_links(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): OnePath,
    Query(page): Query<PageQuery>,
) -> web::Result {
    Ok(Json(linked(&app, &access, id, &page).await?).into_response())
}

fn unlinked(outcome: Unlinked) -> Result<(), Problem> {
    match outcome {
        Unlinked::Done => Ok(()),
        Unlinked::NoSuchLink => Err(Problem::not_found("link")),
        Unlinked::OnlyWay => Err(Problem::conflict("this is the only way into your account")
            .cure("set a password or add a passkey first")),
    }
}

pub(super) async fn end_link(
    app: &App,
    access: &Access,
    id: ConnectionId,
    account: AccountId,
) -> Result<(), Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| links::end(&ctx, tx, organization, id, account)).await?;
    unlinked(done.value)
}

async fn unlink(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id, account)): Path<(String, ConnectionId, AccountId)>,
) -> web::Result {
    end_link(&app, &access, id, account).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn own(app: &App, access: &Access) -> Result<Vec<OwnLinkView>, Problem> {
    let account = access.account()?;
    let found = app.db().read(move |tx| links::of_account(tx, account)).await?;
    Ok(found
        .into_iter()
        .map(|link| OwnLinkView {
            connection: link.connection,
            name: link.name,
            organization: link.organization,
            active: link.active,
            linked_at: link.linked_at,
            used_at: link.used_at,
        })
        .collect())
}

async fn own_links(AppState(app): AppState<App>, access: Access) -> web::Result {
    Ok(Json(own(&app, &access).await?).into_response())
}

pub(super) async fn disconnect(app: &App, access: &Access, id: ConnectionId) -> Result<(), Problem> {
    let (account, ctx) = (access.account()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| links::end_own(&ctx, tx, account, id)).await?;
    unlinked(done.value)
}

async fn end_own_link(
    AppState(app): AppState<App>,
    access: Access,
    Path(id): Path<ConnectionId>,
) -> web::Result {
    disconnect(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
