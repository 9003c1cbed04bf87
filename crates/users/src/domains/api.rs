//! JSON side of domains.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::checks::{self, Checked, Refused};
use super::name::{DomainName, DomainNameError, Reserved};
use super::proof::Report;
use super::{Adding, Changing, Domain, DomainId, PENDING_MAX};

const READ: Openness = Openness::Organization(Permission::DomainsRead);
const MANAGE: Openness = Openness::Organization(Permission::DomainsManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/domains";
    const ONE: &str = "/api/v1/organizations/{organization}/domains/{domain}";
    Routes::new()
        .add(
            routes::get(ALL, "domain.list", READ, list)
                .summary("Domains of an organization, by name")
                .paged()
                .query("q", "beginning of the name")
                .gives::<Page<DomainView>>(200),
        )
        .add(
            routes::post(ALL, "domain.create", MANAGE, create)
                .summary("Add a domain to prove")
                .takes::<NewDomain>()
                .gives::<DomainView>(201)
                .records("domain."),
        )
        .add(
            routes::get(ONE, "domain.show", READ, show)
                .summary("One domain: its record, its proof and the last check")
                .gives::<DomainView>(200),
        )
        .add(
            routes::patch(ONE, "domain.update", MANAGE, update)
                .summary("Say whether accounts made later are claimed by themselves")
                .takes::<DomainChange>()
                .gives::<DomainView>(200)
                .records("domain."),
        )
        .add(
            routes::delete(ONE, "domain.remove", MANAGE, remove)
                .summary("Give a domain up; its managed accounts are released")
                .gives_nothing(204)
                .records("domain."),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/domains/{domain}/check",
                "domain.check",
                MANAGE,
                check,
            )
            .summary("Look for the proof now")
            .limit(Limit::Heavy)
            .gives::<CheckView>(200)
            .records("domain."),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/domains/{domain}/renew",
                "domain.renew",
                MANAGE,
                renew,
            )
            .summary("Get a new token for a domain that waits for its first proof")
            .gives::<DomainView>(200)
            .records("domain."),
        )
}

/// A domain to prove.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDomain {
    #[schema(example = "example.com")]
    pub name: String,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DomainChange {
    /// Claim accounts that are made at this domain from now on.
    pub claim_new: bool,
}

/// What to publish.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct RecordView {
    /// A TXT record of this name …
    pub name: String,
    /// … with this value.
    pub value: String,
    /// Or a file at this address …
    pub file_url: String,
    /// … whose whole content is this.
    pub file_content: String,
    /// Until when this may be used for the first proof.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Timestamp,
}

/// How the domain was proved last.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = DomainProof)]
pub struct ProofView {
    /// `dns_txt` or `https_file`.
    pub method: String,
    /// Which resolvers, or which address of the web server, gave the answer.
    pub seen_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct DomainView {
    #[schema(value_type = String)]
    pub id: DomainId,
    pub name: String,
    /// `pending`, `verified`, `at_risk`, `suspended` or `lost`.
    pub state: String,
    #[schema(value_type = String, format = DateTime)]
    pub state_since: Timestamp,
    /// What the state means and what happens next, in words.
    pub what_next: String,
    pub record: RecordView,
    pub proof: Option<ProofView>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub checked_at: Option<Timestamp>,
    /// What each resolver and the web server said in the last check.
    pub last_check: Option<Report>,
    /// Checks in a row that found the proof gone.
    pub misses: u32,
    /// Since when nobody answers; that never counts against the domain.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub unanswered_since: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_check_at: Option<Timestamp>,
    pub claim_new: bool,
    /// What may mislead a reader of the name, e.g. letters that look like others.
    pub warnings: Vec<String>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

pub(super) fn warnings(name: &str) -> Vec<String> {
    checks::stored_name(name)
        .map(|name| name.warnings().iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

impl DomainView {
    pub(super) fn new(domain: Domain, now: Timestamp) -> Self {
        let record = RecordView {
            name: domain.record_name(),
            value: domain.record_value(),
            file_url: domain.file_url(),
            file_content: domain.token.clone(),
            expires_at: domain.token_expires_at,
        };
        let proof = match (domain.proof_method, domain.proved_at) {
            (Some(method), Some(at)) => Some(ProofView {
                method: method.as_str().to_owned(),
                seen_by: domain.proof_resolvers.clone().unwrap_or_default(),
                at,
            }),
            _ => None,
        };
        Self {
            id: domain.id,
            state: domain.state.as_str().to_owned(),
            state_since: domain.state_since,
            what_next: domain.what_next(now),
            record,
            proof,
            checked_at: domain.checked_at,
            misses: domain.misses,
            unanswered_since: domain.unanswered_since,
            next_check_at: domain.due_at,
            claim_new: domain.claim_new,
            warnings: warnings(&domain.name),
            created_at: domain.created_at,
            last_check: domain.report,
            name: domain.name,
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct CheckView {
    /// The proof is there and accepted.
    pub proved: bool,
    /// Why not: `absent`, `different`, `wildcard`, `undecided`, `token_expired`, `held_elsewhere` or
    /// `changed_meanwhile`.
    pub reason: Option<String>,
    /// The same in words, with what to do.
    pub detail: String,
    pub domain: DomainView,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(page): Query<PageQuery>,
) -> platform::web::Result {
    let (organization, search) = (access.organization_id()?, page.search()?);
    let (after, limit, now) = (page.after()?, page.limit()?, access.ctx.now);
    let found = app.db().read(move |tx| super::list(tx, organization, &search, &after, limit + 1)).await?;
    let page = Page::of(found, limit, super::list_key);
    Ok(Json(page.map(|domain| DomainView::new(domain, now))).into_response())
}

/// Reads a name as somebody typed it; those of tests and the demo may be reserved ones.
pub(super) fn parse_name(app: &App, text: &str) -> Result<DomainName, DomainNameError> {
    let reserved =
        if app.config().demo || app.config().test_clock { Reserved::Allow } else { Reserved::Refuse };
    DomainName::parse_with(text, reserved)
}

/// Adds a domain, for the API and the form alike.
pub(super) async fn add(app: &App, access: &Access, text: &str) -> Result<Domain, Problem> {
    let name = parse_name(app, text).map_err(|error| Problem::invalid(&error).field("name", error))?;
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app.db().write(&access.ctx, move |tx| super::add(&ctx, tx, organization, &name)).await?;
    match done.value {
        Adding::Done(domain) => Ok(domain),
        Adding::Here(domain) => Err(Problem::conflict(format!("`{}` is here already", domain.name))
            .field("name", "is here already")
            .cure("open it in the list of domains")),
        Adding::TooManyPending => {
            Err(Problem::conflict(format!("{PENDING_MAX} domains wait for their proof already"))
                .field("name", "too many wait for their proof")
                .cure("prove or remove one of them first"))
        }
        Adding::TooMany => Err(Problem::conflict("this organization has as many domains as it can")
            .field("name", "too many domains")
            .cure("remove one that you do not need any more")),
    }
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Json(body): Json<NewDomain>,
) -> platform::web::Result {
    let domain = add(&app, &access, &body.name).await?;
    Ok((StatusCode::CREATED, Json(DomainView::new(domain, access.ctx.now))).into_response())
}

/// One domain of the organization in the path.
pub(crate) async fn one(app: &App, access: &Access, id: DomainId) -> Result<Domain, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, organization, id)).await?;
    found.ok_or_else(|| Problem::not_found("domain"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    let domain = one(&app, &access, id).await?;
    Ok(Json(DomainView::new(domain, access.ctx.now)).into_response())
}

/// What to do with a domain, for the API and the forms alike.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Renew,
    ClaimNew(bool),
    Remove,
}

pub(super) async fn change(app: &App, access: &Access, id: DomainId, act: Act) -> Result<Domain, Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| match act {
            Act::Renew => super::renew(&ctx, tx, organization, id),
            Act::ClaimNew(on) => super::set_claim_new(&ctx, tx, organization, id, on),
            Act::Remove => super::remove(&ctx, tx, organization, id),
        })
        .await?;
    match done.value {
        Changing::Done(domain) => Ok(domain),
        Changing::NoSuchDomain => Err(Problem::not_found("domain")),
        Changing::WrongState(domain) => {
            let problem = Problem::conflict(format!("`{}` is {}", domain.name, domain.state.as_str()));
            Err(match act {
                Act::Renew => problem.cure("only a domain that waits for its first proof needs a new token"),
                Act::ClaimNew(_) => problem.cure("prove the domain first"),
                Act::Remove => problem.cure("there is nothing left to give up"),
            })
        }
    }
}

async fn update(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
    Json(body): Json<DomainChange>,
) -> platform::web::Result {
    let domain = change(&app, &access, id, Act::ClaimNew(body.claim_new)).await?;
    Ok(Json(DomainView::new(domain, access.ctx.now)).into_response())
}

async fn remove(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    change(&app, &access, id, Act::Remove).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn renew(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    let domain = change(&app, &access, id, Act::Renew).await?;
    Ok(Json(DomainView::new(domain, access.ctx.now)).into_response())
}

/// A check told to people: whether it is proved, why not, in words, and the domain after it.
pub(super) struct Told {
    pub proved: bool,
    pub reason: Option<Refused>,
    pub words: String,
    pub domain: Domain,
}

/// Checks a domain, for the API and the form alike.
pub(super) async fn check_now(app: &App, access: &Access, id: DomainId) -> Result<Told, Problem> {
    let organization = access.organization_id()?;
    let checked = checks::check(app, &access.ctx, organization, id).await.map_err(|error| match error {
        checks::Error::Db(error) => Problem::from(error),
        checks::Error::NoProver => {
            tracing::error!("{error}");
            Problem::internal()
        }
    })?;
    let good = |words: &str, domain: Domain| {
        Ok(Told { proved: true, reason: None, words: format!("{} {words}", domain.name), domain })
    };
    match checked {
        Checked::Verified(domain) => good("is verified: it is yours.", domain),
        Checked::Recovered(domain) => good("is verified again.", domain),
        Checked::Held(domain) => good("is verified; the proof is in place.", domain),
        Checked::Missing(domain, refused) | Checked::Refused(domain, refused) => {
            Ok(Told { proved: false, words: refused.words(&domain), reason: Some(refused), domain })
        }
        Checked::WrongState(domain) => Err(Problem::conflict(format!(
            "`{}` is {}: there is nothing to check",
            domain.name,
            domain.state.as_str()
        ))
        .cure("add the domain again")),
        Checked::NoSuchDomain => Err(Problem::not_found("domain")),
    }
}

async fn check(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    let told = check_now(&app, &access, id).await?;
    let view = CheckView {
        proved: told.proved,
        reason: told.reason.map(|reason| reason.name().to_owned()),
        detail: told.words,
        domain: DomainView::new(told.domain, access.ctx.now),
    };
    Ok(Json(view).into_response())
}
