//! Finds a single flipped bit: every line is bound by a hash or a signature, so the one repair that makes the line
//! right again *is* what was written.

use super::Damage;

/// Longer lines are only named, not searched: a search reads the line eight times per byte. A fuzzer, whose files are
/// nearly all damaged, would do nothing else.
const SEARCH_BYTES_MAX: usize = if cfg!(fuzzing) { 256 } else { 4096 };

/// Looks for the bit of `line` whose flip makes the first line of `window` acceptable. `window` is `line` and what
/// follows it in the file (the bit may have made a newline out of something else); `near` is the byte to begin with.
pub(super) fn flipped_bit(
    window: &[u8],
    line_length: usize,
    near: usize,
    mut accepts: impl FnMut(&str) -> bool,
) -> Option<Damage> {
    if line_length > SEARCH_BYTES_MAX {
        return None;
    }
    let near = near.min(line_length);
    let mut repaired = window.to_vec();
    for at in (0..near).rev().chain(near..line_length) {
        let found = *window.get(at)?;
        for bit in 0..8 {
            let written = found ^ 1 << bit;
            *repaired.get_mut(at)? = written;
            let end = repaired.iter().position(|byte| *byte == b'\n');
            let first = end.and_then(|end| std::str::from_utf8(repaired.get(..end)?).ok());
            if let Some(first) = first.filter(|first| accepts(first)) {
                return Some(Damage::Bit { byte: at + 1, field: field_at(first, at), found, written });
            }
        }
        *repaired.get_mut(at)? = found;
    }
    None
}

/// Name of the member in which the byte `at` of a valid line lies, with the names around it: `personal.email.value`.
fn field_at(line: &str, at: usize) -> String {
    let bytes = line.as_bytes();
    let mut path: Vec<&str> = Vec::new();
    let mut position = 0;
    while let Some(byte) = bytes.get(position) {
        if position > at {
            break;
        }
        match byte {
            b'{' => path.push(""),
            b'}' if path.len() > 1 => drop(path.pop()),
            b'"' => {
                let end = string_end(bytes, position);
                if bytes.get(end) == Some(&b':')
                    && let Some(last) = path.last_mut()
                {
                    *last = line.get(position + 1..end - 1).unwrap_or_default();
                }
                position = end;
                continue;
            }
            _ => {}
        }
        position += 1;
    }
    path.retain(|name| !name.is_empty());
    if at >= bytes.len() { "end of the line".to_owned() } else { path.join(".") }
}

/// Position after the closing quote of the string that begins at `start`.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut position = start + 1;
    loop {
        match bytes.get(position) {
            Some(b'\\') => position += 2,
            Some(b'"') => return position + 1,
            Some(_) => position += 1,
            None => return bytes.len(),
        }
    }
}
