//! The one way to write the JSON of an export, and a reader that accepts nothing else.

use super::Damage;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A string as RFC 8785 §3.2.2.2 writes it.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\n' => out.extend_from_slice(b"\\n"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                push_hex_digits(out, &[byte]);
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_hex_digits(out, bytes);
    out.push(b'"');
}

pub(super) fn push_hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(bytes.iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]));
}

/// A position in a line. Every method consumes exactly what it names or says where the line differs.
pub(super) struct Cursor<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Cursor<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line: line.as_bytes(), at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn expected(&self, expected: &'static str) -> Damage {
        Damage::Syntax { byte: self.at + 1, expected }
    }

    fn rest(&self) -> &'l [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    pub(super) fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    pub(super) fn literal(&mut self, literal: &'static str) -> Result<(), Damage> {
        let rest = self.rest();
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        self.at += rest.iter().zip(literal.as_bytes()).take_while(|(found, wanted)| found == wanted).count();
        Err(self.expected(literal))
    }

    pub(super) fn end(&self) -> Result<(), Damage> {
        if self.rest().is_empty() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, Damage> {
        const EXPECTED: &str = "a whole number without leading zeros";
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(number) = self.rest().get(..digits).filter(|digits| !digits.is_empty()) else {
            return Err(self.expected(EXPECTED));
        };
        if number.len() > 1 && number.starts_with(b"0") {
            return Err(self.expected(EXPECTED));
        }
        let value = number
            .iter()
            .try_fold(0_u64, |value, digit| value.checked_mul(10)?.checked_add(u64::from(digit - b'0')));
        let value = value.ok_or_else(|| self.expected("a whole number of at most 64 bits"))?;
        self.at += digits;
        Ok(value)
    }

    pub(super) fn signed(&mut self) -> Result<i64, Damage> {
        let start = self.at;
        let negative = self.take(b'-');
        let magnitude = self.unsigned()?;
        let value = if negative { 0_i64.checked_sub_unsigned(magnitude) } else { magnitude.try_into().ok() };
        match value {
            Some(value) if !(negative && value == 0) => Ok(value),
            _ => {
                self.at = start;
                Err(self.expected("a whole number of at most 64 bits with its sign"))
            }
        }
    }

    /// A string, unescaped onto the end of `out`. The line is valid UTF-8, and escapes stand for ASCII only, so what
    /// is appended is valid UTF-8 as well.
    pub(super) fn string_into(&mut self, out: &mut Vec<u8>) -> Result<(), Damage> {
        self.literal("\"")?;
        loop {
            let rest = self.rest();
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let plain = rest.iter().position(special).unwrap_or(rest.len());
            out.extend_from_slice(rest.get(..plain).unwrap_or_default());
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.expected("the rest of a string and its closing quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<u8, Damage> {
        let (length, byte) = match self.rest() {
            [_, b'"', ..] => (2, b'"'),
            [_, b'\\', ..] => (2, b'\\'),
            [_, b'b', ..] => (2, 0x08),
            [_, b't', ..] => (2, b'\t'),
            [_, b'n', ..] => (2, b'\n'),
            [_, b'f', ..] => (2, 0x0c),
            [_, b'r', ..] => (2, b'\r'),
            [_, b'u', b'0', b'0', high @ b'0'..=b'1', low, ..] => match (digit(*high), digit(*low)) {
                // These have the short form above.
                (Some(0), Some(8 | 9 | 10 | 12 | 13)) => (0, 0),
                (Some(high), Some(low)) => (6, high << 4 | low),
                _ => (0, 0),
            },
            _ => (0, 0),
        };
        if length == 0 {
            return Err(self.expected("an escape in its shortest form"));
        }
        self.at += length;
        Ok(byte)
    }

    pub(super) fn string(&mut self) -> Result<String, Damage> {
        let mut bytes = Vec::new();
        let start = self.expected("UTF-8 text");
        self.string_into(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| start)
    }

    /// `N` bytes as a string of lower-case hex.
    pub(super) fn hex<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        self.literal("\"")?;
        let bytes = self.hex_digits()?;
        self.literal("\"")?;
        Ok(bytes)
    }

    pub(super) fn hex_digits<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        let mut bytes = [0; N];
        for byte in &mut bytes {
            let mut nibble = || {
                let value =
                    self.peek().and_then(digit).ok_or_else(|| self.expected("a lower-case hex digit"))?;
                self.at += 1;
                Ok(value)
            };
            *byte = nibble()? << 4 | nibble()?;
        }
        Ok(bytes)
    }
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    }
}
