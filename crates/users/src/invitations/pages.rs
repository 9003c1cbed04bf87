//! Pages of invitations: the organization's list and form, and the page that the mailed link opens.

use askama::Template;
use axum::extract::State as AppState;
use axum::http::StatusCode;
use platform::App;
use platform::access::{Permission, Role};
use platform::ids::GroupId;
use platform::principals::{self, Group};
use platform::time::Timestamp;
use platform::web::extract::{Form, Path, Query};
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::ui::{Choice, FieldErrors, Pager, Shell, Tone};
use platform::web::{Access, Problem, browser};

use super::api::{self, NewInvitationBody, StateQuery};
use super::{Accepted, Invitation, InvitationId, Opened, State};
use crate::organizations::pages::{complaints, mendable};
use crate::people::pages::{pager, role_choices, role_label};
use crate::tokens::LinkToken;

pub(crate) const LIST: &str = "/o/{organization}/invitations";
const READ: Openness = Openness::Organization(Permission::PeopleRead);
const MANAGE: Openness = Openness::Organization(Permission::PeopleManage);

pub(crate) fn routes() -> Routes {
    const NEW: &str = "/o/{organization}/invitations/new";
    const RESEND: &str = "/o/{organization}/invitations/{invitation}/resend";
    const REVOKE: &str = "/o/{organization}/invitations/{invitation}/revoke";
    const LINK: &str = "/invitations/{token}";
    Routes::new()
        .add(routes::get(LIST, "invitation.list_page", READ, list))
        .add(routes::get(NEW, "invitation.create_page", MANAGE, new_page))
        .add(routes::post(NEW, "invitation.create_form", MANAGE, create).records("invitation."))
        .add(routes::post(RESEND, "invitation.resend_form", MANAGE, resend).records("invitation."))
        .add(routes::post(REVOKE, "invitation.revoke_form", MANAGE, revoke).records("invitation."))
        .add(routes::get(LINK, "invitation.open_page", Openness::Public, open_page).limit(Limit::Credential))
        .add(
            routes::post(LINK, "invitation.accept_form", Openness::SignedIn, accept)
                .limit(Limit::Credential)
                .records("invitation."),
        )
}

struct Line {
    id: InvitationId,
    email: String,
    role: &'static str,
    state: &'static str,
    tone: Tone,
    waits: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
}

impl Line {
    fn new(invitation: Invitation, now: Timestamp) -> Self {
        // One that ran out can be sent again as long as nobody decided about it.
        let waits = invitation.state == State::Pending;
        let (state, tone) = match invitation.state(now) {
            State::Pending => ("Waits", Tone::Info),
            State::Accepted => ("Accepted", Tone::Good),
            State::Revoked => ("Taken back", Tone::Warn),
            State::Expired => ("Ran out", Tone::Warn),
        };
        Self {
            id: invitation.id,
            email: invitation.email,
            role: role_label(invitation.role),
            state,
            tone,
            waits,
            created_at: invitation.created_at,
            expires_at: invitation.expires_at,
        }
    }
}

#[derive(Template)]
#[template(path = "invitations/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    states: Vec<Choice>,
    lines: Vec<Line>,
    pager: Pager,
    may_manage: bool,
    summary: String,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<StateQuery>,
) -> platform::web::Result {
    let (organization, state, now) = (access.organization_id()?, asked.state()?, access.ctx.now);
    let (before, limit) = (api::before(&query)?, query.limit()?);
    let (found, waiting) = app
        .db()
        .read(move |tx| {
            let found = super::list(tx, organization, state, before, limit + 1)?;
            Ok::<_, Problem>((found, super::oldest_pending(tx, organization, now)?))
        })
        .await?;
    let page = Page::of(found, limit, |invitation| invitation.id.to_string());
    let slug = access.organization()?.slug.clone();
    let chosen = asked.state.unwrap_or_default();
    let words =
        [("", "Every state"), ("pending", "Waits"), ("accepted", "Accepted"), ("revoked", "Taken back")];
    let base = format!("/o/{slug}/invitations?state={chosen}");
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Invitations", LIST),
        states: words.into_iter().map(|(value, label)| Choice::new(value, label, &chosen)).collect(),
        pager: pager(page.items.len(), page.next_cursor.as_deref(), &base),
        lines: page.items.into_iter().map(|invitation| Line::new(invitation, now)).collect(),
        may_manage: access.may(Permission::PeopleManage),
        summary: match waiting {
            Some((oldest, 1)) => format!("1 waits, since {}.", oldest.day_words()),
            Some((oldest, many)) => format!("{many} wait, the oldest since {}.", oldest.day_words()),
            None => "None waits.".to_owned(),
        },
        slug,
    })
}

#[derive(Template)]
#[template(path = "invitations/new.html")]
struct NewPage {
    shell: Shell,
    slug: String,
    errors: FieldErrors,
    email: String,
    roles: Vec<Choice>,
    groups: Vec<(Group, bool)>,
}

/// The form's fields; `groups` comes once for each chosen group.
struct Asked {
    email: String,
    role: Role,
    groups: Vec<GroupId>,
}

impl Asked {
    fn read(fields: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = Self { email: String::new(), role: Role::Member, groups: Vec::new() };
        for (name, value) in fields {
            match name.as_str() {
                "email" => asked.email.clone_from(value),
                "role" => {
                    asked.role = Role::parse(value)
                        .ok_or_else(|| Problem::invalid(format!("`{value}` is no role")))?;
                }
                "groups" => asked.groups.push(value.parse().map_err(Problem::invalid)?),
                _ => {}
            }
        }
        Ok(asked)
    }
}

async fn form_page(
    app: &App,
    access: &Access,
    asked: Asked,
    refused: Option<&Problem>,
) -> platform::web::Result {
    const GROUPS_SHOWN: u32 = 50;
    let organization = access.organization_id()?;
    let groups = app.db().read(move |tx| principals::groups(tx, organization, "", GROUPS_SHOWN)).await?;
    let page = NewPage {
        shell: navigation::shell(app, access, NavConsole::Organization, "Invite", LIST),
        slug: access.organization()?.slug.clone(),
        errors: refused.map(complaints).unwrap_or_default(),
        roles: role_choices(asked.role, access.may(Permission::OrganizationManage)),
        groups: groups
            .into_iter()
            .map(|group| {
                let chosen = asked.groups.contains(&group.id);
                (group, chosen)
            })
            .collect(),
        email: asked.email,
    };
    let status = if refused.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    platform::web::html_with(status, &page)
}

async fn new_page(AppState(app): AppState<App>, access: Access) -> platform::web::Result {
    let empty = Asked { email: String::new(), role: Role::Member, groups: Vec::new() };
    form_page(&app, &access, empty, None).await
}

async fn create(
    AppState(app): AppState<App>,
    access: Access,
    Form(fields): Form<Vec<(String, String)>>,
) -> platform::web::Result {
    let asked = Asked::read(&fields)?;
    let body =
        NewInvitationBody { email: asked.email.clone(), role: asked.role, groups: asked.groups.clone() };
    match api::make(&app, &access, &body).await {
        Ok(made) => {
            let to = format!("/o/{}/invitations", access.organization()?.slug);
            browser::see_other_with(
                &to,
                Tone::Good,
                &format!("The invitation is on its way to {}.", made.email),
            )
        }
        Err(problem) if mendable(&problem) => form_page(&app, &access, asked, Some(&problem)).await,
        Err(problem) => Err(problem),
    }
}

async fn resend(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, InvitationId)>,
) -> platform::web::Result {
    let to = format!("/o/{slug}/invitations");
    match api::send_again(&app, &access, id).await {
        Ok(sent) => {
            let words = format!("A new link is on its way to {}. The old one is dead.", sent.email);
            browser::see_other_with(&to, Tone::Good, &words)
        }
        Err(problem) if mendable(&problem) => browser::see_other_with(&to, Tone::Bad, &problem.detail),
        Err(problem) => Err(problem),
    }
}

async fn revoke(
    AppState(app): AppState<App>,
    access: Access,
    Path((slug, id)): Path<(String, InvitationId)>,
) -> platform::web::Result {
    api::take_back(&app, &access, id).await?;
    browser::see_other_with(&format!("/o/{slug}/invitations"), Tone::Good, "Taken back: its link is dead.")
}

/// What the reader of a link can do next.
enum Reader {
    /// Signed in with the invited address.
    Invited,
    /// Signed in with another address; the invited one is not told.
    Other(String),
    SignedOut {
        sign_in: String,
        sign_up: String,
    },
}

#[derive(Template)]
#[template(path = "invitations/open.html")]
struct OpenPage {
    shell: Shell,
    organization: String,
    role: &'static str,
    expires_at: Timestamp,
    reader: Reader,
}

async fn open_page(
    AppState(app): AppState<App>,
    access: Access,
    Path(text): Path<String>,
) -> platform::web::Result {
    let opened = find(&app, &access, &text).await?;
    let principal = app_principal(&access);
    let email = opened.invitation.email;
    let reader = match principal {
        Some(own) if own == email => Reader::Invited,
        Some(own) => Reader::Other(own),
        None => {
            let next = format!("/invitations/{text}");
            let query = |pairs: &[(&str, &str)]| {
                url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
            };
            Reader::SignedOut {
                sign_in: format!("/sign-in?{}", query(&[("next", &next)])),
                sign_up: format!("/sign-up?{}", query(&[("email", &email), ("next", &next)])),
            }
        }
    };
    platform::web::html(&OpenPage {
        shell: navigation::public_shell(&app, &access, "Invitation"),
        organization: opened.organization.name,
        role: role_label(opened.invitation.role),
        expires_at: opened.invitation.expires_at,
        reader,
    })
}

/// The address of whoever is signed in.
fn app_principal(access: &Access) -> Option<String> {
    access
        .principal
        .as_ref()
        .filter(|principal| principal.account.is_some())
        .map(|principal| principal.email.clone())
}

async fn find(app: &App, access: &Access, text: &str) -> Result<Opened, Problem> {
    let token = LinkToken::parse(text).map_err(|_| api::dead())?;
    let now = access.ctx.now;
    app.db().read(move |tx| super::open(tx, &token, now)).await?.ok_or_else(api::dead)
}

async fn accept(
    AppState(app): AppState<App>,
    access: Access,
    Path(text): Path<String>,
) -> platform::web::Result {
    match api::use_up(&app, &access, &text).await? {
        Accepted::Done(organization) => {
            let words = format!("Welcome to {}.", organization.name);
            let member = access_for(&app, &access, organization.id).await?;
            let to = if member { format!("/o/{}", organization.slug) } else { "/account".to_owned() };
            browser::see_other_with(&to, Tone::Good, &words)
        }
        Accepted::AlreadyMember(organization) => browser::see_other_with(
            "/account",
            Tone::Info,
            &format!("You are a member of {} already.", organization.name),
        ),
        Accepted::Dead => Err(api::dead()),
        Accepted::OtherAddress => Err(api::other_address()),
        Accepted::NotActive => Err(Problem::forbidden("an active account")),
    }
}

/// Whether the new member has anything to see in the organization's console.
async fn access_for(
    app: &App,
    access: &Access,
    organization: platform::ids::OrganizationId,
) -> Result<bool, Problem> {
    let account = access.account()?;
    let found = app.db().read(move |tx| principals::membership(tx, organization, account)).await?;
    Ok(found.is_some_and(|member| member.role.may(Permission::ResponsibilitiesRead)))
}
