//! Lines over time on one shared axis that starts at zero and ends on a round number.

use std::fmt::Write;

use super::{Html, Text, as_f64, figure, finite, number, table};

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
    const WIDTH: f64 = 520.0;
    const HEIGHT: f64 = 180.0;
    const LEFT: f64 = 44.0;
    const BOTTOM: f64 = 22.0;
    const TOP: f64 = 8.0;

    /// Picture, legend and table in one `<figure>`.
    pub fn figure(&self) -> Html {
        let legend = if self.series.len() > 1 { self.legend() } else { String::new() };
        figure(&self.title, &format!("{}{legend}", self.svg()), &self.table(), "")
    }

    pub fn svg(&self) -> Html {
        let top = nice_ceiling(
            self.series.iter().flat_map(|one| &one.values).fold(0.0, |a, b| f64::max(a, finite(*b))),
        );
        let mut out = format!(
            r#"<svg viewBox="0 0 {} {}" role="img" aria-label="{}">"#,
            Self::WIDTH,
            Self::HEIGHT,
            Text(&self.words()),
        );
        for quarter in 0..=4_u8 {
            let value = top * f64::from(quarter) / 4.0;
            let y = Self::y(value, top);
            put!(
                out,
                r#"<line class="g" x1="{}" x2="{}" y1="{y:.1}" y2="{y:.1}"/>"#,
                Self::LEFT,
                Self::WIDTH
            );
            if quarter % 2 == 0 {
                put!(
                    out,
                    r#"<text x="{}" y="{:.1}" text-anchor="end">{}</text>"#,
                    Self::LEFT - 8.0,
                    y + 4.0,
                    number(value)
                );
            }
        }
        self.put_labels(&mut out);
        for one in &self.series {
            let points = self.points(&one.values, top);
            if self.series.len() == 1 && !points.is_empty() {
                let last = one.values.len().min(self.labels.len()).saturating_sub(1);
                let (first, last) = (self.x(0), self.x(last));
                let floor = Self::y(0.0, top);
                put!(
                    out,
                    r#"<path class="a {}" d="M{first:.1} {floor:.1}L{points}L{last:.1} {floor:.1}Z"/>"#,
                    one.class
                );
            }
            put!(out, r#"<polyline class="l {}" points="{points}"/>"#, one.class);
        }
        out.push_str("</svg>");
        Html(out)
    }

    pub fn table(&self) -> Html {
        let heads: Vec<&str> =
            std::iter::once("").chain(self.series.iter().map(|one| one.label.as_str())).collect();
        let rows: Vec<(String, Vec<String>)> = self
            .labels
            .iter()
            .enumerate()
            .map(|(at, label)| {
                let cells =
                    self.series.iter().map(|one| one.values.get(at).map_or(String::new(), |v| number(*v)));
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
            put!(
                out,
                r#"<text x="{:.1}" y="{}" text-anchor="{anchor}">{}</text>"#,
                self.x(at),
                Self::HEIGHT - 4.0,
                Text(label)
            );
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

/// The next of 1, 2, 4, 5, 10 × a power of ten: an axis whose quarters read well.
pub(super) fn nice_ceiling(value: f64) -> f64 {
    if value <= 4.0 {
        return 4.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|top| *top >= value).unwrap_or(value)
}
