//! `/o/{organization}/breach-contacts`: the contacts and the rules that apply; `/contacts/confirm/{token}`: the
//! contact's own page.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use platform::App;
use platform::access::Permission;
use platform::time::Timestamp;
use platform::web::extract::{Form, Path};
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice as Pick, FieldErrors, Shell, Tone};
use platform::web::{self, Access, Problem, browser};
use serde::Deserialize;

use super::api::{self, NewContact};
use super::{Contact, ContactId, ContactRole, Details, Saved, Secret};
use crate::breach_regimes::{self, Choice, Chosen, Regime};

pub(crate) const PATH: &str = "/o/{organization}/breach-contacts";
const READ: Openness = Openness::Organization(Permission::ContactsRead);
const MANAGE: Openness = Openness::Organization(Permission::ContactsManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/breach-contacts/new";
    const ONE: &str = "/o/{organization}/breach-contacts/{contact}";
    const ASK: &str = "/o/{organization}/breach-contacts/{contact}/ask";
    const REMOVE: &str = "/o/{organization}/breach-contacts/{contact}/remove";
    const REGIMES: &str = "/o/{organization}/breach-regimes";
    const LINK: &str = "/contacts/confirm/{token}";
    Routes::new()
        .add(routes::get(PATH, "breach_contact.page", READ, list))
        .add(routes::get(NEW, "breach_contact.new_page", MANAGE, new_page))
        .add(routes::post(NEW, "breach_contact.add_form", MANAGE, add).records("breach_contact."))
        .add(routes::get(ONE, "breach_contact.edit_page", MANAGE, edit_page))
        .add(routes::post(ONE, "breach_contact.change_form", MANAGE, change).records("breach_contact."))
        .add(routes::post(ASK, "breach_contact.ask_form", MANAGE, ask).records("breach_contact."))
        .add(routes::post(REMOVE, "breach_contact.remove_form", MANAGE, remove).records("breach_contact."))
        .add(routes::post(REGIMES, "breach_regimes.choose_form", MANAGE, regimes).records("breach_regimes."))
        .add(
            routes::get(LINK, "breach_contact.link_page", Openness::Public, link_page)
                .limit(Limit::Credential),
        )
        .add(
            routes::post(LINK, "breach_contact.confirm_form", Openness::Public, confirm)
                .limit(Limit::Credential)
                .records("breach_contact."),
        )
}

struct Line {
    id: ContactId,
    name: String,
    email: String,
    phone: String,
    role: &'static str,
    primary: bool,
    state: &'static str,
    tone: Tone,
    until: Option<Timestamp>,
    asked_at: Timestamp,
}

impl Line {
    fn new(contact: Contact, now: Timestamp) -> Self {
        let until = contact.confirmed_until(now);
        let (state, tone) = match (until, contact.confirmed_at) {
            (Some(_), _) => ("Confirmed", Tone::Good),
            (None, Some(_)) => ("Has to confirm again", Tone::Bad),
            (None, None) => ("Not confirmed", Tone::Warn),
        };
        Self {
            id: contact.id,
            name: contact.name,
            email: contact.email,
            phone: contact.phone,
            role: contact.role.label(),
            primary: contact.primary,
            state,
            tone,
            until,
            asked_at: contact.asked_at,
        }
    }
}

struct RegimeLine {
    regime: Regime,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "breach_contacts/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    lines: Vec<Line>,
    regimes: Vec<RegimeLine>,
    reason: String,
    chosen_at: Option<Timestamp>,
    errors: FieldErrors,
    may_manage: bool,
}

async fn list_page(
    app: &App,
    access: &Access,
    typed: Option<(Vec<Regime>, String)>,
    errors: FieldErrors,
) -> web::Result {
    let (id, now) = (access.organization_id()?, access.ctx.now);
    let (contacts, choice) = app
        .db()
        .read(move |tx| Ok::<_, Problem>((super::list(tx, id)?, breach_regimes::chosen(tx, id)?)))
        .await?;
    let chosen_at = choice.as_ref().map(|choice| choice.chosen_at);
    let (chosen, reason) = match (typed, choice) {
        (Some(typed), _) => typed,
        (None, Some(Choice { regimes, reason, .. })) => (regimes, reason),
        (None, None) => (Vec::new(), String::new()),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    web::html_with(
        status,
        &ListPage {
            shell: navigation::shell(app, access, NavConsole::Organization, "Breach contacts", PATH),
            slug: access.organization()?.slug.clone(),
            lines: contacts.into_iter().map(|contact| Line::new(contact, now)).collect(),
            regimes: Regime::ALL
                .into_iter()
                .map(|regime| RegimeLine { regime, chosen: chosen.contains(&regime) })
                .collect(),
            reason,
            chosen_at,
            errors,
            may_manage: access.may(Permission::ContactsManage),
        },
    )
}

async fn list(State(app): State<App>, access: Access) -> web::Result {
    list_page(&app, &access, None, FieldErrors::default()).await
}

/// `regime` comes once for each chosen one.
async fn regimes(
    State(app): State<App>,
    access: Access,
    Form(fields): Form<Vec<(String, String)>>,
) -> web::Result {
    let values =
        |name: &'static str| fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value);
    let picked: Option<Vec<Regime>> = values("regime").map(|code| Regime::parse(code)).collect();
    let picked =
        picked.ok_or_else(|| Problem::invalid("a chosen rule is not in the list").cure("reload the page"))?;
    let reason = values("reason").next().cloned().unwrap_or_default();
    let (id, ctx, rules, why) =
        (access.organization_id()?, access.ctx.clone(), picked.clone(), reason.clone());
    let written =
        app.db().write(&access.ctx, move |tx| breach_regimes::choose(&ctx, tx, id, &rules, &why)).await?;
    match written.value {
        Chosen::Done(_) => {
            browser::see_other_with(&here(&access)?, Tone::Good, "Your choice of rules is saved.")
        }
        Chosen::Refused(member, why) => {
            list_page(&app, &access, Some((picked, reason)), FieldErrors::default().with(member, why)).await
        }
    }
}

fn here(access: &Access) -> Result<String, Problem> {
    Ok(format!("/o/{}/breach-contacts", access.organization()?.slug))
}

#[derive(Template)]
#[template(path = "breach_contacts/form.html")]
struct FormPage {
    shell: Shell,
    slug: String,
    /// Set when a contact is changed; `None`: a new one.
    id: Option<ContactId>,
    form: ContactForm,
    roles: Vec<Pick>,
    primary: bool,
    errors: FieldErrors,
    /// What taking it away would do.
    removal: &'static str,
}

#[derive(Deserialize, Clone, Default)]
struct ContactForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    role: String,
    /// Present when ticked.
    primary: Option<String>,
}

impl ContactForm {
    fn of(contact: &Contact) -> Self {
        Self {
            name: contact.name.clone(),
            email: contact.email.clone(),
            phone: contact.phone.clone(),
            role: contact.role.as_str().to_owned(),
            primary: contact.primary.then(|| "on".to_owned()),
        }
    }

    fn read(&self) -> Result<Details, FieldErrors> {
        let Some(role) = ContactRole::parse(&self.role) else {
            return Err(FieldErrors::default().with("role", "choose what the contact answers for"));
        };
        let new = NewContact {
            name: self.name.clone(),
            email: self.email.clone(),
            phone: self.phone.clone(),
            role,
            primary: self.primary.is_some(),
        };
        new.check().map_err(|wrong| {
            wrong.into_iter().fold(FieldErrors::default(), |errors, (field, why)| errors.with(field, why))
        })
    }
}

fn form_page(
    app: &App,
    access: &Access,
    known: Option<&Contact>,
    form: ContactForm,
    errors: FieldErrors,
) -> web::Result {
    let title = if known.is_some() { "Breach contact" } else { "New breach contact" };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = FormPage {
        shell: navigation::shell(app, access, NavConsole::Organization, title, PATH),
        slug: access.organization()?.slug.clone(),
        id: known.map(|contact| contact.id),
        roles: ContactRole::ALL
            .into_iter()
            .map(|role| Pick::new(role.as_str(), role.label(), &form.role))
            .collect(),
        primary: form.primary.is_some(),
        form,
        errors,
        removal: match known {
            Some(contact) if contact.primary => {
                "The primary contact goes, and POL-C4 is a gap until another one is chosen and has confirmed."
            }
            _ => "Nobody writes to this contact any more; its link, where one is open, is dead.",
        },
    };
    web::html_with(status, &page)
}

async fn new_page(State(app): State<App>, access: Access) -> web::Result {
    let id = access.organization_id()?;
    let first = app.db().read(move |tx| super::list(tx, id)).await?.iter().all(|contact| !contact.primary);
    let form = ContactForm {
        role: ContactRole::Security.as_str().to_owned(),
        primary: first.then(|| "on".to_owned()),
        ..ContactForm::default()
    };
    form_page(&app, &access, None, form, FieldErrors::default())
}

async fn add(State(app): State<App>, access: Access, Form(form): Form<ContactForm>) -> web::Result {
    let details = match form.read() {
        Ok(details) => details,
        Err(errors) => return form_page(&app, &access, None, form, errors),
    };
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let written = app.db().write(&access.ctx, move |tx| super::add(&inner, &ctx, tx, id, &details)).await?;
    match api::saved(written.value) {
        Ok(contact) => {
            let words = format!("The link to confirm is on its way to {}.", contact.email);
            browser::see_other_with(&here(&access)?, Tone::Good, &words)
        }
        Err(problem) => form_page(&app, &access, None, form, complaint(&problem)),
    }
}

fn complaint(problem: &Problem) -> FieldErrors {
    let field = problem.errors.first().map_or("", |error| error.pointer.trim_start_matches('/'));
    FieldErrors::default().with(field, problem.detail.clone())
}

async fn find(app: &App, access: &Access, contact: ContactId) -> Result<Contact, Problem> {
    let id = access.organization_id()?;
    let found = app.db().read(move |tx| super::find(tx, id, contact)).await?;
    found.ok_or_else(|| Problem::not_found("breach contact"))
}

async fn edit_page(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let found = find(&app, &access, contact).await?;
    form_page(&app, &access, Some(&found), ContactForm::of(&found), FieldErrors::default())
}

async fn change(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
    Form(form): Form<ContactForm>,
) -> web::Result {
    let known = find(&app, &access, contact).await?;
    let details = match form.read() {
        Ok(details) => details,
        Err(errors) => return form_page(&app, &access, Some(&known), form, errors),
    };
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let written =
        app.db().write(&access.ctx, move |tx| super::change(&inner, &ctx, tx, id, contact, &details)).await?;
    match api::saved(written.value) {
        Ok(saved) if saved.name != known.name || saved.email != known.email => {
            let words = format!("Saved. The link to confirm is on its way to {}.", saved.email);
            browser::see_other_with(&here(&access)?, Tone::Good, &words)
        }
        Ok(_) => browser::see_other_with(&here(&access)?, Tone::Good, "Saved."),
        Err(problem) => form_page(&app, &access, Some(&known), form, complaint(&problem)),
    }
}

async fn ask(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let (id, ctx, inner) = (access.organization_id()?, access.ctx.clone(), app.clone());
    let written = app.db().write(&access.ctx, move |tx| super::ask(&inner, &ctx, tx, id, contact)).await?;
    match written.value {
        Saved::NoSuchContact => Err(Problem::not_found("breach contact")),
        outcome => match api::saved(outcome) {
            Ok(contact) => {
                let words = format!("A new link is on its way to {}. The old one is dead.", contact.email);
                browser::see_other_with(&here(&access)?, Tone::Good, &words)
            }
            Err(problem) => browser::see_other_with(&here(&access)?, Tone::Bad, &problem.detail),
        },
    }
}

async fn remove(
    State(app): State<App>,
    access: Access,
    Path((_, contact)): Path<(String, ContactId)>,
) -> web::Result {
    let id = access.organization_id()?;
    let written = app.db().write(&access.ctx, move |tx| super::remove(tx, id, contact)).await?;
    if !written.value {
        return Err(Problem::not_found("breach contact"));
    }
    browser::see_other_with(&here(&access)?, Tone::Good, "The contact is taken away; its link is dead.")
}

// ---- the contact's own page -----------------------------------------------------------------------------------

#[derive(Template)]
#[template(path = "breach_contacts/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    organization: String,
    name: String,
    role: &'static str,
    done: bool,
}

fn dead() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "link-dead", "This link does not work")
        .detail("it was used, was replaced by a newer one, or is older than 14 days")
        .cure("open the newest mail, or ask whoever named you to send another one")
}

async fn link_page(State(app): State<App>, access: Access, Path(text): Path<String>) -> web::Result {
    let secret = Secret::parse(&text).ok_or_else(dead)?;
    let now = access.ctx.now;
    let opened = app.db().read(move |tx| super::open(tx, &secret, now)).await?;
    let (organization, contact) = opened.ok_or_else(dead)?;
    web::html(&ConfirmPage {
        shell: navigation::public_shell(&app, &access, "Confirm"),
        organization: organization.name,
        name: contact.name,
        role: contact.role.as_str(),
        done: false,
    })
}

async fn confirm(State(app): State<App>, access: Access, Path(text): Path<String>) -> web::Result {
    let secret = Secret::parse(&text).ok_or_else(dead)?;
    let ctx = access.ctx.clone();
    let written = app.db().write(&access.ctx, move |tx| super::confirm(&ctx, tx, &secret)).await?;
    let organization = written.value.ok_or_else(dead)?;
    web::html(&ConfirmPage {
        shell: navigation::public_shell(&app, &access, "Confirmed"),
        organization: organization.name,
        name: String::new(),
        role: "",
        done: true,
    })
}
