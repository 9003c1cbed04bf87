//! Networks, enforced: at sign-in, with every request of a session and with every request of an API token.

use std::net::IpAddr;

use axum::http::StatusCode;
use platform::ctx::Actor;
use platform::db::{DbError, ReadTx};
use platform::ids::{AccountId, Id, OrganizationId};
use platform::params;
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::web::Problem;
use platform::web::access::{Credential, Visit};

use crate::factors::Level;
use crate::passwords::store;
use crate::sessions::{self, SessionId};

use super::{contributions, effective, in_organization, narrows, rules_of_token, sql, takes};

/// Nobody is kept from signing out, nor from leaving an organization.
const ALWAYS: [&str; 4] = ["session.sign_out", "member.leave", "member.leave_page", "member.leave_form"];

/// An organization does not take requests from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkRefusal {
    pub organization: OrganizationId,
    pub name: String,
}

impl NetworkRefusal {
    pub fn problem(&self, ip: Option<IpAddr>) -> Problem {
        let from = ip.map_or_else(|| "an address that is not known".to_owned(), |ip| format!("`{ip}`"));
        Problem::new(StatusCode::FORBIDDEN, "network-not-allowed", "This network is not allowed")
            .detail(format!(
                "{} takes requests only from networks on its list, and not from {from}",
                self.name
            ))
            .cure("come through your organization's network or VPN, or ask its admins to add this one")
    }
}

/// Whether an organization's policies take requests of this account from `ip`.
pub fn network_allows(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Result<bool, DbError> {
    if !narrows(tx, organization)? {
        return Ok(true);
    }
    Ok(takes(&in_organization(tx, organization, account, now)?, ip))
}

/// The same for tokens made by `maker` (`None`: by the operator).
pub fn network_allows_token(
    tx: &mut ReadTx,
    organization: OrganizationId,
    maker: Option<AccountId>,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Result<bool, DbError> {
    if !narrows(tx, organization)? {
        return Ok(true);
    }
    Ok(takes(&rules_of_token(tx, organization, maker, now)?, ip))
}

/// Who refuses this person to sign in from here: the organization that manages the account, or else all of theirs.
pub fn sign_in_network(
    tx: &mut ReadTx,
    account: AccountId,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Result<Option<NetworkRefusal>, DbError> {
    let all = contributions(tx, account, now)?;
    let refused: Vec<_> = all.iter().filter(|one| !takes(&one.rules, ip)).collect();
    let by = refused.iter().find(|one| one.manages).or_else(|| {
        let everywhere = refused.len() == all.len();
        refused.first().filter(|_| everywhere)
    });
    Ok(by.map(|one| NetworkRefusal { organization: one.organization, name: one.name.clone() }))
}

/// Why a right password does not sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Barred {
    Network(NetworkRefusal),
    /// Only an identity provider signs this person in.
    SingleSignOn,
    /// A policy asks for a new password after so many days.
    PasswordAge {
        days: u16,
    },
}

impl Barred {
    /// For the ledger.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Network(_) => "network",
            Self::SingleSignOn => "single_sign_on",
            Self::PasswordAge { .. } => "password_age",
        }
    }

    /// For the sign-in page. Shown only to somebody who knew the password.
    pub fn sentence(&self) -> String {
        match self {
            Self::Network(by) => {
                format!("{} lets people sign in only from its own networks. Use one of them.", by.name)
            }
            Self::SingleSignOn => {
                "Your organization signs its people in through its identity provider. Use “Single sign-on”."
                    .to_owned()
            }
            Self::PasswordAge { days } => format!(
                "Your organization asks for a new password after {days} days. Set one with “Forgot your password?”."
            ),
        }
    }

    pub fn problem(&self, ip: Option<IpAddr>) -> Problem {
        match self {
            Self::Network(by) => by.problem(ip),
            Self::SingleSignOn => {
                Problem::new(StatusCode::FORBIDDEN, "single-sign-on-required", "Single sign-on is required")
                    .detail(
                        "an organization of this account signs its people in through its identity provider",
                    )
                    .cure("sign in with “Single sign-on” on the sign-in page")
            }
            Self::PasswordAge { days } => {
                Problem::new(StatusCode::FORBIDDEN, "password-too-old", "This password is too old")
                    .detail(format!("an organization of this account asks for a new one after {days} days"))
                    .cure("set a new password with `/recover`")
            }
        }
    }
}

/// What a person is told whom an enforced single sign-on keeps from signing in here.
pub(crate) fn single_sign_on_problem() -> Problem {
    Barred::SingleSignOn.problem(None)
}

/// Whether the policies bar a person whose password was right.
pub fn bars_password(
    tx: &mut ReadTx,
    account: AccountId,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Result<Option<Barred>, DbError> {
    if let Some(refusal) = sign_in_network(tx, account, ip, now)? {
        return Ok(Some(Barred::Network(refusal)));
    }
    let rules = effective(tx, account, now)?;
    if rules.single_sign_on && crate::single_sign_on::enforcement::bars(tx, account, None, now)? {
        return Ok(Some(Barred::SingleSignOn));
    }
    let Some(days) = rules.password_max_age_days else { return Ok(None) };
    let set = store::find(tx, account)?.map(|stored| stored.set_at);
    let too_old = set.is_some_and(|set| now.since(set) >= DAY * u32::from(days));
    Ok(too_old.then_some(Barred::PasswordAge { days }))
}

/// What the guard asks about every request it has recognised: `Some` refuses it.
pub(crate) fn admits(tx: &mut ReadTx, visit: &Visit) -> Result<Option<Problem>, DbError> {
    let account = visit.principal.account;
    if matches!(visit.principal.credential, Credential::Session) && ALWAYS.contains(&visit.action) {
        return Ok(None);
    }
    let (organization, maker) = match (&visit.principal.credential, visit.organization) {
        (Credential::Operator, _) => return Ok(None),
        (Credential::ApiToken { organization, .. }, _) => {
            let Actor::ApiToken { token, .. } = &visit.principal.actor else { return Ok(None) };
            if !narrows(tx, *organization)? {
                return Ok(None);
            }
            let token = crate::api_tokens::ApiTokenId::from_uuid(*token);
            (*organization, tx.scalar(&sql::TOKEN_MAKER, params![*organization, token])?.unwrap_or(None))
        }
        (Credential::Session, Some(organization)) => (organization, account),
        // Pages of one's own account: guarded by whoever manages it.
        (Credential::Session, None) => {
            let manager = match account {
                Some(account) => tx.scalar(&sql::MANAGER, params![account])?.unwrap_or(None),
                None => None,
            };
            let Some(manager) = manager else { return Ok(None) };
            (manager, account)
        }
    };
    let allowed = match visit.principal.credential {
        Credential::Session => match account {
            Some(account) => network_allows(tx, organization, account, visit.ip, visit.now)?,
            None => true,
        },
        _ => network_allows_token(tx, organization, maker, visit.ip, visit.now)?,
    };
    if allowed {
        return Ok(falls_short(tx, visit)?.then(Problem::enrolment));
    }
    let name = principals::organization(tx, organization)?.map(|found| found.name).unwrap_or_default();
    tracing::info!(action = visit.action, "refused by the network list of an organization");
    Ok(Some(NetworkRefusal { organization, name }.problem(visit.ip)))
}

/// The proof that an organization asks of an account, whoever manages it.
pub fn factor_asked(
    tx: &mut ReadTx,
    organization: OrganizationId,
    account: AccountId,
    now: Timestamp,
) -> Result<Level, DbError> {
    if tx.first(&sql::ASKS_FACTOR, params![organization])?.is_none() {
        return Ok(Level::Any);
    }
    Ok(in_organization(tx, organization, account, now)?.factor)
}

/// Whether a session has proved less than the organization in the path asks for.
fn falls_short(tx: &mut ReadTx, visit: &Visit) -> Result<bool, DbError> {
    let by_session = matches!(visit.principal.credential, Credential::Session);
    let principal = Some(&visit.principal).filter(|_| by_session);
    let Some((session, account)) = principal.and_then(|one| Some((one.session?, one.account?))) else {
        return Ok(false);
    };
    let Some(organization) = visit.organization else { return Ok(false) };
    let asked = factor_asked(tx, organization, account, visit.now)?;
    if asked == Level::Any {
        return Ok(false);
    }
    let proved = sessions::standing(tx, account, SessionId::from_uuid(session))?;
    Ok(proved.is_none_or(|(level, _)| level < asked))
}
