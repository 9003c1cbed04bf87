//! Charts as inline SVG, drawn on the server: pure functions from numbers to markup, each with a table of the same
//! numbers for readers who cannot or will not read the picture.
//!
//! The markup carries classes and presentation attributes only (a strict content security policy forbids inline
//! styles), every text is escaped, and a value that is not finite draws as zero. Colours come from the stylesheet:
//! `s-held` … for states, `c1`–`c6` for series. In a template: `{{ chart }}`, no filter needed.

use std::fmt::{self, Write};

use super::ui::State;

/// Markup that is safe to print as it stands; only this module makes it, and it escapes what it quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// Text for element content and double-quoted attributes.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// Appends to a string; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

fn finite(value: f64) -> f64 {
    if value.is_finite() { value.max(0.0) } else { 0.0 }
}

/// A number as people write it: thousands apart, at most one decimal.
pub fn number(value: f64) -> String {
    let value = if value.is_finite() { value } else { 0.0 };
    let tenths = (value.abs() * 10.0).round();
    let whole = format!("{:.0}", (tenths / 10.0).trunc());
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let rest = tenths % 10.0;
    if rest > 0.0 {
        put!(out, ".{rest:.0}");
    }
    if value < 0.0 && tenths > 0.0 { format!("−{out}") } else { out }
}

/// One part of a stacked bar: a label, how many, and the class that colours it (`s-held`, `c1` …).
#[derive(Clone, Debug)]
pub struct Part {
    pub label: String,
    pub value: f64,
    pub class: &'static str,
}

impl Part {
    pub fn new(label: impl Into<String>, value: f64, class: &'static str) -> Self {
        Self { label: label.into(), value, class }
    }

    /// A part that stands for a state of the matrix.
    pub fn state(state: State, count: u32) -> Self {
        Self::new(state.label(), f64::from(count), state_class(state))
    }
}

const fn state_class(state: State) -> &'static str {
    match state {
        State::Held => "s-held",
        State::Attested => "s-attested",
        State::Accepted => "s-accepted",
        State::Gap => "s-gap",
        State::Stale => "s-stale",
        State::Blocked => "s-blocked",
        State::NotApplicable => "s-not_applicable",
        State::Unknown => "s-unknown",
    }
}

/// A bar of 8 px cut in proportion; parts of zero are left out. Put [`legend`] under it.
pub fn stacked_bar(label: &str, parts: &[Part]) -> Html {
    let total: f64 = parts.iter().map(|part| finite(part.value)).sum();
    let mut words = String::new();
    let mut rects = String::new();
    let mut x = 0.0;
    for part in parts.iter().filter(|part| finite(part.value) > 0.0) {
        let width = finite(part.value) / total * 1000.0;
        let name = Text(&part.label);
        put!(words, "{}{} {name}", if words.is_empty() { "" } else { ", " }, number(part.value));
        // The gap between parts is part of the width, so that the whole always fills the bar.
        put!(rects, r#"<rect class="f {}" x="{x:.1}" y="0" width="{:.1}" height="8"/>"#, part.class, (width - 5.0).max(3.0));
        x += width;
    }
    let ground = if total > 0.0 { "" } else { r#"<rect class="k" width="1000" height="8"/>"# };
    Html(format!(
        r#"<figure class="chart"><svg class="bar" viewBox="0 0 1000 8" preserveAspectRatio="none" role="img" aria-label="{}: {}">{ground}{rects}</svg></figure>"#,
        Text(label),
        if words.is_empty() { "nothing yet" } else { &words },
    ))
}

/// The words of a stacked bar: shape where the part is a state, colour, count, label.
pub fn legend(parts: &[Part]) -> Html {
    let mut out = String::from(r#"<ul class="leg">"#);
    for part in parts.iter().filter(|part| finite(part.value) > 0.0) {
        let symbol = match part.class.strip_prefix("s-") {
            Some(state) => format!(r##"<use href="#i-{state}"/>"##),
            None => r#"<rect x="2" y="2" width="12" height="12" rx="3" fill="currentColor"/>"#.into(),
        };
        put!(
            out,
            r#"<li><svg class="ico {}" viewBox="0 0 16 16" aria-hidden="true">{symbol}</svg>{} {}</li>"#,
            part.class,
            number(part.value),
            Text(&part.label).to_string().to_lowercase(),
        );
    }
    out.push_str("</ul>");
    Html(out)
}

/// The same parts as a table.
pub fn stacked_bar_table(label: &str, parts: &[Part]) -> Html {
    let rows: Vec<(String, Vec<String>)> =
        parts.iter().map(|part| (part.label.clone(), vec![number(part.value)])).collect();
    table(label, &["", "Count"], &rows)
}

/// One line of a chart over time; its values stand for the chart's labels, in order.
#[derive(Clone, Debug)]
pub struct Series {
    pub label: String,
    pub values: Vec<f64>,
    pub class: &'static str,
}

/// Lines over time. The first series is filled when it stands alone.
#[derive(Clone, Debug)]
pub struct Lines {
    pub title: String,
    /// One per point, oldest first: `11 Nov`.
    pub labels: Vec<String>,
    pub series: Vec<Series>,
}

impl Lines {
    const WIDTH: f64 = 640.0;
    const HEIGHT: f64 = 200.0;
    const LEFT: f64 = 44.0;
    const BOTTOM: f64 = 22.0;
    const TOP: f64 = 8.0;

    /// Picture, legend and table in one `<figure>`.
    pub fn figure(&self) -> Html {
        let legend = if self.series.len() > 1 { self.legend() } else { String::new() };
        figure(&self.title, &format!("{}{legend}", self.svg()), &self.table(), "")
    }

    pub fn svg(&self) -> Html {
        let top = nice_ceiling(self.series.iter().flat_map(|one| &one.values).fold(0.0, |a, b| f64::max(a, finite(*b))));
        let mut out = format!(
            r#"<svg viewBox="0 0 {} {}" role="img" aria-label="{}">"#,
            Self::WIDTH,
            Self::HEIGHT,
            Text(&self.words()),
        );
        for quarter in 0..=4_u8 {
            let value = top * f64::from(quarter) / 4.0;
            let y = Self::y(value, top);
            put!(out, r#"<line class="g" x1="{}" x2="{}" y1="{y:.1}" y2="{y:.1}"/>"#, Self::LEFT, Self::WIDTH);
            if quarter % 2 == 0 {
                put!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#, Self::LEFT - 8.0, y + 4.0, number(value));
            }
        }
        self.put_labels(&mut out);
        for one in &self.series {
            let points = self.points(&one.values, top);
            if self.series.len() == 1 && !points.is_empty() {
                let (first, last) = (self.x(0), self.x(one.values.len().saturating_sub(1)));
                let floor = Self::y(0.0, top);
                put!(out, r#"<path class="a {}" d="M{first:.1} {floor:.1}L{points}L{last:.1} {floor:.1}Z"/>"#, one.class);
            }
            put!(out, r#"<polyline class="l {}" points="{points}"/>"#, one.class);
        }
        out.push_str("</svg>");
        Html(out)
    }

    pub fn table(&self) -> Html {
        let heads: Vec<&str> = std::iter::once("").chain(self.series.iter().map(|one| one.label.as_str())).collect();
        let rows: Vec<(String, Vec<String>)> = self
            .labels
            .iter()
            .enumerate()
            .map(|(at, label)| {
                let cells = self.series.iter().map(|one| one.values.get(at).map_or(String::new(), |v| number(*v)));
                (label.clone(), cells.collect())
            })
            .collect();
        table(&self.title, &heads, &rows)
    }

    fn put_labels(&self, out: &mut String) {
        let last = self.labels.len().saturating_sub(1);
        let step = self.labels.len().div_ceil(6).max(1);
        for (at, label) in self.labels.iter().enumerate().step_by(step) {
            let anchor = match at {
                0 => "start",
                at if at == last => "end",
                _ => "middle",
            };
            put!(out, r#"<text x="{:.1}" y="{}" text-anchor="{anchor}">{}</text>"#, self.x(at), Self::HEIGHT - 4.0, Text(label));
        }
    }

    fn legend(&self) -> String {
        let mut out = String::from(r#"<ul class="leg">"#);
        for one in &self.series {
            put!(
                out,
                r#"<li><svg class="ico" viewBox="0 0 16 16" aria-hidden="true"><rect class="f {}" y="6" width="16" height="4" rx="2"/></svg>{}</li>"#,
                one.class,
                Text(&one.label),
            );
        }
        out.push_str("</ul>");
        out
    }

    /// Title with the last value of each series: what a glance at the picture tells.
    fn words(&self) -> String {
        let mut out = self.title.clone();
        for one in &self.series {
            if let Some(last) = one.values.last() {
                put!(out, "; {} now {}", one.label, number(*last));
            }
        }
        out
    }

    fn x(&self, at: usize) -> f64 {
        let steps = self.labels.len().saturating_sub(1).max(1);
        Self::LEFT + (Self::WIDTH - Self::LEFT) * as_f64(at) / as_f64(steps)
    }

    fn y(value: f64, top: f64) -> f64 {
        let height = Self::HEIGHT - Self::BOTTOM - Self::TOP;
        Self::TOP + height * (1.0 - finite(value) / top)
    }

    fn points(&self, values: &[f64], top: f64) -> String {
        let mut out = String::new();
        for (at, value) in values.iter().take(self.labels.len()).enumerate() {
            put!(out, "{}{:.1} {:.1}", if at == 0 { "" } else { " " }, self.x(at), Self::y(*value, top));
        }
        out
    }
}

/// Counts of things on a page fit a float exactly (below 2^52).
fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

/// The next of 1, 2, 4, 5, 10 × a power of ten: an axis whose quarters read well.
fn nice_ceiling(value: f64) -> f64 {
    if value <= 4.0 {
        return 4.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}

/// A line of 88 × 24 px for a table cell; the words around it carry the numbers.
pub fn sparkline(label: &str, values: &[f64], class: &'static str) -> Html {
    let top = values.iter().fold(1.0, |a, b| f64::max(a, finite(*b)));
    let steps = as_f64(values.len().saturating_sub(1).max(1));
    let mut points = String::new();
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (1.0 + 86.0 * as_f64(at) / steps, 22.0 - 20.0 * finite(*value) / top);
        put!(points, "{}{x:.1} {y:.1}", if at == 0 { "" } else { " " });
    }
    Html(format!(
        r#"<span class="chart spark"><svg viewBox="0 0 88 24" role="img" aria-label="{}"><polyline class="l {class}" points="{points}"/></svg></span>"#,
        Text(label),
    ))
}

/// Horizontal bars, one per row, longest scale shared; for rankings and shares.
#[derive(Clone, Debug)]
pub struct Bars {
    pub title: String,
    pub rows: Vec<Part>,
}

impl Bars {
    pub fn figure(&self) -> Html {
        figure(&self.title, self.svg().as_str(), &self.table(), "")
    }

    pub fn svg(&self) -> Html {
        let top = self.rows.iter().fold(0.0, |a, row| f64::max(a, finite(row.value))).max(f64::MIN_POSITIVE);
        let height = 26 * self.rows.len();
        let mut words = self.title.clone();
        let mut body = String::new();
        for (at, row) in self.rows.iter().enumerate() {
            let y = 26 * at;
            let width = finite(row.value) / top * 390.0;
            put!(words, "; {} {}", row.label, number(row.value));
            put!(body, r#"<text x="0" y="{}">{}</text>"#, y + 17, Text(&shorten(&row.label, 28)));
            put!(body, r#"<rect class="f {}" x="190" y="{}" width="{:.1}" height="12" rx="2"/>"#, row.class, y + 7, width.max(1.0));
            put!(body, r#"<text class="v" x="{:.1}" y="{}">{}</text>"#, 198.0 + width, y + 17, number(row.value));
        }
        Html(format!(r#"<svg viewBox="0 0 640 {height}" role="img" aria-label="{}">{body}</svg>"#, Text(&words)))
    }

    pub fn table(&self) -> Html {
        stacked_bar_table(&self.title, &self.rows)
    }
}

fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.into();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
}

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
        let wide = format!(r#"<div class="scroll" role="region" aria-label="{}" tabindex="0">{}</div>"#, Text(&self.title), self.svg());
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
            put!(out, r#"<text transform="translate({x} {y}) rotate(-90)" font-size="10">{}</text>"#, Text(column));
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
        let count = |state: State| self.rows.iter().flat_map(|row| &row.cells).filter(|cell| **cell == state).count();
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
        State::Gap => put!(out, r#"<rect class="m" x="{}" y="{}" width="2" height="8" rx="1"/>"#, x + 6, y + 3),
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

fn figure(title: &str, picture: &str, table: &Html, class: &str) -> Html {
    Html(format!(
        r#"<figure class="chart{class}"><figcaption>{}</figcaption>{picture}<details><summary>Show as a table</summary>{table}</details></figure>"#,
        Text(title),
    ))
}

fn table(caption: &str, heads: &[&str], rows: &[(String, Vec<String>)]) -> Html {
    let caption = Text(caption);
    let mut out = format!(
        r#"<div class="scroll" role="region" aria-label="{caption}, table" tabindex="0"><table><caption class="vh">{caption}</caption><thead><tr>"#
    );
    for (at, head) in heads.iter().enumerate() {
        put!(out, r#"<th scope="col"{}>{}</th>"#, if at > 0 { r#" class="num""# } else { "" }, Text(head));
    }
    out.push_str("</tr></thead><tbody>");
    for (label, cells) in rows {
        put!(out, r#"<tr><th scope="row">{}</th>"#, Text(label));
        for cell in cells {
            put!(out, r#"<td class="num">{}</td>"#, Text(cell));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    Html(out)
}

#[cfg(test)]
#[path = "chart/tests.rs"]
mod tests;
