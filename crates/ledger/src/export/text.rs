//! The one way to write the JSON of an export, and a reader that accepts nothing else.

use super::Damage;

const HEX: &[u8; 16] = b"0123456789abcdef";

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A string as RFC 8785 §3.2.2.2 writes it.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(plain) = rest.iter().position(|byte| is_special(*byte)) {
        let (before, from) = rest.split_at(plain);
        out.extend_from_slice(before);
        let Some((special, after)) = from.split_first() else { break };
        push_escape(out, *special);
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_escape(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        0x08 => out.extend_from_slice(b"\\b"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\n' => out.extend_from_slice(b"\\n"),
        0x0c => out.extend_from_slice(b"\\f"),
        b'\r' => out.extend_from_slice(b"\\r"),
        _ => {
            out.extend_from_slice(b"\\u00");
            push_hex_digits(out, &[byte]);
        }
    }
}

pub(super) fn push_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    push_hex_digits(out, bytes);
    out.push(b'"');
}

pub(super) fn push_hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.chunks(32) {
        let mut digits = [0; 64];
        let (pairs, _) = digits.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(chunk) {
            *pair = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
        }
        out.extend_from_slice(&digits[..2 * chunk.len()]);
    }
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
            let plain = rest.iter().position(|byte| is_special(*byte)).unwrap_or(rest.len());
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
        let (pairs, _) = self.rest().as_chunks::<2>();
        let mut bytes = [0; N];
        let mut seen = 0;
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
            seen |= high | low;
            *byte = high << 4 | low;
        }
        if pairs.len() >= N && seen < 16 {
            self.at += 2 * N;
            return Ok(bytes);
        }
        self.at += self.rest().iter().take(2 * N).take_while(|byte| digit(**byte).is_some()).count();
        Err(self.expected("a lower-case hex digit"))
    }
}

const NOT_A_DIGIT: u8 = 0xff;

/// The value of each byte as a lower-case hex digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NOT_A_DIGIT; 256];
    let mut value = 0;
    while value < HEX.len() {
        digits[HEX[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

fn digit(byte: u8) -> Option<u8> {
    Some(DIGITS[usize::from(byte)]).filter(|value| *value != NOT_A_DIGIT)
}
