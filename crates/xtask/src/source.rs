//! A Rust file as the rules see it: what is code, what is comment, what is inside a string, which lines are
//! test code, where functions start and end. A lexer, not a parser: it knows literals, comments and brackets,
//! which is all these rules need, and it never fails on input.

/// Text found at a line (counted from 1).
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    pub line: usize,
    pub text: String,
}

/// A function with a body; `lines` are its body's lines that hold more than white space and comments.
#[derive(Debug, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub line: usize,
    pub lines: usize,
}

pub struct Source {
    /// The file with comments and the insides of literals blanked; lines and columns stay where they were.
    pub code: String,
    /// The file with comments blanked, literals kept.
    uncommented: String,
    pub comments: Vec<Found>,
    pub strings: Vec<Found>,
    test_lines: Vec<bool>,
}

impl Source {
    /// `all_test` says that the whole file is test code, whatever attributes it carries.
    pub fn read(text: &str, all_test: bool) -> Self {
        let mut lexer = Lexer::new(text);
        lexer.run();
        let code = String::from_utf8_lossy(&lexer.code).into_owned();
        let uncommented = String::from_utf8_lossy(&lexer.uncommented).into_owned();
        let test_lines = if all_test { vec![true; code.lines().count()] } else { test_lines(&code) };
        Self { code, uncommented, comments: lexer.comments, strings: lexer.strings, test_lines }
    }

    pub fn is_test(&self, line: usize) -> bool {
        line > 0 && self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    /// Every line of `code`, with its number.
    pub fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    pub fn functions(&self) -> Vec<Function> {
        let bytes = self.code.as_bytes();
        let kept: Vec<&str> = self.uncommented.lines().collect();
        let mut found = Vec::new();
        for start in words(&self.code, "fn") {
            let name: String =
                self.code[start + 2..].trim_start().chars().take_while(|c| is_word(*c)).collect();
            if name.is_empty() {
                continue; // the type `fn(…)`
            }
            let Some(open) = body_start(bytes, start) else { continue };
            let close = closing(bytes, open);
            let (first, last) = (line_of(bytes, open), line_of(bytes, close));
            let body = kept.get(first..last.saturating_sub(1)).unwrap_or_default();
            let lines = body.iter().filter(|line| !line.trim().is_empty()).count();
            found.push(Function { name, line: line_of(bytes, start), lines });
        }
        found
    }
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Where `word` stands in `text` as a word of its own.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = text[..*at].chars().next_back().is_some_and(is_word);
        let after = text[at + word.len()..].chars().next().is_some_and(is_word);
        !before && !after
    })
}

fn line_of(bytes: &[u8], at: usize) -> usize {
    1 + bytes[..at.min(bytes.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// The `{` that opens the item's body after `from`; none when a `;` ends it first.
fn body_start(bytes: &[u8], from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth -= 1,
            b'{' if depth == 0 => return Some(at),
            b';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The `}` that closes the `{` at `open`, or the end of the file.
fn closing(bytes: &[u8], open: usize) -> usize {
    let mut depth = 0_i32;
    for (at, byte) in bytes.iter().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    bytes.len().saturating_sub(1)
}

fn test_lines(code: &str) -> Vec<bool> {
    let bytes = code.as_bytes();
    let mut marked = vec![false; code.lines().count()];
    for attribute in ["#[cfg(test)]", "#[cfg(all(test", "#[test]", "#[tokio::test"] {
        for (at, _) in code.match_indices(attribute) {
            // The attribute's own brackets are balanced, so the search may start at it.
            let end = body_start(bytes, at).map_or(at, |open| closing(bytes, open));
            for line in line_of(bytes, at)..=line_of(bytes, end) {
                if let Some(mark) = marked.get_mut(line - 1) {
                    *mark = true;
                }
            }
        }
    }
    marked
}

struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
    code: Vec<u8>,
    uncommented: Vec<u8>,
    comments: Vec<Found>,
    strings: Vec<Found>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
            line: 1,
            code: Vec::with_capacity(text.len()),
            uncommented: Vec::with_capacity(text.len()),
            comments: Vec::new(),
            strings: Vec::new(),
        }
    }

    fn run(&mut self) {
        while self.at < self.text.len() {
            match self.text[self.at] {
                b'/' if self.peek(1) == Some(b'/') => self.line_comment(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' => self.string(),
                b'r' if !self.after_word() && self.raw_hashes().is_some() => self.raw_string(),
                b'\'' if self.is_char() => self.character(),
                _ => self.step(Keep::Both),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts(&self, what: &[u8]) -> bool {
        self.text[self.at..].starts_with(what)
    }

    /// Part of a longer identifier; the prefixes of `br"…"` and `cr"…"` are none.
    fn after_word(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map(|at| char::from(self.text[at]));
        match before(1) {
            Some('b' | 'c') => before(2).is_some_and(is_word),
            Some(c) => is_word(c),
            None => false,
        }
    }

    fn step(&mut self, keep: Keep) {
        let byte = self.text[self.at];
        let blank = if byte == b'\n' { b'\n' } else { b' ' };
        self.code.push(if matches!(keep, Keep::Both) { byte } else { blank });
        self.uncommented.push(if matches!(keep, Keep::None) { blank } else { byte });
        self.line += usize::from(byte == b'\n');
        self.at += 1;
    }

    fn steps(&mut self, count: usize, keep: Keep) {
        for _ in 0..count {
            if self.at < self.text.len() {
                self.step(keep);
            }
        }
    }

    fn text_from(&self, start: usize) -> String {
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }

    fn line_comment(&mut self) {
        let (start, line) = (self.at, self.line);
        while self.at < self.text.len() && self.text[self.at] != b'\n' {
            self.step(Keep::None);
        }
        self.comments.push(Found { line, text: self.text_from(start) });
    }

    fn block_comment(&mut self) {
        let (start, line) = (self.at, self.line);
        let mut depth = 0_u32;
        while self.at < self.text.len() {
            if self.starts(b"/*") {
                depth += 1;
                self.steps(2, Keep::None);
            } else if self.starts(b"*/") {
                depth -= 1;
                self.steps(2, Keep::None);
                if depth == 0 {
                    break;
                }
            } else {
                self.step(Keep::None);
            }
        }
        self.comments.push(Found { line, text: self.text_from(start) });
    }

    fn string(&mut self) {
        self.step(Keep::Both);
        let (start, line) = (self.at, self.line);
        while self.at < self.text.len() && self.text[self.at] != b'"' {
            let count = if self.text[self.at] == b'\\' { 2 } else { 1 };
            self.steps(count, Keep::Literal);
        }
        self.strings.push(Found { line, text: self.text_from(start) });
        self.steps(1, Keep::Both);
    }

    /// How many `#` stand between this `r` and its quote; none when it starts no raw string.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.text[self.at + 1..].iter().take_while(|byte| **byte == b'#').count();
        (self.peek(1 + hashes) == Some(b'"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        self.steps(hashes + 2, Keep::Both);
        let (start, line) = (self.at, self.line);
        let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
        while self.at < self.text.len() && !self.starts(&end) {
            self.step(Keep::Literal);
        }
        self.strings.push(Found { line, text: self.text_from(start) });
        self.steps(end.len(), Keep::Both);
    }

    /// `'a'` or `'\n'`, not the lifetime `'a`.
    fn is_char(&self) -> bool {
        if self.peek(1) == Some(b'\\') {
            return true;
        }
        // One character, of up to four bytes, then the closing quote.
        let rest =
            String::from_utf8_lossy(&self.text[self.at + 1..(self.at + 6).min(self.text.len())]).into_owned();
        rest.chars().nth(1) == Some('\'')
    }

    fn character(&mut self) {
        self.step(Keep::Both);
        while self.at < self.text.len() && self.text[self.at] != b'\'' {
            let count = if self.text[self.at] == b'\\' { 2 } else { 1 };
            self.steps(count, Keep::Literal);
        }
        self.steps(1, Keep::Both);
    }
}

#[derive(Clone, Copy)]
enum Keep {
    Both,
    Literal,
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked_in_place() {
        let text =
            "let a = \"x.unwrap()\"; // y.unwrap()\nlet b = r#\"\"z\"\"#; /* a /* b */ c */ let c = '\"';\n";
        let source = Source::read(text, false);
        assert_eq!(source.code.len(), text.len());
        assert!(!source.code.contains("unwrap"));
        assert!(source.code.contains("let c ="));
        assert_eq!(source.strings[0].text, "x.unwrap()");
        assert_eq!(source.strings[1], Found { line: 2, text: "\"z\"".into() });
        assert_eq!(source.comments[0].text, "// y.unwrap()");
        assert_eq!(source.comments[1].text, "/* a /* b */ c */");
    }

    #[test]
    fn lifetimes_are_no_characters() {
        let source =
            Source::read("fn f<'a>(x: &'a str) -> char { let q = '\\''; g('é'); x.unwrap() }", false);
        assert!(source.code.contains("x.unwrap()"));
        assert!(!source.code.contains('é'));
    }

    #[test]
    fn a_raw_identifier_starts_no_string() {
        let source = Source::read("let r#type = br\"a\\\"; var = \"b\";", false);
        assert_eq!(source.strings.len(), 2, "{:?}", source.strings);
        assert_eq!(source.strings[0].text, "a\\");
    }

    #[test]
    fn test_code_is_known_by_its_attributes() {
        let text = "fn a() {\n  x();\n}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod more;\nfn d() {}";
        let source = Source::read(text, false);
        let lines: Vec<usize> = (1..=11).filter(|line| source.is_test(*line)).collect();
        assert_eq!(lines, [4, 5, 6, 7, 9]);
        assert!(Source::read("fn a() {}", true).is_test(1));
    }

    #[test]
    fn functions_count_the_lines_of_their_body_that_say_something() {
        let text = "trait T { fn none(&self) -> [u8; 4]; }\npub fn some(a: fn(u8))\nwhere A: B,\n{\n    // why\n\n    one();\n    let sql = \"\n      select\n    \";\n}\n";
        let found = Source::read(text, false).functions();
        assert_eq!(found, [Function { name: "some".into(), line: 2, lines: 4 }]);
    }
}
