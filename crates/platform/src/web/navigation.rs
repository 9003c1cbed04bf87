//! The side navigation of the consoles: each area lists its entries, the shell shows those the caller may open.

use crate::access::Permission;
use crate::app::App;

use super::Access;
use super::ui;

/// Which console an entry stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NavConsole {
    Organization,
    Provider,
    Account,
}

/// Groups in the order they are shown; the areas of the paper, then the organization's own.
pub const GROUPS: &[&str] = &["", "Users", "Information", "Apps", "Compliance", "Organization", "Account"];

#[derive(Clone, Copy, Debug)]
pub struct NavEntry {
    pub console: NavConsole,
    /// One of [`GROUPS`].
    pub group: &'static str,
    pub label: &'static str,
    /// `/o/{organization}/domains`, `/provider/jobs`, `/account/sessions`.
    pub href: &'static str,
    /// `None`: every signed-in person.
    pub permission: Option<Permission>,
    /// Lower first.
    pub rank: u16,
}

fn entries(app: &App, access: &Access, console: NavConsole) -> Vec<&'static NavEntry> {
    let mut entries: Vec<&NavEntry> = app
        .areas()
        .iter()
        .flat_map(|area| area.navigation)
        .filter(|entry| entry.console == console)
        .filter(|entry| entry.permission.is_none_or(|permission| access.may(permission)))
        .collect();
    entries.sort_by_key(|entry| entry.rank);
    entries
}

/// The pages of a console that the caller may open, as search finds them.
pub fn open_to(app: &App, access: &Access, console: NavConsole) -> Vec<ui::PaletteItem> {
    let slug = access.organization.as_ref().map_or("", |here| here.organization.slug.as_str());
    let item = |entry: &NavEntry| ui::PaletteItem {
        label: entry.label.to_owned(),
        href: entry.href.replace("{organization}", slug),
        hint: entry.group.to_owned(),
    };
    entries(app, access, console).into_iter().map(item).collect()
}

/// Where a console's search is; the account's console has none.
fn search_page(console: NavConsole, slug: &str) -> String {
    match console {
        NavConsole::Organization if !slug.is_empty() => format!("/o/{slug}/search"),
        NavConsole::Provider => "/provider/search".to_owned(),
        NavConsole::Organization | NavConsole::Account => String::new(),
    }
}

/// Builds the shell of a console page. `current` is the `href` pattern of the entry to mark.
pub fn shell(app: &App, access: &Access, console: NavConsole, title: &str, current: &str) -> ui::Shell {
    let slug = access.organization.as_ref().map(|here| here.organization.slug.clone()).unwrap_or_default();
    let entries = entries(app, access, console);
    let nav = GROUPS
        .iter()
        .filter_map(|group| {
            let items: Vec<ui::NavItem> = entries
                .iter()
                .filter(|entry| entry.group == *group)
                .map(|entry| ui::NavItem {
                    label: entry.label.to_owned(),
                    href: entry.href.replace("{organization}", &slug),
                    current: entry.href == current,
                    count: None,
                })
                .collect();
            (!items.is_empty()).then(|| ui::NavGroup { label: (*group).to_owned(), items })
        })
        .collect::<Vec<_>>();
    let palette = nav
        .iter()
        .flat_map(|group| group.items.iter().map(|item| (group.label.clone(), item)))
        .map(|(group, item)| ui::PaletteItem {
            label: item.label.clone(),
            href: item.href.clone(),
            hint: group,
        })
        .collect();
    let search = search_page(console, &slug);
    // Pages of one's own account may name an organization in their address, and are not its pages.
    let shown = access.organization.as_ref().filter(|_| console != NavConsole::Account);
    ui::Shell {
        places: access.places.clone(),
        title: title.to_owned(),
        nav,
        organization: shown.map(|here| ui::OrgChip {
            name: here.organization.name.clone(),
            slug: here.organization.slug.clone(),
            href: "/account".to_owned(),
        }),
        account: access.principal.as_ref().filter(|principal| principal.account.is_some()).map(|principal| {
            let mut chip = ui::AccountChip::new(principal.name.clone(), principal.email.clone());
            if access.staff {
                chip.links.push(ui::NavItem::new("Provider console", "/provider"));
            }
            chip
        }),
        csrf: access.csrf.clone(),
        flash: access.flash.clone(),
        console: match console {
            NavConsole::Organization => ui::Console::Organization,
            NavConsole::Provider => ui::Console::Provider,
            NavConsole::Account => ui::Console::Account,
        },
        provider_name: app.provider_name(),
        palette,
        palette_search: if search.is_empty() { String::new() } else { format!("{search}/hits") },
        search_page: search,
        theme: access.theme,
    }
}

/// The shell of a public page: sign-in, sign-up, recovery.
pub fn public_shell(app: &App, access: &Access, title: &str) -> ui::Shell {
    let mut shell = shell(app, access, NavConsole::Account, title, "");
    shell.nav = Vec::new();
    shell.palette = Vec::new();
    shell
}
