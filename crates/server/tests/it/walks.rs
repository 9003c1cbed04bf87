//! Every endpoint as nobody, as a stranger of another organization, as a member without rights, as the provider's
//! staff, and with tokens that fall short: each is refused as the design says, and a refusal changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use bailiwick::demo::prover::Script;
use platform::access::{Permission, Role};
use platform::db::{Commit, DbError};
use platform::events::{Event, proofs};
use platform::ids::OrganizationId;
use platform::principals::{self, MembershipState};
use platform::web::routes::{Method, Openness, RouteInfo, RouteKind};
use testkit::{Answer, Client, Kit};

use crate::shared::{all_routes, name_of, only, whole_program};

/// Whom all walks go to.
const HERE: &str = "meadow";

/// What everybody may ask, with the reason.
const PUBLIC: &[(&str, &str)] = &[
    ("GET /", "leads to sign-in"),
    ("GET /assets/{hash}/{name}", "style sheet, scripts, icons"),
    ("GET /healthz", "says that the process runs, nothing else"),
    ("GET /readyz", "says whether the process can work, nothing else"),
    ("GET /metrics", "only for callers on this machine or behind a trusted proxy"),
    ("GET /openapi.json", "the API's description"),
    ("GET /api/v1/ledger-keys", "public keys, which whoever checks an export must be able to get"),
    ("POST /test/clock/advance", "does not exist without --test-clock"),
    ("GET /sign-in", "where one signs in"),
    ("POST /sign-in", "where one signs in"),
    ("POST /api/v1/sessions", "where a program signs in"),
    ("GET /sign-in/second-step", "between the password and the session; its cookie is the secret"),
    ("POST /sign-in/second-step", "between the password and the session; its cookie is the secret"),
    ("POST /api/v1/sessions/second-step", "between the password and the session; its cookie is the secret"),
    ("POST /sign-in/passkey", "where one signs in"),
    ("POST /api/v1/sessions/passkey", "where a program signs in"),
    ("POST /api/v1/passkey-options", "the question for a passkey, the same for everybody"),
    ("GET /sign-in/link/{token}", "the link is the secret"),
    ("POST /sign-in/link/{token}", "the link is the secret"),
    ("GET /sign-up", "where one asks for an account"),
    ("POST /sign-up", "where one asks for an account"),
    ("POST /api/v1/sign-ups", "where a program asks for an account"),
    ("GET /sign-up/{token}", "the link is the secret"),
    ("POST /sign-up/{token}", "the link is the secret"),
    ("GET /recover", "where one asks for a new password"),
    ("POST /recover", "where one asks for a new password"),
    ("POST /api/v1/recoveries", "where a program asks for a new password"),
    ("GET /recover/{token}", "the link is the secret"),
    ("POST /recover/{token}", "the link is the secret"),
    ("GET /setup/{token}", "the link is the secret"),
    ("POST /setup/{token}", "the link is the secret"),
    ("GET /sign-in/sso", "where one finds the provider that signs one in"),
    ("POST /sign-in/sso", "where one finds the provider that signs one in"),
    ("GET /sign-in/sso/{connection}", "leads to an organization's identity provider"),
    ("GET /sign-in/sso/{connection}/callback", "where a provider sends people back; its state is the secret"),
    ("POST /sign-in/sso/{connection}/backchannel-logout", "the provider's signature opens it"),
    ("GET /report/{token}", "the address that an organization gives away is the secret"),
    ("POST /report/{token}", "the address that an organization gives away is the secret"),
    ("GET /break-glass", "where owners with a sealed code go when nobody gets in"),
    ("POST /break-glass", "where owners with a sealed code go when nobody gets in"),
    ("POST /api/v1/break-glass", "where owners with a sealed code go when nobody gets in"),
    ("GET /invitations/{token}", "the link is the secret; accepting needs an account"),
    ("GET /.well-known/openid-configuration", "what products read to sign people in"),
    ("GET /.well-known/oauth-authorization-server", "what products read to sign people in"),
    ("GET /oauth/jwks", "public keys"),
    ("POST /oauth/token", "the product proves itself in the request"),
    ("OPTIONS /oauth/token", "a browser asks what it may send"),
    ("POST /oauth/introspect", "the product proves itself in the request"),
    ("GET /oauth/userinfo", "the access token is the secret"),
    ("POST /oauth/userinfo", "the access token is the secret"),
    ("OPTIONS /oauth/userinfo", "a browser asks what it may send"),
    ("POST /oauth/revoke", "the product proves itself in the request"),
    ("OPTIONS /oauth/revoke", "a browser asks what it may send"),
    ("POST /oauth/par", "the product proves itself in the request"),
    ("OPTIONS /oauth/par", "a browser asks what it may send"),
    ("POST /oauth/device_authorization", "the product proves itself in the request"),
    ("GET /oauth/authorize", "where products send people; it asks them to sign in"),
    ("POST /oauth/authorize", "where products send people; it asks them to sign in"),
    ("GET /oauth/interactions/{token}", "the link is the secret; it asks people to sign in"),
    ("GET /oauth/logout", "where products send people to sign out; it asks them"),
    ("POST /oauth/logout", "where products send people to sign out; it asks them"),
    ("GET /contacts/confirm/{token}", "the link is the secret: a contact needs no account"),
    ("POST /contacts/confirm/{token}", "the link is the secret: a contact needs no account"),
    ("GET /scim/v2/{directory}/ServiceProviderConfig", SCIM),
    ("GET /scim/v2/{directory}/Schemas", SCIM),
    ("GET /scim/v2/{directory}/Schemas/{schema}", SCIM),
    ("GET /scim/v2/{directory}/ResourceTypes", SCIM),
    ("GET /scim/v2/{directory}/ResourceTypes/{type}", SCIM),
    ("GET /scim/v2/{directory}/Users", SCIM),
    ("GET /scim/v2/{directory}/Users/{user}", SCIM),
    ("GET /scim/v2/{directory}/Groups", SCIM),
    ("GET /scim/v2/{directory}/Groups/{group}", SCIM),
    ("GET /scim/v2/{directory}/Me", SCIM),
    ("GET /scim/v2/{directory}/{*rest}", SCIM),
    ("POST /scim/v2/{directory}/.search", SCIM),
    ("POST /scim/v2/{directory}/Users/.search", SCIM),
    ("POST /scim/v2/{directory}/Groups/.search", SCIM),
    ("POST /scim/v2/{directory}/Users", SCIM),
    ("POST /scim/v2/{directory}/Groups", SCIM),
    ("POST /scim/v2/{directory}/Bulk", SCIM),
    ("PUT /scim/v2/{directory}/Users/{user}", SCIM),
    ("PATCH /scim/v2/{directory}/Users/{user}", SCIM),
    ("DELETE /scim/v2/{directory}/Users/{user}", SCIM),
    ("PUT /scim/v2/{directory}/Groups/{group}", SCIM),
    ("PATCH /scim/v2/{directory}/Groups/{group}", SCIM),
    ("DELETE /scim/v2/{directory}/Groups/{group}", SCIM),
    ("GET /saml/{connection}/metadata", "what an identity provider has to know of us; no secret is in it"),
    ("POST /saml/{connection}/acs", SAML),
    ("GET /saml/{connection}/arrived", SAML),
    ("GET /saml/{connection}/slo", SAML),
    ("POST /saml/{connection}/slo", SAML),
];

const SAML: &str = "nobody is signed in yet, or somebody's provider says so: its signature is checked by users::single_sign_on";

const SCIM: &str =
    "a directory's own token opens it: checked behind the guard by users::provisioning, and tested there";

/// A path in which every parameter has a value that could exist.
fn path_of(route: &RouteInfo, organization: &str) -> String {
    let fill = |part: &str| match part {
        "{organization}" => organization.to_owned(),
        "{token}" => "A".repeat(43),
        "{sequence}" => "0".to_owned(),
        "{row}" => "USR-C1".to_owned(),
        "{side}" => "customer".to_owned(),
        part if part.starts_with('{') => "0197a1c0-0000-7000-8000-000000000000".to_owned(),
        part => part.to_owned(),
    };
    route.path.split('/').map(fill).collect::<Vec<_>>().join("/")
}

async fn ask(client: &mut Client, route: &RouteInfo, organization: &str) -> Answer {
    let path = path_of(route, organization);
    let (kind, body): (_, &[u8]) = match (route.method == Method::GET, route.kind) {
        (true, _) => (None, b""),
        (_, RouteKind::Api) => (Some("application/json"), b"{}"),
        _ => (Some("application/x-www-form-urlencoded"), b""),
    };
    client.send(route.method.clone(), &path, kind, body.to_vec()).await
}

/// How many events each ledger holds.
async fn ledgers(kit: &Kit) -> BTreeMap<String, u64> {
    let sizes = kit.app.db().read(|tx| {
        let all = principals::organizations(tx, "", 1000)?;
        all.into_iter().map(|one| Ok((one.slug, proofs::head(tx, one.id)?.0))).collect::<Result<_, DbError>>()
    });
    sizes.await.expect("ledgers")
}

/// Walks all routes as `client`. `expect` gives the status that a route must answer with, `None` to leave it out.
async fn walk(kit: &Kit, who: &str, client: &Client, expect: impl Fn(&RouteInfo) -> Option<u16>) {
    let before = ledgers(kit).await;
    let (mut wrong, mut walked) = (Vec::new(), 0);
    for route in all_routes() {
        let Some(status) = expect(&route) else { continue };
        let answer = ask(&mut client.clone(), &route, HERE).await;
        walked += 1;
        let redirected = status == 401 && route.kind == RouteKind::Page && route.method == Method::GET;
        let fits = if redirected {
            answer.status == 303 && answer.location().starts_with("/sign-in?next=")
        } else {
            answer.status == status
        };
        if !fits {
            wrong.push(format!("{}: {} instead of {status}", name_of(&route), answer.status));
        }
    }
    assert!(walked > 0, "{who} walked nowhere");
    assert!(wrong.is_empty(), "as {who}: {wrong:#?}");
    assert_eq!(before, ledgers(kit).await, "as {who}: refusals changed something");
}

/// Refused whoever asks from outside of the organization, in one way.
fn hidden(route: &RouteInfo) -> Option<u16> {
    matches!(route.openness, Openness::Organization(_) | Openness::Member | Openness::Provider(_))
        .then_some(404)
}

async fn on_both<F: AsyncFn(&Kit)>(test: F) {
    testkit::both_with(
        async |kit| {
            kit.organization("northwind").await;
            kit.owner_of(HERE).await;
            test(kit).await;
        },
        || whole_program(&Script::default()),
    )
    .await;
}

#[test]
fn only_known_routes_are_public() {
    let public = all_routes().into_iter().filter(|route| route.openness == Openness::Public);
    only("public", public.map(|route| name_of(&route)), PUBLIC);
}

#[tokio::test]
async fn nobody_is_sent_to_sign_in() {
    on_both(async |kit| {
        // With a form's token, as somebody whose session ended has it: the token must not be enough.
        let mut nobody = kit.nobody();
        nobody.get("/sign-in").await.expect(200);
        walk(kit, "nobody", &nobody, |route| (route.openness != Openness::Public).then_some(401)).await;
        walk(kit, "nobody without a form", &kit.nobody(), |route| {
            let form = route.kind == RouteKind::Page && route.method != Method::GET;
            form.then_some(403)
        })
        .await;
    })
    .await;
}

/// What is public takes anything without breaking.
#[tokio::test]
async fn public_routes_survive_empty_requests() {
    on_both(async |kit| {
        let mut nobody = kit.nobody();
        nobody.get("/sign-in").await.expect(200);
        for route in all_routes().into_iter().filter(|route| route.openness == Openness::Public) {
            let answer = ask(&mut nobody.clone(), &route, HERE).await;
            assert!(answer.status.as_u16() < 500, "{}: {} {}", name_of(&route), answer.status, answer.text());
        }
    })
    .await;
}

#[tokio::test]
async fn a_stranger_of_another_organization_finds_nothing() {
    on_both(async |kit| {
        let stranger = kit.owner_of("harbor").await;
        walk(kit, "a stranger", &stranger, hidden).await;
    })
    .await;
}

/// Nobody learns from a refusal which organizations there are.
#[tokio::test]
async fn an_organization_of_others_looks_like_one_that_does_not_exist() {
    on_both(async |kit| {
        let stranger = kit.owner_of("harbor").await;
        for route in all_routes().into_iter().filter(|route| route.path.contains("{organization}")) {
            let there = ask(&mut stranger.clone(), &route, HERE).await;
            let nowhere = ask(&mut stranger.clone(), &route, "no-such-place").await;
            let seen = |answer: &Answer, slug: &str| {
                let id = answer.header("x-request-id").unwrap_or_default().to_owned();
                (answer.status, answer.text().replace(&id, "ID").replace(slug, "SLUG"))
            };
            assert_eq!(seen(&there, HERE), seen(&nowhere, "no-such-place"), "{}", name_of(&route));
        }
    })
    .await;
}

#[tokio::test]
async fn a_member_without_rights_is_refused() {
    on_both(async |kit| {
        let member = kit.as_role(HERE, Role::Member).await;
        walk(kit, "a member", &member, |route| match route.openness {
            Openness::Organization(_) => Some(403),
            Openness::Provider(_) => Some(404),
            _ => None,
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_auditor_changes_nothing() {
    on_both(async |kit| {
        let auditor = kit.as_role(HERE, Role::Auditor).await;
        walk(kit, "an auditor", &auditor, |route| match route.openness {
            Openness::Organization(permission) if !permission.reads() => Some(403),
            Openness::Provider(_) => Some(404),
            _ => None,
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn an_organizations_admin_cannot_touch_the_provider() {
    on_both(async |kit| {
        let owner = kit.owner_of(HERE).await;
        walk(kit, "an owner", &owner, |route| matches!(route.openness, Openness::Provider(_)).then_some(404))
            .await;
    })
    .await;
}

/// Whoever runs the installation reads nothing of a customer without a grant.
#[tokio::test]
async fn the_providers_staff_finds_nothing_of_a_customer() {
    on_both(async |kit| {
        let staff = kit.owner_of("northwind").await;
        walk(kit, "the provider's owner", &staff, |route| {
            route.path.contains("{organization}").then_some(404)
        })
        .await;
    })
    .await;
}

async fn suspend(kit: &Kit, organization: OrganizationId, email: &'static str) {
    let ctx = kit.ctx();
    let suspended = kit.app.db().write(&ctx, move |tx| {
        let account = principals::account_by_email(tx, email)?.expect("an account");
        assert!(principals::set_membership_state(tx, organization, account.id, MembershipState::Suspended)?);
        let recorded = tx.record(Event::new(organization, "member.suspended").target("account", account.id));
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    suspended.await.expect("suspended");
}

#[tokio::test]
async fn a_suspended_owner_is_a_stranger() {
    on_both(async |kit| {
        let owner = kit.as_role(HERE, Role::Admin).await;
        suspend(kit, kit.organization(HERE).await, "admin@meadow.example").await;
        walk(kit, "a suspended admin", &owner, hidden).await;
    })
    .await;
}

fn all_but(without: Option<Permission>) -> String {
    let scopes = Permission::ALL.iter().filter(|permission| Some(**permission) != without);
    scopes.map(|permission| permission.as_str()).collect::<Vec<_>>().join(",")
}

fn needed(route: &RouteInfo) -> Option<Permission> {
    match route.openness {
        Openness::Organization(permission) | Openness::Provider(permission) => Some(permission),
        _ => None,
    }
}

#[tokio::test]
async fn a_token_without_the_scope_is_refused() {
    on_both(async |kit| {
        let (here, provider) = (kit.organization(HERE).await, kit.organization("northwind").await);
        for permission in Permission::ALL {
            let scopes = all_but(Some(*permission));
            let api = |route: &RouteInfo| route.kind == RouteKind::Api && needed(route) == Some(*permission);
            if !all_routes().iter().any(|route: &Arc<RouteInfo>| api(route)) {
                continue;
            }
            let of_provider = matches!(permission, Permission::ProviderRead | Permission::ProviderManage);
            let (token, status) = if of_provider {
                (kit.token_of(provider, &scopes), 404)
            } else {
                (kit.token_of(here, &scopes), 403)
            };
            let who = format!("a token without {}", permission.as_str());
            walk(kit, &who, &token, |route| api(route).then_some(status)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_of_another_organization_finds_nothing() {
    on_both(async |kit| {
        let harbor = kit.organization("harbor").await;
        let token = kit.token_of(harbor, &all_but(None));
        let api = |route: &RouteInfo| if route.kind == RouteKind::Api { hidden(route) } else { None };
        walk(kit, "another organization's token", &token, api).await;
        // Nor does the provider's own token open a customer.
        let provider = kit.organization("northwind").await;
        let token = kit.token_of(provider, &all_but(None));
        walk(kit, "the provider's token", &token, |route| {
            (route.kind == RouteKind::Api && route.path.contains("{organization}")).then_some(404)
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_token_is_no_person() {
    on_both(async |kit| {
        let here = kit.organization(HERE).await;
        let token = kit.token_of(here, &all_but(None));
        walk(kit, "a token", &token, |route| {
            (route.kind == RouteKind::Api && route.openness == Openness::SignedIn).then_some(403)
        })
        .await;
    })
    .await;
}
