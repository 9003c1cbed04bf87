//! Our own key of a SAML connection changes without anybody being locked out: a new one is made and published beside the one
//! that signs; once the provider knows it, it signs; and once nothing comes for the old one any more, that goes.
//!
//! What is encrypted to either key is read all along. The secret of a connection is the private keys, the one that signs first.

use platform::db::{Commit, DbError, Tx};
use platform::ids::OrganizationId;
use platform::params;
use platform::{App, Ctx};

use super::saml::OwnKey;
use super::settings::{Other, Saml};
use super::{Connection, ConnectionId, Settings, get, saml, saved, seal, sql};
use crate::organizations;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Makes a key and publishes it beside the one that signs.
    Prepare,
    /// Signs with the new key; the old one stays published.
    Switch,
    /// Takes the key away that does not sign.
    Retire,
}

impl Step {
    pub const ALL: [Self; 3] = [Self::Prepare, Self::Switch, Self::Retire];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Prepare => "prepare",
            Self::Switch => "switch",
            Self::Retire => "retire",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|step| step.as_str() == text)
    }

    fn action(self) -> &'static str {
        match self {
            Self::Prepare => "connection.own_key_prepared",
            Self::Switch => "connection.own_key_switched",
            Self::Retire => "connection.own_key_retired",
        }
    }

    /// Whether it can be taken now.
    pub fn fits(self, settings: &Saml) -> bool {
        match (self, &settings.other_certificate) {
            (Self::Prepare, other) => other.is_none(),
            (Self::Switch, other) => other.as_ref().is_some_and(|other| !other.has_signed),
            // A new key that was made in vain goes the same way as an old one.
            (Self::Retire, other) => other.is_some(),
        }
    }
}

pub enum Rolled {
    Done(Box<Connection>),
    NoSuchConnection,
    NotSaml,
    /// It is not this step's turn.
    NotNow,
}

/// Takes one step; `new`: the key that [`Step::Prepare`] publishes, made outside the transaction.
pub fn roll(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    id: ConnectionId,
    (step, new): (Step, &OwnKey),
) -> Result<Commit<Rolled>, DbError> {
    organizations::lock(tx, organization)?;
    let Some(connection) = get(tx, organization, id)? else {
        return Ok(Commit::unchanged(Rolled::NoSuchConnection));
    };
    let Some(mut settings) = connection.settings.saml().cloned() else {
        return Ok(Commit::unchanged(Rolled::NotSaml));
    };
    if !step.fits(&settings) {
        return Ok(Commit::unchanged(Rolled::NotNow));
    }
    let mut keys = saml::private_keys(app, &connection)?;
    match step {
        Step::Prepare => {
            keys.push(new.private.clone());
            settings.other_certificate =
                Some(Other { certificate: new.certificate.clone(), has_signed: false });
        }
        Step::Switch => {
            keys.reverse();
            if let Some(other) = &mut settings.other_certificate {
                std::mem::swap(&mut settings.own_certificate, &mut other.certificate);
                other.has_signed = true;
            }
        }
        Step::Retire => {
            keys.truncate(1);
            settings.other_certificate = None;
        }
    }
    let sealed = seal(app, ctx, id, &keys.join(saml::BETWEEN_KEYS))?;
    let row = params![
        organization,
        id,
        connection.name.as_str(),
        connection.name.to_lowercase(),
        Settings::Saml(settings).text()?,
        connection.mapping.text()?,
        sealed,
        ctx.now
    ];
    tx.execute(&sql::UPDATE, row)?;
    Ok(saved(tx, organization, id, step.action())?.map(|saved| match saved {
        super::Saved::Done(connection) => Rolled::Done(connection),
        _ => Rolled::NoSuchConnection,
    }))
}
