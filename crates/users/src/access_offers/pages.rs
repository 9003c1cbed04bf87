//! Pages of offers: what members may ask for, who decides, and on which terms.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::{Permission, Role};
use platform::principals;
use platform::web::extract::{Form, Path};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, DryRun, FieldErrors, NavItem, Shell, Tone};
use platform::web::{Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, NewOfferBody, TermsBody};
use super::{DAYS_DEFAULT, HOURS_DEFAULT, OFFERS_MAX, Offer, OfferId, Wanted, role_name};
use crate::access_requests::pages::{LIST as REQUESTS, tabs};
use crate::organizations::pages::{complaints, mendable};
use crate::product_members;

pub(crate) const LIST: &str = "/o/{organization}/access-offers";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/access-offers/new";
    const EDIT: &str = "/o/{organization}/access-offers/{offer}/edit";
    const END: &str = "/o/{organization}/access-offers/{offer}/end";
    const RECORDS: &str = "access_offer.";
    Routes::new()
        .add(routes::get(LIST, "access_offer.list_page", READ, list))
        .add(routes::get(NEW, "access_offer.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "access_offer.create_form", MANAGE, create).recent().records(RECORDS))
        .add(routes::get(EDIT, "access_offer.update_page", MANAGE, edit_page))
        .add(routes::post(EDIT, "access_offer.update_form", MANAGE, edit).recent().records(RECORDS))
        .add(routes::get(END, "access_offer.delete_page", MANAGE, end_page))
        .add(routes::post(END, "access_offer.delete_form", MANAGE, end).records(RECORDS))
}

fn shell(app: &App, access: &Access, title: &str) -> Shell {
    navigation::shell(app, access, NavConsole::Organization, title, REQUESTS)
}

#[derive(Template)]
#[template(path = "access_offers/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    tabs: Vec<NavItem>,
    offers: Vec<Offer>,
    may_manage: bool,
}

async fn list(State(app): State<App>, access: Access) -> platform::web::Result {
    let organization = access.organization_id()?;
    let most = u32::try_from(OFFERS_MAX).unwrap_or(u32::MAX);
    let offers = app.db().read(move |tx| super::list(tx, organization, None, most)).await?;
    let slug = access.organization()?.slug.clone();
    platform::web::html(&ListPage {
        shell: shell(&app, &access, "What can be asked for"),
        tabs: tabs(&slug, "access-offers"),
        offers,
        may_manage: access.may(Permission::PeopleManage),
        slug,
    })
}

/// Makes an offer or changes one.
#[derive(Template)]
#[template(path = "access_offers/form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    title: &'static str,
    /// What is offered; empty where it is still to be chosen.
    name: String,
    wanted: Vec<Choice>,
    approvers: Vec<Choice>,
    approvals: Vec<Choice>,
    days_max: String,
    hours_to_decide: String,
    errors: FieldErrors,
}

#[derive(Deserialize)]
struct OfferForm {
    #[serde(default)]
    wanted: String,
    #[serde(default)]
    approvers: String,
    #[serde(default)]
    approvals: String,
    #[serde(default)]
    days_max: String,
    #[serde(default)]
    hours_to_decide: String,
}

impl Default for OfferForm {
    fn default() -> Self {
        Self {
            wanted: String::new(),
            approvers: String::new(),
            approvals: "1".to_owned(),
            days_max: DAYS_DEFAULT.to_string(),
            hours_to_decide: HOURS_DEFAULT.to_string(),
        }
    }
}

impl OfferForm {
    fn of(offer: &Offer) -> Self {
        Self {
            wanted: offer.wanted.key(),
            approvers: offer.approvers.map(|group| group.to_string()).unwrap_or_default(),
            approvals: offer.approvals.to_string(),
            days_max: offer.days_max.to_string(),
            hours_to_decide: offer.hours_to_decide.to_string(),
        }
    }

    fn terms(&self) -> Result<TermsBody, Problem> {
        let number = |text: &str| text.trim().parse().unwrap_or(0);
        let approvers = match self.approvers.as_str() {
            "" => None,
            text => Some(text.parse().map_err(Problem::invalid)?),
        };
        Ok(TermsBody {
            approvers,
            approvals: number(&self.approvals),
            days_max: number(&self.days_max),
            hours_to_decide: number(&self.hours_to_decide),
        })
    }

    fn new_offer(&self) -> Result<NewOfferBody, Problem> {
        let terms = self.terms()?;
        let mut body = NewOfferBody {
            approvers: terms.approvers,
            approvals: Some(terms.approvals),
            days_max: Some(terms.days_max),
            hours_to_decide: Some(terms.hours_to_decide),
            ..NewOfferBody::default()
        };
        match self.wanted.split_once(':') {
            Some(("group", id)) => body.group = Some(id.parse().map_err(Problem::invalid)?),
            Some(("product", id)) => body.product_rule = Some(id.parse().map_err(Problem::invalid)?),
            Some(("role", role)) => body.role = Role::parse(role),
            _ => {}
        }
        Ok(body)
    }
}

/// What can be offered, and the groups that can decide.
async fn choices(
    app: &App,
    access: &Access,
    form: &OfferForm,
) -> Result<(Vec<Choice>, Vec<Choice>), Problem> {
    const GROUPS_SHOWN: u32 = 500;
    let organization = access.organization_id()?;
    let (groups, rules) = app
        .db()
        .read(move |tx| {
            let groups = principals::groups(tx, organization, "", GROUPS_SHOWN)?;
            Ok::<_, Problem>((groups, product_members::rules(tx, organization)?))
        })
        .await?;
    let mut wanted = vec![Choice::new("", "Choose…", &form.wanted)];
    wanted.extend(groups.iter().map(|group| {
        let label = format!("Group: {}", group.name);
        Choice::new(&Wanted::Group(group.id).key(), &label, &form.wanted)
    }));
    wanted.extend(rules.iter().filter(|rule| rule.group.is_some()).map(|rule| {
        let label = format!("Product: {}", rule.words());
        Choice::new(&Wanted::Product(rule.id).key(), &label, &form.wanted)
    }));
    wanted.extend(
        [Role::Auditor, Role::Admin]
            .map(|role| Choice::new(&Wanted::Role(role).key(), &role_name(role), &form.wanted)),
    );
    let mut approvers = vec![Choice::new("", "Those who manage people alone", &form.approvers)];
    approvers.extend(groups.iter().map(|group| {
        let label = format!("And the group {}", group.name);
        Choice::new(&group.id.to_string(), &label, &form.approvers)
    }));
    Ok((wanted, approvers))
}

async fn form_page(
    app: &App,
    access: &Access,
    form: OfferForm,
    offer: Option<&Offer>,
    refused: Option<&Problem>,
) -> platform::web::Result {
    let (wanted, approvers) = choices(app, access, &form).await?;
    let title = if offer.is_some() { "Change an offer" } else { "Offer access" };
    let page = FormPage {
        shell: shell(app, access, title),
        slug: access.organization()?.slug.clone(),
        title,
        name: offer.map(|offer| offer.name.clone()).unwrap_or_default(),
        wanted,
        approvers,
        approvals: [("1", "One person"), ("2", "Two people (always for the role admin)")]
            .map(|(value, label)| Choice::new(value, label, &form.approvals))
            .to_vec(),
        days_max: form.days_max,
        hours_to_decide: form.hours_to_decide,
        errors: refused.map(complaints).unwrap_or_default(),
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> platform::web::Result {
    form_page(&app, &access, OfferForm::default(), None, None).await
}

fn home(access: &Access) -> Result<String, Problem> {
    Ok(format!("/o/{}/access-offers", access.organization()?.slug))
}

async fn create(
    State(app): State<App>,
    access: Access,
    Form(form): Form<OfferForm>,
) -> platform::web::Result {
    let made = match form.new_offer() {
        Ok(body) => api::make(&app, &access, &body).await,
        Err(problem) => Err(problem),
    };
    match made {
        Ok(offer) => {
            let words = format!("Members can ask for it now: {}.", offer.name);
            browser::see_other_with(&home(&access)?, Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, form, None, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn edit_page(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    let offer = api::offer_of(&app, &access, id).await?;
    form_page(&app, &access, OfferForm::of(&offer), Some(&offer), None).await
}

async fn edit(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
    Form(form): Form<OfferForm>,
) -> platform::web::Result {
    let saved = match form.terms() {
        Ok(body) => api::save(&app, &access, id, &body).await,
        Err(problem) => Err(problem),
    };
    match saved {
        Ok(_) => browser::see_other_with(&home(&access)?, Tone::Good, "The offer is saved."),
        Err(problem) if mendable(&problem) => {
            let offer = api::offer_of(&app, &access, id).await?;
            form_page(&app, &access, form, Some(&offer), Some(&problem)).await
        }
        Err(problem) => Err(problem),
    }
}

#[derive(Template)]
#[template(path = "access_offers/end.html")]
struct EndPage {
    shell: Shell,
    slug: String,
    offer: Offer,
    run: DryRun,
}

async fn end_page(
    State(app): State<App>,
    access: Access,
    Path((slug, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    let offer = api::offer_of(&app, &access, id).await?;
    let summary = "Nobody can ask for it any more. Requests that wait can only be refused; what was granted stays until \
                   its end.";
    platform::web::html(&EndPage {
        shell: shell(&app, &access, "End an offer"),
        run: DryRun {
            tone: Tone::Warn,
            summary: summary.to_owned(),
            sample: vec![offer.name.clone()],
            all_href: String::new(),
        },
        offer,
        slug,
    })
}

async fn end(
    State(app): State<App>,
    access: Access,
    Path((_, id)): Path<(String, OfferId)>,
) -> platform::web::Result {
    api::end(&app, &access, id).await?;
    browser::see_other_with(&home(&access)?, Tone::Good, "The offer has ended.")
}
