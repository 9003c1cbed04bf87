//! Breach contacts as JSON.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Json, Path};
use platform::web::guard::conditional::{check_if_match, if_match};
use platform::web::pagination::Page;
use platform::web::routes::{self, Openness, Routes};
use platform::web::{self, Access, Problem};
use serde::{Deserialize, Serialize};

use super::{ASKED_PER_DAY_MAX, CONTACTS_MAX, Contact, ContactId, ContactRole, Details, Saved, Wrong};

const READ: Openness = Openness::Organization(Permission::ContactsRead);
const MANAGE: Openness = Openness::Organization(Permission::ContactsManage);

pub(crate) fn routes() -> Routes {
    const ALL: &str = "/api/v1/organizations/{organization}/breach-contacts";
    const ONE: &str = "/api/v1/organizations/{organization}/breach-contacts/{contact}";
    const ASK: &str = "/api/v1/organizations/{organization}/breach-contacts/{contact}/ask";
    Routes::new()
        .add(
            routes::get(ALL, "breach_contact.list", READ, list)
                .summary("Who is told first of a breach; all on one page")
                .gives::<Page<ContactView>>(200),
        )
        .add(
            routes::post(ALL, "breach_contact.add", MANAGE, add)
                .summary("Name a contact and mail it the link to confirm")
                .records("breach_contact.")
                .takes::<NewContact>()
                .gives::<ContactView>(201),
        )
        .add(
            routes::get(ONE, "breach_contact.show", READ, show)
                .summary("One contact")
                .gives::<ContactView>(200),
        )
        .add(
            routes::put(ONE, "breach_contact.change", MANAGE, change)
                .summary("Change a contact; another name or address confirms anew; honours `If-Match`")
                .records("breach_contact.")
                .takes::<NewContact>()
                .gives::<ContactView>(200),
        )
        .add(
            routes::delete(ONE, "breach_contact.remove", MANAGE, remove)
                .summary("Take a contact away")
                .records("breach_contact.")
                .gives_nothing(204),
        )
        .add(
            routes::post(ASK, "breach_contact.ask", MANAGE, ask)
                .summary("Mail a new link to confirm; the old one is dead")
                .records("breach_contact.")
                .gives::<ContactView>(200),
        )
}

#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub(crate) struct ContactView {
    #[schema(value_type = String)]
    id: ContactId,
    name: String,
    email: String,
    /// Empty: none.
    phone: String,
    role: ContactRole,
    primary: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_at: Option<Timestamp>,
    /// When the contact has to confirm again.
    #[schema(value_type = Option<String>, format = DateTime)]
    confirmed_until: Option<Timestamp>,
    /// When the last link was mailed.
    #[schema(value_type = String, format = DateTime)]
    asked_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<&Contact> for ContactView {
    fn from(contact: &Contact) -> Self {
        Self {
            id: contact.id,
            name: contact.name.clone(),
            email: contact.email.clone(),
            phone: contact.phone.clone(),
            role: contact.role,
            primary: contact.primary,
            confirmed_at: contact.confirmed_at,
            confirmed_until: contact.confirmed_at.map(|at| at.plus(super::CONFIRMED_FOR)),
            asked_at: contact.asked_at,
            created_at: contact.created_at,
        }
    }
}

#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContact {
    pub(super) name: String,
    pub(super) email: String,
    #[serde(default)]
    pub(super) phone: String,
    pub(super) role: ContactRole,
    /// Takes the place of the primary contact before.
    #[serde(default)]
    pub(super) primary: bool,
}

impl NewContact {
    pub(super) fn check(&self) -> Result<Details, Wrong> {
        Details::check(&self.name, &self.email, &self.phone, self.role, self.primary)
    }
}

fn refused(wrong: Wrong) -> Problem {
    wrong
        .into_iter()
        .fold(Problem::invalid("the contact cannot be taken like this"), |problem, (member, why)| {
            problem.field(format!("/{member}"), why)
        })
}

/// A refusal as a problem; what was saved otherwise.
pub(super) fn saved(outcome: Saved) -> Result<Contact, Problem> {
    match outcome {
        Saved::Done(contact) => Ok(contact),
        Saved::NoSuchContact => Err(Problem::not_found("breach contact")),
        Saved::AddressTaken => Err(Problem::conflict("another contact has this address")
            .field("/email", "another contact has this address")
            .cure("change that contact instead")),
        Saved::TooMany => Err(Problem::conflict(format!("there are {CONTACTS_MAX} contacts already"))
            .cure("take one away first")),
        Saved::TooManyMails => Err(Problem::too_many(3600)
            .detail(format!("{ASKED_PER_DAY_MAX} mails a day go to contacts, and that many went"))
            .cure("try again tomorrow")),
        Saved::TooSoon => Err(Problem::too_many(60).detail("a link was mailed less than a minute ago")),
    }
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let all = app.db().read(move |tx| super::list(tx, id)).await?;
    let page = Page { items: all.iter().map(ContactView::from).collect(), next_cursor: None };
    Ok(Json(page).into_response())
}

async fn show(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let id = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, id, contact)).await?;
    let found = found.ok_or_else(|| Problem::not_found("breach contact"))?;
    Ok(Json(ContactView::from(&found)).into_response())
}

async fn add(State(app): State<App>, access: Access, Json(new): Json<NewContact>) -> web::Result {
    let details = new.check().map_err(refused)?;
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let written = app.db().write(&access.ctx, move |tx| super::add(&inner, &ctx, tx, id, &details)).await?;
    let contact = saved(written.value)?;
    Ok((StatusCode::CREATED, Json(ContactView::from(&contact))).into_response())
}

async fn change(
    State(app): State<App>,
    access: Access,
    headers: HeaderMap,
    Path((_, contact)): Path<(String, ContactId)>,
    Json(new): Json<NewContact>,
) -> web::Result {
    let details = new.check().map_err(refused)?;
    let (id, ctx, inner, tag) =
        (access.organization_id()?, access.ctx.clone(), app.clone(), if_match(&headers));
    let written = app
        .db()
        .write(&access.ctx, move |tx| {
            if let Some(before) = super::find(tx, id, contact)? {
                check_if_match(tag.as_deref(), &ContactView::from(&before))?;
            }
            Ok::<_, Problem>(super::change(&inner, &ctx, tx, id, contact, &details)?)
        })
        .await?;
    Ok(Json(ContactView::from(&saved(written.value)?)).into_response())
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let id = access.organization_id()?;
    let written = app.db().write(&access.ctx, move |tx| super::remove(tx, id, contact)).await?;
    if written.value {
        Ok(StatusCode::NO_CONTENT.into_response())
    } else {
        Err(Problem::not_found("breach contact"))
    }
}

async fn ask(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let written = app.db().write(&access.ctx, move |tx| super::ask(&inner, &ctx, tx, id, contact)).await?;
    Ok(Json(ContactView::from(&saved(written.value)?)).into_response())
}
