//! States of many things in a grid; every cell that is not held carries a mark besides its colour.

use std::fmt::Write;

use super::{Html, Part, Text, as_f64, figure, legend, shorten, state_class, table};
use crate::web::ui::State;

/// One row of a heat map: an organization and its cells in the order of the columns.
#[derive(Clone, Debug)]
pub struct HeatRow {
    pub label: String,
    /// Where a click leads; empty for none.
    pub href: String,
    pub cells: Vec<State>,
}

/// States in a grid, e.g. a page of organizations × the 47 rows. The caller pages; 100 rows a page read well.
#[derive(Clone, Debug)]
pub struct HeatMap {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<HeatRow>,
}

impl HeatMap {
    const CELL: usize = 16;
    const LEFT: usize = 180;
    const TOP: usize = 58;

    pub fn figure(&self) -> Html {
        let wide = format!(
            r#"<div class="scroll" role="region" aria-label="{}" tabindex="0">{}</div>"#,
            Text(&self.title),
            self.svg()
        );
        figure(&self.title, &format!("{wide}{}", self.legend()), &self.table(), " heat")
    }

    pub fn svg(&self) -> Html {
        let width = Self::LEFT + self.columns.len() * Self::CELL + 8;
        let height = Self::TOP + self.rows.len() * Self::CELL;
        let mut out = format!(
            r#"<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group" aria-label="{}">"#,
            Text(&self.title),
        );
        for (at, column) in self.columns.iter().enumerate() {
            let (x, y) = (Self::LEFT + at * Self::CELL + 11, Self::TOP - 6);
            put!(
                out,
                r#"<text transform="translate({x} {y}) rotate(-90)" font-size="10">{}</text>"#,
                Text(column)
            );
        }
        for (at, row) in self.rows.iter().enumerate() {
            self.put_row(&mut out, Self::TOP + at * Self::CELL, row);
        }
        out.push_str("</svg>");
        Html(out)
    }

    fn put_row(&self, out: &mut String, y: usize, row: &HeatRow) {
        let label = Text(&row.label);
        let (open, close) = if row.href.is_empty() {
            (String::from("<g>"), "</g>")
        } else {
            (format!(r#"<a href="{}" aria-label="{label}: {}">"#, Text(&row.href), row_words(row)), "</a>")
        };
        put!(out, r#"{open}<text x="0" y="{}">{}</text>"#, y + 12, Text(&shorten(&row.label, 26)));
        for (at, state) in row.cells.iter().take(self.columns.len()).enumerate() {
            let x = Self::LEFT + at * Self::CELL;
            let column = self.columns.get(at).map_or("", String::as_str);
            put!(
                out,
                r#"<rect class="f {}" x="{x}" y="{y}" width="14" height="14" rx="3"><title>{label} · {}: {}</title></rect>"#,
                state_class(*state),
                Text(column),
                state.label(),
            );
            put_mark(out, x, y, *state);
        }
        out.push_str(close);
    }

    pub fn table(&self) -> Html {
        let heads: Vec<&str> = std::iter::once("").chain(self.columns.iter().map(String::as_str)).collect();
        let rows: Vec<(String, Vec<String>)> = self
            .rows
            .iter()
            .map(|row| (row.label.clone(), row.cells.iter().map(|state| state.label().to_owned()).collect()))
            .collect();
        table(&self.title, &heads, &rows)
    }

    fn legend(&self) -> Html {
        let count =
            |state: State| self.rows.iter().flat_map(|row| &row.cells).filter(|cell| **cell == state).count();
        let parts: Vec<Part> = State::ALL
            .into_iter()
            .map(|state| Part::new(state.label(), as_f64(count(state)), state_class(state)))
            .collect();
        legend(&parts)
    }
}

/// A cell that is not held carries a mark, so that colour is never the only sign.
fn put_mark(out: &mut String, x: usize, y: usize, state: State) {
    match state {
        State::Gap => {
            put!(out, r#"<rect class="m" x="{}" y="{}" width="2" height="8" rx="1"/>"#, x + 6, y + 3)
        }
        State::Stale => put!(out, r#"<circle class="m" cx="{}" cy="{}" r="2.5"/>"#, x + 7, y + 7),
        State::Blocked => {
            put!(out, r#"<rect class="m" x="{}" y="{}" width="2" height="7"/>"#, x + 4, y + 4);
            put!(out, r#"<rect class="m" x="{}" y="{}" width="2" height="7"/>"#, x + 8, y + 4);
        }
        State::Accepted | State::Attested => {
            put!(out, r#"<rect class="m" x="{}" y="{}" width="8" height="2" rx="1"/>"#, x + 3, y + 6);
        }
        State::Held | State::NotApplicable | State::Unknown => {}
    }
}

/// `44 held, 2 gap, 1 stale`: only states that occur.
fn row_words(row: &HeatRow) -> String {
    let mut out = String::new();
    for state in State::ALL {
        let count = row.cells.iter().filter(|cell| **cell == state).count();
        if count > 0 {
            put!(out, "{}{count} {}", if out.is_empty() { "" } else { ", " }, state.label().to_lowercase());
        }
    }
    out
}
