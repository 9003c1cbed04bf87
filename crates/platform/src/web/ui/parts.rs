//! Plain data of lists, forms and guided sequences, printed by the macros of `components.html`.

use std::fmt;

use super::Tone;

/// Where a reader is in a list that is read by cursor. Missing links are printed as inert.
#[derive(Clone, Debug, Default)]
pub struct Pager {
    /// In words: `51–100 of 412`.
    pub shown: String,
    pub previous: Option<String>,
    pub next: Option<String>,
}

/// The head of a column that sorts. The wire form of an order is `name`, descending `-name`.
#[derive(Clone, Debug, Default)]
pub struct Sort {
    pub label: String,
    pub href: String,
    /// `ascending`, `descending` or `none`: the value of `aria-sort`.
    pub direction: &'static str,
    /// Aligns the column to the right.
    pub number: bool,
    /// The column is gone on a phone; its cells carry the class `hide-s`.
    pub wide_only: bool,
}

impl Sort {
    /// `current` is the order in force; `base` is the address with every other parameter, e.g. `/people?q=ann`.
    pub fn new(label: &str, key: &str, current: &str, base: &str) -> Self {
        let direction = match current.strip_prefix('-') {
            Some(descending) if descending == key => "descending",
            None if current == key => "ascending",
            _ => "none",
        };
        let join = if base.contains('?') { '&' } else { '?' };
        let sign = if direction == "ascending" { "-" } else { "" };
        Self {
            label: label.into(),
            href: format!("{base}{join}sort={sign}{key}"),
            direction,
            ..Self::default()
        }
    }

    #[must_use]
    pub fn number(self) -> Self {
        Self { number: true, ..self }
    }

    #[must_use]
    pub fn wide_only(self) -> Self {
        Self { wide_only: true, ..self }
    }
}

/// An option of a select or of a group of radio buttons.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    pub value: String,
    pub label: String,
    pub hint: String,
    pub selected: bool,
}

impl Choice {
    /// `chosen` is the value in force.
    pub fn new(value: &str, label: &str, chosen: &str) -> Self {
        Self { value: value.into(), label: label.into(), hint: String::new(), selected: value == chosen }
    }

    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }
}

/// What is wrong with a submitted form, field by field; the empty field name stands for the whole form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<(String, String)>);

impl FieldErrors {
    pub fn add(&mut self, field: &str, wrong: impl Into<String>) {
        self.0.push((field.into(), wrong.into()));
    }

    #[must_use]
    pub fn with(mut self, field: &str, wrong: impl Into<String>) -> Self {
        self.add(field, wrong);
        self
    }

    /// The first complaint about a field, or the empty string.
    pub fn of(&self, field: &str) -> &str {
        self.0.iter().find(|(name, _)| name == field).map_or("", |(_, wrong)| wrong)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        self.0.iter()
    }
}

/// What an act would do, computed before it is done: `17 of 412 people would be locked out`.
#[derive(Clone, Debug, Default)]
pub struct DryRun {
    pub tone: Tone,
    pub summary: String,
    /// The first few of those who would be touched, by name.
    pub sample: Vec<String>,
    /// Where the whole list is; empty when `sample` is the whole list.
    pub all_href: String,
}

/// How far a step of a guided sequence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Progress {
    Done,
    Current,
    #[default]
    Ahead,
}

impl Progress {
    pub const fn label(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Current => "current",
            Self::Ahead => "to do",
        }
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done => "done",
            Self::Current => "current",
            Self::Ahead => "ahead",
        })
    }
}

/// A step of a guided sequence (set-up, domain proof); an empty `href` prints no link.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub label: String,
    pub href: String,
    pub progress: Progress,
}
