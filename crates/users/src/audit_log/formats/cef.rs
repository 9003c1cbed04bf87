//! Common Event Format, revision 25: a header of bars, then `key=value` pairs.
//!
//! In the header `\` and `|` are escaped, in values `\` and `=`, and line ends become `\n` and `\r` (only values may
//! hold any; the header has its own taken out).

use std::fmt::Write;

use super::{EventView, Source, failed, ip, json, personal};

pub(super) fn event(source: &Source, event: &EventView) -> String {
    let failed = failed(event);
    let mut out = String::from("CEF:0|Bailiwick|Bailiwick");
    let name = event.action.replace(['.', '_'], " ");
    for field in [env!("CARGO_PKG_VERSION"), &event.action, &name, if failed { "6" } else { "3" }] {
        out.push('|');
        header(&mut out, field);
    }
    out.push('|');
    let mut pairs = Pairs { out, any: false };
    pairs.add("rt", &event.at.micros().div_euclid(1000).to_string());
    pairs.add("externalId", &format!("{}:{}", source.organization, event.sequence));
    pairs.add("dvchost", &source.host);
    pairs.add("act", &event.action);
    pairs.add("outcome", if failed { "failure" } else { "success" });
    pairs.add("suid", &event.actor.id);
    pairs.add("sourceServiceName", if event.actor.kind == "system" { "Bailiwick" } else { "" });
    pairs.add("duid", &event.target.id);
    pairs.add("duser", personal(event, "email").unwrap_or_default());
    if let Some(ip) = ip(event) {
        pairs.add(if ip.is_ipv4() { "src" } else { "c6a2" }, &ip.to_string());
        pairs.add("c6a2Label", if ip.is_ipv4() { "" } else { "Source IPv6 Address" });
    }
    pairs.add("cn1", &event.sequence.to_string());
    pairs.add("cn1Label", "sequence");
    let texts = [
        ("organization", source.slug.clone()),
        ("actorKind", event.actor.kind.clone()),
        ("targetKind", event.target.kind.clone()),
        ("details", json(&event.details)),
        ("personal", json(&event.personal)),
        ("leafHash", event.leaf_hash.clone()),
    ];
    for (number, (label, text)) in (1..).zip(texts) {
        pairs.add(&format!("cs{number}"), &text);
        pairs.add(&format!("cs{number}Label"), label);
    }
    pairs.out
}

fn header(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\\' | '|' => out.extend(['\\', c]),
            '\r' | '\n' => out.push(' '),
            c => out.push(c),
        }
    }
}

struct Pairs {
    out: String,
    any: bool,
}

impl Pairs {
    /// Leaves out what is empty.
    fn add(&mut self, key: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let gap = if self.any { " " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(self.out, "{gap}{key}=");
        for c in value.chars() {
            match c {
                '\\' | '=' => self.out.extend(['\\', c]),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                c => self.out.push(c),
            }
        }
        self.any = true;
    }
}
