//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>): the trace that a caller or a proxy says a request belongs
//! to. It is written into the request's line of the log, so that the collector finds our part of a trace, and decides
//! nothing.

use axum::http::HeaderMap;

/// The trace's id: 32 lower-case hex digits. `None` when there is no usable `traceparent`; two of them are none.
pub fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut all = headers.get_all("traceparent").iter();
    let text = all.next()?.to_str().ok()?;
    if all.next().is_some() {
        return None;
    }
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // Versions to come may add parts; version 0 has none.
    let whole = version != "00" || parts.next().is_none();
    let known = version != "ff" && [version, flags].iter().all(|part| hex(part, 2)) && whole;
    (known && id(trace, 32) && id(parent, 16)).then(|| trace.to_owned())
}

fn hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// All zeros is no id.
fn id(text: &str, length: usize) -> bool {
    hex(text, length) && text.bytes().any(|byte| byte != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", value.parse().unwrap());
        }
        trace_id(&headers)
    }

    #[test]
    fn a_trace_is_read_as_the_standard_says() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        assert_eq!(of(&[&good]).as_deref(), Some(TRACE));
        assert_eq!(of(&[&format!("cc-{TRACE}-00f067aa0ba902b7-01-what-comes")]).as_deref(), Some(TRACE));
        for bad in [
            "",
            "00",
            &format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
            &format!("ff-{TRACE}-00f067aa0ba902b7-01"),
            &format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{TRACE}-{}-01", "0".repeat(16)),
            &format!("00-{TRACE}-00f067aa0ba902b7-1"),
            &format!("00-{}-00f067aa0ba902b7-01", &TRACE[1..]),
            &format!("00-{TRACE}\t-00f067aa0ba902b7-01"),
        ] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[&good, &good]), None, "two are none");
        assert_eq!(of(&[]), None);
    }
}
