//! Users: the creation and management of user accounts.
//!
//! Start with [`accounts`] (how somebody gets one), [`login`] (how they prove who they are), [`organizations`] and
//! [`domains`] (how a company manages its people).

use platform::Area;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::Routes;

pub mod accounts;
pub mod links;
pub mod login;
pub mod passwords;
pub mod recovery;
pub mod sessions;
pub mod set_up;
pub mod throttles;
pub mod tokens;

pub static AREA: Area = Area {
    name: "users",
    routes,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    navigation: NAVIGATION,
    tasks: &[],
};

fn routes() -> Routes {
    Routes::new()
        .merge(accounts::api::routes())
        .merge(accounts::pages::routes())
        .merge(login::api::routes())
        .merge(login::pages::routes())
        .merge(recovery::api::routes())
        .merge(recovery::pages::routes())
        .merge(sessions::api::routes())
        .merge(sessions::pages::routes())
        .merge(set_up::pages::routes())
}

const NAVIGATION: &[NavEntry] = &[
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Your account",
        href: "/account",
        permission: None,
        rank: 10,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Password",
        href: "/account/password",
        permission: None,
        rank: 20,
    },
    NavEntry {
        console: NavConsole::Account,
        group: "",
        label: "Devices",
        href: sessions::pages::PATH,
        permission: None,
        rank: 30,
    },
];
