//! Who did what stands in the ledger: every changing route is used as it is meant to be, on both databases, and must
//! put an event of the kind it announces into some organization's ledger.

mod abuse_reports;
mod access;
mod awareness;
mod connections;
mod directories;
mod operators;
mod organization;
mod personal;
mod products;
mod reviews;
mod streams;
mod support;
mod threats;

use std::collections::{BTreeMap, BTreeSet};

use bailiwick::demo::prover::Script;
use platform::db::DbError;
use platform::events::{self, proofs};
use platform::ids::OrganizationId;
use platform::principals;
use platform::web::routes::Events;
use testkit::{Answer, Kit, KitOptions};

use crate::shared::{all_routes, only, whole_program};

/// Routes nobody has written a request for yet, with the reason.
const NOT_TRIED: &[(&str, &str)] = &[
    ("account.disconnect", PROVIDER),
    ("account.disconnect_form", PROVIDER),
    ("connection.create_saml_form", PROVIDER),
    ("connection.own_key", PROVIDER),
    ("connection.own_key_form", PROVIDER),
    ("connection.unlink", PROVIDER),
    ("connection.unlink_form", PROVIDER),
    ("single_sign_on.backchannel_logout", PROVIDER),
    ("single_sign_on.saml_sign_out_form", PROVIDER),
];

const PROVIDER: &str =
    "needs an identity provider that answers: tried with one in users::single_sign_on::tests";

/// A run through many routes, remembering which ones left their mark.
struct Story<'k> {
    kit: &'k Kit,
    seen: BTreeMap<OrganizationId, u64>,
    done: BTreeSet<&'static str>,
}

impl<'k> Story<'k> {
    async fn begin(kit: &'k Kit) -> Self {
        let mut story = Self { kit, seen: BTreeMap::new(), done: BTreeSet::new() };
        story.news().await;
        story
    }

    /// What was recorded since the last look, in any ledger.
    async fn news(&mut self) -> Vec<String> {
        let seen = self.seen.clone();
        let read = self.kit.app.db().read(move |tx| {
            let (mut heads, mut actions) = (BTreeMap::new(), Vec::new());
            for organization in principals::organizations(tx, "", 1000)? {
                let from = seen.get(&organization.id).copied().unwrap_or(0);
                let new = events::range(tx, organization.id, from, 10_000)?;
                actions.extend(new.into_iter().map(|event| event.action));
                heads.insert(organization.id, proofs::head(tx, organization.id)?.0);
            }
            Ok::<_, DbError>((heads, actions))
        });
        let (heads, actions) = read.await.expect("ledgers");
        self.seen = heads;
        actions
    }

    /// Something between two routes that may record what it likes.
    async fn aside(&mut self) {
        self.news().await;
    }

    /// `answer` is what the route `action` gave: it must have gone well and left the event it announces.
    #[track_caller]
    fn did(&mut self, action: &'static str, answer: Answer) -> impl Future<Output = Answer> {
        let place = std::panic::Location::caller();
        async move {
            let status = answer.status.as_u16();
            assert!(status < 400, "{place}: {action}: {status} {}", answer.text());
            let route = all_routes().into_iter().find(|route| route.action == action);
            let route = route.unwrap_or_else(|| panic!("{place}: no route is called `{action}`"));
            let Events::Records(prefix) = route.events else { panic!("{place}: `{action}` records nothing") };
            let news = self.news().await;
            let fits = news.iter().any(|event| event.starts_with(prefix));
            assert!(fits, "{place}: {action} ({status}) announces `{prefix}` and recorded {news:?}");
            self.done.insert(action);
            answer
        }
    }

    /// The path of the newest link to `email` that starts with `path`.
    async fn mailed_link(&mut self, email: &str, path: &str) -> String {
        let wanted = format!("{}{path}", self.kit.app.config().public_origin());
        let mails = self.kit.mails().await;
        let decoded = mails.iter().rev().map(|mail| mail.replace("=\r\n", "").replace("=3D", "="));
        let found = decoded.filter(|mail| mail.contains(email)).find_map(|mail| {
            let at = mail.find(&wanted)?;
            mail[at + wanted.len()..].split_whitespace().next().map(|rest| format!("{path}{rest}"))
        });
        self.aside().await;
        found.unwrap_or_else(|| panic!("no link to {path} was mailed to {email}: {mails:#?}"))
    }
}

fn changing() -> impl Iterator<Item = &'static str> {
    all_routes()
        .into_iter()
        .filter(|route| matches!(route.events, Events::Records(_)))
        .map(|route| route.action)
}

fn with_real_sign_in() -> KitOptions {
    let mut options = whole_program(&Script::default());
    options.authenticate = users::sessions::authenticator();
    options
}

#[tokio::test]
async fn every_change_leaves_an_event() {
    let done = std::sync::Mutex::new(BTreeSet::new());
    testkit::both_with(
        async |kit: &Kit| {
            let mut story = Story::begin(kit).await;
            personal::tell(&mut story).await;
            done.lock().unwrap().extend(story.done);
        },
        with_real_sign_in,
    )
    .await;
    testkit::both_with(
        async |kit: &Kit| {
            kit.account("mara@harbor-logistics.dev").await;
            let mut story = Story::begin(kit).await;
            let body = serde_json::json!({ "email": "mara@harbor-logistics.dev" });
            let made = kit.nobody().post("/api/v1/provider/sign-in-links", body).await;
            story.did("sign_in_link.create", made).await;
            done.lock().unwrap().extend(story.done);
        },
        || {
            let mut options = whole_program(&Script::default());
            options.authenticate = bailiwick::cli::operator();
            options
        },
    )
    .await;
    let dns = Script::default();
    testkit::both_with(
        async |kit: &Kit| {
            let mut story = Story::begin(kit).await;
            organization::tell(&mut story, &dns).await;
            done.lock().unwrap().extend(story.done);
        },
        || {
            let mut options = whole_program(&dns);
            // Names under `.example` can be proved on a test's clock alone.
            options.configure = Box::new(|config| config.test_clock = true);
            options
        },
    )
    .await;
    let done = done.into_inner().unwrap();
    let left = changing().filter(|action| !done.contains(action)).map(str::to_owned);
    only("changing routes without a request here", left, NOT_TRIED);
}

#[test]
fn a_story_can_fail() {
    let routes = all_routes();
    let read = routes.iter().find(|route| route.action == "group.list").expect("a reading route");
    assert_eq!(read.events, Events::Read);
    assert!(changing().all(|action| action != "group.list"));
}
