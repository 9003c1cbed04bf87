//! The page on which an organization sees which of its people are under attack.

use askama::Template;
use axum::extract::State as AppState;
use platform::App;
use platform::access::Permission;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::pagination::PageQuery;
use platform::web::routes::{self, Openness, Routes};
use platform::web::ui::{Choice, NavItem, Pager, Shell, Tone};
use platform::web::{Access, Result};

use super::PersonAlert;
use super::api::{self, ListQuery};
use crate::alerts::Outcome;
use crate::alerts::pages::{outcome_tone, pager, state_tone};
use crate::detectors;

pub(crate) const LIST: &str = "/o/{organization}/alerts";

pub(crate) fn routes() -> Routes {
    let read = Openness::Organization(Permission::PeopleRead);
    Routes::new().add(routes::get(LIST, "person_alert.list_page", read, list))
}

struct Line {
    one: PersonAlert,
    about: &'static str,
    from: String,
    outcome: Tone,
    state: Tone,
}

impl Line {
    fn new(one: PersonAlert) -> Self {
        let from = match (one.networks, one.network.as_str()) {
            (_, network) if !network.is_empty() => network.to_owned(),
            (1, _) => "one network".to_owned(),
            (many, _) => format!("{many} networks"),
        };
        Self {
            about: detectors::title(&one.kind),
            from,
            outcome: outcome_tone(one.outcome),
            state: state_tone(one.state),
            one,
        }
    }
}

#[derive(Template)]
#[template(path = "person_alerts/list.html")]
struct ListPage {
    shell: Shell,
    slug: String,
    tabs: Vec<NavItem>,
    state: String,
    outcomes: Vec<Choice>,
    filtered: bool,
    lines: Vec<Line>,
    pager: Pager,
    sees_policies: bool,
}

async fn list(
    AppState(app): AppState<App>,
    access: Access,
    Query(query): Query<PageQuery>,
    Query(asked): Query<ListQuery>,
) -> Result {
    let wanted = asked.wanted("live")?;
    let page = api::page(&app, &access, wanted.clone(), &query).await?;
    let slug = access.organization()?.slug.clone();
    let base = format!("/o/{slug}/alerts");
    let mut outcomes = vec![Choice::new("", "However far they got", &wanted.outcome)];
    outcomes
        .extend(Outcome::ALL.iter().rev().map(|one| Choice::new(one.as_str(), one.label(), &wanted.outcome)));
    platform::web::html(&ListPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "Alerts", LIST),
        tabs: [("live", "Going on"), ("resolved", "Resolved"), ("", "All")]
            .map(|(state, label)| {
                NavItem::new(label, format!("{base}?state={state}")).current(state == wanted.state)
            })
            .to_vec(),
        filtered: !wanted.outcome.is_empty(),
        outcomes,
        pager: pager(&page, &format!("{base}?state={}&outcome={}", wanted.state, wanted.outcome)),
        lines: page.items.into_iter().map(Line::new).collect(),
        state: wanted.state,
        sees_policies: access.may(Permission::PoliciesRead),
        slug,
    })
}
