//! Breach regimes: under which rules an organization must report a breach, and so which clocks would run.
//!
//! The organization chooses from a closed list, or says why none applies; the platform does not guess. The clocks are
//! those of the texts named by [`Regime::source`]; they say when to be ready, not what to do: that is for a lawyer.

use platform::Ctx;
use platform::db::{Commit, DbError, ReadTx, Tx};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::time::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) mod api;
mod sql;
#[cfg(test)]
mod tests;

#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    Gdpr,
    Nis2,
    Dora,
    Hipaa,
    Sec8k,
}

impl Regime {
    pub const ALL: [Regime; 5] = [Self::Gdpr, Self::Nis2, Self::Dora, Self::Hipaa, Self::Sec8k];

    pub fn code(self) -> &'static str {
        match self {
            Self::Gdpr => "gdpr",
            Self::Nis2 => "nis2",
            Self::Dora => "dora",
            Self::Hipaa => "hipaa",
            Self::Sec8k => "sec8k",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Gdpr => "GDPR",
            Self::Nis2 => "NIS2",
            Self::Dora => "DORA",
            Self::Hipaa => "HIPAA",
            Self::Sec8k => "SEC Form 8-K",
        }
    }

    /// What runs, and from when.
    pub fn clock(self) -> &'static str {
        match self {
            Self::Gdpr => "72 hours from becoming aware, to the supervisory authority",
            Self::Nis2 => {
                "24 hours for the early warning, 72 hours for the notification, from becoming aware"
            }
            Self::Dora => {
                "4 hours from classifying the incident as major, at the latest 24 hours from becoming aware"
            }
            Self::Hipaa => "60 days from discovery, to the people concerned",
            Self::Sec8k => "4 business days from finding the incident material",
        }
    }

    pub fn source(self) -> &'static str {
        match self {
            Self::Gdpr => "Regulation (EU) 2016/679, Art. 33",
            Self::Nis2 => "Directive (EU) 2022/2555, Art. 23(4)",
            Self::Dora => "Regulation (EU) 2022/2554, Art. 19; Delegated Regulation (EU) 2025/301, Art. 5",
            Self::Hipaa => "45 CFR 164.404(b)",
            Self::Sec8k => "Form 8-K, Item 1.05",
        }
    }

    pub fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|regime| regime.code() == code)
    }
}

/// What an organization decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Empty: none applies, see `reason`.
    pub regimes: Vec<Regime>,
    pub reason: String,
    pub chosen_at: Timestamp,
}

/// `None`: nobody has chosen.
pub fn chosen(tx: &mut ReadTx, organization: OrganizationId) -> Result<Option<Choice>, DbError> {
    let Some(row) = tx.first(&sql::CHOSEN, params![organization])? else { return Ok(None) };
    let codes: String = row.get(0)?;
    let regimes: Option<Vec<Regime>> = codes.split_whitespace().map(Regime::parse).collect();
    let unreadable = || DbError::Check("a stored breach regime is not readable".to_owned());
    Ok(Some(Choice { regimes: regimes.ok_or_else(unreadable)?, reason: row.get(1)?, chosen_at: row.get(2)? }))
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    Done(Choice),
    /// The member's name and what is wrong with it.
    Refused(&'static str, String),
}

/// Decides which regimes apply; none needs a reason, some need none.
pub fn choose(
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
    regimes: &[Regime],
    reason: &str,
) -> Result<Commit<Chosen>, DbError> {
    let reason = reason.trim();
    if let Some(wrong) = complaint(regimes, reason) {
        return Ok(Commit::unchanged(Chosen::Refused(wrong.0, wrong.1)));
    }
    let mut regimes = regimes.to_vec();
    regimes.sort_unstable();
    regimes.dedup();
    principals::organization_for_update(tx, organization)?;
    if let Some(before) = chosen(tx, organization)?
        && before.regimes == regimes
        && before.reason == reason
    {
        return Ok(Commit::unchanged(Chosen::Done(before)));
    }
    let codes = regimes.iter().map(|regime| regime.code()).collect::<Vec<_>>().join(" ");
    tx.execute(&sql::CHOOSE, params![organization, codes.as_str(), reason, ctx.now])?;
    let event =
        Event::new(organization, "breach_regimes.chosen").with("regimes", &codes).with("reason", reason);
    let recorded = tx.record(event);
    let choice = Choice { regimes, reason: reason.to_owned(), chosen_at: ctx.now };
    Ok(Commit::changed(Chosen::Done(choice), recorded))
}

fn complaint(regimes: &[Regime], reason: &str) -> Option<(&'static str, String)> {
    const REASON_CHARS_MAX: usize = 500;
    let wrong = |text: &str| Some(("reason", text.to_owned()));
    match (regimes.is_empty(), reason.is_empty()) {
        (true, true) => {
            Some(("regimes", "choose the rules that apply, or say in `reason` why none does".to_owned()))
        }
        (false, false) => {
            wrong("a reason why no rules apply does not go with chosen rules: leave one of them empty")
        }
        _ if reason.chars().count() > REASON_CHARS_MAX => {
            wrong(&format!("the reason is longer than {REASON_CHARS_MAX} characters: shorten it"))
        }
        _ if reason.chars().any(|c| c.is_control() && c != '\n' && c != '\r') => {
            wrong("the reason has a control character: remove it")
        }
        _ => None,
    }
}
