//! Does what the plan says, in one transaction.

use std::collections::HashMap;

use platform::db::{Commit, DbError, Recorded, Tx};
use platform::events::Event;
use platform::ids::{AccountId, GroupId, OrganizationId};
use platform::mail::{self, Message};
use platform::principals::{
    self, Account, AccountState, Group, Membership, MembershipSource, MembershipState, Organization,
};
use platform::{App, Ctx};

use super::{Act, Order, Outcome, Plan, Step, count, plan};
use crate::accounts::join;
use crate::people_import::csv::PersonRow;
use crate::{groups, organizations};

/// Imports everybody or nobody.
pub fn import(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    order: Order,
    rows: &[PersonRow],
) -> Result<Commit<Outcome>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(here) = principals::organization(tx, organization)? else {
        return Ok(Commit::unchanged(Outcome::Done(super::Report::default())));
    };
    let mut plan = match plan(tx, organization, order, rows, ctx.now)? {
        Ok(plan) => plan,
        Err(refused) => return Ok(Commit::unchanged(Outcome::Refused(refused))),
    };
    let report = plan.report.clone();
    if report.new_accounts + report.joining + report.group_memberships == 0 {
        return Ok(Commit::unchanged(Outcome::Done(report)));
    }
    create_groups(ctx, tx, organization, &mut plan)?;
    let members = join_people(ctx, tx, organization, &plan)?;
    put_into_groups(ctx, tx, organization, &plan, &members)?;
    if order.send_mail {
        send_mails(app, ctx, tx, &here, &plan.steps)?;
    }
    let recorded = record(tx, organization, &plan, &members);
    Ok(Commit::changed(Outcome::Done(report), recorded))
}

/// Somebody was faster between the look and the insert: the transaction starts anew.
fn all_inserted(inserted: u64, wanted: usize) -> Result<(), DbError> {
    if inserted == count(wanted) { Ok(()) } else { Err(DbError::Serialization) }
}

fn create_groups(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    plan: &mut Plan<'_>,
) -> Result<(), DbError> {
    for (key, name) in std::mem::take(&mut plan.new_groups) {
        let new = Group {
            id: ctx.id(),
            name: name.to_owned(),
            description: String::new(),
            members: 0,
            created_at: ctx.now,
        };
        if !principals::insert_group(tx, organization, &new)? {
            return Err(DbError::Serialization);
        }
        let created = Event::new(organization, "group.created").target("group", new.id).with("name", name);
        let _created = tx.record(created);
        plan.groups.insert(key, new.id);
    }
    Ok(())
}

/// Makes accounts and memberships; gives who each step is about, in order.
fn join_people(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    plan: &Plan<'_>,
) -> Result<Vec<Membership>, DbError> {
    let (mut accounts, mut memberships, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for step in &plan.steps {
        let (account, name) = match &step.act {
            Act::Create => {
                let account = new_account(ctx, step.row);
                let who = (account.id, account.name.clone());
                accounts.push(account);
                who
            }
            Act::Join { account, name, .. } => (*account, name.clone()),
            Act::Keep { account } => (*account, step.row.name.to_string()),
        };
        let member = Membership {
            organization,
            account,
            role: step.row.role.unwrap_or(platform::access::Role::Member),
            state: MembershipState::Active,
            source: MembershipSource::Import,
            email: step.row.email.key().to_owned(),
            name,
            created_at: ctx.now,
        };
        if !matches!(step.act, Act::Keep { .. }) {
            memberships.push(member.clone());
        }
        all.push(member);
    }
    all_inserted(principals::insert_accounts(tx, &accounts)?, accounts.len())?;
    all_inserted(principals::insert_memberships(tx, &memberships)?, memberships.len())?;
    Ok(all)
}

fn new_account(ctx: &Ctx, row: &PersonRow) -> Account {
    Account {
        id: ctx.id(),
        email: row.email.key().to_owned(),
        email_domain: row.email.domain().to_owned(),
        name: row.name.to_string(),
        state: AccountState::Unverified,
        managed_by: None,
        managed_since: None,
        created_at: ctx.now,
    }
}

fn group_ids<'a>(
    groups: &'a HashMap<String, GroupId>,
    step: &'a Step<'_>,
) -> impl Iterator<Item = GroupId> + 'a {
    step.groups.iter().filter_map(|key| groups.get(key).copied())
}

fn put_into_groups(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    plan: &Plan<'_>,
    members: &[Membership],
) -> Result<(), DbError> {
    let pairs: Vec<(GroupId, AccountId)> = plan
        .steps
        .iter()
        .zip(members)
        .flat_map(|(step, member)| group_ids(&plan.groups, step).map(|group| (group, member.account)))
        .collect();
    all_inserted(principals::insert_group_members(tx, organization, &pairs, ctx.now)?, pairs.len())
}

/// The mail says nothing that the file said: only who prepared the account, and where to make it one's own.
fn send_mails(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    here: &Organization,
    steps: &[Step<'_>],
) -> Result<(), DbError> {
    let provider = &app.provider_name();
    let subject = format!("{} has prepared your account at {provider}", here.name);
    let mut messages = Vec::new();
    for step in steps.iter().filter(|step| step.has_to_sign_up()) {
        let email = step.row.email.key();
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("email", email).finish();
        let link = join(&app.config().public_url, &format!("/sign-up?{query}"));
        let text = format!(
            "{} has prepared an account for you at {provider}.\n\n\
             Open this page to prove your address and choose a password:\n{link}\n\n\
             Nobody can use the account before you do that. If you do not know who this is, ignore this mail.\n",
            here.name,
        );
        messages.push(Message::text(email, &subject, &text));
    }
    mail::enqueue_many(app.keyring(), ctx, tx, Some(here.id), &messages)
}

/// One event for each person who joins, one for each membership in a group that somebody gains who was a member
/// before, and one for the whole.
fn record(tx: &mut Tx, organization: OrganizationId, plan: &Plan<'_>, members: &[Membership]) -> Recorded {
    for (step, member) in plan.steps.iter().zip(members) {
        if matches!(step.act, Act::Keep { .. }) {
            for group in group_ids(&plan.groups, step) {
                let _moved = tx.record(groups::moved(organization, "group.member_added", group, member));
            }
            continue;
        }
        let ids: Vec<String> = group_ids(&plan.groups, step).map(|group| group.to_string()).collect();
        let imported = Event::new(organization, "member.imported")
            .target("account", member.account)
            .with("role", member.role.as_str())
            .with("account", if matches!(step.act, Act::Create) { "created" } else { "existing" })
            .with("groups", ids.join(" "))
            .personal("email", &member.email);
        let _imported = tx.record(imported);
    }
    let report = &plan.report;
    let whole = Event::new(organization, "people.imported")
        .with("new_accounts", report.new_accounts)
        .with("joining", report.joining)
        .with("already_members", report.already_members)
        .with("groups_created", report.groups_created)
        .with("conflicts", report.conflicts.count());
    tx.record(whole)
}
