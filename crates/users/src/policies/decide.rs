//! Deciding: every change of a policy is a version of its whole content, checked against locking out whoever makes it.

use std::collections::BTreeSet;

use platform::Ctx;
use platform::access::Permission;
use platform::ctx::Actor;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, Id, OrganizationId};
use platform::params;
use platform::principals::{self, MembershipState};
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::resolve::{InForce, Landscape};
use super::{
    AppliesTo, CHOSEN_MAX, DirectoryId, POLICIES_MAX, PolicyId, Rules, around, default_id, landscape, micros,
    sql, takes,
};
use crate::names::Name;
use crate::single_sign_on::enforcement;
use crate::{directories, organizations, sessions};

pub(crate) const DEFAULT_NAME: &str = "Default";
pub(crate) const OUTSIDE_NAME: &str = "Outside people";

/// Everything a version of a policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub name: String,
    pub rules: Rules,
    pub groups: BTreeSet<GroupId>,
    pub accounts: BTreeSet<AccountId>,
    pub deleted: bool,
}

impl Content {
    pub fn of(name: &str, rules: Rules) -> Self {
        Self {
            name: name.to_owned(),
            rules,
            groups: BTreeSet::new(),
            accounts: BTreeSet::new(),
            deleted: false,
        }
    }

    /// As stored; rules that an older version wrote are completed.
    pub(crate) fn read(text: &str) -> Result<Self, DbError> {
        let unreadable = || DbError::Check("a stored policy is not readable".to_owned());
        let mut value: serde_json::Value = serde_json::from_str(text).map_err(|_| unreadable())?;
        let rules = value.get("rules").map(ToString::to_string).ok_or_else(unreadable)?;
        value["rules"] = serde_json::to_value(Rules::read(&rules)?).map_err(|_| unreadable())?;
        serde_json::from_value(value).map_err(|_| unreadable())
    }

    fn text(&self) -> Result<String, DbError> {
        serde_json::to_string(self).map_err(|error| DbError::Check(error.to_string()))
    }
}

/// Which policy a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    Existing(PolicyId),
    /// A named policy, or the one for outside people.
    New(AppliesTo),
    /// The default of a directory.
    Directory(DirectoryId),
}

/// How a decision ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decided {
    Done(PolicyId),
    /// Members out of bounds, by name.
    Refused(Vec<(&'static str, String)>),
    /// Somebody decided meanwhile; the caller looked at an older version.
    ChangedMeanwhile,
    NoSuchPolicy,
    NoSuchDirectory,
    /// A roll-out of this policy runs: cancel it, or wait.
    RolloutRunning,
    /// It names an owner, or did: only owners decide about owners.
    OwnersOnly,
    /// The caller could not send the next request.
    LocksYouOut(String),
    NothingToUndo,
}

/// A policy found for a change: what it is and the version in force.
#[derive(Debug)]
pub(crate) struct Place {
    pub id: PolicyId,
    pub applies_to: AppliesTo,
    /// Whose default it is.
    pub directory: Option<DirectoryId>,
    /// 0: nobody has decided.
    pub version: u64,
    pub deleted: bool,
}

fn refused(name: &'static str, why: &str) -> Decided {
    Decided::Refused(vec![(name, why.to_owned())])
}

pub(crate) fn find(
    tx: &mut ReadTx,
    organization: OrganizationId,
    id: PolicyId,
) -> Result<Option<Place>, DbError> {
    if let Some(row) = tx.first(&sql::LATEST, params![organization, id])? {
        return Ok(Some(Place {
            id,
            version: row.get(0)?,
            applies_to: row.parse(1, AppliesTo::parse)?,
            deleted: row.get(2)?,
            directory: row.get(3)?,
        }));
    }
    let undecided = Place::new(id, AppliesTo::Default);
    Ok((id == default_id(organization)).then_some(undecided))
}

impl Place {
    fn new(id: PolicyId, applies_to: AppliesTo) -> Self {
        Self { id, applies_to, directory: None, version: 0, deleted: false }
    }
}

/// Finds or makes the place that `target` names.
pub(crate) fn place(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    target: Target,
) -> Result<Result<Place, Decided>, DbError> {
    match target {
        Target::Existing(id) => {
            let found = find(tx, organization, id)?.filter(|place| !place.deleted);
            Ok(found.ok_or(Decided::NoSuchPolicy))
        }
        Target::New(AppliesTo::Named) => {
            if tx.query(&sql::POLICIES, params![organization])?.len() > POLICIES_MAX {
                return Ok(Err(refused("name", "an organization has up to 50 policies: delete one first")));
            }
            Ok(Ok(Place::new(ctx.id(), AppliesTo::Named)))
        }
        Target::New(AppliesTo::Outside) => {
            let known: Option<PolicyId> = tx.scalar(&sql::OUTSIDE_POLICY, params![organization])?;
            let Some(known) = known else { return Ok(Ok(Place::new(ctx.id(), AppliesTo::Outside))) };
            match find(tx, organization, known)? {
                Some(gone) if gone.deleted => Ok(Ok(gone)),
                _ => Ok(Err(refused("applies_to", "there is a policy for outside people: change that one"))),
            }
        }
        Target::Directory(directory) => {
            if directories::get(tx, organization, directory)?.is_none() {
                return Ok(Err(Decided::NoSuchDirectory));
            }
            let row = params![organization, directory];
            let Some(known) = tx.scalar(&sql::DIRECTORY_POLICY, row)? else {
                let new = Place::new(ctx.id(), AppliesTo::Directory);
                return Ok(Ok(Place { directory: Some(directory), ..new }));
            };
            match find(tx, organization, known)? {
                Some(gone) if gone.deleted => Ok(Ok(gone)),
                _ => Ok(Err(refused("directory", "this directory has its policy already: change that one"))),
            }
        }
        Target::New(AppliesTo::Default) => {
            Ok(Err(refused("applies_to", "every organization has a default policy: change that one")))
        }
        Target::New(AppliesTo::Directory) => Ok(Err(refused("directory", "say which directory it is for"))),
    }
}

/// What is wrong with the content, whoever decides it.
pub(crate) fn check(applies_to: AppliesTo, content: &Content) -> Vec<(&'static str, String)> {
    let mut wrong = content.rules.check();
    if let Err(error) = Name::parse(&content.name) {
        wrong.push(("name", error.to_string()));
    }
    if applies_to != AppliesTo::Named && !(content.groups.is_empty() && content.accounts.is_empty()) {
        wrong.push(("groups", "only a named policy is assigned to groups and people".to_owned()));
    }
    if content.accounts.len() > CHOSEN_MAX {
        wrong.push(("accounts", "a policy names up to 500 people: put them into a group".to_owned()));
    }
    wrong
}

/// Why single sign-on cannot be enforced by `content` now, if it enforces it and the policy did not before.
pub(crate) fn cannot_enforce(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: &Landscape,
    place: &Place,
    content: &Content,
) -> Result<Option<&'static str>, DbError> {
    let new = &content.rules;
    if content.deleted || !new.single_sign_on {
        return Ok(None);
    }
    let old = before.policies.iter().find(|policy| policy.id == place.id).map(|policy| &policy.rules);
    let same = old.is_some_and(|old| {
        old.single_sign_on && old.single_sign_on_connection == new.single_sign_on_connection
    });
    if same {
        return Ok(None);
    }
    let actor = acting_account(ctx, tx, organization)?;
    enforcement::cannot_enforce(ctx, tx, organization, new.single_sign_on_connection, actor)
}

/// The organization's policies as they would be with `content`.
pub(crate) fn with(
    before: &Landscape,
    place: &Place,
    content: &Content,
    by: &str,
    now: Timestamp,
) -> Landscape {
    let mut after = before.clone();
    after.policies.retain(|policy| policy.id != place.id);
    after.groups.remove(&place.id);
    after.accounts.remove(&place.id);
    if content.deleted {
        return after;
    }
    after.policies.push(InForce {
        id: place.id,
        name: content.name.clone(),
        applies_to: place.applies_to,
        directory: place.directory,
        version: place.version + 1,
        rules: content.rules.clone(),
        decided_by: by.to_owned(),
        decided_at: now,
        staged: None,
    });
    after.groups.insert(place.id, content.groups.clone());
    after.accounts.insert(place.id, content.accounts.clone());
    after
}

/// Whether whoever acts could not send the next request under `after`: says so in a sentence.
pub(crate) fn locks_out(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
    after: &Landscape,
) -> Result<Option<String>, DbError> {
    // Somebody at the server, or the program itself, sends no requests through a network.
    if matches!(ctx.actor, Actor::Operator | Actor::System(_) | Actor::Anonymous) {
        return Ok(None);
    }
    let account = acting_account(ctx, tx, organization)?;
    let rules = match account {
        Some(account) => {
            let outside = tx.scalar(&sql::OUTSIDE, params![organization, account])?.unwrap_or(true);
            let (_, mut person) = around(tx, organization, account, outside)?;
            // `around` looks up only what the policies of today ask for.
            person.groups = groups_of(tx, organization, account)?;
            person.directory = directories::of_account(tx, organization, account)?;
            after.rules_for(&person)
        }
        None => {
            let default = after.policies.iter().find(|policy| policy.applies_to == AppliesTo::Default);
            default.map_or(Rules::RECOMMENDED, |policy| policy.rules.clone())
        }
    };
    if takes(&rules, ctx.origin.ip) {
        return Ok(None);
    }
    let from = ctx.origin.ip.map_or_else(|| "an unknown address".to_owned(), |ip| format!("`{ip}`"));
    Ok(Some(format!("you come from {from}, which the list does not hold: add your own network first")))
}

/// Whether a policy names an owner, by account, by a group or as one of a directory's people, as it is or as it would be.
pub(crate) fn concerns_owners(
    tx: &mut ReadTx,
    organization: OrganizationId,
    before: &Landscape,
    place: &Place,
    content: &Content,
) -> Result<bool, DbError> {
    match place.applies_to {
        AppliesTo::Named => {}
        AppliesTo::Directory => {
            for owner in owners(tx, organization)? {
                if directories::of_account(tx, organization, owner)? == place.directory {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        AppliesTo::Default | AppliesTo::Outside => return Ok(false),
    }
    let accounts = before.accounts.get(&place.id).into_iter().flatten().chain(&content.accounts);
    let accounts: BTreeSet<AccountId> = accounts.copied().collect();
    let groups = before.groups.get(&place.id).into_iter().flatten().chain(&content.groups);
    let groups: BTreeSet<GroupId> = groups.copied().collect();
    for owner in owners(tx, organization)? {
        if accounts.contains(&owner) || !groups_of(tx, organization, owner)?.is_disjoint(&groups) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn owners(tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<AccountId>, DbError> {
    tx.list(&sql::OWNERS, params![organization], |row| row.get(0))
}

/// Whether whoever acts decides about owners.
pub(crate) fn over_owners(ctx: &Ctx, tx: &mut ReadTx, organization: OrganizationId) -> Result<bool, DbError> {
    match &ctx.actor {
        Actor::Operator | Actor::System(_) => Ok(true),
        Actor::Anonymous => Ok(false),
        Actor::Account(account) => {
            let member = principals::membership(tx, organization, *account)?;
            let member = member.filter(|member| member.state == MembershipState::Active);
            Ok(member.is_some_and(|member| member.role.may(Permission::OrganizationManage)))
        }
        Actor::ApiToken { token, .. } => {
            let token = crate::api_tokens::ApiTokenId::from_uuid(*token);
            let scopes: Option<String> = tx.scalar(&sql::TOKEN_SCOPES, params![organization, token])?;
            let needed = Permission::OrganizationManage.as_str();
            Ok(scopes.is_some_and(|scopes| scopes.split_whitespace().any(|scope| scope == needed)))
        }
    }
}

/// The person who acts, or who made the token that does.
fn acting_account(
    ctx: &Ctx,
    tx: &mut ReadTx,
    organization: OrganizationId,
) -> Result<Option<AccountId>, DbError> {
    match &ctx.actor {
        Actor::Account(account) => Ok(Some(*account)),
        Actor::ApiToken { token, .. } => {
            let token = crate::api_tokens::ApiTokenId::from_uuid(*token);
            Ok(tx.scalar(&sql::TOKEN_MAKER, params![organization, token])?.unwrap_or(None))
        }
        Actor::Operator | Actor::System(_) | Actor::Anonymous => Ok(None),
    }
}

fn groups_of(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
) -> Result<BTreeSet<GroupId>, DbError> {
    let found = tx.list(&sql::GROUPS_OF, params![organization, account], |row| row.get(0))?;
    Ok(found.into_iter().collect())
}

/// Puts `content` in force. `seen` is the version the caller decided on.
pub fn decide_policy(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    target: Target,
    seen: Option<u64>,
    content: &Content,
) -> Result<Commit<Decided>, DbError> {
    organizations::lock(tx, organization)?;
    let place = match place(ctx, tx, organization, target)? {
        Ok(place) => place,
        Err(refusal) => return Ok(Commit::unchanged(refusal)),
    };
    if seen.is_some_and(|seen| seen != place.version) {
        return Ok(Commit::unchanged(Decided::ChangedMeanwhile));
    }
    if content.deleted && place.applies_to == AppliesTo::Default {
        return Ok(Commit::unchanged(refused(
            "policy",
            "the default policy stays: change its rules instead",
        )));
    }
    let action = match (content.deleted, place.version) {
        (true, _) => "policy.deleted",
        (false, 0) if place.applies_to != AppliesTo::Default => "policy.created",
        _ => "policy.decided",
    };
    put(ctx, tx, organization, by, &place, content, action)
}

/// The default policy's rules. `seen` is the version the caller decided on.
pub fn decide(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    seen: Option<u64>,
    rules: Rules,
) -> Result<Commit<Decided>, DbError> {
    let target = Target::Existing(default_id(organization));
    decide_policy(ctx, tx, organization, by, target, seen, &Content::of(DEFAULT_NAME, rules))
}

/// Puts the version before back in force, as a new version, with its assignments; also of a deleted policy. Sessions
/// that were shortened stay so.
pub(crate) fn undo(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    id: PolicyId,
) -> Result<Commit<Decided>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(place) = find(tx, organization, id)? else {
        return Ok(Commit::unchanged(Decided::NoSuchPolicy));
    };
    let before = place.version.saturating_sub(1);
    let before: Option<String> = tx.scalar(&sql::VERSION, params![organization, id, before])?;
    let Some(before) = before else { return Ok(Commit::unchanged(Decided::NothingToUndo)) };
    put(ctx, tx, organization, by, &place, &Content::read(&before)?, "policy.undone")
}

/// Checks and writes a version. The organization is locked.
pub(crate) fn put(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    by: &str,
    place: &Place,
    content: &Content,
    action: &'static str,
) -> Result<Commit<Decided>, DbError> {
    let wrong = check(place.applies_to, content);
    if !wrong.is_empty() {
        return Ok(Commit::unchanged(Decided::Refused(wrong)));
    }
    if tx.first(&sql::ROLLOUT_RUNNING, params![organization, place.id])?.is_some() {
        return Ok(Commit::unchanged(Decided::RolloutRunning));
    }
    let key = content.name.to_lowercase();
    if !content.deleted
        && tx.first(&sql::NAME_TAKEN, params![organization, key.as_str(), place.id])?.is_some()
    {
        return Ok(Commit::unchanged(refused("name", "another policy has this name: choose another one")));
    }
    let before = landscape(tx, organization)?;
    if concerns_owners(tx, organization, &before, place, content)? && !over_owners(ctx, tx, organization)? {
        return Ok(Commit::unchanged(Decided::OwnersOnly));
    }
    if let Some(why) = cannot_enforce(ctx, tx, organization, &before, place, content)? {
        return Ok(Commit::unchanged(refused("single_sign_on", why)));
    }
    let after = with(&before, place, content, by, ctx.now);
    if let Some(why) = locks_out(ctx, tx, organization, &after)? {
        return Ok(Commit::unchanged(Decided::LocksYouOut(why)));
    }
    let (version, text, rules) = (place.version + 1, content.text()?, content.rules.text()?);
    let row = params![organization, place.id, version, text.as_str(), by, ctx.now];
    if tx.execute(&sql::INSERT_VERSION, row)? == 0 {
        return Ok(Commit::unchanged(Decided::ChangedMeanwhile));
    }
    let row = params![
        organization,
        place.id,
        content.name.as_str(),
        key,
        place.applies_to.as_str(),
        version,
        rules.as_str(),
        content.rules.narrows(),
        by,
        ctx.now,
        content.deleted,
        place.directory
    ];
    tx.execute(&sql::PUT, row)?;
    assign(tx, organization, place.id, content)?;
    let shortened = tighten_sessions(ctx, tx, organization)?;
    let event = Event::new(organization, action)
        .target("policy", place.id)
        .with("version", version)
        .with("name", &content.name)
        .with("rules", &rules)
        .with("groups", content.groups.len())
        .with("people", content.accounts.len())
        .with("sessions_shortened", shortened)
        .personal("by", by);
    let event = match place.directory {
        Some(directory) => event.with("directory", directory),
        None => event,
    };
    let recorded = tx.record(event);
    Ok(Commit::changed(Decided::Done(place.id), recorded))
}

fn assign(tx: &mut Tx, organization: OrganizationId, id: PolicyId, content: &Content) -> Result<(), DbError> {
    tx.execute(&sql::CLEAR_GROUPS, params![organization, id])?;
    tx.execute(&sql::CLEAR_ACCOUNTS, params![organization, id])?;
    if content.deleted {
        return Ok(());
    }
    let groups = content.groups.iter().map(|group| params![organization, id, *group].to_vec()).collect();
    tx.execute_many(&sql::ADD_GROUP, groups)?;
    let accounts =
        content.accounts.iter().map(|account| params![organization, id, *account].to_vec()).collect();
    tx.execute_many(&sql::ADD_ACCOUNT, accounts)?;
    Ok(())
}

/// Holds running sessions against what the policies now say: ends or shortens those that are too long, restricts those
/// that proved too little. Gives how many sessions it ended or shortened.
pub(crate) fn tighten_sessions(ctx: &Ctx, tx: &mut Tx, organization: OrganizationId) -> Result<u64, DbError> {
    let signed_in: Vec<AccountId> =
        tx.list(&sql::SIGNED_IN, params![organization, ctx.now], |row| row.get(0))?;
    let mut shortened = 0;
    for account in signed_in {
        // Of all their organizations: what another one asks for stays asked for.
        let super::Effective { rules, session_factor } = super::for_session(tx, account, ctx.now)?;
        let session = rules.session();
        let row = params![account, micros(session.idle), micros(session.absolute)];
        shortened += tx.execute(&sql::SHORTEN, row)?;
        sessions::recheck(tx, account, session_factor)?;
        if rules.single_sign_on {
            shortened += enforcement::end_others(ctx, tx, account)?;
        }
    }
    Ok(shortened)
}
