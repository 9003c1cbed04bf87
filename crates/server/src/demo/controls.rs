//! What the story's organizations set up beyond the basics: second factors, named policies with a roll-out, a directory
//! filled over SCIM, the provider's products, API tokens. Part of the story; the story says when.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, header};
use platform::access::Permission;
use platform::ctx::Ctx;
use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::AccountId;
use platform::principals::{self, Account};
use platform::time::DAY;
use serde_json::{Value, json};
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;
use users::audit_log::formats::Format;
use users::factors::{self, Level};
use users::names::Name;
use users::policies::rollout::{Planned, Stage};
use users::policies::{self, AppliesTo, Content, Decided, Rules, Target};
use users::products::{self, NewRule, Settings};
use users::second_step::{self, Given};
use users::tokens::LinkToken;
use users::{api_tokens, audit_streams, directories, totp};

use super::DemoError;
use super::people::person;
use super::story::{Company, Teller, broken};

/// Answers of SCIM are small: a page of records.
const ANSWER_BYTES_MAX: usize = 1_000_000;
const SCIM: &str = "urn:ietf:params:scim:";

impl Teller<'_> {
    /// Sets up an authenticator app, as on the account's security page: begin, scan, type the first code.
    pub(super) async fn enrol(&self, account: &Account) -> Result<(), DemoError> {
        let ctx = self.ctx_of(account.id, 0);
        let (at, app, who) = (ctx.clone(), self.app.clone(), account.clone());
        let confirmed = self.app.db().write(&ctx, move |tx| {
            if !totp::begin(&at, tx, app.keyring(), who.id, None)? {
                return Ok(Commit::unchanged(None));
            }
            let provider =
                principals::provider(tx)?.ok_or_else(|| DbError::Check("no provider".to_owned()))?;
            let begun = tx.record(Event::new(provider.id, "factor.totp_begun").target("account", who.id));
            let app_of_them = totp::find(tx, app.keyring(), who.id)?;
            let shown = app_of_them.and_then(|totp| totp.enrolment(None, "Northwind Cloud", &who.email));
            let secret = shown.and_then(|shown| base32(&shown.secret)).unwrap_or_default();
            let typed = totp::code(&secret, at.now.micros().div_euclid(30_000_000));
            let done = factors::confirm_totp(&app, &at, tx, &who, None, &typed)?;
            let kept = done.value().is_some().then_some(secret);
            Ok::<_, DbError>(Commit::changed(kept, begun))
        });
        let kept = confirmed.await?.value;
        let secret = kept.ok_or_else(|| broken(format!("{} has no factor", account.email)))?;
        self.apps().insert(account.id, secret);
        Ok(())
    }

    /// Types the code that the person's app shows; somebody without the app stops there.
    pub(super) async fn second_step(
        &self,
        ctx: &Ctx,
        account: AccountId,
        waiting: LinkToken,
    ) -> Result<(), DbError> {
        let Some(secret) = self.apps().get(&account).cloned() else { return Ok(()) };
        let typed = Given::Totp(totp::code(&secret, ctx.now.micros().div_euclid(30_000_000)));
        let (at, app) = (ctx.clone(), self.app.clone());
        let finish = move |tx: &mut Tx| second_step::finish(&app, &at, tx, &waiting, &typed);
        self.app.db().write(ctx, finish).await?;
        Ok(())
    }

    /// Policies of their own for the people who handle money and for those from outside.
    pub(super) async fn policies(&self, company: &Company) -> Result<(), DemoError> {
        let strict = Rules {
            factor: Level::Mfa,
            session_idle_minutes: 60,
            session_absolute_hours: 12,
            step_up_minutes: 15,
            api_token_max_days: 90,
            ..Rules::RECOMMENDED
        };
        let id = company.id;
        let finance = self.app.db().read(move |tx| principals::group_by_name(tx, id, "Finance")).await?;
        let mut content = Content::of("Finance", strict);
        content.groups = finance.into_iter().map(|group| group.id).collect();
        self.decide_named(company, AppliesTo::Named, content).await?;
        let outside = Rules { factor: Level::Mfa, session_absolute_hours: 8, ..Rules::RECOMMENDED };
        self.decide_named(company, AppliesTo::Outside, Content::of("Outside people", outside)).await
    }

    async fn decide_named(
        &self,
        company: &Company,
        applies_to: AppliesTo,
        content: Content,
    ) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let target = Target::New(applies_to);
        let decided = self
            .app
            .db()
            .write(&ctx, move |tx| policies::decide_policy(&at, tx, id, &by, target, None, &content))
            .await?;
        match decided.value {
            Decided::Done(_) => Ok(()),
            other => Err(broken(format!("policy of {}: {other:?}", company.name))),
        }
    }

    /// Two-step verification for everybody, a quarter of the people first.
    pub(super) async fn roll_out_mfa(&self, company: &Company, rules: Rules) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.name.clone());
        let rules = Rules { factor: Level::Mfa, ..rules };
        let stages = [(2, 25), (9, 60), (16, 100)].map(|(days, percent)| Stage {
            at: ctx.now.plus(DAY * days),
            percent,
            groups: BTreeSet::new(),
        });
        let planned = self.app.db().write(&ctx, move |tx| {
            let policy = policies::default_id(id);
            policies::rollout::plan(&at, tx, id, &by, policy, None, &rules, &stages)
        });
        match planned.await?.value {
            Planned::Done(_) => Ok(()),
            Planned::Refused(why) => Err(broken(format!("roll-out of {}: {why:?}", company.name))),
        }
    }

    /// A linked directory: the identity provider makes people and groups, changes some, and lets one go.
    pub(super) async fn linked_directory(&self, company: &Company, domain: &str) -> Result<(), DemoError> {
        let idp = self.directory(company, "Entra ID").await?;
        let mut ids = Vec::new();
        for n in 0..18 {
            let who = person(n, 37, domain);
            let user = json!({
                "schemas": [format!("{SCIM}schemas:core:2.0:User")],
                "userName": who.email,
                "externalId": format!("e-{n:04}"),
                "displayName": who.name,
                "emails": [{ "value": who.email, "type": "work", "primary": true }],
                "active": true,
            });
            ids.push(idp.make("/Users", user).await?);
        }
        for (name, members) in [("Drivers", 0..12), ("Night shift", 6..16)] {
            let members: Vec<Value> = ids[members].iter().map(|id| json!({ "value": id })).collect();
            let group = json!({
                "schemas": [format!("{SCIM}schemas:core:2.0:Group")],
                "displayName": name,
                "members": members,
            });
            idp.make("/Groups", group).await?;
        }
        self.app.clock().advance(Duration::from_secs(40 * 60));
        let leaves = json!({
            "schemas": [format!("{SCIM}api:messages:2.0:PatchOp")],
            "Operations": [{ "op": "Replace", "path": "active", "value": "False" }],
        });
        idp.send("PATCH", &format!("/Users/{}", ids[4]), leaves, 200).await?;
        // A group whose name the organization uses already: shown as a conflict until an admin settles it.
        let taken =
            json!({ "schemas": [format!("{SCIM}schemas:core:2.0:Group")], "displayName": "Dispatch" });
        idp.make("/Groups", taken).await?;
        Ok(())
    }

    async fn directory(&self, company: &Company, name: &str) -> Result<IdentityProvider, DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.id);
        let name = Name::parse(name).map_err(broken)?;
        let made = self.app.db().write(&ctx, move |tx| directories::create(&at, tx, id, &name)).await?;
        let directories::Creation::Done(directory) = made.value else {
            return Err(broken("a directory was not made"));
        };
        let (at, which) = (ctx.clone(), directories::Which::Id(directory.id));
        let issued =
            self.app.db().write(&ctx, move |tx| directories::issue(&at, tx, id, &which, Some(by), 365));
        let directories::Issue::Done { secret, .. } = issued.await?.value else {
            return Err(broken("a directory got no token"));
        };
        Ok(IdentityProvider {
            router: platform::web::guard::router(self.app),
            path: format!("/scim/v2/{}", directory.id),
            token: secret.text(),
            host: self.app.config().public_origin(),
        })
    }

    /// Services of the provider that people sign in to, and who may.
    pub(super) async fn products(&self) -> Result<(), DemoError> {
        let track = Settings {
            name: "Northwind Track".to_owned(),
            redirect_uris: vec!["https://track.northwind.example/callback".to_owned()],
            logout_uris: vec!["https://track.northwind.example/".to_owned()],
            everyone: true,
            asks_consent: false,
            ..Settings::default()
        };
        let ledger = Settings {
            name: "Northwind Freight Ledger".to_owned(),
            redirect_uris: vec!["https://freight.northwind.example/oauth/callback".to_owned()],
            requires_dpop: true,
            requires_par: true,
            ..Settings::default()
        };
        for (settings, rules) in [
            (track, Vec::new()),
            (ledger, vec![("harbor", "Finance", "bookkeeper"), ("harbor", "Dispatch", "reader")]),
        ] {
            let ctx = self.ctx();
            let at = ctx.clone();
            let made = self.app.db().write(&ctx, move |tx| products::create(&at, tx, &settings)).await?;
            let product = made.value.0.id;
            for (slug, group, role) in rules {
                let new = NewRule { slug: slug.to_owned(), group: group.to_owned(), role: role.to_owned() };
                let at = ctx.clone();
                let allowed =
                    self.app.db().write(&ctx, move |tx| products::allow(&at, tx, product, &new)).await?;
                if !matches!(allowed.value, products::Allowed::Done(_)) {
                    return Err(broken(format!("{slug} may not use a product")));
                }
            }
        }
        Ok(())
    }

    /// A stream of the audit log to their monitoring; paused, since nobody listens at an address of an example.
    pub(super) async fn audit_stream(&self, company: &Company, target: &str) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, app) = (ctx.clone(), company.id, self.app.clone());
        let new = audit_streams::NewStream {
            name: Name::parse("Monitoring").map_err(broken)?,
            kind: audit_streams::Kind::Webhook,
            target: target.to_owned(),
            authorities: None,
            format: Format::Ocsf,
            from: audit_streams::Start::Now,
            paused: true,
        };
        let made = self.app.db().write(&ctx, move |tx| audit_streams::create(&app, &at, tx, id, &new));
        match made.await?.value {
            audit_streams::Creation::Done(..) => Ok(()),
            _ => Err(broken(format!("{} got no stream", company.name))),
        }
    }

    /// A token for a script of the organization's.
    pub(super) async fn api_token(&self, company: &Company, name: &str, days: u32) -> Result<(), DemoError> {
        let ctx = self.ctx_of(company.owner.id, 0);
        let (at, id, by) = (ctx.clone(), company.id, company.owner.id);
        let new = api_tokens::NewToken {
            name: Name::parse(name).map_err(broken)?,
            scopes: vec![Permission::ResponsibilitiesRead],
            lifetime: DAY * days,
        };
        let made = self.app.db().write(&ctx, move |tx| api_tokens::create(&at, tx, id, Some(by), &new));
        match made.await?.value {
            api_tokens::Creation::Done { .. } => Ok(()),
            _ => Err(broken(format!("{} got no API token", company.name))),
        }
    }
}

/// Speaks SCIM to the program as an identity provider does, without a socket between.
struct IdentityProvider {
    router: Router,
    path: String,
    token: String,
    host: String,
}

impl IdentityProvider {
    /// Makes a record; gives its id.
    async fn make(&self, kind: &str, body: Value) -> Result<String, DemoError> {
        let made = self.send("POST", kind, body, 201).await?;
        made["id"].as_str().map(str::to_owned).ok_or_else(|| broken("a record has no id"))
    }

    async fn send(&self, method: &str, rest: &str, body: Value, wanted: u16) -> Result<Value, DemoError> {
        let host = self.host.split_once("://").map_or(self.host.as_str(), |(_, host)| host);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{rest}", self.path))
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/scim+json")
            .body(Body::from(body.to_string()))
            .map_err(broken)?;
        // A request of the story is none of this program's: it does not belong in its log.
        let silent = self.router.clone().oneshot(request).with_subscriber(NoSubscriber::default());
        let Ok(answer) = silent.await;
        let status = answer.status().as_u16();
        let bytes = axum::body::to_bytes(answer.into_body(), ANSWER_BYTES_MAX).await.map_err(broken)?;
        if status != wanted {
            return Err(broken(format!("{method} {rest}: {status} {}", String::from_utf8_lossy(&bytes))));
        }
        serde_json::from_slice(&bytes).map_err(broken)
    }
}

/// Reads what an authenticator app reads from the QR code (RFC 4648 §6, without padding).
fn base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut word, mut bits) = (0_u32, 0);
    for digit in text.bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'2'..=b'7' => digit - b'2' + 26,
            _ => return None,
        };
        word = (word << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((word >> bits) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    #[test]
    fn base32_is_read_as_the_rfc_says() {
        assert_eq!(super::base32("MZXW6YTBOI").unwrap(), b"foobar");
        assert_eq!(super::base32("").unwrap(), b"");
        assert!(super::base32("mzxw").is_none());
    }
}
