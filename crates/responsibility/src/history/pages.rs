//! What changed lately, and why: each change of state with the event that caused it.

use askama::Template;
use axum::extract::State;
use platform::App;
use platform::time::{DAY, Timestamp};
use platform::web::Access;
use platform::web::Problem;
use platform::web::extract::Query;
use platform::web::navigation::{self, NavConsole};
use platform::web::routes::{self, Routes};
use platform::web::ui::{Pager, Shell, State as Shown};
use serde::Deserialize;

use super::Entry;
use crate::duties::pages::EntryLine;
use crate::matrix::api::READ;

pub(crate) const CHANGES: &str = "/o/{organization}/changes";
pub(crate) const LIMIT: u32 = 50;
/// How far one page looks back.
const DAYS: u32 = 7;

pub(crate) fn routes() -> Routes {
    Routes::new().add(routes::get(CHANGES, "matrix.changes_page", READ, show))
}

#[derive(Debug, Default, Deserialize)]
struct Asked {
    /// Microseconds: changes before this moment.
    before: Option<i64>,
}

struct ChangeLine {
    id: &'static str,
    title: &'static str,
    href: String,
    side: String,
    before: Option<Shown>,
    entry: EntryLine,
}

struct Day {
    name: String,
    changes: Vec<ChangeLine>,
}

#[derive(Template)]
#[template(path = "history/changes.html")]
struct ChangesPage {
    shell: Shell,
    slug: String,
    days: Vec<Day>,
    from: Timestamp,
    pager: Pager,
}

fn line(app: &App, slug: &str, own: platform::ids::OrganizationId, entry: &Entry) -> ChangeLine {
    ChangeLine {
        id: entry.row.id,
        title: entry.row.title_of(entry.side),
        href: format!("/o/{slug}/rows/{}", entry.row.id),
        side: match entry.side {
            platform::evidence::Side::Provider => app.provider_name(),
            platform::evidence::Side::Customer => "you".to_owned(),
        },
        before: entry.before.map(Shown::from),
        entry: EntryLine::new(slug, own, entry),
    }
}

async fn show(State(app): State<App>, access: Access, Query(asked): Query<Asked>) -> platform::web::Result {
    let (organization, now) = (access.organization()?.clone(), access.ctx.now);
    let before = asked.before.map_or(now.plus(DAY), Timestamp::from_micros);
    let from = before.min(now).minus(DAY * DAYS);
    let read = organization.clone();
    let entries =
        app.db().read(move |tx| super::recent(tx, &read, from, before, LIMIT).map_err(Problem::from)).await?;
    let slug = organization.slug.clone();
    let full = entries.len() >= usize::try_from(LIMIT).unwrap_or(usize::MAX);
    // A full page goes on where it ends; a week that fits goes on with the week before.
    let next = if full { entries.last().map_or(from, |entry| entry.from) } else { from };
    let mut days: Vec<Day> = Vec::new();
    for entry in &entries {
        let name = entry.from.day_words();
        let change = line(&app, &slug, organization.id, entry);
        match days.last_mut().filter(|day| day.name == name) {
            Some(day) => day.changes.push(change),
            None => days.push(Day { name, changes: vec![change] }),
        }
    }
    let older =
        (next > organization.created_at).then(|| format!("/o/{slug}/changes?before={}", next.micros()));
    platform::web::html(&ChangesPage {
        shell: navigation::shell(&app, &access, NavConsole::Organization, "What changed", CHANGES),
        pager: Pager {
            shown: match entries.len() {
                1 => "1 change".to_owned(),
                count => format!("{count} changes"),
            },
            previous: asked.before.map(|_| format!("/o/{slug}/changes")),
            next: older,
        },
        slug,
        days,
        from,
    })
}
