//! Who the tests act as, without going through sign-in: an [`Authenticate`] that believes two headers.
//!
//! Only tests have it: the program itself recognises sessions and tokens (`users::sessions`), which the tests of sign-in
//! use instead ([`crate::KitOptions::authenticate`]).

use std::sync::Arc;

use axum::http::request::Parts;
use futures_util::future::BoxFuture;
use platform::access::{Permission, Role};
use platform::ctx::{Actor, Ctx};
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId};
use platform::principals::{
    self, Account, AccountState, Membership, MembershipSource, MembershipState, Organization,
    OrganizationKind, OrganizationState,
};
use platform::web::access::{Credential, Proof};
use platform::web::{Authenticate, Principal, Problem};
use platform::{App, web};

use crate::{Client, Kit};

const ACCOUNT: &str = "x-test-account";
const SCOPES: &str = "x-test-token";

pub struct Believing;

impl Authenticate for Believing {
    fn authenticate<'a>(
        &'a self,
        app: &'a App,
        parts: &'a Parts,
    ) -> BoxFuture<'a, Result<Option<Principal>, Problem>> {
        Box::pin(async move {
            let text =
                |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
            if let Some(token) = text(SCOPES) {
                return Ok(token_principal(&token));
            }
            let Some(account) = text(ACCOUNT).and_then(|text| text.parse::<AccountId>().ok()) else {
                return Ok(None);
            };
            let found = app.db().read(move |tx| principals::account(tx, account)).await?;
            Ok(found.filter(|account| account.state == AccountState::Active).map(|account| Principal {
                actor: Actor::Account(account.id),
                account: Some(account.id),
                name: account.name,
                email: account.email,
                session: Some(platform::ids::Id::uuid(account.id)),
                credential: Credential::Session,
                proof: fresh(app),
            }))
        })
    }
}

/// As somebody who signed in just now.
fn fresh(app: &App) -> Proof {
    Proof { recent_until: app.clock().now().plus(platform::time::HOUR), restricted: false }
}

/// `ORGANIZATION-ID scope,scope`
fn token_principal(text: &str) -> Option<Principal> {
    let (organization, scopes) = text.split_once(' ')?;
    let organization: OrganizationId = organization.parse().ok()?;
    let token = platform::ids::Id::uuid(organization);
    Some(Principal {
        actor: Actor::ApiToken { token, organization },
        account: None,
        name: "a token".to_owned(),
        email: String::new(),
        session: None,
        credential: Credential::ApiToken {
            organization,
            scopes: scopes.split(',').filter_map(Permission::parse).collect(),
        },
        proof: Proof::default(),
    })
}

pub fn believing() -> Arc<dyn Authenticate> {
    Arc::new(Believing)
}

impl Kit {
    /// Somebody who has not signed in.
    pub fn nobody(&self) -> Client {
        self.client()
    }

    /// A browser in which `account` is signed in.
    pub async fn browser_of(&self, account: AccountId) -> Client {
        let mut client = self.client().with_header(ACCOUNT, &account.to_string());
        client.learn_csrf(&self.app, platform::ids::Id::uuid(account));
        client
    }

    /// A program with a token of `organization` and these scopes.
    pub fn token_of(&self, organization: OrganizationId, scopes: &str) -> Client {
        self.client().with_header(SCOPES, &format!("{organization} {scopes}"))
    }

    /// Makes an organization (once); `northwind` is the provider, every other slug a customer.
    pub async fn organization(&self, slug: &str) -> OrganizationId {
        let ctx = self.ctx();
        let (slug, asked) = (slug.to_owned(), ctx.clone());
        let written = self
            .app
            .db()
            .write(&asked, move |tx| {
                if let Some(found) = principals::organization_by_slug(tx, &slug)? {
                    return Ok::<_, DbError>(Commit::unchanged(found.id));
                }
                let kind =
                    if slug == "northwind" { OrganizationKind::Provider } else { OrganizationKind::Customer };
                let id: OrganizationId = ctx.id();
                let new = Organization {
                    id,
                    slug: slug.clone(),
                    name: title_case(&slug),
                    kind,
                    state: OrganizationState::Active,
                    created_at: ctx.now,
                };
                assert!(principals::insert_organization(tx, &new)?, "a free slug");
                let recorded = tx.record(Event::new(id, "organization.created").with("slug", &slug));
                Ok(Commit::changed(id, recorded))
            })
            .await
            .expect("an organization");
        written.value
    }

    /// Makes an active account (once) with this address.
    pub async fn account(&self, email: &str) -> AccountId {
        let provider = self.organization("northwind").await;
        let ctx = self.ctx();
        let (email, asked) = (email.to_owned(), ctx.clone());
        let written = self
            .app
            .db()
            .write(&asked, move |tx| {
                if let Some(found) = principals::account_by_email(tx, &email)? {
                    return Ok::<_, DbError>(Commit::unchanged(found.id));
                }
                let (local, domain) = email.split_once('@').expect("an address");
                let new = Account {
                    id: ctx.id(),
                    email: email.clone(),
                    email_domain: domain.to_owned(),
                    name: title_case(local),
                    state: AccountState::Active,
                    managed_by: None,
                    managed_since: None,
                    created_at: ctx.now,
                };
                assert!(principals::insert_account(tx, &new)?, "a free address");
                let created = Event::new(provider, "account.created").target("account", new.id);
                let recorded = tx.record(created.personal("email", &email));
                Ok(Commit::changed(new.id, recorded))
            })
            .await
            .expect("an account");
        written.value
    }

    /// Makes `email` a member of `slug` with `role`.
    pub async fn member(&self, slug: &str, email: &str, role: Role) -> AccountId {
        let organization = self.organization(slug).await;
        let account = self.account(email).await;
        let ctx = self.ctx();
        let asked = ctx.clone();
        self.app
            .db()
            .write(&asked, move |tx| {
                let person = principals::account(tx, account)?.expect("an account");
                let new = Membership {
                    organization,
                    account,
                    role,
                    state: MembershipState::Active,
                    source: MembershipSource::Operator,
                    email: person.email,
                    name: person.name,
                    created_at: ctx.now,
                };
                if !principals::insert_membership(tx, &new)? {
                    return Ok::<_, DbError>(Commit::unchanged(()));
                }
                let joined = Event::new(organization, "member.added").target("account", account);
                let recorded = tx.record(joined.with("role", role.as_str()));
                Ok(Commit::changed((), recorded))
            })
            .await
            .expect("a membership");
        account
    }

    /// A browser of `{role}@{slug}.example`, who is a member of `slug` in that role.
    pub async fn as_role(&self, slug: &str, role: Role) -> Client {
        let account = self.member(slug, &format!("{}@{slug}.example", role.as_str()), role).await;
        self.browser_of(account).await
    }

    pub async fn owner_of(&self, slug: &str) -> Client {
        self.as_role(slug, Role::Owner).await
    }

    /// A context of the operator, at the kit's time.
    pub fn ctx(&self) -> Ctx {
        self.app.ctx(Actor::Operator)
    }
}

fn title_case(text: &str) -> String {
    text.split(['-', '.', '_'])
        .map(|word| {
            let mut chars = word.chars();
            chars
                .next()
                .map(|first| first.to_uppercase().chain(chars).collect::<String>())
                .unwrap_or_default()
        })
        .collect::<Vec<_>>()
        .join(" ")
}

impl Client {
    /// Gives this browser a mark and the CSRF token that fits it, as the first page it opens would.
    fn learn_csrf(&mut self, app: &App, session: uuid::Uuid) {
        let (mark, token) = web::browser::mark_and_token(app, session);
        self.cookies.insert(web::browser::BROWSER_COOKIE.to_owned(), mark);
        self.set_csrf(token);
    }
}
