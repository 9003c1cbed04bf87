//! Disabled means dead: everything that can be taken away × every way in. The expectation of each pair is computed by
//! [`expected`], the answer is the one of the real HTTP path, and with nothing taken away every path works, or a refusal
//! would mean nothing. `docs/security/disabled-matrix.md` is made from the same rules.

use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::single_sign_on::tests::on_both;

mod covered;
mod paths;
mod things;

/// An enumeration with the words of each member, and all members in their order.
macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($member:ident = $words:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(super) enum $name { $($member),* }

        impl $name {
            pub(super) const ALL: &[Self] = &[$(Self::$member),*];

            pub(super) fn words(self) -> &'static str {
                match self { $(Self::$member => $words),* }
            }
        }
    };
}

listed! {
    /// What is taken away from Mara, an admin of harbor, who uses a product as a member of a group.
    Thing {
        Nothing = "nothing",
        AccountSuspended = "the account: suspended",
        MembershipSuspended = "the membership: suspended",
        MembershipRemoved = "the membership: removed",
        LeftByHerself = "the membership: left by the person",
        DeactivatedByScim = "the directory's record: deactivated over SCIM",
        RoleTaken = "the role: taken back to member",
        LeftGroup = "the place in the group",
        GroupDeleted = "the group",
        RuleRemoved = "the rule that lets the group use the product",
        ProductDisabled = "the product (OAuth client)",
        ConnectionDisabled = "the connection (identity provider)",
        DomainRemoved = "the verified domain",
        SingleSignOnEnforced = "other methods: single sign-on is enforced",
        PasswordChanged = "the password: changed",
        SignedOut = "the session: signed out",
        PasskeyRemoved = "the passkey",
        ApiTokenRevoked = "the API token",
        ScimTokenRevoked = "the SCIM token",
        AppRevoked = "the person's connection to the product",
        GrantRevoked = "the grant: revoked by the product",
        KeysReplaced = "the signing keys: replaced at once",
    }
}

listed! {
    /// What was obtained before is judged before what is tried anew; a recovery, which ends the rest, is last.
    Path {
        Session = "session: own pages",
        SessionInOrganization = "session: the organization",
        SessionOfProvider = "session begun by single sign-on",
        ApiToken = "API token",
        Scim = "SCIM",
        Introspection = "introspection",
        Userinfo = "userinfo",
        NewCode = "a new code for the product",
        WaitingCode = "a code that waits",
        Refresh = "refresh token",
        OfflineRefresh = "refresh token for offline use",
        Device = "device that was allowed",
        ClientCredentials = "client credentials",
        Password = "password (page)",
        PasswordApi = "password (API)",
        Passkey = "passkey",
        SignInLink = "sign-in link",
        SingleSignOn = "single sign-on",
        OnItsWay = "single sign-on that was under way",
        Recovery = "recovery link",
    }
}

/// Whose a path is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Person,
    Provider,
    Organization,
    Grant,
    Product,
    Directory,
}

impl Path {
    fn of(self) -> Of {
        match self {
            Self::Session
            | Self::Password
            | Self::PasswordApi
            | Self::Passkey
            | Self::SignInLink
            | Self::Recovery => Of::Person,
            Self::SessionOfProvider | Self::SingleSignOn | Self::OnItsWay => Of::Provider,
            Self::SessionInOrganization | Self::ApiToken => Of::Organization,
            Self::Introspection
            | Self::Userinfo
            | Self::NewCode
            | Self::WaitingCode
            | Self::Refresh
            | Self::OfflineRefresh
            | Self::Device => Of::Grant,
            Self::ClientCredentials => Of::Product,
            Self::Scim => Of::Directory,
        }
    }

    /// Dies with the session that Mara made with her password.
    fn hangs_on_session(self) -> bool {
        matches!(self, Self::Session | Self::SessionInOrganization)
            || self.of() == Of::Grant && self != Self::OfflineRefresh
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    Refused,
    /// It goes on, and why that is right.
    GoesOn(&'static str),
}

const ALL_WORKS: &str = "nothing was taken away";
const APART: &str = "does not rest on what was taken away";
const KEPT: &str = "the session that changed the password goes on";
const AGAIN: &str = "nobody put her out, and the organization's own provider makes members of its people";
const OWN: &str = "the account is the person's own; the organization closes itself, not the account";

fn refused_if(refused: bool, otherwise: &'static str) -> Expected {
    if refused { Expected::Refused } else { Expected::GoesOn(otherwise) }
}

pub(super) fn expected(thing: Thing, path: Path) -> Expected {
    let of = path.of();
    match thing {
        Thing::Nothing => Expected::GoesOn(ALL_WORKS),
        Thing::AccountSuspended => refused_if(!matches!(of, Of::Product | Of::Directory), APART),
        Thing::MembershipSuspended | Thing::MembershipRemoved | Thing::DeactivatedByScim => {
            membership(path, false)
        }
        Thing::LeftByHerself => membership(path, true),
        Thing::RoleTaken => refused_if(of == Of::Organization, APART),
        Thing::LeftGroup | Thing::GroupDeleted | Thing::RuleRemoved => refused_if(of == Of::Grant, APART),
        Thing::ProductDisabled => refused_if(matches!(of, Of::Grant | Of::Product), APART),
        Thing::ConnectionDisabled => refused_if(of == Of::Provider, APART),
        Thing::DomainRemoved => refused_if(matches!(path, Path::SingleSignOn | Path::OnItsWay), APART),
        Thing::SingleSignOnEnforced => enforced(path),
        Thing::PasswordChanged => password(path),
        Thing::SignedOut => refused_if(path.hangs_on_session(), APART),
        Thing::PasskeyRemoved => refused_if(path == Path::Passkey, APART),
        Thing::ApiTokenRevoked => refused_if(path == Path::ApiToken, APART),
        Thing::ScimTokenRevoked => refused_if(path == Path::Scim, APART),
        Thing::AppRevoked => refused_if(of == Of::Grant && path != Path::NewCode, APART),
        Thing::GrantRevoked => {
            refused_if(matches!(path, Path::Introspection | Path::Userinfo | Path::Refresh), APART)
        }
        Thing::KeysReplaced => refused_if(matches!(path, Path::Introspection | Path::Userinfo), APART),
    }
}

/// `again`: whether the organization's own provider may bring the person back.
fn membership(path: Path, again: bool) -> Expected {
    match path {
        Path::SingleSignOn | Path::OnItsWay => refused_if(!again, AGAIN),
        Path::SessionOfProvider => Expected::GoesOn(OWN),
        _ => match path.of() {
            Of::Organization | Of::Grant => Expected::Refused,
            Of::Person | Of::Provider => Expected::GoesOn(OWN),
            Of::Product | Of::Directory => Expected::GoesOn(APART),
        },
    }
}

fn enforced(path: Path) -> Expected {
    // What a product got for offline use from a session that may not be goes with it.
    let other_ways = path.of() == Of::Person || path.hangs_on_session() || path == Path::OfflineRefresh;
    refused_if(other_ways, APART)
}

fn password(path: Path) -> Expected {
    match path {
        Path::Password | Path::PasswordApi | Path::Recovery | Path::SignInLink | Path::SessionOfProvider => {
            Expected::Refused
        }
        Path::NewCode => Expected::GoesOn(KEPT),
        _ => refused_if(path.of() == Of::Grant, APART),
    }
}

/// What a pair answered otherwise than the rules say; empty: as they say.
fn differences(thing: Thing, worked: &[(Path, bool)]) -> Vec<String> {
    assert_eq!(worked.len(), Path::ALL.len(), "{thing:?}: every path is tried");
    let wrong =
        |&&(path, worked): &&(Path, bool)| worked != matches!(expected(thing, path), Expected::GoesOn(_));
    let say = |&(path, worked): &(Path, bool)| {
        format!("{thing:?} × {path:?}: {}", if worked { "goes on" } else { "is refused" })
    };
    worked.iter().filter(wrong).map(say).collect()
}

/// What answered otherwise than the rules say, on both databases.
async fn tried(thing: Thing) -> Vec<String> {
    let found = std::sync::Mutex::new(Vec::new());
    on_both(async |mut world| {
        let mut before = things::before(&mut world).await;
        things::take(&mut world, &mut before, thing).await;
        let mut worked = Vec::new();
        for path in Path::ALL {
            worked.push((*path, paths::works(&mut world, &mut before, *path).await));
        }
        let kind = world.kit.kind;
        let wrong = differences(thing, &worked).into_iter().map(|line| format!("{kind:?}: {line}"));
        found.lock().expect("a list").extend(wrong);
    })
    .await;
    found.into_inner().expect("a list")
}

#[tokio::test]
async fn disabled_means_dead_on_every_path() {
    let mut found = Vec::new();
    for thing in Thing::ALL {
        // One that breaks off hides nothing of the others.
        let tried = AssertUnwindSafe(tried(*thing)).catch_unwind().await;
        found.extend(tried.unwrap_or_else(|_| vec![format!("{thing:?}: broke off")]));
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn page() -> String {
    let mut page = "# Disabled means dead: the matrix\n\n\
        Everything that can be taken away from somebody, and what becomes of every way in. Each pair is tried over HTTP on \
        both databases by `users::sessions::tests::disabled::disabled_means_dead_on_every_path`; this page is made from the \
        rules that it checks. Sessions, tokens, codes and links were obtained before the thing was taken away.\n\n\
        To regenerate: `UPDATE_REFERENCE=1 cargo test -p bailiwick-users disabled_matrix`.\n\n"
        .to_owned();
    let _ = writeln!(page, "{} things × {} paths.\n", Thing::ALL.len() - 1, Path::ALL.len());
    page.push_str("| taken away | refused | goes on, and why |\n|---|---|---|\n");
    for thing in Thing::ALL.iter().filter(|thing| **thing != Thing::Nothing) {
        let (mut refused, mut reasons) = (Vec::new(), Vec::<(&str, Vec<&str>)>::new());
        for path in Path::ALL {
            match expected(*thing, *path) {
                Expected::Refused => refused.push(path.words()),
                Expected::GoesOn(why) => match reasons.iter_mut().find(|(known, _)| *known == why) {
                    Some((_, paths)) => paths.push(path.words()),
                    None => reasons.push((why, vec![path.words()])),
                },
            }
        }
        let on: Vec<String> =
            reasons.iter().map(|(why, paths)| format!("{}: *{why}*", paths.join("; "))).collect();
        let _ = writeln!(page, "| {} | {} | {} |", thing.words(), refused.join("; "), on.join("<br>"));
    }
    page.push_str(&covered::section());
    page
}

#[test]
fn the_page_of_the_disabled_matrix_is_up_to_date() {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/security/disabled-matrix.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/security/disabled-matrix.md is out of date: UPDATE_REFERENCE=1 cargo test -p bailiwick-users disabled_matrix"
    );
}
