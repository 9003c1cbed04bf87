//! Reads a file of people: CSV (RFC 4180) in UTF-8 with the columns `email`, `name`, `role` and `groups`.
//!
//! Promises: all or nothing ([`parse`] gives rows only if every row is good); each fault names line, column and cure,
//! up to [`FAULTS_MAX`] of them at once; nobody is in a file twice. `role` and `groups` may be left out; groups are
//! separated by `;`. A cell that a spreadsheet would run as a formula is data here; exports defuse it.

use std::collections::HashMap;
use std::fmt;

use ::csv::{ByteRecord, ReaderBuilder};
use platform::access::Role;

use crate::accounts::email::{EmailAddress, EmailError};
use crate::names::{Name, NameError};

pub const FILE_BYTES_MAX: usize = platform::web::multipart::FILE_BYTES_MAX;
pub const ROWS_MAX: usize = 10_000;
pub const FAULTS_MAX: usize = 100;
pub const GROUPS_PER_ROW_MAX: usize = 50;
const GROUP_SEPARATOR: char = ';';

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    Email,
    Name,
    Role,
    Groups,
}

impl Column {
    pub const ALL: [Column; 4] = [Column::Email, Column::Name, Column::Role, Column::Groups];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
            Self::Role => "role",
            Self::Groups => "groups",
        }
    }

    fn required(self) -> bool {
        matches!(self, Self::Email | Self::Name)
    }
}

/// One person of a good file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    pub line: u64,
    pub email: EmailAddress,
    pub name: Name,
    /// `None`: the column is absent or the cell empty.
    pub role: Option<Role>,
    /// Without repetition (case does not tell groups apart).
    pub groups: Vec<Name>,
}

/// One thing to put right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// As a text editor counts; `None`: the whole file.
    pub line: Option<u64>,
    pub column: Option<Column>,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the file is larger than {} MiB: split it into several", FILE_BYTES_MAX / 1024 / 1024)]
    FileSize,
    #[error("the file has more than {ROWS_MAX} people: split it into several")]
    Rows,
    #[error("the file has no people: put one on each line below the column names")]
    NoRows,
    #[error("choose a file, or paste its lines")]
    Empty,
    #[error("this is no text: choose a CSV file; from a spreadsheet, save it as `CSV UTF-8`")]
    NotText,
    #[error("the file is UTF-16: save it as `CSV UTF-8`")]
    Utf16,
    #[error("there is a character that is not UTF-8: save the file as `CSV UTF-8`")]
    NotUtf8,
    #[error("the first line must name the columns: `email,name`, and if you like `role,groups`")]
    NoHeader,
    #[error("the columns are separated by `{0}`: save the file with commas")]
    Separator(&'static str),
    #[error(
        "there is no column `{name}`: did you mean `{nearest}`? There are `email`, `name`, `role` and `groups`"
    )]
    UnknownColumn { name: String, nearest: &'static str },
    #[error("the column `{0}` is missing: add it to the first line")]
    MissingColumn(&'static str),
    #[error("the column is named twice: take one out")]
    RepeatedColumn,
    #[error(
        "a quote is opened and not closed, or a cell has a line break: close the quote or take the break out"
    )]
    Quote,
    #[error(
        "there are {found} cells but {expected} columns: add or take out commas, and quote cells that have one"
    )]
    Cells { found: usize, expected: usize },
    #[error(transparent)]
    Email(#[from] EmailError),
    #[error(transparent)]
    Name(#[from] NameError),
    #[error("`{0}` is no role: use `owner`, `admin`, `auditor` or `member`")]
    Role(String),
    #[error("there are more than {GROUPS_PER_ROW_MAX} groups: add the rest after the import")]
    Groups,
    #[error("`{email}` is already on line {first_line}: take one of the two out")]
    Repeated { email: String, first_line: u64 },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "line {line}, column `{}`: ", column.as_str())?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, _) => {}
        }
        self.problem.fmt(f)
    }
}

/// Why the whole file is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, thiserror::Error)]
#[error("nothing was imported: put {} faults right and try again", .faults.len() + .more)]
pub struct Refused {
    /// The first [`FAULTS_MAX`], in the order of the file.
    pub faults: Vec<Fault>,
    /// How many there are besides.
    pub more: usize,
}

impl Refused {
    fn add(&mut self, line: Option<u64>, column: Option<Column>, problem: impl Into<Problem>) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(Fault { line, column, problem: problem.into() });
        } else {
            self.more += 1;
        }
    }

    fn one(line: Option<u64>, problem: Problem) -> Self {
        Self { faults: vec![Fault { line, column: None, problem }], more: 0 }
    }
}

/// Reads the whole file, or says everything that is wrong with it.
pub fn parse(data: &[u8]) -> Result<Vec<PersonRow>, Refused> {
    let text = decode(data)?;
    check_quotes(text)?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = ByteRecord::new();
    let mut lines = Lines { text: text.as_bytes(), byte: 0, line: 1 };
    let mut more = |record: &mut ByteRecord| reader.read_byte_record(record).unwrap_or(false);
    if !more(&mut record) {
        return Err(Refused::one(None, Problem::NoHeader));
    }
    let header_line = lines.of(&record);
    let columns = read_header(&record, header_line)?;
    let mut file = File::default();
    while more(&mut record) {
        // Spreadsheets leave rows of nothing but commas behind.
        if record.iter().all(|cell| cell.trim_ascii().is_empty()) {
            continue;
        }
        let line = lines.of(&record);
        file.count += 1;
        if file.count > ROWS_MAX {
            file.refused.add(Some(line), None, Problem::Rows);
            break;
        }
        if record.len() == columns.len() {
            file.read(&record, &columns, line);
        } else {
            let problem = Problem::Cells { found: record.len(), expected: columns.len() };
            file.refused.add(Some(line), None, problem);
        }
    }
    match (file.refused.faults.is_empty(), file.rows.is_empty()) {
        (false, _) => Err(file.refused),
        (true, true) => Err(Refused::one(None, Problem::NoRows)),
        (true, false) => Ok(file.rows),
    }
}

/// Letters of plain English in UTF-16 have a zero beside each, always on the same side.
fn is_wide(start: &[u8]) -> bool {
    let zeros = |side: usize| start.iter().skip(side).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), start.len() / 2);
    (even == 0 || odd == 0) && (even + odd) * 4 >= half * 3 && half > 0
}

fn decode(data: &[u8]) -> Result<&str, Refused> {
    if data.len() > FILE_BYTES_MAX {
        return Err(Refused::one(None, Problem::FileSize));
    }
    if data.trim_ascii().is_empty() {
        return Err(Refused::one(None, Problem::Empty));
    }
    let start = &data[..data.len().min(1024)];
    if data.starts_with(&[0xff, 0xfe]) || data.starts_with(&[0xfe, 0xff]) || is_wide(start) {
        return Err(Refused::one(None, Problem::Utf16));
    }
    // A picture, or the spreadsheet itself.
    if start.contains(&0) {
        return Err(Refused::one(None, Problem::NotText));
    }
    let data = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    std::str::from_utf8(data).map_err(|error| {
        let (line, _) = Lines { text: data, byte: 0, line: 1 }.advance(error.valid_up_to());
        Refused::one(Some(line), Problem::NotUtf8)
    })
}

/// No cell of ours has a line break, so each line has its quotes in pairs (escaped ones are two). Checked before
/// anything else, because an open quote swallows the lines after it.
fn check_quotes(text: &str) -> Result<(), Refused> {
    let mut refused = Refused::default();
    let mut lines = Lines { text: text.as_bytes(), byte: 0, line: 1 };
    for part in text.split_inclusive(['\r', '\n']) {
        if !part.bytes().filter(|byte| *byte == b'"').count().is_multiple_of(2) {
            let at = part.as_ptr() as usize - text.as_ptr() as usize;
            refused.add(Some(lines.advance(at).0), None, Problem::Quote);
        }
    }
    if refused.faults.is_empty() { Ok(()) } else { Err(refused) }
}

/// Line numbers as text editors count them: each of CR LF, LF and CR ends a line.
struct Lines<'a> {
    text: &'a [u8],
    byte: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line that `byte` is on; called with rising values.
    fn advance(&mut self, byte: usize) -> (u64, usize) {
        while self.byte < byte.min(self.text.len()) {
            let pair = self.text.get(self.byte + 1) == Some(&b'\n');
            match self.text[self.byte] {
                b'\r' if pair => {}
                b'\r' | b'\n' => self.line += 1,
                _ => {}
            }
            self.byte += 1;
        }
        (self.line, self.byte)
    }

    /// Where a record begins: the reader's own count stops before blank lines.
    fn of(&mut self, record: &ByteRecord) -> u64 {
        let start = record.position().map_or(0, |position| usize::try_from(position.byte()).unwrap_or(0));
        let rest = self.text.get(start..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        self.advance(start + blank).0
    }
}

fn text_of(cell: &[u8]) -> &str {
    // The whole file is UTF-8 and cells are cut at ASCII characters.
    std::str::from_utf8(cell).unwrap_or_default().trim()
}

fn read_header(record: &ByteRecord, line: u64) -> Result<Vec<Column>, Refused> {
    let cells: Vec<String> = record.iter().map(|cell| text_of(cell).to_lowercase()).collect();
    if let [only] = &cells[..] {
        for (separator, name) in [(';', ";"), ('\t', "tab"), ('|', "|")] {
            if only.contains(separator) {
                return Err(Refused::one(Some(line), Problem::Separator(name)));
            }
        }
    }
    if !cells.iter().any(|cell| Column::ALL.iter().any(|column| column.as_str() == cell)) {
        return Err(Refused::one(Some(line), Problem::NoHeader));
    }
    let mut refused = Refused::default();
    let mut columns = Vec::new();
    for cell in &cells {
        match Column::ALL.into_iter().find(|column| column.as_str() == cell) {
            Some(column) if columns.contains(&column) => {
                refused.add(Some(line), Some(column), Problem::RepeatedColumn);
            }
            Some(column) => columns.push(column),
            None => {
                let nearest = nearest(cell).as_str();
                let name = cell.chars().take(64).collect();
                refused.add(Some(line), None, Problem::UnknownColumn { name, nearest });
            }
        }
    }
    for column in Column::ALL {
        if column.required() && !columns.contains(&column) {
            refused.add(Some(line), None, Problem::MissingColumn(column.as_str()));
        }
    }
    if refused.faults.is_empty() { Ok(columns) } else { Err(refused) }
}

fn nearest(cell: &str) -> Column {
    let of = |column: Column| {
        // `e-mail address` and `full name` hold the name that is meant.
        let letters: String = cell.chars().filter(char::is_ascii_alphabetic).collect();
        let holds = letters.contains(column.as_str().trim_end_matches('s'));
        if holds { 0 } else { 1 + edits(&letters, column.as_str()) }
    };
    Column::ALL.into_iter().min_by_key(|column| of(*column)).unwrap_or(Column::Email)
}

/// Levenshtein's distance of the first 64 letters.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().take(64).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[derive(Default)]
struct File {
    rows: Vec<PersonRow>,
    count: usize,
    refused: Refused,
    /// Address to the line it was first on.
    seen: HashMap<String, u64>,
}

impl File {
    fn read(&mut self, record: &ByteRecord, columns: &[Column], line: u64) {
        let (mut email, mut name, mut role, mut groups) = (None, None, None, Vec::new());
        for (cell, column) in record.iter().map(text_of).zip(columns) {
            let fault = match column {
                Column::Email => self.email(cell, line).map(|address| email = Some(address)),
                Column::Name => Name::parse(cell).map(|good| name = Some(good)).map_err(Problem::from),
                Column::Role => read_role(cell).map(|good| role = good),
                Column::Groups => read_groups(cell).map(|good| groups = good),
            };
            if let Err(problem) = fault {
                self.refused.add(Some(line), Some(*column), problem);
            }
        }
        // What is kept of a refused file is dropped with it.
        if let (Some(email), Some(name)) = (email, name) {
            self.rows.push(PersonRow { line, email, name, role, groups });
        }
    }

    fn email(&mut self, cell: &str, line: u64) -> Result<EmailAddress, Problem> {
        let address = EmailAddress::parse(cell)?;
        let first_line = *self.seen.entry(address.key().to_owned()).or_insert(line);
        if first_line == line {
            return Ok(address);
        }
        Err(Problem::Repeated { email: address.key().to_owned(), first_line })
    }
}

fn read_role(cell: &str) -> Result<Option<Role>, Problem> {
    if cell.is_empty() {
        return Ok(None);
    }
    let role = Role::parse(&cell.to_lowercase());
    role.map(Some).ok_or_else(|| Problem::Role(cell.chars().take(64).collect()))
}

fn read_groups(cell: &str) -> Result<Vec<Name>, Problem> {
    let mut groups: Vec<Name> = Vec::new();
    for part in cell.split(GROUP_SEPARATOR).filter(|part| !part.trim().is_empty()) {
        let name = Name::parse(part)?;
        let same = |other: &Name| other.as_str().to_lowercase() == name.as_str().to_lowercase();
        if !groups.iter().any(same) {
            groups.push(name);
        }
        if groups.len() > GROUPS_PER_ROW_MAX {
            return Err(Problem::Groups);
        }
    }
    Ok(groups)
}

#[cfg(test)]
mod tests;
