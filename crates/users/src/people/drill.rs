//! The drill of USR-P1: somebody who is suspended is out on every way in, and whoever is not is let in by the same ways (a
//! control that refuses everybody would pass otherwise).
//!
//! Three canaries each have a password, a mailed link, an account at an identity provider, an API token, a running session
//! and a record in a directory, made by the rules that make real ones. One is then suspended by an admin, one put out by
//! its directory, and of one the account alone is suspended, as if ending its sessions and tokens had failed. Each tries
//! all six ways, against the decisions that real sign-ins and requests meet.
//!
//! A canary sends no bytes over a socket and types no password: what is before the decisions (the form, the hash, the cookie,
//! the header) is not tried here.

use std::collections::BTreeSet;

use platform::access::Permission;
use platform::ctx::Actor;
use platform::db::{DbError, Tx};
use platform::evidence::{DrillReport, DrillSource};
use platform::ids::OrganizationId;
use platform::principals::{self, Account, AccountState, MembershipState};
use platform::time::DAY;
use platform::web::access::Credential;
use platform::web::guard::{belongs, limits::network};
use platform::{App, Ctx};
use scim::Resource;
use scim::patch::Patch;
use serde_json::json;

use crate::api_tokens::{self, NewToken};
use crate::canary::{self, Canary, Stop, broken};
use crate::directories;
use crate::login::{self, Right, Step};
use crate::names::Name;
use crate::passwords::store;
use crate::people::{self, Authority, Change};
use crate::provisioning::{self, RecordId, Scope};
use crate::second_step::Entered;
use crate::sessions::{self, Method};
use crate::single_sign_on::arrival::{Arrival, Arriving, Identity, arrive};
use crate::single_sign_on::{self, Connection, Content, For, Saved, Settings};
use crate::throttles::Subject;
use crate::tokens::{ApiToken, LinkToken};

pub const ROW: &str = "USR-P1";
pub const NAME: &str = "suspended-account";
/// How each way must end.
pub(super) const KEPT_OUT: &str = "kept_out";

pub(crate) const SUSPENDED_ACCOUNT: DrillSource = DrillSource {
    row: ROW,
    id: NAME,
    run: |app| {
        Box::pin(async move {
            let ctx = app.ctx(Actor::System(NAME));
            run(&app, &ctx).await
        })
    },
};

/// Stands where a hash would: it is compared with itself, and no password fits it.
const HASH: &str = "canary";

/// A way in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Password,
    Link,
    SingleSignOn,
    Token,
    Session,
    /// The directory brings back whom it did not put out. Last: trying it ends sessions and tokens.
    Provisioning,
}

impl Way {
    pub(crate) const ALL: [Way; 6] =
        [Self::Password, Self::Link, Self::SingleSignOn, Self::Token, Self::Session, Self::Provisioning];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Link => "mailed link",
            Self::SingleSignOn => "single sign-on",
            Self::Token => "API token",
            Self::Session => "session",
            Self::Provisioning => "directory",
        }
    }

    /// In the event that reports the drill.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Password => "way_password",
            Self::Link => "way_link",
            Self::SingleSignOn => "way_single_sign_on",
            Self::Token => "way_token",
            Self::Session => "way_session",
            Self::Provisioning => "way_provisioning",
        }
    }
}

/// How somebody is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspension {
    /// An admin suspends the membership.
    ByAdmin,
    /// A directory puts the person out.
    ByDirectory,
    /// The account is suspended, and nothing of what it had was ended.
    AccountAlone,
}

impl Suspension {
    const ALL: [Suspension; 3] = [Self::ByAdmin, Self::ByDirectory, Self::AccountAlone];

    fn local(self) -> &'static str {
        match self {
            Self::ByAdmin => "by-admin",
            Self::ByDirectory => "by-directory",
            Self::AccountAlone => "account-alone",
        }
    }

    /// Where a directory may bring somebody back: whom it put out itself, and accounts, which nobody else suspends.
    fn tries(self, way: Way) -> bool {
        way != Way::Provisioning || self == Self::ByAdmin
    }
}

/// Runs the drill and records how it ended.
pub async fn run(app: &App, ctx: &Ctx) -> Result<DrillReport, DbError> {
    let Some(provider) = app.db().read(principals::provider).await? else {
        let detail = "this installation is not set up".to_owned();
        return Ok(DrillReport { passed: false, detail });
    };
    let provider = provider.id;
    let attacked = canary::rolled_back(app, ctx, move |app, ctx, tx| attack(app, ctx, tx, provider)).await?;
    let (shut, let_in) = match attacked {
        Ok(found) => found,
        Err(detail) => {
            let report = DrillReport { passed: false, detail };
            canary::record(app, ctx, provider, (ROW, NAME), &report, &[]).await?;
            return Ok(report);
        }
    };
    let words = |ways: &BTreeSet<Way>| ways.iter().map(|way| way.words()).collect::<Vec<_>>().join(", ");
    let detail = match (let_in.is_empty(), shut.is_empty()) {
        (true, true) => {
            format!("suspended canaries stayed out by {}", words(&Way::ALL.into_iter().collect()))
        }
        (false, _) => format!("a suspended canary was let in by {}", words(&let_in)),
        (true, false) => format!("a canary that was not suspended was refused by {}", words(&shut)),
    };
    let report = DrillReport { passed: let_in.is_empty() && shut.is_empty(), detail };
    let parts = Way::ALL.map(|way| {
        let told = match (let_in.contains(&way), shut.contains(&way)) {
            (true, _) => "let_in_somebody_suspended",
            (false, true) => "refused_somebody_active",
            (false, false) => KEPT_OUT,
        };
        (way.field(), told)
    });
    canary::record(app, ctx, provider, (ROW, NAME), &report, &parts).await?;
    Ok(report)
}

type Ways = BTreeSet<Way>;

/// Which ways refused somebody who is not suspended, and which let somebody in who is.
fn attack(app: &App, ctx: &Ctx, tx: &mut Tx, provider: OrganizationId) -> Result<(Ways, Ways), Stop> {
    let canary = Canary::found(app, ctx, tx)?;
    let scene = Scene::set(app, ctx, tx, provider, canary)?;
    let (mut shut, mut let_in) = (Ways::new(), Ways::new());
    for suspension in Suspension::ALL {
        let person = scene.person(tx, suspension)?;
        for way in Way::ALL.into_iter().filter(|way| *way != Way::Provisioning) {
            if !scene.comes_in(tx, &person, way, suspension)? {
                shut.insert(way);
            }
        }
        scene.suspend(tx, &person, suspension)?;
        for way in Way::ALL.into_iter().filter(|way| suspension.tries(*way)) {
            if scene.comes_in(tx, &person, way, suspension)? {
                let_in.insert(way);
            }
        }
    }
    Ok((shut, let_in))
}

/// Where the canaries live.
struct Scene<'a> {
    app: &'a App,
    ctx: &'a Ctx,
    provider: OrganizationId,
    canary: Canary,
    connection: Connection,
    directory: Scope,
}

/// Somebody with everything that opens a way in.
struct Person {
    account: Account,
    session: LinkToken,
    token: ApiToken,
    record: RecordId,
}

fn name(text: &str) -> Result<Name, Stop> {
    Name::parse(text).or_else(|_| broken("a canary has no name"))
}

impl<'a> Scene<'a> {
    fn set(
        app: &'a App,
        ctx: &'a Ctx,
        tx: &mut Tx,
        provider: OrganizationId,
        canary: Canary,
    ) -> Result<Self, Stop> {
        let organization = canary.organization;
        let directory = directories::create(ctx, tx, organization, &name("Canary directory")?)?;
        let directories::Creation::Done(directory) = directory.value() else {
            return broken("no canary directory could be made");
        };
        let directory =
            Scope { organization, directory: directory.id, base: "https://canary.invalid".to_owned() };
        let connection = connect(app, ctx, tx, organization)?;
        Ok(Self { app, ctx, provider, canary, connection, directory })
    }

    fn person(&self, tx: &mut Tx, suspension: Suspension) -> Result<Person, Stop> {
        let ctx = self.ctx;
        let account = self.canary.person(ctx, tx, suspension.local())?;
        store::set(ctx, tx, account.id, HASH)?;
        let record = self.provision(tx, &account)?;
        let new =
            NewToken { name: name("Canary token")?, scopes: vec![Permission::PeopleRead], lifetime: DAY };
        let made = api_tokens::create(ctx, tx, self.canary.organization, Some(account.id), &new)?;
        let api_tokens::Creation::Done { secret: token, .. } = made.into_value() else {
            return broken("no canary token could be made");
        };
        let session = sessions::start(ctx, tx, self.provider, &account, Method::Password)?.into_value();
        Ok(Person { account, session, token, record })
    }

    /// The record of the directory; it can put its person out, and bring back whom it put out.
    fn provision(&self, tx: &mut Tx, account: &Account) -> Result<RecordId, Stop> {
        let person = json!({
            "schemas": [scim::USER.schema.urn], "userName": account.email, "active": true,
        });
        let Ok(resource) = Resource::from_value(&scim::USER, person) else {
            return broken("a canary's record is not understood");
        };
        let made = provisioning::people::create(self.app, self.ctx, tx, &self.directory, &resource)?;
        let record = match made.value() {
            Ok(record) if record.account == Some(account.id) => record.id,
            _ => return broken("a canary's record is not linked to its account"),
        };
        self.set_active(tx, record, false)?;
        self.set_active(tx, record, true)?;
        if !self.is_member(tx, account)? {
            return broken("a directory does not bring back whom it put out");
        }
        Ok(record)
    }

    fn set_active(&self, tx: &mut Tx, record: RecordId, active: bool) -> Result<(), Stop> {
        let operations = json!([{ "op": "Replace", "path": "active", "value": active }]);
        let patch = json!({ "schemas": [scim::patch::URN], "Operations": operations });
        let Ok(patch) = Patch::from_value(&scim::USER, patch) else {
            return broken("a patch is not understood");
        };
        let change = provisioning::people::Change::Patch(patch);
        let done =
            provisioning::people::change(self.app, self.ctx, tx, &self.directory, record, &change, None)?;
        if done.value().is_ok() { Ok(()) } else { broken("a canary's record could not be changed") }
    }

    fn is_member(&self, tx: &mut Tx, account: &Account) -> Result<bool, Stop> {
        let member = principals::membership(tx, self.canary.organization, account.id)?;
        let account = principals::account(tx, account.id)?;
        Ok(member.is_some_and(|member| member.state == MembershipState::Active)
            && account.is_some_and(|account| account.state == AccountState::Active))
    }

    fn suspend(&self, tx: &mut Tx, person: &Person, suspension: Suspension) -> Result<(), Stop> {
        match suspension {
            Suspension::ByAdmin => {
                let (organization, account) = (self.canary.organization, person.account.id);
                let authority = Authority::OPERATOR;
                let done = people::change(self.ctx, tx, organization, authority, account, Change::Suspend)?;
                if *done.value() != people::Outcome::Done {
                    return broken("a canary could not be suspended");
                }
            }
            Suspension::ByDirectory => self.set_active(tx, person.record, false)?,
            Suspension::AccountAlone => {
                principals::set_account_state(tx, person.account.id, AccountState::Suspended)?;
            }
        }
        Ok(())
    }

    /// Whether this way lets the person in now. An admin suspends in one organization: a sign-in may still lead to the
    /// person's own account, and must not lead there.
    fn comes_in(&self, tx: &mut Tx, person: &Person, way: Way, suspension: Suspension) -> Result<bool, Stop> {
        let elsewhere = suspension == Suspension::ByAdmin;
        let started = match way {
            Way::Password => self.by_password(tx, person)?,
            Way::Link => {
                let made = login::create_link(self.ctx, tx, &person.account)?.into_value();
                login::use_link(self.ctx, tx, &made)?.into_value()
            }
            Way::SingleSignOn => return self.by_provider(tx, person),
            Way::Token => {
                let found = api_tokens::find(tx, person.token.hash(), self.ctx.now)?;
                return Ok(found.is_some_and(|found| found.scopes.contains(&Permission::PeopleRead)));
            }
            Way::Session => return self.reaches(tx, person, &person.session),
            Way::Provisioning => {
                self.set_active(tx, person.record, false)?;
                self.set_active(tx, person.record, true)?;
                return self.is_member(tx, &person.account);
            }
        };
        match started {
            Some(Entered::Session(session)) if elsewhere => self.reaches(tx, person, &session),
            Some(Entered::Session(_)) => Ok(true),
            Some(Entered::Pending(_) | Entered::Barred(_)) | None => Ok(false),
        }
    }

    fn by_password(&self, tx: &mut Tx, person: &Person) -> Result<Option<Entered>, Stop> {
        let subject = Subject { email: person.account.email.clone(), network: network(self.ctx.origin.ip) };
        let right =
            Right { provider: self.provider, account: person.account.id, subject: &subject, old: Some(HASH) };
        Ok(match login::enter(self.ctx, tx, &right, None)?.into_value() {
            Step::Entered(entered) => Some(entered),
            Step::Barred(_) | Step::NotActive | Step::ChangedMeanwhile => None,
        })
    }

    /// The provider vouches for the person, as it would after a sign-in there.
    fn by_provider(&self, tx: &mut Tx, person: &Person) -> Result<bool, Stop> {
        let claims = json!({ "email": person.account.email, "email_verified": true, "name": "Canary" });
        let identity = Identity {
            issuer: self.connection.settings.issuer().to_owned(),
            subject: person.account.email.clone(),
            session: None,
            proved_at: Some(self.ctx.now),
            two_proofs: false,
            claims: claims.as_object().cloned().unwrap_or_default(),
        };
        let arriving = Arriving {
            app: self.app,
            ctx: self.ctx,
            connection: &self.connection,
            identity: &identity,
            fresh: false,
        };
        Ok(matches!(arrive(&arriving, tx)?.into_value(), Arrival::Entered { .. }))
    }

    /// Whether a session is recognised, and the organization exists for whoever holds it.
    fn reaches(&self, tx: &mut Tx, person: &Person, session: &LinkToken) -> Result<bool, Stop> {
        let Some(live) = sessions::find_live(tx, session, self.ctx.now)? else { return Ok(false) };
        let Some(organization) = principals::organization(tx, self.canary.organization)? else {
            return broken("the canary organization is gone");
        };
        let member = principals::membership(tx, organization.id, live.account)?;
        Ok(live.account == person.account.id
            && belongs(&organization, member.as_ref(), &Credential::Session).is_some())
    }
}

fn connect(app: &App, ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<Connection, Stop> {
    let settings = single_sign_on::Oidc {
        issuer: "https://canary.invalid".to_owned(),
        client_id: "canary".to_owned(),
        client_proof: single_sign_on::ClientProof::None,
        algorithm: jose::Algorithm::Es256.as_str().to_owned(),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        sign_out_upstream: false,
    };
    let content = Content {
        name: name("Canary provider")?,
        settings: Settings::Oidc(settings),
        mapping: single_sign_on::Mapping::default(),
        secret: None,
    };
    let made = single_sign_on::create(app, ctx, tx, organization, &For::Directory(None), &content)?;
    match made.into_value() {
        Saved::Done(connection) => {
            let id = connection.id;
            let _active = single_sign_on::set_active(ctx, tx, organization, id, true)?;
            single_sign_on::get(tx, organization, id)?
                .map_or_else(|| broken("the canary connection is gone"), Ok)
        }
        _ => broken("no canary connection could be made"),
    }
}
