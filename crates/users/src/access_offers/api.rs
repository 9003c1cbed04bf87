//! JSON side of offers.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::GroupId;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path, Query};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::{Access, Problem};
use serde::{Deserialize, Serialize};

use super::{DAYS_DEFAULT, DAYS_MAX, HOURS_DEFAULT, HOURS_MAX, Offer, OfferId, Saved, Terms, Wanted};
use crate::product_members::{self, Rule};
use crate::products::AccessId;

const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const LIST: &str = "/api/v1/organizations/{organization}/access-offers";
    const ONE: &str = "/api/v1/organizations/{organization}/access-offers/{offer}";
    const RULES: &str = "/api/v1/organizations/{organization}/product-rules";
    Routes::new()
        .add(
            routes::get(LIST, "access_offer.list", READ, list)
                .summary("What members may ask for, and who decides, the oldest first")
                .paged()
                .gives::<Page<OfferView>>(200),
        )
        .add(
            routes::post(LIST, "access_offer.create", MANAGE, create)
                .recent()
                .summary("Let members ask for a group, a product or a role")
                .takes::<NewOfferBody>()
                .gives::<OfferView>(201)
                .records("access_offer."),
        )
        .add(routes::get(ONE, "access_offer.show", READ, show).summary("One offer").gives::<OfferView>(200))
        .add(
            routes::patch(ONE, "access_offer.update", MANAGE, update)
                .recent()
                .summary("Change who decides, how fast, and for how long access is given")
                .takes::<TermsBody>()
                .gives::<OfferView>(200)
                .records("access_offer."),
        )
        .add(
            routes::delete(ONE, "access_offer.delete", MANAGE, remove)
                .summary("End an offer; what was granted stays until its end")
                .gives_nothing(204)
                .records("access_offer."),
        )
        .add(
            routes::get(RULES, "product_rule.list", READ, rules)
                .summary("Rules by which people of this organization may use products")
                .gives::<Vec<RuleView>>(200),
        )
}

#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
pub struct OfferView {
    #[schema(value_type = String)]
    pub id: OfferId,
    /// `group`, `product` or `role`.
    pub kind: &'static str,
    pub name: String,
    #[schema(value_type = Option<String>)]
    pub group: Option<GroupId>,
    #[schema(value_type = Option<String>)]
    pub product_rule: Option<AccessId>,
    #[schema(value_type = Option<String>)]
    pub role: Option<Role>,
    /// The group that decides beside those who manage people.
    #[schema(value_type = Option<String>)]
    pub approvers: Option<GroupId>,
    pub approvers_name: Option<String>,
    /// How many people must approve.
    pub approvals: u32,
    pub days_max: u32,
    pub hours_to_decide: u32,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<Offer> for OfferView {
    fn from(offer: Offer) -> Self {
        let (group, product_rule) = match offer.wanted {
            Wanted::Group(group) => (Some(group), None),
            Wanted::Product(rule) => (None, Some(rule)),
            Wanted::Role(_) | Wanted::Membership => (None, None),
        };
        Self {
            id: offer.id,
            kind: offer.wanted.kind(),
            role: offer.wanted.role(),
            group,
            product_rule,
            name: offer.name,
            approvers: offer.approvers,
            approvers_name: offer.approvers_name,
            approvals: offer.approvals,
            days_max: offer.days_max,
            hours_to_decide: offer.hours_to_decide,
            created_at: offer.created_at,
        }
    }
}

/// A rule of the provider about this organization.
#[derive(Debug, Clone, Serialize, utoipa::ToSchema)]
#[schema(as = ProductRule)]
pub struct RuleView {
    #[schema(value_type = String)]
    pub id: AccessId,
    pub product: String,
    /// What the product is told that people are; empty: nothing.
    pub role: String,
    /// Null: every member may use it, so that nobody needs to ask.
    #[schema(value_type = Option<String>)]
    pub group: Option<GroupId>,
    pub active: bool,
}

impl From<Rule> for RuleView {
    fn from(rule: Rule) -> Self {
        let Rule { id, product, role, group, active } = rule;
        Self { id, product, role, group, active }
    }
}

/// One of `group`, `product_rule` and `role`, and the terms.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOfferBody {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub group: Option<GroupId>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub product_rule: Option<AccessId>,
    /// `admin` or `auditor`.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "auditor")]
    pub role: Option<Role>,
    /// A group that decides beside those who manage people; not for roles.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub approvers: Option<GroupId>,
    /// 1 or 2; 1 when not said, 2 for the role `admin`.
    #[serde(default)]
    pub approvals: Option<u32>,
    /// 1 to 365; 90 when not said.
    #[serde(default)]
    pub days_max: Option<u32>,
    /// 1 to 720; 72 when not said.
    #[serde(default)]
    pub hours_to_decide: Option<u32>,
}

#[derive(Debug, Clone, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OfferTerms)]
pub struct TermsBody {
    /// Null: those who manage people alone.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub approvers: Option<GroupId>,
    #[schema(example = 1)]
    pub approvals: u32,
    #[schema(example = 90)]
    pub days_max: u32,
    #[schema(example = 72)]
    pub hours_to_decide: u32,
}

impl TermsBody {
    pub(super) fn terms(&self) -> Result<Terms, Problem> {
        let ranges = [
            ("approvals", self.approvals, 2),
            ("days_max", self.days_max, DAYS_MAX),
            ("hours_to_decide", self.hours_to_decide, HOURS_MAX),
        ];
        for (name, value, max) in ranges {
            if value == 0 || value > max {
                let why = format!("`{name}` is {value}: use 1 to {max}");
                return Err(Problem::invalid(&why).field(name, why));
            }
        }
        Ok(Terms {
            approvers: self.approvers,
            approvals: self.approvals,
            days_max: self.days_max,
            hours_to_decide: self.hours_to_decide,
        })
    }
}

impl NewOfferBody {
    fn wanted(&self) -> Result<Wanted, Problem> {
        match (self.group, self.product_rule, self.role) {
            (Some(group), None, None) => Ok(Wanted::Group(group)),
            (None, Some(rule), None) => Ok(Wanted::Product(rule)),
            (None, None, Some(role)) => Ok(Wanted::Role(role)),
            _ => {
                let why = "choose the one thing that members may ask for (`group`, `product_rule` or `role`)";
                Err(Problem::invalid(why).field("wanted", why))
            }
        }
    }

    fn terms(&self) -> Result<Terms, Problem> {
        let two = if self.role == Some(Role::Admin) { 2 } else { 1 };
        let body = TermsBody {
            approvers: self.approvers,
            approvals: self.approvals.unwrap_or(two),
            days_max: self.days_max.unwrap_or(DAYS_DEFAULT),
            hours_to_decide: self.hours_to_decide.unwrap_or(HOURS_DEFAULT),
        };
        body.terms()
    }
}

fn saved(outcome: Saved) -> Result<Offer, Problem> {
    let field = |name: &str, why: &str| Problem::invalid(why).field(name, why);
    match outcome {
        Saved::Done(offer) => Ok(offer),
        Saved::NoSuchOffer => Err(Problem::not_found("offer")),
        Saved::Taken => Err(Problem::conflict("this is offered already").cure("change that offer")),
        Saved::NoSuchTarget => Err(field("wanted", "this organization has no such group or product rule")),
        Saved::NoSuchApprovers => Err(field("approvers", "this organization has no such group")),
        Saved::FromDirectory => {
            Err(Problem::conflict("a directory fills this group, so nobody is let in from here")
                .cure("give access to it where the directory is kept"))
        }
        Saved::EverybodyHasIt => {
            Err(Problem::conflict("every member may use this product, so nobody needs to ask"))
        }
        Saved::NoSuchRole => Err(field("role", "only `admin` and `auditor` can be asked for")),
        Saved::ManagersOnly => {
            Err(field("approvers", "roles are decided by those who manage people: leave this out"))
        }
        Saved::TwoNeeded => Err(field("approvals", "the role of an admin needs 2 approvals")),
        Saved::TooMany => Err(Problem::conflict("this organization has too many offers").cure("end some")),
    }
}

/// The id in a list's cursor.
fn after(query: &PageQuery) -> Result<Option<OfferId>, Problem> {
    let text = query.after()?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Problem::invalid("`cursor` is not one that this list gave"))
}

async fn list(
    State(app): State<App>,
    access: Access,
    Query(query): Query<PageQuery>,
) -> platform::web::Result {
    let organization = access.organization_id()?;
    let (after, limit) = (after(&query)?, query.limit()?);
    let found = app.db().read(move |tx| super::list(tx, organization, after, limit + 1)).await?;
    let page = Page::of(found, limit, |offer| offer.id.to_string());
    Ok(Json(page.map(OfferView::from)).into_response())
}

pub(super) async fn offer_of(app: &App, access: &Access, id: OfferId) -> Result<Offer, Problem> {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, organization, id)).await?;
    found.ok_or_else(|| Problem::not_found("offer"))
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    Ok(Json(OfferView::from(offer_of(&app, &access, id).await?)).into_response())
}

pub(super) async fn make(app: &App, access: &Access, body: &NewOfferBody) -> Result<Offer, Problem> {
    let (wanted, terms) = (body.wanted()?, body.terms()?);
    let (organization, ctx) = (access.organization_id()?, access.ctx.clone());
    let done =
        app.db().write(&access.ctx, move |tx| super::create(&ctx, tx, organization, wanted, &terms)).await?;
    saved(done.value)
}

async fn create(
    State(app): State<App>,
    access: Access,
    Json(body): Json<NewOfferBody>,
) -> platform::web::Result {
    let made = make(&app, &access, &body).await?;
    Ok((StatusCode::CREATED, Json(OfferView::from(made))).into_response())
}

pub(super) async fn save(
    app: &App,
    access: &Access,
    id: OfferId,
    body: &TermsBody,
) -> Result<Offer, Problem> {
    let (organization, terms) = (access.organization_id()?, body.terms()?);
    let done = app.db().write(&access.ctx, move |tx| super::change(tx, organization, id, &terms)).await?;
    saved(done.value)
}

async fn update(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
    Json(body): Json<TermsBody>,
) -> platform::web::Result {
    Ok(Json(OfferView::from(save(&app, &access, id, &body).await?)).into_response())
}

pub(super) async fn end(app: &App, access: &Access, id: OfferId) -> Result<(), Problem> {
    let organization = access.organization_id()?;
    let done = app.db().write(&access.ctx, move |tx| super::remove(tx, organization, id)).await?;
    if done.value { Ok(()) } else { Err(Problem::not_found("offer")) }
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    end(&app, &access, id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rules(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| product_members::rules(tx, organization)).await?;
    Ok(Json(found.into_iter().map(RuleView::from).collect::<Vec<_>>()).into_response())
}
