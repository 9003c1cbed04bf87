//! `multipart/form-data` (RFC 7578), read strictly: what a browser's form sends, and nothing that two readers could
//! understand differently.
//!
//! Bounded in bytes and parts; boundaries only where a line begins; each part has exactly one `Content-Disposition:
//! form-data` with a quoted name; no preamble, no epilogue, no transfer encodings, no nested multiparts.
//! Handlers take a [`Multipart`] as an argument ([`super::extract`]); this file is the reader alone, so that a fuzzer
//! can have it by itself.

pub const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;
/// What forms say of a file; the rest is for what stands around it.
pub const FILE_BYTES_MAX: usize = 5 * 1024 * 1024;
pub const PARTS_MAX: usize = 10;
const HEADERS_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 200;

/// A form's fields and files, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multipart {
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub name: String,
    /// The client's words: shown, never used as a path.
    pub file_name: Option<String>,
    pub content: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    #[error("the body is no form with files: send `Content-Type: multipart/form-data; boundary=…`")]
    ContentType,
    #[error("the form is larger than {} MiB: send less at once", BODY_BYTES_MAX / (1024 * 1024))]
    TooLarge,
    #[error("the form has more than {PARTS_MAX} parts")]
    TooManyParts,
    #[error(
        "the form does not follow its own boundaries: it was cut off or changed on the way; send it again"
    )]
    Boundary,
    #[error("part {0} of the form has headers that cannot be read")]
    Headers(usize),
    #[error("part {0} of the form has a name that is missing, too long, or not plain text")]
    Name(usize),
    #[error("the field `{0}` comes twice")]
    Twice(String),
}

impl Multipart {
    /// The field's text; `None` when it is not there or is no UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.part(name).and_then(|part| std::str::from_utf8(&part.content).ok())
    }

    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

/// Reads a body; `content_type` is the header's value.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Multipart, MultipartError> {
    let boundary = boundary_of(content_type).ok_or(MultipartError::ContentType)?;
    if body.len() > BODY_BYTES_MAX {
        return Err(MultipartError::TooLarge);
    }
    let first = [b"--", boundary.as_bytes()].concat();
    let next = [b"\r\n--", boundary.as_bytes()].concat();
    let mut rest = body.strip_prefix(first.as_slice()).ok_or(MultipartError::Boundary)?;
    let mut form = Multipart::default();
    loop {
        if let Some(end) = rest.strip_prefix(b"--") {
            // Nothing follows the last boundary but, at most, the end of its line.
            let ended = end.is_empty() || end == b"\r\n";
            return if ended && !form.parts.is_empty() { Ok(form) } else { Err(MultipartError::Boundary) };
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(MultipartError::Boundary)?;
        if form.parts.len() == PARTS_MAX {
            return Err(MultipartError::TooManyParts);
        }
        let end = find(rest, &next).ok_or(MultipartError::Boundary)?;
        let part = read_part(&rest[..end], form.parts.len() + 1)?;
        if form.part(&part.name).is_some() {
            return Err(MultipartError::Twice(part.name));
        }
        form.parts.push(part);
        rest = &rest[end + next.len()..];
    }
}

/// RFC 2046 §5.1.1: 1 to 70 characters; of those the RFC allows, what browsers and clients send.
fn boundary_of(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let (name, value) = parameters.trim().split_once('=')?;
    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    let fits = (1..=70).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(&b));
    (name.eq_ignore_ascii_case("boundary") && fits).then(|| value.to_owned())
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (first, mut from) = (*needle.first()?, 0);
    // Jumps from one possible beginning to the next, so that a large file costs one pass.
    while let Some(at) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let start = from + at;
        if haystack[start..].starts_with(needle) {
            return Some(start);
        }
        from = start + 1;
    }
    None
}

fn read_part(bytes: &[u8], number: usize) -> Result<Part, MultipartError> {
    let bad = || MultipartError::Headers(number);
    let head_end = find(&bytes[..bytes.len().min(HEADERS_BYTES_MAX)], b"\r\n\r\n").ok_or_else(bad)?;
    let head = std::str::from_utf8(&bytes[..head_end]).map_err(|_| bad())?;
    let mut disposition = None;
    for line in head.split("\r\n") {
        let (name, value) = line.split_once(':').ok_or_else(bad)?;
        if name.eq_ignore_ascii_case("content-disposition") {
            if disposition.replace(value.trim()).is_some() {
                return Err(bad());
            }
        } else if !name.eq_ignore_ascii_case("content-type") {
            return Err(bad());
        }
    }
    let (name, file_name) = read_disposition(disposition.ok_or_else(bad)?).ok_or_else(bad)?;
    let plain = |text: &str| text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    if name.is_empty() || !plain(&name) || !file_name.as_deref().is_none_or(plain) {
        return Err(MultipartError::Name(number));
    }
    Ok(Part { name, file_name, content: bytes[head_end + 4..].to_vec() })
}

/// `form-data; name="…"`, and `; filename="…"` for a file.
fn read_disposition(value: &str) -> Option<(String, Option<String>)> {
    let mut rest = value.strip_prefix("form-data")?;
    let (mut name, mut file_name) = (None, None);
    while !rest.is_empty() {
        rest = rest.strip_prefix(';')?.trim_start_matches(' ');
        let (key, after) = rest.split_once("=\"")?;
        let (text, after) = quoted(after)?;
        let slot = match key {
            "name" => &mut name,
            "filename" => &mut file_name,
            _ => return None,
        };
        if slot.replace(text).is_some() {
            return None;
        }
        rest = after;
    }
    Some((name?, file_name))
}

/// Up to the closing quote, with what browsers escape (`%22`, `%0D`, `%0A`) put back and `\"` understood.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let plain = out.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n");
                return Some((plain, &text[at + 1..]));
            }
            '\\' if text[at + 1..].starts_with('"') => {
                out.push('"');
                chars.next();
            }
            _ => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=AaB03x";

    fn read(body: &str) -> Result<Multipart, MultipartError> {
        parse(TYPE, body.as_bytes())
    }

    fn field(name: &str, value: &str) -> String {
        format!("--AaB03x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    }

    #[test]
    fn fields_and_a_file_come_back_as_they_were_sent() {
        let body = format!(
            "{}--AaB03x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a \\\"b\\\" %22c%22.csv\"\r\n\
             Content-Type: text/csv\r\n\r\nemail\r\n--AaB03\r\n--almost\r\n\r\n--AaB03x--\r\n",
            field("csrf", "t=1")
        );
        let form = read(&body).unwrap();
        assert_eq!(form.text("csrf"), Some("t=1"));
        let file = form.part("file").unwrap();
        assert_eq!(file.file_name.as_deref(), Some("a \"b\" \"c\".csv"));
        assert_eq!(file.content, b"email\r\n--AaB03\r\n--almost\r\n");
        assert_eq!(form.part("missing"), None);
    }

    #[test]
    fn an_empty_value_and_a_missing_last_line_end_are_fine() {
        let form = read(&format!("{}--AaB03x--", field("a", ""))).unwrap();
        assert_eq!(form.text("a"), Some(""));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        use MultipartError as E;
        let end = "--AaB03x--\r\n";
        let part = |head: &str| format!("--AaB03x\r\n{head}\r\n\r\nv\r\n{end}");
        for (body, error) in [
            (String::new(), E::Boundary),
            (end.to_owned(), E::Boundary),
            (format!("preamble\r\n{}{end}", field("a", "1")), E::Boundary),
            (format!("{}{end}epilogue", field("a", "1")), E::Boundary),
            (field("a", "1"), E::Boundary),
            (format!("{}--AaB03x\r\n", field("a", "1")), E::Boundary),
            (format!("--AaB03xContent\r\n\r\n{end}"), E::Boundary),
            (format!("{}{}{end}", field("a", "1"), field("a", "2")), E::Twice("a".into())),
            (part("Content-Disposition: attachment; name=\"a\""), E::Headers(1)),
            (part("Content-Disposition: form-data; name=a"), E::Headers(1)),
            (part("Content-Disposition: form-data"), E::Headers(1)),
            (part("Content-Disposition: form-data; name=\"a\"; name=\"b\""), E::Headers(1)),
            (part("Content-Disposition: form-data; name=\"a\"; filename*=\"b\""), E::Headers(1)),
            (part("Content-Disposition: form-data; name=\"a"), E::Headers(1)),
            (
                part("Content-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=\"a\""),
                E::Headers(1),
            ),
            (
                part(
                    "Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"b\"",
                ),
                E::Headers(1),
            ),
            (part("Content-Disposition: form-data; name=\"\""), E::Name(1)),
            (part("Content-Disposition: form-data; name=\"a%0Ab\""), E::Name(1)),
            (part(&format!("Content-Disposition: form-data; name=\"{}\"", "n".repeat(201))), E::Name(1)),
            (part(&format!("X: {}", "n".repeat(2000))), E::Headers(1)),
        ] {
            assert_eq!(read(&body), Err(error), "{body:?}");
        }
    }

    #[test]
    fn parts_and_bytes_are_bounded() {
        let many = |n: usize| (0..n).map(|n| field(&n.to_string(), "")).collect::<String>() + "--AaB03x--";
        assert_eq!(read(&many(PARTS_MAX)).unwrap().parts.len(), PARTS_MAX);
        assert_eq!(read(&many(PARTS_MAX + 1)), Err(MultipartError::TooManyParts));
        let large = field("a", &"v".repeat(BODY_BYTES_MAX));
        assert_eq!(read(&large), Err(MultipartError::TooLarge));
    }

    #[test]
    fn the_boundary_is_that_of_the_header() {
        let body = format!("{}--AaB03x--", field("a", "1"));
        for good in ["multipart/form-data; boundary=\"AaB03x\"", "Multipart/Form-Data;boundary=AaB03x"] {
            assert!(parse(good, body.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "",
            "multipart/form-data",
            "multipart/mixed; boundary=AaB03x",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=a b",
            "multipart/form-data; charset=x; boundary=AaB03x",
        ] {
            assert_eq!(parse(bad, body.as_bytes()), Err(MultipartError::ContentType), "{bad}");
        }
        let long = format!("multipart/form-data; boundary={}", "b".repeat(71));
        assert_eq!(parse(&long, body.as_bytes()), Err(MultipartError::ContentType));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in proptest::collection::vec("[\\PC\r\n-]{0,40}", 1..PARTS_MAX)) {
            prop_assume!(values.iter().all(|value| !value.contains("--AaB03x")));
            let body: String = values.iter().enumerate().map(|(n, value)| field(&n.to_string(), value)).collect();
            let form = read(&format!("{body}--AaB03x--\r\n")).unwrap();
            let back: Vec<_> = form.parts.iter().map(|part| String::from_utf8(part.content.clone()).unwrap()).collect();
            prop_assert_eq!(back, values);
        }

        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400), head in ".{0,60}") {
            let _ = parse(&head, &body);
            let with_mark = [b"--AaB03x\r\n".as_slice(), &body, b"\r\n--AaB03x--"].concat();
            if let Ok(form) = parse(TYPE, &with_mark) {
                prop_assert!(!form.parts.is_empty() && form.parts.len() <= PARTS_MAX);
            }
        }
    }
}
