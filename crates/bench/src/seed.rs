//! Fills an installation for a measurement: through the product's own rules where it makes one thing, in batches of the
//! same statements and events where it makes a million. Whatever is due is done before a server is measured on it:
//! cells are evaluated, the first night's jobs have run, the write-ahead log is folded in.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use platform::access::{Permission, Role};
use platform::app::App;
use platform::config::{Config, Sources};
use platform::ctx::{Actor, Random};
use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::ids::{AccountId, OrganizationId, Slug};
use platform::principals::{
    self, Account, AccountState, Group, Membership, MembershipSource, MembershipState,
};
use platform::time::Clock;
use platform::{feed, jobs};
use users::accounts::email::EmailAddress;
use users::api_tokens::{self, Creation, NewToken};
use users::names::Name;
use users::organizations::{self, Founding};
use users::passwords::phc::{Cost, Phc};
use users::sessions::{self, Method};

use crate::error::{BenchError, Result};
use crate::hashing::{HashCost, Hasher, PASSWORD};
use crate::realm::user_name;

/// Rows of one durable transaction.
const BATCH: u64 = 1_000;
/// Salts shared by all accounts, as the peer's are: a check costs the same.
const SALTS: u8 = 16;
/// Organizations that get an API token.
const TOKENS: usize = 100;
const GROUPS: u64 = 1_000;
/// The name under which the matrix reads the change feed.
const MATRIX: &str = "matrix";

#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub organizations: u64,
    pub users: u64,
    /// Members of the first organization; the others share the rest evenly.
    pub first: u64,
    /// Whether accounts have passwords.
    pub passwords: bool,
}

/// A filled installation, closed.
pub struct Seeded {
    pub data: PathBuf,
    /// The session of the provider's owner.
    pub provider_session: String,
    /// The session of the owner of the first organization.
    pub member_session: String,
    /// Slugs of organizations with an API token that holds every right there.
    pub tokens: Vec<(String, String)>,
}

impl Seeded {
    pub fn database(&self) -> PathBuf {
        self.data.join("bailiwick.db")
    }
}

pub fn slug(number: u64) -> String {
    format!("org-{number:05}")
}

pub fn email(number: u64) -> String {
    format!("{}@example.test", user_name(number))
}

/// Makes the installation in a new folder `name` of `folder`.
pub fn installation(folder: &Path, name: &str, size: Size, cost: HashCost) -> Result<Seeded> {
    let data = folder.join(name);
    runtime()?.block_on(fill(data, size, cost))
}

pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(BenchError::io("starting the runtime"))
}

/// The program on `data`, without its listener.
pub async fn open(data: &Path, cost: HashCost) -> Result<App> {
    let flag = |key: &str, value: String| (key.to_owned(), value);
    let sources = Sources {
        flags: vec![
            flag("data", data.display().to_string()),
            flag("password_workers", "1".to_owned()),
            flag("password_memory_kib", cost.memory_kib.to_string()),
            flag("password_passes", cost.iterations.to_string()),
        ],
        ..Sources::default()
    };
    let config = Config::load(&sources).map_err(|error| wrong("the configuration", error))?;
    let options = server::start::Options {
        beside_server: false,
        clock: Clock::System,
        random: Random::System,
        authenticate: users::sessions::authenticator(),
    };
    server::start::build(config, options).await.map_err(|error| wrong("opening the installation", error))
}

pub fn wrong(what: &str, error: impl ToString) -> BenchError {
    BenchError::Program { program: what.to_owned(), why: error.to_string() }
}

async fn fill(data: PathBuf, size: Size, cost: HashCost) -> Result<Seeded> {
    let app = open(&data, cost).await?;
    let provider = found_provider(&app).await?;
    let homes = found_organizations(&app, size.organizations).await?;
    let hashes = Arc::new(if size.passwords { hashes(cost)? } else { Vec::new() });
    let mut from = 0;
    for (index, home) in homes.iter().enumerate() {
        let rest = size.users.saturating_sub(size.first);
        let others = (homes.len() as u64).saturating_sub(1).max(1);
        let until = if index == 0 { size.first } else { size.first + rest * index as u64 / others };
        let start = from;
        while from < until {
            let next = until.min(from + BATCH);
            members(&app, *home, from..next, from == start, hashes.clone()).await?;
            from = next;
        }
    }
    let mut tokens = Vec::new();
    for (index, home) in homes.iter().take(TOKENS).enumerate() {
        tokens.push((slug(index as u64), token(&app, *home).await?));
    }
    if let Some(first) = homes.first() {
        groups(&app, *first).await?;
    }
    let provider_session = session(&app, provider, PROVIDER_OWNER).await?;
    let member_session = session(&app, provider, &email(0)).await?;
    settle(&app).await?;
    app.db().close(Duration::from_secs(120)).await;
    Ok(Seeded { data, provider_session, member_session, tokens })
}

const PROVIDER_OWNER: &str = "owner@provider.test";

async fn found_provider(app: &App) -> Result<OrganizationId> {
    let new = users::set_up::NewProvider {
        provider_name: "Provider".to_owned(),
        slug: Slug::parse("provider").map_err(|error| wrong("a slug", error))?,
        owner_email: EmailAddress::parse(PROVIDER_OWNER).map_err(|error| wrong("an address", error))?,
        owner_name: "Owner".to_owned(),
        phc: None,
    };
    let ctx = app.ctx(Actor::Operator);
    let inside = ctx.clone();
    app.db().write(&ctx, move |tx| users::set_up::create_without_link(&inside, tx, &new)).await?;
    let provider = app.db().read(principals::provider).await?;
    provider.map(|provider| provider.id).ok_or_else(|| wrong("the provider", "it was not made"))
}

async fn found_organizations(app: &App, count: u64) -> Result<Vec<OrganizationId>> {
    let mut homes = Vec::new();
    for from in (0..count).step_by(200) {
        let numbers = from..count.min(from + 200);
        let mut names = Vec::new();
        for number in numbers {
            let name = Name::parse(&format!("Organization {number:05}"));
            names.push((
                name.map_err(|error| wrong("a name", error))?,
                Slug::parse(&slug(number)).map_err(|error| wrong("a slug", error))?,
            ));
        }
        let ctx = app.ctx(Actor::Operator);
        let inside = ctx.clone();
        let written = app.db().write(&ctx, move |tx| {
            let mut made = Vec::new();
            let mut last = Commit::unchanged(());
            for (name, slug) in &names {
                let commit = organizations::create(&inside, tx, None, name, slug)?;
                if let Founding::Done(organization) = commit.value() {
                    made.push(organization.id);
                }
                last = commit.map(drop);
            }
            Ok::<_, DbError>(last.map(|()| made))
        });
        homes.extend(written.await?.value);
    }
    if homes.len() as u64 == count { Ok(homes) } else { Err(wrong("organizations", "some were not made")) }
}

fn hashes(cost: HashCost) -> Result<Vec<String>> {
    let mut hasher = Hasher::new(cost)?;
    let stored = Cost { memory_kib: cost.memory_kib, passes: cost.iterations, lanes: 1 };
    (1..=SALTS)
        .map(|number| {
            let salt = [number; 16];
            Ok(Phc::new(stored, &salt, hasher.hash(PASSWORD.as_bytes(), &salt)?).to_string())
        })
        .collect()
}

/// Accounts and their memberships, with the event of each; when `owned`, the first one becomes owner.
async fn members(
    app: &App,
    home: OrganizationId,
    numbers: std::ops::Range<u64>,
    owned: bool,
    hashes: Arc<Vec<String>>,
) -> Result<()> {
    let ctx = app.ctx(Actor::Operator);
    let first = numbers.start;
    let people: Vec<(Account, Membership)> = numbers
        .map(|number| {
            let role = if owned && number == first { Role::Owner } else { Role::Member };
            person(ctx.id(), home, number, role, ctx.now)
        })
        .collect();
    let inside = ctx.clone();
    let written = app.db().write(&ctx, move |tx: &mut Tx| {
        let accounts: Vec<Account> = people.iter().map(|(account, _)| account.clone()).collect();
        let memberships: Vec<Membership> = people.iter().map(|(_, membership)| membership.clone()).collect();
        let made = principals::insert_accounts(tx, &accounts)?;
        let joined = principals::insert_memberships(tx, &memberships)?;
        let mut last = Commit::unchanged(made.min(joined));
        for (index, member) in memberships.iter().enumerate() {
            if let Some(hash) = hashes.get(index % hashes.len().max(1)) {
                users::passwords::store::set(&inside, tx, member.account, hash)?;
            }
            let added = Event::new(member.organization, "member.added")
                .target("account", member.account)
                .with("role", member.role.as_str())
                .with("source", member.source.as_str())
                .personal("email", &member.email);
            last = Commit::changed(made.min(joined), tx.record(added));
        }
        Ok::<_, DbError>(last)
    });
    let wanted = written.await?;
    if wanted.events.len() as u64 == wanted.value {
        Ok(())
    } else {
        Err(wrong("people", "some were not made"))
    }
}

fn person(
    id: AccountId,
    home: OrganizationId,
    number: u64,
    role: Role,
    now: platform::time::Timestamp,
) -> (Account, Membership) {
    let account = Account {
        id,
        email: email(number),
        email_domain: "example.test".to_owned(),
        name: format!("Bench User {number}"),
        state: AccountState::Active,
        managed_by: None,
        managed_since: None,
        created_at: now,
    };
    let membership = Membership {
        organization: home,
        account: id,
        role,
        state: MembershipState::Active,
        source: MembershipSource::Operator,
        email: account.email.clone(),
        name: account.name.clone(),
        created_at: now,
    };
    (account, membership)
}

async fn token(app: &App, home: OrganizationId) -> Result<String> {
    let scopes = Permission::ALL.iter().copied();
    let scopes =
        scopes.filter(|scope| !matches!(scope, Permission::ProviderRead | Permission::ProviderManage));
    let new = NewToken {
        name: Name::parse("Bench").map_err(|error| wrong("a name", error))?,
        scopes: scopes.collect(),
        lifetime: api_tokens::LIFETIME_DEFAULT,
    };
    let ctx = app.ctx(Actor::Operator);
    let inside = ctx.clone();
    let written = app.db().write(&ctx, move |tx| api_tokens::create(&inside, tx, home, None, &new)).await?;
    match written.value {
        Creation::Done { secret, .. } => Ok(secret.text()),
        _ => Err(wrong("an API token", "it was refused")),
    }
}

async fn groups(app: &App, home: OrganizationId) -> Result<()> {
    let ctx = app.ctx(Actor::Operator);
    let inside = ctx.clone();
    let written = app.db().write(&ctx, move |tx| {
        let mut last = Commit::unchanged(());
        for number in 0..GROUPS {
            let new = Group {
                id: inside.id(),
                name: format!("Group {number:04}"),
                description: String::new(),
                members: 0,
                created_at: inside.now,
            };
            principals::insert_group(tx, home, &new)?;
            let created = Event::new(home, "group.created").target("group", new.id).with("name", &new.name);
            last = Commit::changed((), tx.record(created));
        }
        Ok::<_, DbError>(last)
    });
    written.await.map(drop).map_err(BenchError::from)
}

async fn session(app: &App, provider: OrganizationId, email: &str) -> Result<String> {
    let ctx = app.ctx(Actor::Operator);
    let (inside, address) = (ctx.clone(), email.to_owned());
    let written = app.db().write(&ctx, move |tx| match principals::account_by_email(tx, &address)? {
        Some(account) => Ok(sessions::start(&inside, tx, provider, &account, Method::Password)?.map(Some)),
        None => Ok::<_, DbError>(Commit::unchanged(None)),
    });
    let token = written.await?.value.ok_or_else(|| wrong("a session", "there is no such account"))?;
    Ok(format!("{}={}", platform::web::browser::SESSION_COOKIE, token.text()))
}

/// Signs in the first `count` people; gives what each browser sends as its cookie.
pub async fn sign_in(app: &App, count: u64) -> Result<Vec<String>> {
    let provider = app.db().read(principals::provider).await?;
    let provider = provider.ok_or_else(|| wrong("the provider", "there is none"))?.id;
    let mut cookies = Vec::new();
    for from in (0..count).step_by(500) {
        let numbers = from..count.min(from + 500);
        let ctx = app.ctx(Actor::Operator);
        let inside = ctx.clone();
        let written = app.db().write(&ctx, move |tx| {
            let (mut made, mut last) = (Vec::new(), Commit::unchanged(()));
            for number in numbers.clone() {
                let account = principals::account_by_email(tx, &email(number))?
                    .ok_or_else(|| DbError::Check(format!("no person {number}")))?;
                let started = sessions::start(&inside, tx, provider, &account, Method::Password)?;
                made.push(started.value().text());
                last = started.map(drop);
            }
            Ok::<_, DbError>(last.map(|()| made))
        });
        let texts = written.await?.value.into_iter();
        cookies.extend(texts.map(|text| format!("{}={text}", platform::web::browser::SESSION_COOKIE)));
    }
    Ok(cookies)
}

/// Runs what is due until nothing is. The full run of the matrix reads all evidence, so the seed's own events need not
/// be looked at one by one: the cursor goes to their end first.
async fn settle(app: &App) -> Result<()> {
    while feed::step(app.db(), MATRIX, 10_000, |_, _| Ok(())).await? > 0 {}
    work_off(app).await
}

/// Jobs and the matrix's feed, until both have nothing left.
pub async fn work_off(app: &App) -> Result<()> {
    loop {
        let ran = jobs::run_due(app).await?;
        let taken = responsibility::consumer_step(app.clone()).await?;
        if ran + taken == 0 {
            return Ok(());
        }
    }
}

/// Evaluates every cell of every organization; gives the seconds it took.
pub fn recompute(data: &Path) -> Result<f64> {
    runtime()?.block_on(async {
        let app = open(data, crate::hashing::OWASP).await?;
        work_off(&app).await?;
        let ctx = app.ctx(Actor::System("bench"));
        let began = std::time::Instant::now();
        let enqueued = app.db().housekeeping(move |tx| {
            let kind = "matrix.evaluate_all";
            let job = jobs::NewJob { kind, organization: None, unique_key: Some(kind), run_at: ctx.now };
            jobs::enqueue(&ctx, tx, &job, &serde_json::Value::Null)
        });
        enqueued.await?;
        while jobs::run_due(&app).await? > 0 {}
        let seconds = began.elapsed().as_secs_f64();
        let failed = app.db().read(|tx| jobs::list(tx, 1)).await?;
        app.db().close(Duration::from_secs(60)).await;
        match failed.iter().find(|job| job.state == jobs::JobState::Failed) {
            Some(job) => Err(wrong("the full run", job.last_error.clone().unwrap_or_default())),
            None => Ok(seconds),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_filled_evaluated_and_closed() {
        let folder = tempfile::tempdir().unwrap();
        let cost = HashCost { label: "test", memory_kib: 7_168, iterations: 1 };
        let size = Size { organizations: 3, users: 40, first: 20, passwords: true };
        let seeded = installation(folder.path(), "seeded", size, cost).unwrap();
        assert_eq!(seeded.tokens.len(), 3);
        let store = rusqlite::Connection::open(seeded.database()).unwrap();
        let count = |sql: &str| {
            store.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(|error| error.to_string())
        };
        assert_eq!(count("select count(*) from passwords"), Ok(40));
        assert_eq!(count("select count(*) from memberships where role = 'owner'"), Ok(4));
        assert_eq!(count("select count(*) from jobs where state = 'failed'"), Ok(0));
        assert!(count("select count(*) from cells").unwrap() >= 3);
        // 20 in the first, ten in each of the others.
        let members = "select count(*) from memberships m join organizations o on o.id = m.organization_id
             where o.slug = 'org-00002'";
        assert_eq!(count(members), Ok(10));
        assert!(recompute(&seeded.data).unwrap() > 0.0);
    }
}
