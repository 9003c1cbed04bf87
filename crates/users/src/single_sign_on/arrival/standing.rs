//! Making and keeping what somebody is here: account, membership, link, and the role and groups that the mapping gives.

use super::*;

/// Makes the account of somebody new.
pub(super) fn create(
    at: &Arriving<'_>,
    tx: &mut Tx,
    address: &EmailAddress,
) -> Result<(Account, Option<Recorded>), DbError> {
    let ctx = at.ctx;
    let managed = at.connection.social.is_none().then_some(at.connection.organization);
    let account = Account {
        id: ctx.id(),
        email: address.key().to_owned(),
        email_domain: address.domain().to_owned(),
        name: name_of(at, address),
        state: AccountState::Active,
        managed_by: managed,
        managed_since: managed.map(|_| ctx.now),
        created_at: ctx.now,
    };
    if !principals::insert_account(tx, &account)? {
        // Somebody was faster between the look and the insert: the transaction starts anew.
        return Err(DbError::Serialization);
    }
    let owner = match managed {
        Some(organization) => organization,
        None => sessions::provider_id(tx)?,
    };
    let created = Event::new(owner, "account.created")
        .target("account", account.id)
        .with("connection", at.connection.id)
        .personal("email", &account.email);
    let _recorded = tx.record(created);
    let recorded = link(at, tx, account.id)?;
    Ok((account, Some(recorded)))
}

fn name_of(at: &Arriving<'_>, address: &EmailAddress) -> String {
    let who = at.connection.mapping.who(&at.identity.claims);
    let named = who.name.and_then(|name| Name::parse(&name).ok());
    named.map_or_else(|| address.local().to_owned(), |name| name.as_str().to_owned())
}

/// Links an account that there is. One whose address nobody has proved loses what somebody may have prepared.
pub(super) fn adopt(
    at: &Arriving<'_>,
    tx: &mut Tx,
    mut account: Account,
) -> Result<(Account, Option<Recorded>), DbError> {
    if account.state == AccountState::Unverified {
        passwords::store::remove(tx, account.id)?;
        factors::forget(tx, account.id)?;
        let _revoked = sessions::revoke_all(at.ctx, tx, account.id, None, "single_sign_on")?;
        principals::set_account_state(tx, account.id, AccountState::Active)?;
        let organization = at.connection.organization;
        if account.managed_by.is_none() {
            principals::manage_account(tx, account.id, organization, at.ctx.now)?;
        }
        account.state = AccountState::Active;
        account.managed_by = Some(organization);
    }
    let recorded = link(at, tx, account.id)?;
    tell(at, tx, &account)?;
    Ok((account, Some(recorded)))
}

pub(crate) fn link(at: &Arriving<'_>, tx: &mut Tx, account: AccountId) -> Result<Recorded, DbError> {
    let (organization, connection) = (at.connection.organization, at.connection.id);
    let (issuer, subject) = (at.identity.issuer.as_str(), at.identity.subject.as_str());
    let row = params![organization, connection, issuer, subject, account, at.ctx.now];
    if tx.execute(&sql::INSERT_LINK, row)? != 1 {
        return Err(DbError::Serialization);
    }
    let linked = Event::new(organization, "single_sign_on.linked")
        .target("account", account)
        .with("connection", connection)
        .with("issuer", issuer)
        .personal("subject", subject);
    Ok(tx.record(linked))
}

/// Somebody who had an account before hears that there is a new way into it.
fn tell(at: &Arriving<'_>, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    let organization = principals::organization(tx, at.connection.organization)?;
    let owner = organization.map(|found| found.name).unwrap_or_default();
    let text = format!(
        "Your account {email} at {provider} can be opened through the identity provider of {owner} from now on: \
         somebody, probably you, has just signed in that way.\n\n\
         The ways into your account: {page}\n\nIf this was not you, tell the admins of {owner}.\n",
        email = account.email,
        provider = at.app.provider_name(),
        page = join(&at.app.config().public_url, super::super::pages::account::PATH),
    );
    let message = Message::text(&account.email, "A new way into your account", &text);
    mail::enqueue(at.app.keyring(), at.ctx, tx, Some(at.connection.organization), &message)
}

/// Makes somebody of the organization's own provider a member, with the role and the groups that the mapping gives.
pub(super) fn keep(at: &Arriving<'_>, tx: &mut Tx, account: &Account) -> Result<(), DbError> {
    let organization = at.connection.organization;
    let who = at.connection.mapping.who(&at.identity.claims);
    let wanted = at.connection.mapping.role_for(&who.groups);
    match principals::membership(tx, organization, account.id)? {
        None => {
            let member = Membership {
                organization,
                account: account.id,
                role: wanted.unwrap_or(Role::Member),
                state: MembershipState::Active,
                source: MembershipSource::Import,
                email: account.email.clone(),
                name: account.name.clone(),
                created_at: at.ctx.now,
            };
            principals::insert_membership(tx, &member)?;
            let _recorded = tx.record(people::added(&member).with("connection", at.connection.id));
        }
        // Owners are made and unmade by owners.
        Some(member) if member.role != Role::Owner => {
            if let Some(role) = wanted.filter(|role| *role != member.role) {
                principals::set_role(tx, organization, account.id, role)?;
                let changed = Event::new(organization, "member.role_changed")
                    .target("account", account.id)
                    .with("from", member.role.as_str())
                    .with("role", role.as_str())
                    .with("connection", at.connection.id)
                    .personal("email", &member.email);
                let _recorded = tx.record(changed);
            }
        }
        Some(_) => {}
    }
    keep_groups(at, tx, account.id, &who)
}

fn keep_groups(at: &Arriving<'_>, tx: &mut Tx, account: AccountId, who: &Who) -> Result<(), DbError> {
    let (organization, rules) = (at.connection.organization, &at.connection.mapping.groups);
    let mut groups: Vec<_> = rules.iter().map(|rule| rule.group).collect();
    groups.sort_unstable();
    groups.dedup();
    if groups.is_empty() {
        return Ok(());
    }
    let today = principals::groups_of(tx, organization, account)?;
    for group in groups {
        let belongs = rules.iter().any(|rule| rule.group == group && who.groups.contains(&rule.value));
        if belongs == today.iter().any(|one| one.id == group) {
            continue;
        }
        // Outcomes other than a change (the group is gone, or a directory fills it by now) leave it as it is.
        let _outcome = if belongs {
            crate::groups::add_member(at.ctx, tx, organization, group, account)?
        } else {
            crate::groups::remove_member(tx, organization, group, account)?
        };
    }
    Ok(())
}
