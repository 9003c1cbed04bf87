//! `/o/{organization}/social-login`: what policies decide, and who uses it.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::{Page, PageQuery};
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Pager, Shell, Tone};
use platform::web::{self, Access};

use super::{Decision, Provider, User, api};
use crate::people::pages::pager;
use crate::policies::Social;

pub(crate) const PATH: &str = "/o/{organization}/social-login";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PoliciesRead);
    Routes::new().add(routes::get(PATH, "social_login.page", read, show))
}

fn word(social: Social) -> (&'static str, Tone) {
    match social {
        Social::Allowed => ("Allowed", Tone::Good),
        Social::Undecided => ("Undecided", Tone::Bad),
        Social::Blocked => ("Blocked", Tone::Good),
    }
}

struct Line {
    policy: String,
    href: String,
    social: &'static str,
    tone: Tone,
}

impl Line {
    fn of(decision: &Decision, slug: &str) -> Self {
        let (social, tone) = word(decision.social);
        let href = match decision.id {
            Some(id) if !decision.is_default => format!("/o/{slug}/policies/{id}"),
            _ => format!("/o/{slug}/policies/default"),
        };
        Self { policy: decision.policy.clone(), href, social, tone }
    }
}

#[derive(Template)]
#[template(path = "social_login/show.html")]
struct SocialPage {
    shell: Shell,
    slug: String,
    providers: Vec<(Provider, Vec<Line>)>,
    users: Vec<User>,
    pager: Pager,
    may_read_people: bool,
}

async fn show(State(app): State<App>, access: Access, Query(query): Query<PageQuery>) -> web::Result {
    let organization = access.organization_id()?;
    let found = app.db().read(move |tx| super::providers(tx, organization)).await?;
    let may_read_people = access.may(Permission::PeopleRead);
    let users = if may_read_people {
        api::page_of(&app, &access, &query).await?
    } else {
        Page { items: Vec::new(), next_cursor: None }
    };
    let slug = access.organization()?.slug.clone();
    let providers = found.into_iter().map(|one| {
        let lines = one.policies.iter().map(|decision| Line::of(decision, &slug)).collect();
        (one, lines)
    });
    web::html(&SocialPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Social login", PATH),
        providers: providers.collect(),
        pager: pager(users.items.len(), users.next_cursor.as_deref(), &format!("/o/{slug}/social-login")),
        users: users.items,
        may_read_people,
        slug,
    })
}
