//! Search: one field over everything that a console has pages for. It feeds the command palette, an ordinary page for
//! those without JavaScript, and the API.
//!
//! Promises: nobody finds what they may not open (each kind is looked for only with the permission that its own list
//! asks for); every look-up is a prefix search over an index, a few rows each, so that it does not grow with the
//! installation. People are found by the beginning of their address, of their name or of their last name, domains, groups
//! and organizations by the beginning of their name, rows by their id or by words of their title.

use platform::App;
use platform::access::Permission;
use platform::db::{DbError, ReadTx};
use platform::ids::{GroupId, OrganizationId};
use platform::params;
use platform::web::navigation::{self, NavConsole};
use platform::web::{Access, Problem};
use responsibility::rows;
use serde::Serialize;
use users::domains::DomainId;
use users::people;

mod api;
mod pages;
mod sql;

/// Hits of one kind: more means that more letters help.
const EACH_MAX: u32 = 6;
const QUERY_CHARS_MAX: usize = 100;

pub fn routes() -> platform::web::routes::Routes {
    api::routes().merge(pages::routes())
}

/// What was found, and the page that shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub(crate) struct Hit {
    /// `page`, `row`, `person`, `group`, `domain` or `organization`.
    #[schema(value_type = String)]
    pub kind: &'static str,
    pub label: String,
    /// What tells it apart: an address, a row's id, a state.
    pub hint: String,
    /// The page's path.
    pub href: String,
}

/// What is looked for, as typed and as the indexes know it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub text: String,
    /// ASCII letters small, as `lower()` makes them on both databases.
    key: String,
    words: Vec<String>,
}

impl Asked {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        if text.contains('\0') || text.chars().count() > QUERY_CHARS_MAX {
            let words = format!("`q` is not searchable: use up to {QUERY_CHARS_MAX} characters");
            return Err(Problem::invalid(words).field("q", "not searchable"));
        }
        let words = text.split_whitespace().map(str::to_lowercase).collect();
        Ok(Self { text: text.to_owned(), key: text.to_ascii_lowercase(), words })
    }

    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The end of the range in which everything begins with `key`.
    fn until(&self) -> String {
        format!("{}\u{10ffff}", self.key)
    }

    /// Every word stands somewhere in `text`.
    fn fits(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.words.iter().all(|word| text.contains(word.as_str()))
    }
}

/// Whose console is searched, and what the caller may see in it.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    console: NavConsole,
    organization: OrganizationId,
    slug: String,
    pages: Vec<Hit>,
    rows: bool,
    people: bool,
    domains: bool,
    organizations: bool,
}

impl Scope {
    /// What `access` may find in one console. The guard has admitted the caller to it.
    pub fn of(app: &App, access: &Access, console: NavConsole) -> Result<Self, Problem> {
        let here = access.organization()?;
        let mut pages: Vec<Hit> = navigation::open_to(app, access, console)
            .into_iter()
            .map(|item| Hit { kind: "page", label: item.label, hint: item.hint, href: item.href })
            .collect();
        if console == NavConsole::Organization && access.may(Permission::PoliciesRead) {
            // It stands on the page of the policies, and whoever needs it is in a hurry.
            pages.push(Hit {
                kind: "page",
                label: "Break-glass".to_owned(),
                hint: "Sign-in policies".to_owned(),
                href: format!("/o/{}/break-glass", here.slug),
            });
        }
        let provider = console == NavConsole::Provider;
        Ok(Self {
            console,
            organization: here.id,
            slug: here.slug.clone(),
            pages,
            rows: provider || access.may(Permission::ResponsibilitiesRead),
            people: !provider && access.may(Permission::PeopleRead),
            domains: !provider && access.may(Permission::DomainsRead),
            organizations: access.may(Permission::ProviderRead),
        })
    }

    fn pages_and_rows(&self, asked: &Asked) -> Vec<Hit> {
        let pages = self.pages.iter().filter(|page| asked.fits(&page.label));
        let mut hits: Vec<Hit> = pages.take(EACH_MAX as usize).cloned().collect();
        if !self.rows {
            return hits;
        }
        let base = match self.console {
            NavConsole::Provider => "/provider".to_owned(),
            _ => format!("/o/{}", self.slug),
        };
        let found = rows::all().filter(|row| asked.fits(&format!("{} {}", row.id, row.title)));
        hits.extend(found.take(EACH_MAX as usize).map(|row| Hit {
            kind: "row",
            label: row.title.to_owned(),
            hint: row.id.to_owned(),
            href: format!("{base}/rows/{}", row.id),
        }));
        hits
    }
}

/// Everything that fits, by kind. An empty question finds nothing.
pub(crate) fn find(tx: &mut ReadTx, scope: &Scope, asked: &Asked) -> Result<Vec<Hit>, DbError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let mut hits = scope.pages_and_rows(asked);
    if scope.people {
        hits.extend(people(tx, scope, asked)?);
        hits.extend(groups(tx, scope, asked)?);
    }
    if scope.domains {
        hits.extend(domains(tx, scope, asked)?);
    }
    if scope.organizations {
        hits.extend(organizations(tx, asked)?);
    }
    Ok(hits)
}

fn people(tx: &mut ReadTx, scope: &Scope, asked: &Asked) -> Result<Vec<Hit>, DbError> {
    let filter = people::Filter { search: people::Search::of(&asked.text), ..people::Filter::default() };
    let found = people::list(tx, scope.organization, &filter, &people::Place::default(), EACH_MAX)?;
    let hit = |people::Found { person, .. }: people::Found| Hit {
        kind: "person",
        href: format!("/o/{}/people/{}", scope.slug, person.account),
        label: person.name,
        hint: person.email,
    };
    Ok(found.into_iter().map(hit).collect())
}

fn groups(tx: &mut ReadTx, scope: &Scope, asked: &Asked) -> Result<Vec<Hit>, DbError> {
    let key = asked.text.to_lowercase();
    let until = format!("{key}\u{10ffff}");
    tx.list(&sql::GROUPS, params![scope.organization, key, until, EACH_MAX], |row| {
        let id: GroupId = row.get(0)?;
        Ok(Hit {
            kind: "group",
            label: row.get(1)?,
            hint: "Group".to_owned(),
            href: format!("/o/{}/groups/{id}", scope.slug),
        })
    })
}

fn domains(tx: &mut ReadTx, scope: &Scope, asked: &Asked) -> Result<Vec<Hit>, DbError> {
    let range = params![scope.organization, asked.key.as_str(), asked.until(), EACH_MAX];
    tx.list(&sql::DOMAINS, range, |row| {
        let id: DomainId = row.get(0)?;
        let state: String = row.get(2)?;
        Ok(Hit {
            kind: "domain",
            label: row.get(1)?,
            hint: format!("Domain, {}", state.replace('_', " ")),
            href: format!("/o/{}/domains/{id}", scope.slug),
        })
    })
}

/// Organizations by the beginning of their short or long name, for the provider: its overview of one of them.
fn organizations(tx: &mut ReadTx, asked: &Asked) -> Result<Vec<Hit>, DbError> {
    let range = params![asked.key.as_str(), asked.until(), EACH_MAX];
    let read = |row: &platform::db::Row| Ok((row.get::<String>(0)?, row.get::<String>(1)?));
    let mut found = tx.list(&sql::ORGANIZATIONS_BY_SLUG, range, read)?;
    for one in tx.list(&sql::ORGANIZATIONS_BY_NAME, range, read)? {
        if !found.contains(&one) {
            found.push(one);
        }
    }
    found.truncate(EACH_MAX as usize);
    let hit = |(slug, name): (String, String)| Hit {
        kind: "organization",
        label: name,
        href: format!("/provider?q={slug}"),
        hint: slug,
    };
    Ok(found.into_iter().map(hit).collect())
}
