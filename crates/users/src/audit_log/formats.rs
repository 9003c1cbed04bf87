//! One event as one line for other programs: JSON, CSV, OCSF 1.3, CEF. Pure: the same event always gives the same line.
//!
//! A line never holds a line end inside, whatever a name or a reason contains, so that what reads lines reads events.

use serde::Serialize;

use super::api::EventView;
use crate::people::export::cell;

mod cef;
mod ocsf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// As the API shows an event.
    Jsonl,
    Csv,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Common Event Format.
    Cef,
}

impl Format {
    pub const ALL: [Self; 4] = [Self::Jsonl, Self::Csv, Self::Ocsf, Self::Cef];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Ocsf => "ocsf",
            Self::Cef => "cef",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Jsonl => "JSON lines",
            Self::Csv => "CSV",
            Self::Ocsf => "OCSF 1.3",
            Self::Cef => "CEF",
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Jsonl | Self::Ocsf => "application/jsonl; charset=utf-8",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Cef => "text/plain; charset=utf-8",
        }
    }

    /// What a file of it is called behind the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Ocsf => "ocsf.jsonl",
            Self::Cef => "cef",
        }
    }

    /// What stands above the lines of a file.
    pub fn head(self) -> &'static str {
        match self {
            Self::Csv => {
                "sequence,at,action,actor_kind,actor_id,target_kind,target_id,details,personal,leaf_hash\r\n"
            }
            _ => "",
        }
    }
}

/// Where events come from: the same for all lines of a file or stream.
#[derive(Debug, Clone)]
pub struct Source {
    /// The organization's id and slug.
    pub organization: String,
    pub slug: String,
    /// The installation's host.
    pub host: String,
}

/// `event` as a line, with its end.
pub fn line(format: Format, source: &Source, event: &EventView) -> String {
    match format {
        Format::Jsonl => json(&Own { organization: &source.slug, event }) + "\n",
        Format::Csv => csv(event),
        Format::Ocsf => json(&ocsf::event(source, event)) + "\n",
        Format::Cef => cef::event(source, event) + "\n",
    }
}

#[derive(Serialize)]
struct Own<'e> {
    organization: &'e str,
    #[serde(flatten)]
    event: &'e EventView,
}

/// Escapes every control character, so a line end is never inside.
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// RFC 4180; no cell is read as a formula.
fn csv(event: &EventView) -> String {
    let fields = [
        event.sequence.to_string(),
        event.at.rfc3339(),
        event.action.clone(),
        event.actor.kind.clone(),
        event.actor.id.clone(),
        event.target.kind.clone(),
        event.target.id.clone(),
        json(&event.details),
        json(&event.personal),
        event.leaf_hash.clone(),
    ];
    let quoted = fields.map(|field| {
        // A record is one line: the few texts that are not JSON or ours lose their line ends.
        let text = cell(&field).replace(['\r', '\n'], " ");
        if text.contains(['"', ',']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    });
    quoted.join(",") + "\r\n"
}

/// Whether the event says that something was refused or did not work.
fn failed(event: &EventView) -> bool {
    let last = event.action.rsplit(['.', '_']).next().unwrap_or_default();
    ["failed", "refused", "barred", "throttled", "denied"].contains(&last)
}

/// The address that something was asked from, where it was recorded as one.
fn ip(event: &EventView) -> Option<std::net::IpAddr> {
    let recorded = event.personal.get("ip").or_else(|| event.personal.get("network"));
    recorded.and_then(Option::as_deref).and_then(|text| text.parse().ok())
}

/// A personal field that is still there.
fn personal<'e>(event: &'e EventView, name: &str) -> Option<&'e str> {
    event.personal.get(name).and_then(Option::as_deref)
}
