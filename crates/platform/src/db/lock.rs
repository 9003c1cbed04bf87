//! Who has the store open: programs share it, moving it away (`carry.rs`) wants it alone.
//!
//! SQLite: a lock on a file beside the database; SQLite's own locks on the database itself would be lost with any other
//! handle to it. PostgreSQL: an advisory lock that the listening connection holds for as long as the program runs.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::DbError;

/// The lock of whoever runs on the schema that the connection is in; the second number tells schemas apart.
pub(super) const SHARE: &str =
    "select pg_try_advisory_lock_shared(8482, hashtext(coalesce(current_schema()::text, '')))";
pub(super) const ALONE: &str =
    "select pg_try_advisory_lock(8482, hashtext(coalesce(current_schema()::text, '')))";

/// Whether a program lets others on the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Shared,
    Alone,
}

/// Held until dropped.
#[derive(Debug)]
pub(super) struct FileLock {
    _file: Option<File>,
}

fn beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

fn open(database: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(beside(database))
}

impl FileLock {
    pub(super) fn take(database: &Path, company: Company) -> Result<Self, DbError> {
        match company {
            Company::Shared => Self::shared(database),
            Company::Alone => Self::alone(database)?.ok_or(DbError::InUse),
        }
    }

    /// For a program that runs on it. Where no file can be made nothing can be written anyway.
    pub(super) fn shared(database: &Path) -> Result<Self, DbError> {
        let Ok(file) = open(database) else { return Ok(Self { _file: None }) };
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(DbError::Locked),
            // A file system without locks: then nobody can be kept out.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Self { _file: Some(file) }),
        }
    }

    /// For whoever wants it alone; `None` when a program runs on it.
    pub(super) fn alone(database: &Path) -> Result<Option<Self>, DbError> {
        let fail = |error: std::io::Error| DbError::Open(format!("{}: {error}", beside(database).display()));
        let file = open(database).map_err(fail)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: Some(file) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(fail(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_share_and_one_is_alone() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let (one, two) = (FileLock::shared(&database).unwrap(), FileLock::shared(&database).unwrap());
        assert!(FileLock::alone(&database).unwrap().is_none());
        drop((one, two));
        let alone = FileLock::alone(&database).unwrap();
        assert!(alone.is_some());
        assert_eq!(FileLock::shared(&database).map(drop), Err(DbError::Locked));
        assert!(FileLock::alone(&database).unwrap().is_none());
        drop(alone);
        FileLock::shared(&database).unwrap();
        // A folder that is not there: nothing to lock, and whoever opens the database says what is wrong.
        FileLock::shared(&folder.path().join("nowhere/a.db")).unwrap();
        assert!(FileLock::alone(&folder.path().join("nowhere/a.db")).is_err());
    }
}
