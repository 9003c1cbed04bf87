//! JSON side of claims.

use axum::extract::State as AppState;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::ids::AccountId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{CHOSEN_MAX, Claim, ClaimId, ClaimState, Mode, Preview, Starting, Tally, Touched, Undoing, Whom};
use crate::accounts::email::EmailAddress;
use crate::domains::{self, DomainId};

const READ: Openness = Openness::Organization(Permission::DomainsRead);
const MANAGE: Openness = Openness::Organization(Permission::DomainsManage);
/// Room for [`CHOSEN_MAX`] addresses.
pub(super) const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

pub(crate) fn routes() -> Routes {
    const OF_DOMAIN: &str = "/api/v1/organizations/{organization}/domains/{domain}/claims";
    Routes::new()
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/domains/{domain}/claim-preview",
                "claim.preview",
                READ,
                preview,
            )
            .summary("How many accounts a claim of all would touch, and how")
            .gives::<Preview>(200),
        )
        .add(
            routes::get(
                "/api/v1/organizations/{organization}/domains/{domain}/claimable-accounts",
                "claim.list_touched",
                READ,
                list_touched,
            )
            .summary("Whom a claim of all would touch")
            .paged()
            .gives::<Page<TouchedView>>(200),
        )
        .add(
            routes::post(OF_DOMAIN, "claim.create", MANAGE, create)
                .summary("Claim accounts at a domain, or say with `dry_run` whom that would touch")
                .limit(Limit::Heavy)
                .body_bytes_max(BODY_BYTES_MAX)
                .takes::<NewClaim>()
                .gives::<Preview>(200)
                .gives::<ClaimView>(202)
                .records("claim."),
        )
        .add(
            routes::get("/api/v1/organizations/{organization}/claims", "claim.list", READ, list)
                .summary("Claims of an organization, the newest first")
                .paged()
                .query_id("domain", "id of a domain")
                .gives::<Page<ClaimView>>(200),
        )
        .add(
            routes::get("/api/v1/organizations/{organization}/claims/{claim}", "claim.show", READ, show)
                .summary("One claim and how far it is")
                .gives::<ClaimView>(200),
        )
        .add(
            routes::post(
                "/api/v1/organizations/{organization}/claims/{claim}/undo",
                "claim.undo",
                MANAGE,
                undo,
            )
            .summary("Take a claim back, within 7 days")
            .gives::<ClaimView>(202)
            .records("claim."),
        )
}

/// Whom to claim.
#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClaim {
    /// `all`, or `chosen` with `addresses`.
    #[schema(example = "all")]
    pub mode: String,
    #[serde(default)]
    pub addresses: Vec<String>,
    /// Whether accounts made later at this domain are claimed by themselves. With `all` they are when not said.
    #[serde(default)]
    pub claim_new: Option<bool>,
    /// Only say whom it would touch.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct TouchedView {
    #[schema(value_type = String)]
    pub id: AccountId,
    pub email: String,
    /// A member of this organization already.
    pub member: bool,
    /// The address was never proved: the account loses password and sessions.
    pub unverified: bool,
    /// Left behind by an earlier holder of the domain: closed instead of claimed.
    pub retired: bool,
}

impl From<Touched> for TouchedView {
    fn from(one: Touched) -> Self {
        Self {
            id: one.account,
            email: one.email,
            member: one.member,
            unverified: one.unverified,
            retired: one.retire,
        }
    }
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct ClaimView {
    #[schema(value_type = String)]
    pub id: ClaimId,
    #[schema(value_type = String)]
    pub domain: DomainId,
    pub domain_name: String,
    /// `all`, `chosen`, or `new` for accounts that appeared later.
    #[schema(value_type = String)]
    pub mode: Mode,
    /// `running`, `done`, `undoing` or `undone`.
    #[schema(value_type = String)]
    pub state: ClaimState,
    pub accounts: Tally,
    #[schema(value_type = String, format = DateTime)]
    pub undo_until: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
}

impl From<Claim> for ClaimView {
    fn from(claim: Claim) -> Self {
        Self {
            id: claim.id,
            domain: claim.domain,
            domain_name: claim.domain_name,
            mode: claim.mode,
            state: claim.state,
            accounts: claim.tally,
            undo_until: claim.undo_until,
            created_at: claim.created_at,
            finished_at: claim.finished_at,
        }
    }
}

async fn preview(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
) -> platform::web::Result {
    Ok(Json(preview_of(&app, &access, id).await?).into_response())
}

/// What a claim of all would do; only the organization that may claim learns it.
pub(super) async fn preview_of(app: &App, access: &Access, id: DomainId) -> Result<Preview, Problem> {
    let (organization, domain) = (access.organization_id()?, claimable_domain(app, access, id).await?);
    Ok(app.db().read(move |tx| super::preview(tx, organization, &domain.name)).await?)
}

/// The domain, if accounts may be claimed at it: before the proof nobody learns who is there.
pub(super) async fn claimable_domain(
    app: &App,
    access: &Access,
    id: DomainId,
) -> Result<domains::Domain, Problem> {
    let domain = domains::api::one(app, access, id).await?;
    if domain.state.may_claim() { Ok(domain) } else { Err(not_held(&domain)) }
}

fn not_held(domain: &domains::Domain) -> Problem {
    Problem::conflict(format!("`{}` is {}: no accounts can be claimed", domain.name, domain.state.as_str()))
        .cure("prove the domain first")
}

async fn list_touched(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
    Query(page): Query<PageQuery>,
) -> platform::web::Result {
    let (organization, domain) = (access.organization_id()?, claimable_domain(&app, &access, id).await?);
    let (after, limit) = (page.after()?.parse::<AccountId>().ok(), page.limit()?);
    let found =
        app.db().read(move |tx| super::touched(tx, organization, &domain.name, after, limit + 1)).await?;
    let page = Page::of(found, limit, |one| one.account.to_string());
    Ok(Json(page.map(TouchedView::from)).into_response())
}

/// Canonical addresses, or what is wrong with which.
fn canonical(addresses: &[String]) -> Result<Vec<String>, Problem> {
    if addresses.len() > CHOSEN_MAX {
        return Err(too_many());
    }
    let mut problem = Problem::invalid("some addresses cannot be read");
    let mut emails = Vec::with_capacity(addresses.len());
    for (index, text) in addresses.iter().enumerate() {
        match EmailAddress::parse(text) {
            Ok(email) => emails.push(email.key().to_owned()),
            Err(error) => problem = problem.field(format!("addresses/{index}"), error),
        }
    }
    if problem.errors.is_empty() { Ok(emails) } else { Err(problem) }
}

fn too_many() -> Problem {
    Problem::invalid(format!("one claim names up to {CHOSEN_MAX} addresses"))
        .field("addresses", "too many")
        .cure("claim in several steps, or claim all")
}

fn others(emails: &[String]) -> Problem {
    const NAMED: usize = 20;
    let named = emails.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    Problem::invalid(format!("{} addresses have no account here that can be claimed: {named}", emails.len()))
        .field("addresses", "no account that can be claimed")
        .cure("leave them out; nothing was claimed")
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, DomainId)>,
    Json(body): Json<NewClaim>,
) -> platform::web::Result {
    let whom = match body.mode.as_str() {
        "all" if body.addresses.is_empty() => Whom::All,
        "all" => {
            return Err(
                Problem::invalid("`addresses` goes with `chosen`").field("addresses", "not with `all`")
            );
        }
        "chosen" => Whom::Chosen(canonical(&body.addresses)?),
        other => {
            let problem = Problem::invalid(format!("`{other}` is no mode: use `all` or `chosen`"));
            return Err(problem.field("mode", "not known"));
        }
    };
    if body.dry_run {
        return Ok(Json(dry_run(&app, &access, id, whom).await?).into_response());
    }
    let claim_new = body.claim_new.or(matches!(whom, Whom::All).then_some(true));
    let claim = start(&app, &access, id, whom, claim_new).await?;
    Ok((StatusCode::ACCEPTED, Json(ClaimView::from(claim))).into_response())
}

pub(super) async fn dry_run(
    app: &App,
    access: &Access,
    id: DomainId,
    whom: Whom,
) -> Result<Preview, Problem> {
    let (organization, domain) = (access.organization_id()?, claimable_domain(app, access, id).await?);
    match whom {
        Whom::All => Ok(app.db().read(move |tx| super::preview(tx, organization, &domain.name)).await?),
        Whom::Chosen(emails) => {
            let selection =
                app.db().read(move |tx| super::select(tx, organization, &domain.name, &emails)).await?;
            if !selection.others.is_empty() {
                return Err(others(&selection.others));
            }
            Ok(summed(&selection.accounts))
        }
    }
}

fn summed(accounts: &[Touched]) -> Preview {
    let count = |which: fn(&Touched) -> bool| {
        u64::try_from(accounts.iter().filter(|one| which(one)).count()).unwrap_or(u64::MAX)
    };
    Preview {
        accounts: count(|_| true),
        members: count(|one| one.member),
        unverified: count(|one| one.unverified && !one.retire),
        retired: count(|one| one.retire),
    }
}

/// Starts a claim, for the API and the form alike.
pub(super) async fn start(
    app: &App,
    access: &Access,
    id: DomainId,
    whom: Whom,
    claim_new: Option<bool>,
) -> Result<Claim, Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done = app
        .db()
        .write(&access.ctx, move |tx| super::start(&ctx, tx, organization, id, &whom, claim_new))
        .await?;
    match done.value {
        Starting::Done(claim) => Ok(claim),
        Starting::NoSuchDomain => Err(Problem::not_found("domain")),
        Starting::NotHeld(domain) => Err(not_held(&domain)),
        Starting::Nobody => Err(Problem::conflict("there is no account to claim at this domain")
            .cure("invite people, or let accounts be claimed as they appear")),
        Starting::Others(emails) => Err(others(&emails)),
        Starting::TooMany => Err(too_many()),
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ListQuery {
    #[serde(default)]
    domain: Option<DomainId>,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(page): Query<PageQuery>,
    Query(query): Query<ListQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (before, limit) = (page.after()?.parse::<ClaimId>().ok(), page.limit()?);
    let found =
        app.db().read(move |tx| super::list(tx, organization, query.domain, before, limit + 1)).await?;
    let page = Page::of(found, limit, |claim| claim.id.to_string());
    Ok(Json(page.map(ClaimView::from)).into_response())
}

pub(super) async fn one(app: &App, access: &Access, id: ClaimId) -> Result<Claim, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, organization, id)).await?;
    found.ok_or_else(|| Problem::not_found("claim"))
}

async fn show(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ClaimId)>,
) -> platform::web::Result {
    Ok(Json(ClaimView::from(one(&app, &access, id).await?)).into_response())
}

/// Takes a claim back, for the API and the form alike.
pub(super) async fn take_back(app: &App, access: &Access, id: ClaimId) -> Result<Claim, Problem> {
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let now = ctx.now;
    let done = app.db().write(&access.ctx, move |tx| super::undo(&ctx, tx, organization, id)).await?;
    match done.value {
        Undoing::Done(claim) => Ok(claim),
        Undoing::NoSuchClaim => Err(Problem::not_found("claim")),
        Undoing::NotNow(claim) if claim.state == ClaimState::Done && now >= claim.undo_until => {
            Err(Problem::conflict("a claim can be taken back for 7 days, and they are over")
                .cure("give the domain up to release its accounts"))
        }
        Undoing::NotNow(claim) => {
            Err(Problem::conflict(format!("the claim is {}", claim.state.as_str()))
                .cure("wait until it is done"))
        }
    }
}

async fn undo(
    AppState(app): AppState<App>,
    access: Access,
    Path((_, id)): Path<(String, ClaimId)>,
) -> platform::web::Result {
    let claim = take_back(&app, &access, id).await?;
    Ok((StatusCode::ACCEPTED, Json(ClaimView::from(claim))).into_response())
}
