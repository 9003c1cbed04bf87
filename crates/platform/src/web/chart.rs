//! Charts as inline SVG, drawn on the server: pure functions from numbers to markup, each with a table of the same
//! numbers for readers who cannot or will not read the picture.
//!
//! The markup carries classes and presentation attributes only (a strict content security policy forbids inline
//! styles), every text is escaped, and a value that is not finite draws as zero. Colours come from the stylesheet:
//! `s-held` … for states, `c1`–`c6` for series. In a template: `{{ chart }}`, no filter needed.

use std::fmt::{self, Write};

use super::ui::State;

/// Appends to a string; writing to a `String` cannot fail.
macro_rules! put {
    ($out:expr, $($arg:tt)*) => {{ let _ = write!($out, $($arg)*); }};
}

mod heat;
mod lines;

pub use heat::{HeatMap, HeatRow};
pub use lines::{Lines, Series};

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
        put!(
            rects,
            r#"<rect class="f {}" x="{x:.1}" y="0" width="{:.1}" height="8"/>"#,
            part.class,
            (width - 5.0).max(3.0)
        );
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

/// Counts of things on a page fit a float exactly (below 2^52).
fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
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

/// Horizontal bars on one shared scale, for rankings and shares: a table whose middle column is drawn, so that the
/// picture and its table are the same thing and the words keep their size on every screen.
#[derive(Clone, Debug)]
pub struct Bars {
    pub title: String,
    pub rows: Vec<Part>,
}

impl Bars {
    pub fn figure(&self) -> Html {
        let top = self.rows.iter().fold(0.0, |a, row| f64::max(a, finite(row.value))).max(f64::MIN_POSITIVE);
        let title = Text(&self.title);
        let mut out = format!(
            r#"<figure class="chart"><figcaption>{title}</figcaption><table class="bars"><caption class="vh">{title}</caption><tbody>"#
        );
        for row in &self.rows {
            let width = (finite(row.value) / top * 1000.0).max(4.0);
            put!(
                out,
                r#"<tr><th scope="row">{}</th><td><svg class="bar" viewBox="0 0 1000 8" "#,
                Text(&row.label)
            );
            put!(
                out,
                r#"preserveAspectRatio="none" aria-hidden="true"><rect class="f {}" width="{width:.1}" "#,
                row.class
            );
            put!(out, r#"height="8"/></svg></td><td class="num">{}</td></tr>"#, number(row.value));
        }
        out.push_str("</tbody></table></figure>");
        Html(out)
    }
}

fn shorten(text: &str, chars_max: usize) -> String {
    if text.chars().count() <= chars_max {
        return text.into();
    }
    text.chars().take(chars_max.saturating_sub(1)).chain(['…']).collect()
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
mod tests;
