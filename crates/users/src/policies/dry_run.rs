//! What a change would do, before it is made: counted over every member, with the complete list of whom it touches.
//!
//! The figures come from comparing each member's rules under the policies as they are and as they would be, and from
//! what is known of the member: sessions, networks of the last 90 days, age of the password, factors enrolled. Only this
//! organization's policies count: what other organizations ask of the same people is none of its business.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use platform::Ctx;
use platform::db::{DbError, ReadTx, Row};
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

use super::decide::{Content, Place, with};
use super::resolve::{Landscape, Placement};
use super::{ConnectionId, Rules, landscape, sql};
use crate::factors::Level;

/// Members read at a time.
const BATCH: u32 = 500;

/// What a change does to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Could not sign in or go on from anywhere they came from, and cannot mend it alone.
    LockedOut,
    /// Will be refused from some of the networks they come from.
    SomeNetworksRefused,
    /// Has to set up a stronger factor when next signing in.
    AskedToEnrol,
    /// Has to set a new password when next signing in.
    NewPassword,
    /// A running session ends at once.
    SignedOut,
    /// A running session ends earlier than it would have.
    SessionShortened,
}

impl Effect {
    pub const ALL: [Effect; 6] = [
        Self::LockedOut,
        Self::SomeNetworksRefused,
        Self::AskedToEnrol,
        Self::NewPassword,
        Self::SignedOut,
        Self::SessionShortened,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::LockedOut => "locked_out",
            Self::SomeNetworksRefused => "some_networks_refused",
            Self::AskedToEnrol => "asked_to_enrol",
            Self::NewPassword => "new_password",
            Self::SignedOut => "signed_out",
            Self::SessionShortened => "session_shortened",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|effect| effect.as_str() == text)
    }

    /// Behind a number of people: `17 of 412` …
    pub fn words(self) -> &'static str {
        match self {
            Self::LockedOut => "would be locked out",
            Self::SomeNetworksRefused => "would be refused from some of their networks",
            Self::AskedToEnrol => "would be asked to set up a stronger factor",
            Self::NewPassword => "would have to set a new password",
            Self::SignedOut => "would be signed out at once",
            Self::SessionShortened => "would be signed out earlier than today",
        }
    }
}

/// Somebody whom the change touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Touched {
    #[schema(value_type = String)]
    pub account: AccountId,
    pub email: String,
    pub name: String,
    pub effects: Vec<Effect>,
    /// Why, one sentence for each effect that needs one.
    pub because: Vec<String>,
}

/// What a decision would do, counted before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DryRun {
    /// `17 of 412 people would be locked out`: the gravest effect in words.
    pub summary: String,
    /// Active members of the organization.
    pub members: u64,
    /// Members whose rules change at all.
    pub changed: u64,
    pub locked_out: u64,
    pub some_networks_refused: u64,
    pub asked_to_enrol: u64,
    pub new_password: u64,
    pub signed_out: u64,
    pub session_shortened: u64,
    /// Sessions of members that end at once.
    pub sessions_ending: u64,
    /// Sessions of members that will end earlier than they would have.
    pub sessions_shortened: u64,
    /// API tokens that stop working, or do so earlier than they would have, by name.
    pub tokens_ending: Vec<String>,
    /// Where it is weaker than recommended; the row USR-C7 becomes a gap.
    pub weaknesses: Vec<String>,
}

impl DryRun {
    pub fn count(&self, effect: Effect) -> u64 {
        match effect {
            Effect::LockedOut => self.locked_out,
            Effect::SomeNetworksRefused => self.some_networks_refused,
            Effect::AskedToEnrol => self.asked_to_enrol,
            Effect::NewPassword => self.new_password,
            Effect::SignedOut => self.signed_out,
            Effect::SessionShortened => self.session_shortened,
        }
    }

    fn add(&mut self, effect: Effect) {
        *match effect {
            Effect::LockedOut => &mut self.locked_out,
            Effect::SomeNetworksRefused => &mut self.some_networks_refused,
            Effect::AskedToEnrol => &mut self.asked_to_enrol,
            Effect::NewPassword => &mut self.new_password,
            Effect::SignedOut => &mut self.signed_out,
            Effect::SessionShortened => &mut self.session_shortened,
        } += 1;
    }

    fn summarize(&mut self) {
        let members = self.members;
        let gravest = Effect::ALL.into_iter().find(|effect| self.count(*effect) > 0);
        self.summary = match gravest {
            Some(effect) => format!("{} of {members} people {}", self.count(effect), effect.words()),
            None if self.changed > 0 => format!(
                "nobody is locked out, asked for anything or signed out; the rules of {} of {members} people change",
                self.changed
            ),
            None => format!("nothing changes for any of {members} people"),
        };
    }
}

/// Which people a list shows.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub effect: Option<Effect>,
    /// An address to go on after.
    pub after: String,
    pub limit: usize,
}

/// The figures of a change and a page of whom it touches, by address.
pub fn dry_run(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    place: &Place,
    content: &Content,
    wanted: &Wanted,
) -> Result<(DryRun, Vec<Touched>), DbError> {
    let before = landscape(tx, organization)?;
    let after = with(&before, place, content, "", ctx.now);
    let (mut run, people) = compare(tx, organization, &before, &after, wanted, ctx.now)?;
    if !content.deleted {
        run.weaknesses = content.rules.weaknesses();
    }
    Ok((run, people))
}

/// As [`dry_run`], for any two states of an organization's policies.
pub(crate) fn compare(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: &Landscape,
    after: &Landscape,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<(DryRun, Vec<Touched>), DbError> {
    let (mut run, mut found) = (DryRun::default(), Vec::new());
    let mut placements = BTreeMap::new();
    let mut at = String::new();
    while let Some((until, people)) = step(tx, organization, (before, after), &mut run, (&at, BATCH), now)? {
        for (place, touched) in people {
            placements.insert(place.account, place);
            let Some(touched) = touched else { continue };
            let fits = wanted.effect.is_none_or(|effect| touched.effects.contains(&effect));
            if fits && touched.email > wanted.after && found.len() < wanted.limit {
                found.push(touched);
            }
        }
        at = until;
    }
    run.tokens_ending = tokens_ending(tx, organization, before, after, &placements, now)?;
    run.summarize();
    Ok((run, found))
}

/// Where a page of members ended, and each with what the change does to them.
type Step = (String, Vec<(Placement, Option<Touched>)>);

/// Compares the next members; `None` when there are no more.
pub(crate) fn step(
    tx: &mut ReadTx,
    organization: OrganizationId,
    (before, after): (&Landscape, &Landscape),
    run: &mut DryRun,
    (at, limit): (&str, u32),
    now: Timestamp,
) -> Result<Option<Step>, DbError> {
    let page = members(tx, organization, at, limit)?;
    let Some(until) = page.last().map(|member| member.email.clone()) else { return Ok(None) };
    let known = known(tx, organization, at, &until, now)?;
    let mut people = Vec::with_capacity(page.len());
    for member in page {
        run.members += 1;
        let (old, new) = (before.rules_for(&member.place), after.rules_for(&member.place));
        let mut found = None;
        if old != new {
            run.changed += 1;
            let nothing = Known::default();
            let person = known.get(&member.place.account).unwrap_or(&nothing);
            let touched = touch(run, &member, &old, &new, person, now);
            found = Some(touched).filter(|touched| !touched.effects.is_empty());
        }
        people.push((member.place, found));
    }
    Ok(Some((until, people)))
}

struct Member {
    email: String,
    name: String,
    place: Placement,
}

/// Active members by address, with their places: groups, and the directories they come from.
fn members(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    limit: u32,
) -> Result<Vec<Member>, DbError> {
    let read = |row: &Row| {
        let account = row.get(0)?;
        let place = Placement { account, groups: BTreeSet::new(), outside: row.get(3)?, directory: None };
        Ok(Member { email: row.get(1)?, name: row.get(2)?, place })
    };
    let mut page = tx.list(&sql::MEMBERS, params![organization, after, limit], read)?;
    let Some(last) = page.last() else { return Ok(page) };
    let mut from = crate::directories::of_members(tx, organization, after, &last.email)?;
    let mut groups: BTreeMap<AccountId, BTreeSet<GroupId>> = BTreeMap::new();
    for row in tx.query(&sql::MEMBER_GROUPS, params![organization, after, last.email.as_str()])? {
        groups.entry(row.get(0)?).or_default().insert(row.get(1)?);
    }
    for member in &mut page {
        member.place.groups = groups.remove(&member.place.account).unwrap_or_default();
        member.place.directory = from.remove(&member.place.account);
    }
    Ok(page)
}

/// The next active members' places, and where the page ended; `None` at the end.
pub(crate) fn places(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
) -> Result<Option<(String, Vec<Placement>)>, DbError> {
    let page = members(tx, organization, after, BATCH)?;
    let Some(until) = page.last().map(|member| member.email.clone()) else { return Ok(None) };
    Ok(Some((until, page.into_iter().map(|member| member.place).collect())))
}

#[derive(Default)]
struct Known {
    networks: BTreeSet<String>,
    sessions: Vec<Running>,
    password_set: Option<Timestamp>,
    enrolled: Level,
    connections: Vec<ConnectionId>,
}

impl Known {
    /// Whether they have come through a connection that these rules take.
    fn linked_through(&self, rules: &Rules) -> bool {
        match rules.single_sign_on_connection {
            Some(wanted) => self.connections.contains(&wanted),
            None => !self.connections.is_empty(),
        }
    }
}

struct Running {
    created: Timestamp,
    seen: Timestamp,
    idle: Duration,
    expires: Timestamp,
}

/// What is known of the members of one page.
fn known(
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &str,
    until: &str,
    now: Timestamp,
) -> Result<BTreeMap<AccountId, Known>, DbError> {
    let mut all: BTreeMap<AccountId, Known> = BTreeMap::new();
    for row in tx.query(&sql::MEMBER_SESSIONS, params![organization, after, until, now])? {
        let person = all.entry(row.get(0)?).or_default();
        person.networks.insert(row.get(1)?);
        if row.get(6)? {
            person.sessions.push(Running {
                created: row.get(2)?,
                seen: row.get(3)?,
                idle: Duration::from_micros(row.get(4)?),
                expires: row.get(5)?,
            });
        }
    }
    for row in tx.query(&sql::MEMBER_PASSWORDS, params![organization, after, until])? {
        all.entry(row.get(0)?).or_default().password_set = Some(row.get(1)?);
    }
    for row in tx.query(&sql::MEMBER_FACTORS, params![organization, after, until])? {
        all.entry(row.get(0)?).or_default().enrolled = Level::from_rank(row.get(1)?);
    }
    for (account, connection) in crate::single_sign_on::links::of_members(tx, organization, after, until)? {
        all.entry(account).or_default().connections.push(connection);
    }
    Ok(all)
}

/// An address of a stored network: IPv4 whole, IPv6 as `2001:db8:1:2::/64`.
fn address(network: &str) -> Option<IpAddr> {
    match network.split_once('/') {
        Some((start, _)) => start.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => network.parse().ok(),
    }
}

fn touch(
    run: &mut DryRun,
    member: &Member,
    old: &Rules,
    new: &Rules,
    known: &Known,
    now: Timestamp,
) -> Touched {
    let mut effects = BTreeSet::new();
    let mut because = Vec::new();
    if new.single_sign_on && !old.single_sign_on && !member.place.outside && !known.linked_through(new) {
        effects.insert(Effect::LockedOut);
        because.push("has not signed in through the identity provider yet".to_owned());
    }
    if let Some(list) = new.networks.as_ref().filter(|_| new.networks != old.networks) {
        let refused: Vec<&str> = known
            .networks
            .iter()
            .filter(|network| address(network).is_some_and(|ip| !list.allow(ip)))
            .map(String::as_str)
            .collect();
        if !refused.is_empty() {
            let all = refused.len() == known.networks.len();
            effects.insert(if all { Effect::LockedOut } else { Effect::SomeNetworksRefused });
            let first: Vec<&str> = refused.iter().copied().take(3).collect();
            because.push(format!(
                "came from {}{}",
                first.join(", "),
                if refused.len() > 3 { " and others" } else { "" }
            ));
        }
    }
    if new.factor > old.factor && known.enrolled < new.factor {
        effects.insert(Effect::AskedToEnrol);
        because.push(format!("has {} and needs {}", known.enrolled.words(), new.factor.words()));
    }
    if let (Some(days), Some(set)) = (new.password_max_age_days, known.password_set)
        && now.since(set) >= DAY * u32::from(days)
        && old.password_max_age_days.is_none_or(|old| now.since(set) < DAY * u32::from(old))
    {
        effects.insert(Effect::NewPassword);
        because.push(format!("has a password of {}", set.day_words()));
    }
    effects.extend(session_effects(run, new, known, now));
    for effect in &effects {
        run.add(*effect);
    }
    Touched {
        account: member.place.account,
        email: member.email.clone(),
        name: member.name.clone(),
        effects: effects.into_iter().collect(),
        because,
    }
}

fn session_effects(run: &mut DryRun, new: &Rules, known: &Known, now: Timestamp) -> Vec<Effect> {
    let rules = new.session();
    let mut effects = Vec::new();
    for session in &known.sessions {
        let ends = session.created.plus(rules.absolute);
        if ends <= now || session.seen.plus(rules.idle) <= now {
            run.sessions_ending += 1;
            effects.push(Effect::SignedOut);
        } else if ends < session.expires || rules.idle < session.idle {
            run.sessions_shortened += 1;
            effects.push(Effect::SessionShortened);
        }
    }
    effects
}

/// Names of live tokens that end earlier than they would have.
fn tokens_ending(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: &Landscape,
    after: &Landscape,
    placements: &BTreeMap<AccountId, Placement>,
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    let mut ending = Vec::new();
    for row in tx.query(&sql::LIVE_TOKENS, params![organization, now])? {
        let maker: Option<AccountId> = row.get(1)?;
        let (created, expires): (Timestamp, Timestamp) = (row.get(2)?, row.get(3)?);
        let end = |landscape: &Landscape| {
            let rules = match maker {
                Some(maker) => placements.get(&maker).map(|place| landscape.rules_for(place)),
                None => landscape
                    .policies
                    .iter()
                    .find(|policy| policy.applies_to == super::AppliesTo::Default)
                    .map(|policy| policy.rules.clone()),
            };
            let rules = rules.unwrap_or(Rules::RECOMMENDED);
            if rules.api_tokens { created.plus(rules.token_lifetime_max()).min(expires) } else { now }
        };
        if end(after) < end(before) {
            ending.push(row.get(0)?);
        }
    }
    Ok(ending)
}

/// Of all members, how many are only under policies that `good` accepts, the recommendation not being one.
pub(crate) fn count_covered(
    tx: &mut ReadTx,
    organization: OrganizationId,
    all: &Landscape,
    good: &dyn Fn(&super::resolve::InForce) -> bool,
) -> Result<(u64, u64), DbError> {
    let (mut covered, mut people, mut at) = (0, 0, String::new());
    loop {
        let page = members(tx, organization, &at, BATCH)?;
        let Some(last) = page.last() else { return Ok((covered, people)) };
        at = last.email.clone();
        for member in &page {
            people += 1;
            let applied = all.applied(&member.place);
            covered += u64::from(applied.iter().all(|one| one.policy.is_some_and(good)));
        }
    }
}
