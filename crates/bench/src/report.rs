//! The table: what it holds, how it reads, and how it gets into `docs/benchmarks.md`. A figure that is missing says why,
//! and neither a missing nor a missed one lets the run succeed.

use std::fmt::Write as _;
use std::path::Path;

use crate::error::{BenchError, Result};

pub const BEGIN: &str = "<!-- bench:begin (written by ./bench --write; do not edit) -->";
pub const END: &str = "<!-- bench:end -->";

/// A median, or why there is none.
pub type Figure = std::result::Result<f64, String>;

/// One comparison the target asks for.
pub struct Check {
    pub what: String,
    pub figure: Figure,
    pub bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    /// Nothing is asked of it: a ratio to be read. A missing one still fails the row.
    Shown,
}

impl Bound {
    fn holds(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(bound) => figure >= bound,
            Self::AtMost(bound) => figure <= bound,
            Self::Shown => true,
        }
    }
}

pub struct Row {
    pub line: &'static str,
    pub operation: String,
    pub ours: Option<Figure>,
    pub peer: Option<(String, Figure)>,
    pub limit: Option<(String, Figure)>,
    pub unit: &'static str,
    pub checks: Vec<Check>,
}

/// `numerator / denominator`, or the reason one of them is missing.
pub fn ratio(numerator: &Figure, denominator: &Figure) -> Figure {
    match (numerator, denominator) {
        (Ok(numerator), Ok(denominator)) if *denominator > 0.0 => Ok(numerator / denominator),
        (Ok(_), Ok(_)) => Err("the figure beside it is zero".to_owned()),
        (Err(why), _) | (_, Err(why)) => Err(why.clone()),
    }
}

impl Row {
    /// Whether anything was asked of it; `--quick` asks less.
    pub fn judged(&self) -> bool {
        !self.checks.is_empty()
    }

    pub fn met(&self) -> bool {
        self.judged()
            && self
                .checks
                .iter()
                .all(|check| check.figure.as_ref().is_ok_and(|figure| check.bound.holds(*figure)))
    }

    fn cells(&self) -> [String; 7] {
        let named = |cell: &Option<(String, Figure)>| match cell {
            None => "–".to_owned(),
            Some((name, figure)) => format!("{name}: {}", figure_text(figure, self.unit)),
        };
        [
            self.line.to_owned(),
            self.operation.clone(),
            self.ours.as_ref().map_or_else(|| "–".to_owned(), |figure| figure_text(figure, self.unit)),
            named(&self.peer),
            named(&self.limit),
            self.checks.iter().map(check_text).collect::<Vec<_>>().join("; "),
            match (self.judged(), self.met()) {
                (false, _) => "–",
                (true, true) => "yes",
                (true, false) => "**no**",
            }
            .to_owned(),
        ]
    }
}

fn figure_text(figure: &Figure, unit: &str) -> String {
    match figure {
        Ok(figure) => format!("{} {unit}", number(*figure)).trim_end().to_owned(),
        Err(why) => format!("not measured: {why}"),
    }
}

fn check_text(check: &Check) -> String {
    let bound = match check.bound {
        Bound::AtLeast(bound) => format!(" (≥ {})", number(bound)),
        Bound::AtMost(bound) => format!(" (≤ {})", number(bound)),
        Bound::Shown => String::new(),
    };
    match &check.figure {
        Ok(figure) => format!("{} {}{bound}", check.what, number(*figure)),
        Err(_) => format!("{} not measured{bound}", check.what),
    }
}

/// Three significant digits, thousands apart.
pub fn number(figure: f64) -> String {
    let size = figure.abs();
    if size < 100.0 && figure.fract() != 0.0 {
        let digits = if size >= 10.0 {
            1
        } else if size >= 1.0 {
            2
        } else {
            3
        };
        return format!("{figure:.digits$}");
    }
    let whole = format!("{size:.0}");
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if figure < 0.0 { format!("-{text}") } else { text }
}

/// Above this the cores were not ours, and ratios of a run are not to be believed.
pub const DISTURBANCE_MAX: f64 = 0.05;

pub fn markdown(command: &str, machine: &str, disturbance: f64, rows: &[Row]) -> String {
    let percent = number((disturbance * 100.0).round());
    let mut text =
        format!("`{command}` on {machine}; other programs used at most {percent} % of the two cores");
    if disturbance > DISTURBANCE_MAX {
        text.push_str(". **Disturbed: run again on a quiet machine before believing a ratio**");
    }
    if cfg!(debug_assertions) {
        text.push_str(". **Built without optimisation: `ours` is no result**");
    }
    text.push_str("\n\n");
    text.push_str("| line | operation | ours | peer | limit | ratios and bounds | met |\n|---|---|---|---|---|---|---|\n");
    for row in rows {
        let cells = row.cells().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// Replaces what stands between the two markers.
pub fn write_between_markers(file: &Path, table: &str) -> Result<()> {
    let before =
        std::fs::read_to_string(file).map_err(BenchError::io(format!("reading {}", file.display())))?;
    let after = replace_between_markers(&before, table)
        .ok_or_else(|| BenchError::Markers(file.display().to_string(), format!("{BEGIN} … {END}")))?;
    std::fs::write(file, after).map_err(BenchError::io(format!("writing {}", file.display())))
}

fn replace_between_markers(text: &str, table: &str) -> Option<String> {
    let (head, rest) = text.split_once(BEGIN)?;
    let (_, tail) = rest.split_once(END)?;
    Some(format!("{head}{BEGIN}\n{}\n{END}{tail}", table.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: Figure, bound: Bound) -> Row {
        let peer: Figure = Ok(15.0);
        Row {
            line: "1",
            operation: "log-in".to_owned(),
            checks: vec![Check { what: "× peer".to_owned(), figure: ratio(&ours, &peer), bound }],
            ours: Some(ours),
            peer: Some(("Keycloak".to_owned(), peer)),
            limit: None,
            unit: "/s",
        }
    }

    #[test]
    fn a_bound_decides_and_a_missing_figure_never_meets_it() {
        assert!(row(Ok(75.0), Bound::AtLeast(5.0)).met());
        assert!(!row(Ok(74.0), Bound::AtLeast(5.0)).met());
        assert!(row(Ok(74.0), Bound::AtMost(5.0)).met());
        let missing = row(Err("no server".to_owned()), Bound::AtLeast(5.0));
        assert!(!missing.met());
        let text = markdown("./bench 1", "a machine", 0.2, &[missing]);
        assert!(text.contains("20 %") && text.contains("Disturbed"), "{text}");
        assert!(text.contains("not measured: no server"), "{text}");
        assert!(text.contains("**no**"), "{text}");
        assert!(row(Ok(1.0), Bound::Shown).met());
        assert!(!row(Err("no server".to_owned()), Bound::Shown).met());
        let mut nothing_asked = row(Ok(1.0), Bound::AtLeast(0.0));
        nothing_asked.checks.clear();
        assert!(!nothing_asked.met());
    }

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = replace_between_markers(&text, "new\n").unwrap();
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert_eq!(replace_between_markers(&new, "new\n").unwrap(), new);
        assert!(replace_between_markers("no markers", "new").is_none());
    }

    #[test]
    fn numbers_read_easily() {
        for (figure, text) in [
            (0.1312, "0.131"),
            (7.456, "7.46"),
            (74.26, "74.3"),
            (5.0, "5"),
            (1234.5, "1,234"),
            (1_000_000.0, "1,000,000"),
        ] {
            assert_eq!(number(figure), text);
        }
    }
}
