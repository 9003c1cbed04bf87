//! The table of duties: every responsibility of the shared-responsibility paper and its six threats, in its order.
//!
//! Promises: an id never changes its meaning and never disappears (`rows/ids.txt` pins them); each half either names
//! the page of its control or says that the control is not built; the wording is ours. Source: the paper's four
//! shared areas with two sides each (41 duties) and its section on threats (6 rows with a half on each side).
//!
//! To add a control: build it, export its `EvidenceSource`, turn the half's [`Control::NotBuilt`] into
//! [`Control::Built`], and regenerate `docs/reference/rows.md` (`rows/reference.rs` says how). [`check_sources`]
//! refuses to start an installation in which a built half has no evidence.

use std::time::Duration;

use platform::evidence::Side;
use platform::time::{DAY, HOUR};
use serde::{Deserialize, Serialize};

pub mod applies;
mod apps;
mod information;
mod policy;
pub mod reference;
mod threats;
mod users;

#[cfg(test)]
mod tests;

pub use applies::{Applicability, Applies, OrganizationFacts};

/// Version of the table. Moving a duty to the customer is a new major version, announced and acknowledged.
pub const VERSION: &str = "1.0";

/// Evidence without a closer bound lives this long: the nightly full run renews it with two hours to spare.
pub const NIGHTLY: Duration = Duration::from_secs(26 * 3600);

/// The paper's chapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowArea {
    PolicyAndCompliance,
    Users,
    Information,
    MarketplaceApps,
    Threats,
}

impl RowArea {
    pub const ALL: [RowArea; 5] =
        [Self::PolicyAndCompliance, Self::Users, Self::Information, Self::MarketplaceApps, Self::Threats];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PolicyAndCompliance => "policy_and_compliance",
            Self::Users => "users",
            Self::Information => "information",
            Self::MarketplaceApps => "marketplace_apps",
            Self::Threats => "threats",
        }
    }

    pub const fn title(self) -> &'static str {
        match self {
            Self::PolicyAndCompliance => "Policy and compliance",
            Self::Users => "Users",
            Self::Information => "Information",
            Self::MarketplaceApps => "Marketplace apps",
            Self::Threats => "Threats",
        }
    }

    /// What the area is about, in one clause.
    pub const fn about(self) -> &'static str {
        match self {
            Self::PolicyAndCompliance => {
                "the platform fits the need and is run within the law and the agreed rules"
            }
            Self::Users => "who has an account, how they sign in and what they may reach",
            Self::Information => "what people keep here, who can open it and how it comes back after a loss",
            Self::MarketplaceApps => "software of others that is given access to the information",
            Self::Threats => "both sides, each with detector, play and drill",
        }
    }
}

/// Which sides a row binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sides {
    Provider,
    Customer,
    Both,
}

/// One duty, or one threat with a half on each side.
#[derive(Debug)]
pub struct Row {
    /// Stable for ever, e.g. `USR-C1`.
    pub id: &'static str,
    pub area: RowArea,
    /// At most 45 characters.
    pub title: &'static str,
    /// The duty in one sentence of our own.
    pub duty: &'static str,
    pub halves: Halves,
}

#[derive(Debug)]
pub enum Halves {
    Provider(Half),
    Customer(Half),
    Both { provider: Half, customer: Half },
}

/// What one side has to do and how the matrix sees it: the definition of a cell.
#[derive(Debug)]
pub struct Half {
    title: Option<&'static str>,
    pub control: Control,
    pub wording: Wording,
    pub applies: Applies,
    /// The provider's cell without which this half cannot be met.
    pub waits_for: Option<&'static str>,
    /// How old evidence may get before the cell is stale.
    pub time_to_live: Duration,
    pub drill: Option<DrillSpec>,
    /// Whether a named person may vouch for what no program here can see.
    pub attestable: bool,
    /// Whether a provider's half differs from one organization to the next. Else it is evaluated once for all.
    pub per_organization: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Wording {
    /// What the software does so that the duty can be met.
    pub control: &'static str,
    /// The live facts that let the cell be held.
    pub met_when: &'static str,
    /// The shortest honest way to turn it red.
    pub break_hint: &'static str,
}

/// Whether there is a feature behind the half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Somebody can use it on `page`; an `EvidenceSource` must be registered.
    Built {
        page: Page,
        /// The part of the duty that the evidence does not look at yet; shown beside the cell.
        not_yet: Option<&'static str>,
    },
    /// The cell says `unknown: not built` and never counts as held.
    NotBuilt { planned: &'static str },
}

/// A console path; `{organization}` stands for the organization's slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page(pub &'static str);

impl Page {
    pub fn href(self, organization: &str) -> String {
        self.0.replace("{organization}", organization)
    }
}

/// A probe that attacks the control with a canary and must fail to get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrillSpec {
    /// Stable, kebab-case, e.g. `forged-domain-proof`.
    pub id: &'static str,
    /// What is tried and how it must end.
    pub attack: &'static str,
    pub every: Duration,
    /// How long a pass counts.
    pub time_to_live: Duration,
}

impl Half {
    pub(crate) const fn new(control: Control, wording: Wording) -> Self {
        Self {
            title: None,
            control,
            wording,
            applies: Applies::Always,
            waits_for: None,
            time_to_live: NIGHTLY,
            drill: None,
            attestable: false,
            per_organization: false,
        }
    }

    const fn titled(mut self, title: &'static str) -> Self {
        self.title = Some(title);
        self
    }

    const fn applies(mut self, applies: Applies) -> Self {
        self.applies = applies;
        self
    }

    const fn waits_for(mut self, provider_row: &'static str) -> Self {
        self.waits_for = Some(provider_row);
        self
    }

    const fn fresh_for(mut self, time_to_live: Duration) -> Self {
        self.time_to_live = time_to_live;
        self
    }

    const fn drilled(mut self, drill: DrillSpec) -> Self {
        self.drill = Some(drill);
        self
    }

    const fn attestable(mut self) -> Self {
        self.attestable = true;
        self
    }

    const fn per_organization(mut self) -> Self {
        self.per_organization = true;
        self
    }

    /// Whether the half of `side` says the same to every organization: it stands once, under the provider.
    pub const fn is_shared(&self, side: Side) -> bool {
        matches!(side, Side::Provider) && !self.per_organization
    }

    pub const fn is_built(&self) -> bool {
        matches!(self.control, Control::Built { .. })
    }

    pub const fn page(&self) -> Option<Page> {
        match self.control {
            Control::Built { page, .. } => Some(page),
            Control::NotBuilt { .. } => None,
        }
    }
}

impl DrillSpec {
    /// Runs twice a day; a pass counts for a day, so that one missed run is forgiven.
    const fn daily(id: &'static str, attack: &'static str) -> Self {
        Self { id, attack, every: Duration::from_secs(12 * HOUR.as_secs()), time_to_live: DAY }
    }

    /// Runs every 30 days; a pass counts for 90.
    const fn quarterly(id: &'static str, attack: &'static str) -> Self {
        let day = DAY.as_secs();
        Self { id, attack, every: Duration::from_secs(30 * day), time_to_live: Duration::from_secs(90 * day) }
    }
}

impl Row {
    pub const fn sides(&self) -> Sides {
        match self.halves {
            Halves::Provider(_) => Sides::Provider,
            Halves::Customer(_) => Sides::Customer,
            Halves::Both { .. } => Sides::Both,
        }
    }

    /// The half of `side`; `None` when the row does not bind that side.
    pub const fn half(&self, side: Side) -> Option<&Half> {
        match (&self.halves, side) {
            (Halves::Provider(half), Side::Provider) | (Halves::Customer(half), Side::Customer) => Some(half),
            (Halves::Both { provider, .. }, Side::Provider) => Some(provider),
            (Halves::Both { customer, .. }, Side::Customer) => Some(customer),
            (Halves::Provider(_), Side::Customer) | (Halves::Customer(_), Side::Provider) => None,
        }
    }

    /// The halves the row has, provider first.
    pub fn cells(&'static self) -> impl Iterator<Item = (Side, &'static Half)> {
        Side::BOTH.into_iter().filter_map(|side| self.half(side).map(|half| (side, half)))
    }

    /// What the row is called in the column of `side`.
    pub fn title_of(&self, side: Side) -> &'static str {
        self.half(side).and_then(|half| half.title).unwrap_or(self.title)
    }
}

/// Every row in the paper's order: area by area, the provider's side before the customer's.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let areas: [&'static [Row]; 5] =
        [policy::ROWS, users::ROWS, information::ROWS, apps::ROWS, threats::ROWS];
    areas.into_iter().flatten()
}

/// Every cell an organization has: the halves of every row.
pub fn all_cells() -> impl Iterator<Item = (&'static Row, Side, &'static Half)> {
    all().flat_map(|row| row.cells().map(move |(side, half)| (row, side, half)))
}

pub fn find(id: &str) -> Option<&'static Row> {
    all().find(|row| row.id == id)
}

/// The registered evidence does not fit the table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error(
        "evidence is registered for `{row}` ({side}), which the table does not have: correct its id or side"
    )]
    NoSuchCell { row: String, side: Side },
    #[error("two sources of evidence are registered for `{row}` ({side}): keep one")]
    Twice { row: String, side: Side },
    #[error("`{row}` ({side}) names a control but nobody registered its evidence: export an evidence source")]
    Missing { row: String, side: Side },
}

/// Compares registered evidence with the table: each built half needs exactly one source; a half that is not built
/// may have one, which then only contributes facts.
pub fn check_sources(registered: &[(&str, Side)]) -> Result<(), Vec<SourceError>> {
    let mut errors = Vec::new();
    for (index, (row, side)) in registered.iter().enumerate() {
        let (row, side) = (*row, *side);
        if find(row).and_then(|found| found.half(side)).is_none() {
            errors.push(SourceError::NoSuchCell { row: row.to_owned(), side });
        } else if registered[..index].contains(&(row, side)) {
            errors.push(SourceError::Twice { row: row.to_owned(), side });
        }
    }
    for (row, side, half) in all_cells() {
        if half.is_built() && !registered.contains(&(row.id, side)) {
            errors.push(SourceError::Missing { row: row.id.to_owned(), side });
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}
