//! Figures as a file: CSV for spreadsheets, JSON for programs. Both hold the same days.

use std::collections::BTreeMap;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use platform::time::Timestamp;
use platform::web::Problem;
use serde::Serialize;

use super::{Figures, Growth, History};
use crate::people::export::cell;
use crate::products::ProductId;

/// In which form a file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Csv,
    Json,
}

impl Format {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(Problem::invalid("`format` is neither `csv` nor `json`").field("format", "csv or json")),
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

/// `2026-11-26`
pub(super) fn date(day: Timestamp) -> String {
    day.rfc3339().chars().take(10).collect()
}

fn broken(error: impl ToString) -> Problem {
    tracing::error!(error = error.to_string(), "an export of figures cannot be written");
    Problem::internal()
}

fn csv_of(rows: impl IntoIterator<Item = Vec<String>>) -> Result<Vec<u8>, Problem> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(&row).map_err(broken)?;
    }
    writer.into_inner().map_err(broken)
}

/// A line for each day; each product of the period has a column with its people of 30 days.
pub(super) fn history_csv(history: &History) -> Result<Vec<u8>, Problem> {
    let titles: BTreeMap<ProductId, &str> =
        history.products.iter().map(|one| (one.product.product, one.product.title.as_str())).collect();
    let used: BTreeMap<(Timestamp, ProductId), u64> = history
        .products
        .iter()
        .map(|one| ((one.day, one.product.product), one.product.active_month))
        .collect();
    let mut head: Vec<String> = ["day", "counted_at"].map(str::to_owned).to_vec();
    head.extend(Figures::NAMES.iter().map(|name| (*name).to_owned()));
    head.extend(titles.values().map(|title| format!("active_month at {}", cell(title))));
    let lines = history.days.iter().map(|one| {
        let mut line = vec![date(one.day), one.counted_at.rfc3339()];
        line.extend(one.figures.values().iter().map(ToString::to_string));
        let at = |product: &ProductId| used.get(&(one.day, *product)).copied().unwrap_or(0);
        line.extend(titles.keys().map(|product| at(product).to_string()));
        line
    });
    csv_of(std::iter::once(head).chain(lines))
}

/// A line for each day over all customers.
pub(super) fn growth_csv(growth: &Growth) -> Result<Vec<u8>, Problem> {
    let head = [
        "day",
        "counted_at",
        "organizations",
        "people",
        "active_day",
        "active_week",
        "active_month",
        "sign_ins",
        "second_factor",
        "single_sign_on",
    ];
    let lines = growth.days.iter().map(|one| {
        let mut line = vec![date(one.day), one.counted_at.rfc3339()];
        let figures = [
            one.organizations,
            one.people,
            one.active_day,
            one.active_week,
            one.active_month,
            one.sign_ins,
            one.second_factor,
            one.single_sign_on,
        ];
        line.extend(figures.map(|figure| figure.to_string()));
        line
    });
    csv_of(std::iter::once(head.map(str::to_owned).to_vec()).chain(lines))
}

pub(super) fn json(view: &impl Serialize) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec_pretty(view).map_err(broken)
}

/// The answer that a browser keeps as `NAME.csv`.
pub(super) fn file(name: &str, format: Format, bytes: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, format.kind().to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.{}\"", format.ending())),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, bytes).into_response()
}
