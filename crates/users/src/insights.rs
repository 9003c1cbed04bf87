//! Insights: how many people an organization has, how they sign in, which products they use, and how that grows.
//!
//! It promises:
//! - **A figure is a count of what is there**, made by [`count`] alone, for the page and for the history alike. Nothing is
//!   carried on from the figure before, so that one that is wrong is right again at the next count.
//! - **A figure has a time.** What is shown says when it was counted; a day that was not counted is left out, not guessed.
//! - **No names.** The history holds numbers of an organization; the provider sees sums, and who grew.
//!
//! A job counts everybody every half hour (`jobs`) into a row for the current day. People are counted by parts of
//! `PART`, so that no statement is long, whatever the size of an organization.

use std::collections::BTreeMap;
use std::time::Duration;

use platform::db::{DbError, ReadTx, Row, Tx};
use platform::ids::{AccountId, Id, OrganizationId};
use platform::params;
use platform::time::{DAY, Timestamp};

use crate::domains::{self, Used};
use crate::products::ProductId;
use crate::single_sign_on::enforcement;

pub(crate) mod api;
pub(crate) mod evidence;
mod export;
pub(crate) mod jobs;
pub(crate) mod pages;
mod sql;
#[cfg(test)]
mod tests;

/// Memberships that one statement counts; few in tests, so that there are several parts.
const PART: u32 = if cfg!(test) { 3 } else { 20_000 };
/// Up to so many people a page counts while somebody waits; of more it shows what the job counted last.
const LIVE_PEOPLE_MAX: u64 = 20_000;
/// How long the history goes back.
pub const KEPT_DAYS: u32 = 400;
/// Mail domains that are listed, the most used first.
const DOMAINS_MAX: u32 = 200;

/// Declares the figures once: their names stand in the API, in exports and, in this order, in the table.
macro_rules! figures {
    ($($(#[$meta:meta])* $name:ident),+ $(,)?) => {
        /// What is counted of an organization.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
        #[schema(as = InsightFigures)]
        pub struct Figures { $($(#[$meta])* pub $name: u64),+ }

        impl Figures {
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            pub fn values(&self) -> Vec<u64> {
                vec![$(self.$name),+]
            }

            /// Reads them from this column on.
            fn read(row: &Row, column: usize) -> Result<Self, DbError> {
                let mut columns = column..;
                let mut next = || columns.next().unwrap_or(usize::MAX);
                Ok(Self { $($name: row.get(next())?),+ })
            }
        }
    };
}

figures! {
    /// People with access: an active membership and an active account.
    people,
    /// Of them, those who used a session in the 24 hours before the count.
    active_day,
    /// In the 7 days before.
    active_week,
    /// In the 30 days before.
    active_month,
    /// Sessions that they started on this day.
    sign_ins,
    /// With an authenticator app or a passkey.
    second_factor,
    passkey,
    /// Linked through a connection, or kept by a linked directory.
    single_sign_on,
    /// A policy lets them in through the identity provider alone.
    enforced,
    /// Their accounts are managed by the organization.
    managed,
    /// Their addresses are at no verified domain.
    outside,
    /// Open invitations.
    invited,
}

/// People of an organization who signed in to a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductUse {
    pub product: ProductId,
    /// As the product is called now.
    pub title: String,
    pub active_week: u64,
    pub active_month: u64,
}

/// What was counted at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub at: Timestamp,
    pub figures: Figures,
    /// By name.
    pub products: Vec<ProductUse>,
    /// Sign-ins of the day before, which has ended.
    sign_ins_before: u64,
}

/// When the day of a time begins, UTC.
pub fn day_of(at: Timestamp) -> Timestamp {
    let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(at.micros().div_euclid(day).saturating_mul(day))
}

fn days(count: u32) -> Duration {
    DAY * count
}

/// Counts an organization as it is now.
pub fn count(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Counted, DbError> {
    let (mut figures, mut before) = (Figures::default(), 0);
    let mut products = BTreeMap::new();
    let mut after = vec![0; 16];
    loop {
        let end: Option<AccountId> =
            tx.scalar(&sql::BOUNDARY, params![organization, after.clone(), PART - 1])?;
        let until = end.map_or_else(|| vec![0xff; 16], |account| account.bytes().to_vec());
        before += count_part(tx, organization, (&after, &until), now, &mut figures)?;
        count_products(tx, organization, (&after, &until), now, &mut products)?;
        if end.is_none() {
            break;
        }
        after = until;
    }
    figures.enforced = enforcement::count(tx, organization, now)?;
    figures.invited = tx.scalar(&sql::INVITED, params![organization, now])?.unwrap_or(0);
    let mut products: Vec<ProductUse> = products.into_values().collect();
    products.sort_by(|one, other| (&one.title, one.product).cmp(&(&other.title, other.product)));
    Ok(Counted { at: now, figures, products, sign_ins_before: before })
}

/// Adds the people of one part; gives their sign-ins of the day before.
fn count_part(
    tx: &mut ReadTx,
    organization: OrganizationId,
    (after, until): (&[u8], &[u8]),
    now: Timestamp,
    to: &mut Figures,
) -> Result<u64, DbError> {
    let today = day_of(now);
    let found = tx.first(
        &sql::COUNT,
        params![
            organization,
            after,
            until,
            now.minus(DAY),
            now.minus(days(7)),
            now.minus(days(30)),
            today.minus(DAY),
            today
        ],
    )?;
    let Some(row) = found else { return Ok(0) };
    to.people += row.get::<u64>(0)?;
    to.active_day += row.get::<u64>(1)?;
    to.active_week += row.get::<u64>(2)?;
    to.active_month += row.get::<u64>(3)?;
    to.sign_ins += row.get::<u64>(4)?;
    to.second_factor += row.get::<u64>(5)?;
    to.passkey += row.get::<u64>(6)?;
    to.single_sign_on += row.get::<u64>(7)?;
    to.managed += row.get::<u64>(8)?;
    to.outside += row.get::<u64>(9)?;
    row.get(10)
}

fn count_products(
    tx: &mut ReadTx,
    organization: OrganizationId,
    (after, until): (&[u8], &[u8]),
    now: Timestamp,
    to: &mut BTreeMap<ProductId, ProductUse>,
) -> Result<(), DbError> {
    let since = params![organization, after, until, now.minus(days(30)), now.minus(days(7))];
    for row in tx.query(&sql::COUNT_PRODUCTS, since)? {
        let product: ProductId = row.get(0)?;
        let title: String = row.get(1)?;
        let found =
            to.entry(product).or_insert(ProductUse { product, title, active_week: 0, active_month: 0 });
        found.active_week += row.get::<u64>(2)?;
        found.active_month += row.get::<u64>(3)?;
    }
    Ok(())
}

/// Writes what was counted into the row of its day. The first count of a day also ends the day before.
pub(crate) fn keep(tx: &mut Tx, organization: OrganizationId, counted: &Counted) -> Result<(), DbError> {
    let day = day_of(counted.at);
    if tx.first(&sql::KNOWN, params![organization, day])?.is_none() {
        tx.execute(&sql::END_DAY, params![organization, day.minus(DAY), counted.sign_ins_before])?;
    }
    let mut row = params![organization, day].to_vec();
    row.extend(counted.figures.values().into_iter().map(Into::into));
    row.push(counted.at.into());
    tx.execute(&sql::PUT, &row)?;
    tx.execute(&sql::CLEAR_PRODUCTS, params![organization, day])?;
    let rows = counted
        .products
        .iter()
        .map(|one| params![organization, day, one.product, one.active_week, one.active_month].to_vec());
    tx.execute_many(&sql::PUT_PRODUCT, rows.collect())?;
    Ok(())
}

/// Sums what was counted at `at` over all customers, and forgets what is too old.
pub(crate) fn finish(tx: &mut Tx, at: Timestamp) -> Result<(), DbError> {
    let day = day_of(at);
    tx.execute(&sql::PUT_TOTAL, params![day, at])?;
    tx.execute(&sql::END_TOTAL, params![day.minus(DAY)])?;
    let oldest = day.minus(days(KEPT_DAYS));
    tx.execute(&sql::FORGET_DAYS, params![oldest])?;
    tx.execute(&sql::FORGET_TOTALS, params![oldest])?;
    Ok(())
}

/// The figures of one day, as they were last counted on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    pub day: Timestamp,
    pub counted_at: Timestamp,
    pub figures: Figures,
}

fn read_day(row: &Row) -> Result<Day, DbError> {
    Ok(Day { day: row.get(0)?, counted_at: row.get(1)?, figures: Figures::read(row, 2)? })
}

/// The use of one product on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductDay {
    pub day: Timestamp,
    pub product: ProductUse,
}

fn read_product_day(row: &Row) -> Result<ProductDay, DbError> {
    let product = ProductUse {
        product: row.get(1)?,
        title: row.get(2)?,
        active_week: row.get(3)?,
        active_month: row.get(4)?,
    };
    Ok(ProductDay { day: row.get(0)?, product })
}

/// The days of a period that were counted, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    pub days: Vec<Day>,
    pub products: Vec<ProductDay>,
}

/// The first of the last so many days.
fn first_day(now: Timestamp, period: u32) -> Timestamp {
    day_of(now).minus(days(period.saturating_sub(1)))
}

pub fn history(
    tx: &mut ReadTx,
    organization: OrganizationId,
    period: u32,
    now: Timestamp,
) -> Result<History, DbError> {
    let since = first_day(now, period);
    Ok(History {
        days: tx.list(&sql::DAYS, params![organization, since], read_day)?,
        products: tx.list(&sql::PRODUCT_DAYS, params![organization, since], read_product_day)?,
    })
}

/// What an organization looks like now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub counted: Counted,
    /// Counted for whoever asked; else the job's last count.
    pub live: bool,
    /// Mail domains of people here that are not verified, the most used first.
    pub unverified: Vec<Used>,
}

pub fn picture(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Picture, DbError> {
    let last = tx.first(&sql::LAST_DAY, params![organization])?.as_ref().map(read_day).transpose()?;
    let large = last.filter(|last| last.figures.people > LIVE_PEOPLE_MAX);
    let counted = match large {
        Some(last) => Counted {
            at: last.counted_at,
            figures: last.figures,
            products: tx
                .list(&sql::PRODUCT_DAYS, params![organization, last.day], read_product_day)?
                .into_iter()
                .map(|one| one.product)
                .collect(),
            sign_ins_before: 0,
        },
        None => count(tx, organization, now)?,
    };
    let unverified = domains::used(tx, organization, DOMAINS_MAX)?
        .into_iter()
        .filter(|one| one.state != Some(domains::State::Verified))
        .collect();
    Ok(Picture { counted, live: large.is_none(), unverified })
}

/// A day over all customers. Somebody in two organizations is counted in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Total {
    pub day: Timestamp,
    pub counted_at: Timestamp,
    pub organizations: u64,
    pub people: u64,
    pub active_day: u64,
    pub active_week: u64,
    pub active_month: u64,
    pub sign_ins: u64,
    pub second_factor: u64,
    pub single_sign_on: u64,
}

fn read_total(row: &Row) -> Result<Total, DbError> {
    Ok(Total {
        day: row.get(0)?,
        counted_at: row.get(1)?,
        organizations: row.get(2)?,
        people: row.get(3)?,
        active_day: row.get(4)?,
        active_week: row.get(5)?,
        active_month: row.get(6)?,
        sign_ins: row.get(7)?,
        second_factor: row.get(8)?,
        single_sign_on: row.get(9)?,
    })
}

/// A customer whose people became more or fewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mover {
    pub slug: String,
    pub title: String,
    pub people: u64,
    pub people_before: u64,
    pub active_month: u64,
}

fn read_mover(row: &Row) -> Result<Mover, DbError> {
    Ok(Mover {
        slug: row.get(0)?,
        title: row.get(1)?,
        people: row.get(2)?,
        people_before: row.get(3)?,
        active_month: row.get(4)?,
    })
}

/// How an installation grows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Growth {
    pub days: Vec<Total>,
    /// The day that the movers are compared with.
    pub compared_with: Option<Timestamp>,
    pub grew: Vec<Mover>,
    pub shrank: Vec<Mover>,
}

pub fn growth(tx: &mut ReadTx, period: u32, now: Timestamp) -> Result<Growth, DbError> {
    const MOVERS: u32 = 10;
    let since = first_day(now, period);
    let days = tx.list(&sql::TOTALS, params![since], read_total)?;
    let mut found = Growth { days, compared_with: None, grew: Vec::new(), shrank: Vec::new() };
    let Some(last) = found.days.last().map(|total| total.day) else { return Ok(found) };
    let earlier: Option<Timestamp> = tx.scalar(&sql::DAY_BEFORE, params![since])?;
    let earlier = match earlier {
        Some(day) => Some(day),
        None => tx.scalar(&sql::FIRST_DAY, &[])?,
    };
    if let Some(earlier) = earlier.filter(|day| *day < last) {
        found.compared_with = Some(earlier);
        found.grew = tx.list(&sql::GREW, params![last, earlier, MOVERS], read_mover)?;
        found.shrank = tx.list(&sql::SHRANK, params![last, earlier, MOVERS], read_mover)?;
    }
    Ok(found)
}
