//! What pages are made of: plain data that the shared templates in `web/templates` render.
//!
//! A page is an askama struct with a field `shell: Shell`; its template extends `console.html` or `public.html` and
//! imports the macros of `components.html`. Nothing here asks the database or decides anything: handlers fill these
//! structs, templates print them, and askama escapes every value. Class names and macros are described, with an
//! example each, in `docs/explanation/design-system.md`.

use std::fmt;

use askama::Template;

use super::assets;

mod parts;

pub use parts::{Choice, DryRun, FieldErrors, Pager, Progress, Sort, Step};

/// Everything around the content of a page: whose console it is, where one can go, who is signed in.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    pub title: String,
    pub nav: Vec<NavGroup>,
    pub organization: Option<OrgChip>,
    /// The reader's organizations: the menu under the organization's name.
    pub places: Vec<NavItem>,
    pub account: Option<AccountChip>,
    /// The session's CSRF token; every form carries it as `csrf`, every htmx request as `X-CSRF-Token`.
    pub csrf: String,
    pub flash: Option<Flash>,
    pub console: Console,
    pub provider_name: String,
    pub palette: Vec<PaletteItem>,
    /// Where the command palette asks for more (`GET ?q=`, answers a list of `<li><a>`); empty: it only filters.
    pub palette_search: String,
    /// The page of the same search, for those without JavaScript; empty where there is none.
    pub search_page: String,
    pub theme: Theme,
}

impl Shell {
    /// The shell of a page for people who are not signed in.
    pub fn public(
        title: impl Into<String>,
        provider_name: impl Into<String>,
        csrf: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            provider_name: provider_name.into(),
            csrf: csrf.into(),
            ..Self::default()
        }
    }

    /// Address of an embedded file, with its content hash.
    pub fn asset(&self, name: &str) -> String {
        assets::asset_url(name)
    }

    /// Whose console this is, as the menu at the top names it.
    pub fn place(&self) -> String {
        match (&self.organization, self.console) {
            (Some(organization), _) => organization.name.clone(),
            (None, Console::Provider) => format!("{} · provider", self.provider_name),
            (None, console) => console.label().to_owned(),
        }
    }

    /// What stands after the page's own name in the browser's title bar.
    pub fn owner(&self) -> &str {
        self.organization.as_ref().map_or(self.provider_name.as_str(), |organization| &organization.name)
    }
}

/// Which of the three consoles a page belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Console {
    Provider,
    #[default]
    Organization,
    Account,
}

impl Console {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Provider => "Provider",
            Self::Organization => "Organization",
            Self::Account => "Your account",
        }
    }
}

impl fmt::Display for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Provider => "provider",
            Self::Organization => "organization",
            Self::Account => "account",
        })
    }
}

/// Light or dark as the reader chose (cookie `theme`), else as the system says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    #[default]
    System,
    Light,
    Dark,
}

impl Theme {
    /// Reads the value of the cookie `theme`; anything unknown means the system's choice.
    pub fn from_cookie(value: &str) -> Self {
        match value {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }
}

impl fmt::Display for Theme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

/// A block of the navigation; an empty label prints no heading.
#[derive(Clone, Debug, Default)]
pub struct NavGroup {
    pub label: String,
    pub items: Vec<NavItem>,
}

impl NavGroup {
    pub fn new(label: impl Into<String>, items: Vec<NavItem>) -> Self {
        Self { label: label.into(), items }
    }
}

/// A link of the navigation, of a row of tabs or of a menu. `count` is what waits for somebody there.
#[derive(Clone, Debug, Default)]
pub struct NavItem {
    pub label: String,
    pub href: String,
    pub current: bool,
    pub count: Option<u32>,
}

impl NavItem {
    pub fn new(label: impl Into<String>, href: impl Into<String>) -> Self {
        Self { label: label.into(), href: href.into(), current: false, count: None }
    }

    #[must_use]
    pub fn current(self, current: bool) -> Self {
        Self { current, ..self }
    }

    /// Zero prints nothing: a count is there to be acted on.
    #[must_use]
    pub fn count(self, count: u32) -> Self {
        Self { count: (count > 0).then_some(count), ..self }
    }
}

/// The organization a page is about; `href` leads to the list of the reader's organizations.
#[derive(Clone, Debug, Default)]
pub struct OrgChip {
    pub name: String,
    pub slug: String,
    pub href: String,
}

/// Who is signed in. `links` are the entries of the menu under the initials (account, other consoles).
#[derive(Clone, Debug, Default)]
pub struct AccountChip {
    pub name: String,
    pub email: String,
    pub initials: String,
    pub links: Vec<NavItem>,
    /// Form action (POST) that ends the session.
    pub sign_out: String,
}

impl AccountChip {
    pub fn new(name: impl Into<String>, email: impl Into<String>) -> Self {
        let (name, email) = (name.into(), email.into());
        let initials = initials(if name.trim().is_empty() { &email } else { &name });
        Self {
            name,
            email,
            initials,
            links: vec![NavItem::new("Your account", "/account")],
            sign_out: "/sign-out".into(),
        }
    }
}

/// First letters of the first and the last word, e.g. `ML` for `Mara van Lind`.
fn initials(name: &str) -> String {
    let words: Vec<&str> = name.split_whitespace().collect();
    let first = words.first().and_then(|word| word.chars().next());
    let last = words.get(1..).and_then(<[&str]>::last).and_then(|word| word.chars().next());
    first.into_iter().chain(last).flat_map(char::to_uppercase).collect()
}

/// How a message, badge or bar is meant; printed as a class name, never as colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Info,
    Good,
    Warn,
    Bad,
}

impl fmt::Display for Tone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        })
    }
}

/// A message about what the last request did, shown once; `undo` is a form action (POST) that takes it back.
#[derive(Clone, Debug, Default)]
pub struct Flash {
    pub tone: Tone,
    pub text: String,
    pub undo: Option<String>,
}

impl Flash {
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { tone, text: text.into(), undo: None }
    }
}

/// An entry of the command palette.
#[derive(Clone, Debug, Default)]
pub struct PaletteItem {
    pub label: String,
    pub href: String,
    pub hint: String,
}

impl PaletteItem {
    pub fn new(label: impl Into<String>, href: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { label: label.into(), href: href.into(), hint: hint.into() }
    }
}

/// State of a cell of the matrix as pages draw it: an own shape, an own colour and a word for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    Held,
    Attested,
    Accepted,
    Gap,
    Stale,
    Blocked,
    NotApplicable,
    #[default]
    Unknown,
}

impl State {
    /// In the order in which bars, legends and tables list them.
    pub const ALL: [Self; 8] = [
        Self::Held,
        Self::Attested,
        Self::Accepted,
        Self::Gap,
        Self::Stale,
        Self::Blocked,
        Self::Unknown,
        Self::NotApplicable,
    ];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Attested => "attested",
            Self::Accepted => "accepted",
            Self::Gap => "gap",
            Self::Stale => "stale",
            Self::Blocked => "blocked",
            Self::NotApplicable => "not_applicable",
            Self::Unknown => "unknown",
        }
    }

    /// The state with this code; a code nobody knows is `Unknown`, which never counts as held.
    pub fn from_code(code: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.code() == code).unwrap_or_default()
    }

    pub const fn label(self) -> &'static str {
        match self {
            Self::Held => "Held",
            Self::Attested => "Attested",
            Self::Accepted => "Risk accepted",
            Self::Gap => "Gap",
            Self::Stale => "Stale",
            Self::Blocked => "Waits for the other side",
            Self::NotApplicable => "Does not apply",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

/// Problem documents begin small, as errors of programs do; a page has sentences.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A page that says why a request failed: what is wrong, how to mend it, and the id under which it was logged.
#[derive(Clone, Debug, Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    pub shell: Shell,
    pub status: u16,
    pub title: String,
    pub wrong: String,
    pub mend: String,
    pub request_id: String,
    /// Where to go from here; none prints a link to the front page.
    pub links: Vec<NavItem>,
}

/// The same inside the console of somebody who is signed in.
#[derive(Clone, Debug, Template)]
#[template(path = "error_console.html")]
pub struct ConsoleErrorPage {
    shell: Shell,
    status: u16,
    title: String,
    wrong: String,
    mend: String,
    request_id: String,
    links: Vec<NavItem>,
}

impl ConsoleErrorPage {
    pub fn new(page: ErrorPage) -> Self {
        let ErrorPage { shell, status, title, wrong, mend, request_id, links } = page;
        Self { shell, status, title, wrong, mend, request_id, links }
    }
}

#[cfg(test)]
mod tests;
