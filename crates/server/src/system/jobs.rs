//! The provider's work on background jobs and the mail outbox: what waits, runs and failed, and trying again or dropping
//! what failed. The rules are `platform::jobs::repair` and `platform::mail`; here are their API and pages.

use platform::access::Permission;
use platform::web::navigation::{NavConsole, NavEntry};
use platform::web::routes::{Openness, Routes};

mod api;
mod pages;

const JOBS: &str = "/provider/jobs";
const MAILS: &str = "/provider/mails";
/// Lines of a list: an operator looks at what is wrong, not through everything.
const SHOWN_MAX: u32 = 200;
const READ: Openness = Openness::Provider(Permission::ProviderRead);
const MANAGE: Openness = Openness::Provider(Permission::ProviderManage);

pub const NAVIGATION: &[NavEntry] = &[
    NavEntry {
        console: NavConsole::Provider,
        group: "Organization",
        label: "Background jobs",
        href: JOBS,
        permission: Some(Permission::ProviderRead),
        rank: 900,
    },
    NavEntry {
        console: NavConsole::Provider,
        group: "Organization",
        label: "Mail outbox",
        href: MAILS,
        permission: Some(Permission::ProviderRead),
        rank: 905,
    },
];

pub fn routes() -> Routes {
    api::routes().merge(pages::routes())
}
