//! The oracle: what the job counted is what somebody finds who goes through every row and every event by hand.
//!
//! Drawn worlds of two organizations with shared people; every act is done by a rule where the rule is short, else by a
//! row of the kind that the rule would leave. The recount knows no SQL but "give me all rows".

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use platform::access::Role;
use platform::db::{DbError, ReadTx, Statement, Value};
use platform::ids::{AccountId, OrganizationId};
use platform::principals;
use platform::time::{DAY, HOUR, MINUTE, Timestamp};
use platform::{events, params};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use testkit::Kit;

use super::super::{Figures, History, day_of, history, jobs};
use crate::kit::with_mail;
use crate::openid_provider::tests::{register, settings};
use crate::policies::Rules;
use crate::products::ProductId;
use crate::sessions::{self, Method};
use crate::single_sign_on::enforcement;

platform::statements! {
    SEE: Housekeeping = "update sessions set last_seen_at = $2 where account_id = $1";
    LEAVE: Housekeeping = "update memberships set state = 'suspended' where account_id = $1";
    CLOSE: Housekeeping = "update accounts set state = 'suspended' where id = $1";
    MANAGE: Housekeeping = "update accounts set managed_by = $2, managed_since = $3 where id = $1";
    APP: Housekeeping =
        "insert into totp_factors (account_id, secret, created_at, confirmed_at, last_step)
         values ($1, $1, $2, $3, 0) on conflict do nothing";
    PASSKEY: Housekeeping =
        "insert into passkeys (id, account_id, credential_id, name, public_key, sign_count, aaguid, attested, synced,
           created_at)
         values ($1, $2, $1, 'key', $1, 0, $1, 0, 0, $3)";
    CONNECTION: Housekeeping =
        "insert into connections (organization_id, id, kind, name, name_key, social, state, settings, mapping,
           created_at, changed_at, succeeded_at)
         values ($1, $2, 'oidc', $3, $3, $4, $5, '{}', '{}', $6, $6, $6) on conflict do nothing";
    LINK: Housekeeping =
        "insert into connection_links (organization_id, connection_id, issuer, subject, account_id, linked_at, used_at)
         values ($1, $2, 'issuer', $3, $4, $5, $5) on conflict do nothing";
    DIRECTORY: Housekeeping =
        "insert into directories (organization_id, id, name, name_key, kind, created_at)
         values ($1, $2, $3, $3, $4, $5) on conflict do nothing";
    PROVISION: Housekeeping =
        "insert into scim_users (organization_id, directory_id, id, account_id, user_name, user_name_key, active,
           resource, version, created_at, changed_at)
         values ($1, $2, $3, $4, $5, $5, $6, '{}', 1, $7, $7) on conflict do nothing";
    DOMAIN: Housekeeping =
        "insert into domains (organization_id, id, name, state, state_since, token, token_expires_at, proof_method,
           proof_hash, proof_resolvers, proved_at, misses, claim_new, claim_new_since, created_at)
         values ($1, $2, $3, $4, $5, 't', $5, 'dns_txt', $2, 'r', $5, 0, 0, $5, $5) on conflict do nothing";
    INVITE: Housekeeping =
        "insert into invitations (organization_id, id, email, role, token_hash, state, created_at, sent_at, expires_at)
         values ($1, $2, $3, 'member', $2, 'pending', $4, $4, $5) on conflict do nothing";
    GRANT: Housekeeping =
        "insert into oauth_grants (id, product_id, account_id, offline, details, created_at, expires_at)
         values ($1, $2, $3, 0, '{}', $4, $5)";

    ALL_MEMBERSHIPS: Platform = "select organization_id, account_id, state from memberships";
    ALL_ACCOUNTS: Platform = "select id, state, email_domain, managed_by from accounts";
    ALL_SESSIONS: Platform = "select account_id, last_seen_at from sessions";
    ALL_APPS: Platform = "select account_id, confirmed_at from totp_factors";
    ALL_PASSKEYS: Platform = "select account_id from passkeys";
    ALL_CONNECTIONS: Platform = "select organization_id, id, state, social from connections";
    ALL_LINKS: Platform = "select organization_id, connection_id, account_id from connection_links";
    ALL_DIRECTORIES: Platform = "select id, kind from directories";
    ALL_PROVISIONED: Platform = "select organization_id, directory_id, account_id, active from scim_users";
    ALL_DOMAINS: Platform = "select organization_id, name, state from domains";
    ALL_INVITATIONS: Platform = "select organization_id, state, expires_at from invitations";
    ALL_GRANTS: Platform = "select account_id, product_id, created_at from oauth_grants";
}

const PEOPLE: usize = 7;
const WORLDS: usize = 16;

/// What happens: a kind of act, somebody, one of the two organizations, and a number for the rest.
type Act = (u8, usize, usize, u8);

fn drawn() -> impl Strategy<Value = Vec<Act>> {
    proptest::collection::vec((0..18_u8, 0..PEOPLE, 0..2_usize, any::<u8>()), 20..60)
}

struct World<'k> {
    kit: &'k Kit,
    number: usize,
    organizations: [OrganizationId; 2],
    products: [ProductId; 2],
}

impl World<'_> {
    fn slug(&self, at: usize) -> String {
        format!("w{}-{at}", self.number)
    }

    fn domain(&self, n: usize) -> String {
        format!("d{}.w{}.example", n % 3, self.number)
    }

    fn email(&self, who: usize) -> String {
        format!("p{who}@{}", self.domain(who))
    }

    async fn row(&self, statement: &'static Statement, row: &[Value]) {
        let row = row.to_vec();
        let write = self.kit.app.db().housekeeping(move |tx| tx.execute(statement, &row));
        write.await.expect(statement.name);
    }

    async fn sign_in(&self, account: AccountId) {
        let provider = self.kit.organization("northwind").await;
        let ctx = self.kit.ctx();
        let at = ctx.clone();
        let started = self.kit.app.db().write(&ctx, move |tx| {
            let person = principals::account(tx, account)?.expect("an account");
            sessions::start(&at, tx, provider, &person, Method::Password)
        });
        started.await.expect("a session");
    }

    /// Asks for single sign-on alone; refused while no connection works, which is as good here.
    async fn enforce(&self, organization: OrganizationId, on: bool) {
        let ctx = self.kit.ctx();
        let at = ctx.clone();
        let rules = Rules { single_sign_on: on, ..Rules::RECOMMENDED };
        let decided = self.kit.app.db().write(&ctx, move |tx| {
            crate::policies::decide(&at, tx, organization, "Mara", None, rules.clone())
        });
        decided.await.expect("a decision");
    }

    async fn act(&self, (kind, who, at, more): Act) {
        let (organization, now, ctx) = (self.organizations[at], self.kit.now(), self.kit.ctx());
        let account = self.kit.account(&self.email(who)).await;
        let (odd, id) = (more % 2 == 1, ctx.id::<ProductId>());
        let fixed = |n: u8| {
            uuid::Uuid::from_bytes([
                u8::try_from(self.number * 2 + at).unwrap() + 1,
                n,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ])
        };
        match kind {
            0..=3 => {
                self.kit.member(&self.slug(at), &self.email(who), Role::Member).await;
            }
            4..=5 => self.sign_in(account).await,
            6 => self.row(&SEE, params![account, now]).await,
            7 => {
                let confirmed = odd.then_some(now);
                self.row(&APP, params![account, now, confirmed]).await;
            }
            8 => self.row(&PASSKEY, params![id, account, now]).await,
            9 => {
                let (social, state) =
                    ((more % 5 == 0).then(|| format!("s{id}")), if odd { "active" } else { "disabled" });
                let connection = fixed(more % 3);
                self.row(
                    &CONNECTION,
                    params![organization, connection, format!("c{}", more % 3), social, state, now],
                )
                .await;
                let known = self.kit.app.db().read(|tx| all(tx, &ALL_CONNECTIONS)).await.unwrap();
                if known.iter().any(|row| row.get::<uuid::Uuid>(1) == Ok(connection)) {
                    self.row(&LINK, params![organization, connection, id.to_string(), account, now]).await;
                }
            }
            10 => {
                let kind = if odd { "linked" } else { "local" };
                self.row(&DIRECTORY, params![organization, fixed(9), "d", kind, now]).await;
                let row = params![organization, fixed(9), id, account, id.to_string(), more % 3 != 0, now];
                self.row(&PROVISION, row).await;
            }
            11 => {
                let state = ["verified", "at_risk", "suspended"][usize::from(more % 3)];
                self.row(&DOMAIN, params![organization, id, self.domain(who), state, now]).await;
            }
            12 => {
                let ends = now.plus(HOUR * u32::from(more));
                self.row(&INVITE, params![organization, id, format!("{id}@x.example"), now, ends]).await;
            }
            13 => {
                let product = self.products[usize::from(odd)];
                self.row(&GRANT, params![id, product, account, now, now.plus(DAY * 180)]).await;
            }
            14 => self.row(if odd { &LEAVE } else { &CLOSE }, params![account]).await,
            15 => self.row(&MANAGE, params![account, organization, now]).await,
            16 => {
                // What it takes: a connection that works, and somebody at a domain of theirs.
                self.kit.member(&self.slug(at), &self.email(who), Role::Member).await;
                let none = None::<String>;
                let row = params![organization, fixed(8), "works", none, "active", now];
                self.row(&CONNECTION, row).await;
                self.row(&DOMAIN, params![organization, id, self.domain(who), "verified", now]).await;
                self.enforce(organization, more % 4 != 0).await;
            }
            _ => self.kit.advance(HOUR * u32::from(more) * 2),
        }
    }
}

fn all(tx: &mut ReadTx, statement: &'static Statement) -> Result<Vec<platform::db::Row>, DbError> {
    tx.query(statement, &[])
}

/// Who has access, told by every membership and every account.
fn people(
    tx: &mut ReadTx,
    organization: OrganizationId,
) -> Result<BTreeMap<AccountId, (String, bool)>, DbError> {
    let mut members = BTreeSet::new();
    for row in all(tx, &ALL_MEMBERSHIPS)? {
        if row.get::<OrganizationId>(0)? == organization && row.get::<String>(2)? == "active" {
            members.insert(row.get::<AccountId>(1)?);
        }
    }
    let mut found = BTreeMap::new();
    for row in all(tx, &ALL_ACCOUNTS)? {
        let account: AccountId = row.get(0)?;
        if members.contains(&account) && row.get::<String>(1)? == "active" {
            let managed = row.get::<Option<OrganizationId>>(3)? == Some(organization);
            found.insert(account, (row.get(2)?, managed));
        }
    }
    Ok(found)
}

fn count_where(people: impl Iterator<Item = AccountId>, is_so: impl Fn(&AccountId) -> bool) -> u64 {
    u64::try_from(people.filter(is_so).count()).unwrap()
}

/// Who comes through an identity provider, told by every link and every provisioned user.
fn by_provider(tx: &mut ReadTx, organization: OrganizationId) -> Result<BTreeSet<AccountId>, DbError> {
    let mut found = BTreeSet::new();
    let mut connections = BTreeSet::new();
    for row in all(tx, &ALL_CONNECTIONS)? {
        let own = row.get::<OrganizationId>(0)? == organization && row.get::<Option<String>>(3)?.is_none();
        if own && row.get::<String>(2)? == "active" {
            connections.insert(row.get::<uuid::Uuid>(1)?);
        }
    }
    for row in all(tx, &ALL_LINKS)? {
        if connections.contains(&row.get::<uuid::Uuid>(1)?) {
            found.insert(row.get(2)?);
        }
    }
    let mut directories = BTreeSet::new();
    for row in all(tx, &ALL_DIRECTORIES)? {
        if row.get::<String>(1)? == "linked" {
            directories.insert(row.get::<uuid::Uuid>(0)?);
        }
    }
    for row in all(tx, &ALL_PROVISIONED)? {
        let here = row.get::<OrganizationId>(0)? == organization && row.get::<bool>(3)?;
        if here && directories.contains(&row.get::<uuid::Uuid>(1)?) {
            found.insert(row.get(2)?);
        }
    }
    Ok(found)
}

/// Sessions that these people started on this day, as the ledger tells it.
fn signed_in(tx: &mut ReadTx, people: &BTreeSet<AccountId>, day: Timestamp) -> Result<u64, DbError> {
    let provider = principals::provider(tx)?.expect("a provider").id;
    let told = events::range(tx, provider, 0, 1_000_000)?;
    let found = told.iter().filter(|event| {
        event.action == "session.started"
            && event.at >= day
            && event.at < day.plus(DAY)
            && event.target_id.parse().is_ok_and(|account: AccountId| people.contains(&account))
    });
    Ok(u64::try_from(found.count()).unwrap())
}

fn recount(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Figures, DbError> {
    let people = people(tx, organization)?;
    let ids: BTreeSet<AccountId> = people.keys().copied().collect();
    let mut seen: BTreeMap<AccountId, Timestamp> = BTreeMap::new();
    for row in all(tx, &ALL_SESSIONS)? {
        let last = seen.entry(row.get(0)?).or_insert(Timestamp::EPOCH);
        *last = (*last).max(row.get(1)?);
    }
    let within = |time: Duration| {
        count_where(ids.iter().copied(), |one| seen.get(one).is_some_and(|at| *at > now.minus(time)))
    };
    let mut apps = BTreeSet::new();
    for row in all(tx, &ALL_APPS)? {
        if row.get::<Option<Timestamp>>(1)?.is_some() {
            apps.insert(row.get::<AccountId>(0)?);
        }
    }
    let keys: BTreeSet<AccountId> =
        all(tx, &ALL_PASSKEYS)?.iter().map(|row| row.get(0)).collect::<Result<_, _>>()?;
    let linked = by_provider(tx, organization)?;
    let mut domains = BTreeSet::new();
    for row in all(tx, &ALL_DOMAINS)? {
        let state: String = row.get(2)?;
        if row.get::<OrganizationId>(0)? == organization && (state == "verified" || state == "at_risk") {
            domains.insert(row.get::<String>(1)?);
        }
    }
    let mut invited = 0;
    for row in all(tx, &ALL_INVITATIONS)? {
        let open = row.get::<String>(1)? == "pending" && row.get::<Timestamp>(2)? > now;
        invited += u64::from(open && row.get::<OrganizationId>(0)? == organization);
    }
    let mut enforced = 0;
    for account in &ids {
        let binding = enforcement::enforced(tx, *account, now)?;
        enforced += u64::from(binding.iter().any(|one| one.organization == organization));
    }
    Ok(Figures {
        people: u64::try_from(ids.len()).unwrap(),
        active_day: within(DAY),
        active_week: within(DAY * 7),
        active_month: within(DAY * 30),
        sign_ins: signed_in(tx, &ids, day_of(now))?,
        second_factor: count_where(ids.iter().copied(), |one| apps.contains(one) || keys.contains(one)),
        passkey: count_where(ids.iter().copied(), |one| keys.contains(one)),
        single_sign_on: count_where(ids.iter().copied(), |one| linked.contains(one)),
        enforced,
        managed: count_where(ids.iter().copied(), |one| people[one].1),
        outside: count_where(ids.iter().copied(), |one| !domains.contains(&people[one].0)),
        invited,
    })
}

/// People of the organization by product: in 7 and in 30 days.
fn recount_products(
    tx: &mut ReadTx,
    organization: OrganizationId,
    now: Timestamp,
) -> Result<BTreeMap<ProductId, (u64, u64)>, DbError> {
    let people = people(tx, organization)?;
    let (mut week, mut month) = (BTreeSet::new(), BTreeSet::new());
    for row in all(tx, &ALL_GRANTS)? {
        let (account, product, at): (AccountId, ProductId, Timestamp) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        if people.contains_key(&account) && at > now.minus(DAY * 30) {
            month.insert((product, account));
            if at > now.minus(DAY * 7) {
                week.insert((product, account));
            }
        }
    }
    let mut found: BTreeMap<ProductId, (u64, u64)> = BTreeMap::new();
    for (product, account) in &month {
        let one = found.entry(*product).or_default();
        one.0 += u64::from(week.contains(&(*product, *account)));
        one.1 += 1;
    }
    Ok(found)
}

/// Lets the job count, and compares what it wrote with a recount.
async fn compare(world: &World<'_>, story: &[Act]) {
    world.kit.settle().await;
    for organization in world.organizations {
        let now = world.kit.now();
        let read = world.kit.app.db().read(move |tx| {
            let kept: History = history(tx, organization, 1, now)?;
            let by_hand = recount(tx, organization, now)?;
            Ok::<_, DbError>((kept, by_hand, recount_products(tx, organization, now)?))
        });
        let (kept, by_hand, products) = read.await.expect("both counts");
        let counted = kept.days.last().expect("a row of today");
        assert_eq!(counted.counted_at, now, "counted just now");
        assert_eq!(counted.figures, by_hand, "organization {organization} after {story:?}");
        let told: BTreeMap<ProductId, (u64, u64)> = kept
            .products
            .iter()
            .map(|one| (one.product.product, (one.product.active_week, one.product.active_month)))
            .collect();
        assert_eq!(told, products, "products of {organization} after {story:?}");
    }
}

#[tokio::test]
async fn the_roll_up_is_what_a_naive_recount_finds() {
    testkit::both_with(
        async |kit| {
            let mut runner = TestRunner::deterministic();
            let mut all_of_it = Figures::default();
            let products = [register(kit, settings()).await.id, register(kit, settings()).await.id];
            for number in 0..WORLDS {
                let slugs = [format!("w{number}-0"), format!("w{number}-1")];
                let organizations = [kit.organization(&slugs[0]).await, kit.organization(&slugs[1]).await];
                let world = World { kit, number, organizations, products };
                let story = drawn().new_tree(&mut runner).expect("a story").current();
                for (at, act) in story.iter().enumerate() {
                    world.act(*act).await;
                    if at % 20 == 19 {
                        kit.advance(jobs::SCHEDULE.every + MINUTE);
                        compare(&world, &story[..=at]).await;
                    }
                }
                kit.advance(jobs::SCHEDULE.every + MINUTE);
                compare(&world, &story).await;
                let (organization, now) = (organizations[0], kit.now());
                let last = kit.app.db().read(move |tx| recount(tx, organization, now)).await.unwrap();
                for (sum, value) in [
                    (&mut all_of_it.people, last.people),
                    (&mut all_of_it.active_day, last.active_day),
                    (&mut all_of_it.active_month, last.active_month),
                    (&mut all_of_it.sign_ins, last.sign_ins),
                    (&mut all_of_it.second_factor, last.second_factor),
                    (&mut all_of_it.passkey, last.passkey),
                    (&mut all_of_it.single_sign_on, last.single_sign_on),
                    (&mut all_of_it.enforced, last.enforced),
                    (&mut all_of_it.managed, last.managed),
                    (&mut all_of_it.invited, last.invited),
                ] {
                    *sum += value;
                }
            }
            // The worlds are worth comparing: nothing that is counted was missing from all of them.
            let none = [
                all_of_it.people,
                all_of_it.active_day,
                all_of_it.active_month,
                all_of_it.sign_ins,
                all_of_it.second_factor,
                all_of_it.passkey,
                all_of_it.single_sign_on,
                all_of_it.enforced,
                all_of_it.managed,
                all_of_it.invited,
            ];
            assert!(!none.contains(&0), "{all_of_it:?}");
        },
        with_mail,
    )
    .await;
}
