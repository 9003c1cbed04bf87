//! Text and attribute values of the XML that this crate writes, by the rules of canonical XML.

/// A value between double quotes.
pub(crate) fn attribute(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '"' => out.push_str("&quot;"),
            '\t' => out.push_str("&#x9;"),
            '\n' => out.push_str("&#xA;"),
            '\r' => out.push_str("&#xD;"),
            other if is_allowed(other) => out.push(other),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

/// Text between two tags.
pub(crate) fn text(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#xD;"),
            other if is_allowed(other) => out.push(other),
            _ => out.push('\u{fffd}'),
        }
    }
    out
}

/// What XML 1.0 can hold at all.
pub(crate) fn is_allowed(letter: char) -> bool {
    matches!(letter, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// ` name="value"`, or nothing.
pub(crate) fn optional(name: &str, value: Option<&str>) -> String {
    value.map_or_else(String::new, |value| format!(" {name}=\"{}\"", attribute(value)))
}
