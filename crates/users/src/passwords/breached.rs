//! The list of known passwords: a local file, asked without loading it.
//!
//! The file holds the first 8 bytes of the SHA-1 of each password, sorted, behind a header of 16 bytes
//! (`bwbp0001`, then how many as a big-endian `u64`). A look-up is a binary search of some 30 reads that the system's
//! page cache answers: a list of a billion passwords costs 8 GB of disk and no memory. SHA-1, since that is what
//! published lists hold; it protects nothing here.
//!
//! Where none is configured, the program says so, and what zxcvbn's dictionaries hold is refused all the same.

use std::fs::File;
use std::io::{BufRead, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;
use platform::App;

use super::Password;
use super::strength::{BreachedList, CommonPasswords};

const MAGIC: &[u8; 8] = b"bwbp0001";
const HEADER: u64 = 16;
const ENTRY: u64 = 8;

#[derive(Debug, thiserror::Error)]
pub enum BreachedError {
    #[error("cannot read the list of known passwords: {0}")]
    Io(#[from] std::io::Error),
    #[error("this is no list of known passwords: make one with `bailiwick breached-passwords`")]
    Form,
    #[error("the list of known passwords is cut off or not in order: make it anew")]
    Broken,
    #[error("line {0} is no SHA-1 in hexadecimal, optionally with `:` and a count")]
    Line(u64),
    #[error("line {0} comes before the line above it: sort the list by its hashes first")]
    Order(u64),
}

/// A list in a file; added to the program as a service where one is configured.
pub struct BreachedPasswords {
    file: File,
    count: u64,
}

impl BreachedPasswords {
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let mut file = File::open(path)?;
        let mut header = [0; 16];
        file.read_exact(&mut header).map_err(|_| BreachedError::Form)?;
        let (magic, count) = header.split_at(8);
        if magic != MAGIC {
            return Err(BreachedError::Form);
        }
        let count = u64::from_be_bytes(count.try_into().map_err(|_| BreachedError::Form)?);
        let length = file.metadata()?.len();
        if count.checked_mul(ENTRY).and_then(|bytes| bytes.checked_add(HEADER)) != Some(length) {
            return Err(BreachedError::Broken);
        }
        let list = Self { file, count };
        // A sample that a swapped or truncated file does not pass; reading all of it would take minutes.
        let step = (count / 1000).max(1);
        let mut before = None;
        for at in (0..count).step_by(usize::try_from(step).unwrap_or(1)) {
            let entry = list.entry(at)?;
            if before.is_some_and(|before| before >= entry) {
                return Err(BreachedError::Broken);
            }
            before = Some(entry);
        }
        Ok(list)
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    fn entry(&self, at: u64) -> Result<u64, std::io::Error> {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, HEADER + at * ENTRY)?;
        Ok(u64::from_be_bytes(bytes))
    }

    fn find(&self, wanted: u64) -> Result<bool, std::io::Error> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.entry(middle)?.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }
}

fn key(password: &str) -> u64 {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
    hash.as_ref().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

impl BreachedList for BreachedPasswords {
    fn contains(&self, password: &Password) -> bool {
        match self.find(key(password.text())) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "cannot read the list of known passwords; nothing was compared with it");
                false
            }
        }
    }
}

/// Everything a new password is compared with.
pub struct Lists(Option<Arc<BreachedPasswords>>);

impl BreachedList for Lists {
    fn contains(&self, password: &Password) -> bool {
        CommonPasswords.contains(password) || self.0.as_ref().is_some_and(|list| list.contains(password))
    }
}

pub fn lists(app: &App) -> Lists {
    Lists(app.find_service::<BreachedPasswords>())
}

/// What pages say about it.
pub fn words(app: &App) -> String {
    match app.find_service::<BreachedPasswords>() {
        Some(list) => format!(
            "New passwords are compared with a list of {} known passwords and with common words.",
            list.count()
        ),
        None => {
            "No list of known passwords is configured on this installation: new passwords are compared with \
                 common words alone. Whoever runs it names one in the setting breached_passwords."
                .to_owned()
        }
    }
}

/// Makes a list of lines `SHA1` or `SHA1:count`, sorted by hash as published lists are. Gives how many it holds.
pub fn build(from: impl BufRead, to: impl Write + Seek) -> Result<u64, BreachedError> {
    let mut to = BufWriter::new(to);
    to.write_all(MAGIC)?;
    to.write_all(&0_u64.to_be_bytes())?;
    let (mut count, mut before) = (0_u64, None);
    for (number, line) in (1_u64..).zip(from.lines()) {
        let line = line?;
        let hash = line.split(':').next().unwrap_or_default().trim();
        if hash.is_empty() {
            continue;
        }
        let good = hash.len() == 40 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let entry = hash.get(..16).filter(|_| good).and_then(|start| u64::from_str_radix(start, 16).ok());
        let entry = entry.ok_or(BreachedError::Line(number))?;
        match before {
            Some(last) if entry < last => return Err(BreachedError::Order(number)),
            Some(last) if entry == last => continue,
            _ => {}
        }
        before = Some(entry);
        to.write_all(&entry.to_be_bytes())?;
        count += 1;
    }
    to.seek(SeekFrom::Start(8))?;
    to.write_all(&count.to_be_bytes())?;
    to.flush()?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn sha1(password: &str) -> String {
        hex(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes()).as_ref())
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02X}")).collect()
    }

    fn file_of(passwords: &[String]) -> (tempfile::TempDir, BreachedPasswords) {
        let mut lines: Vec<String> = passwords.iter().map(|one| format!("{}:7", sha1(one))).collect();
        lines.sort();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let count = build(Cursor::new(lines.join("\r\n")), File::create(&path).unwrap()).unwrap();
        assert_eq!(count, passwords.len() as u64);
        let list = BreachedPasswords::open(&path).unwrap();
        (folder, list)
    }

    #[test]
    fn what_is_on_the_list_is_found_and_nothing_else() {
        let known: Vec<String> = (0..5000).map(|n| format!("correct horse {n}")).collect();
        let (_folder, list) = file_of(&known);
        assert_eq!(list.count(), 5000);
        assert!(known.iter().all(|one| list.contains(&Password::new(one.clone()))));
        assert!((5000..9000).all(|n| !list.contains(&Password::new(format!("correct horse {n}")))));
        let (_folder, empty) = file_of(&[]);
        assert!(!empty.contains(&Password::new("correct horse 1".to_owned())));
    }

    #[test]
    fn a_list_that_is_not_one_is_refused_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let open = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            BreachedPasswords::open(&path)
                .err()
                .map(|error| error.to_string().split(':').next().unwrap().to_owned())
        };
        let with = |count: u64, entries: &[u64]| {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(count.to_be_bytes());
            bytes.extend(entries.iter().flat_map(|entry| entry.to_be_bytes()));
            bytes
        };
        assert!(open(b"123456\npassword\n").unwrap().contains("no list"));
        assert!(open(&with(3, &[1, 2])).unwrap().contains("cut off"));
        assert!(open(&with(2, &[2, 1])).unwrap().contains("not in order"));
        assert!(open(&with(u64::MAX, &[1])).unwrap().contains("cut off"));
        assert_eq!(open(&with(2, &[1, 2])), None);
    }

    #[test]
    fn lines_that_are_no_hashes_or_out_of_order_are_named() {
        let make = |text: &str| build(Cursor::new(text.to_owned()), Cursor::new(Vec::new()));
        let (low, high) = ("0".repeat(40), "F".repeat(40));
        assert_eq!(make(&format!("{low}:3\n\n{low}\n{high}\n")).unwrap(), 2);
        assert!(matches!(make("password"), Err(BreachedError::Line(1))));
        assert!(matches!(make(&format!("{high}\n{low}")), Err(BreachedError::Order(2))));
    }
}
