//! What the store can answer with, in words an operator can act on. Never carries a DSN, SQL text or stored values.

/// One sentence each: what is wrong, and the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DbError {
    #[error("the database setting must be `sqlite:PATH` or `postgres://USER@HOST/NAME`")]
    Url,
    #[error("cannot open the database: {0}")]
    Open(String),
    #[error("the database is locked by another program: stop it, or wait for it to finish, and try again")]
    Locked,
    #[error("a program has the database open: stop every server and command on it, and try again")]
    InUse,
    #[error(
        "the database is read-only: make its file and folder writable for this user, or name the primary server, not a standby"
    )]
    ReadOnly,
    #[error("the disk is full: free some space; nothing of this request was stored")]
    Full,
    #[error("the database file is damaged ({0}): restore the last verified backup")]
    Corrupt(String),
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    #[error(
        "the database has schema {found}, newer than this program's {known}: start the newer version of bailiwick"
    )]
    Newer { found: i64, known: i64 },
    #[error("migration {number} was changed after it was applied: use the program that applied it")]
    MigrationChanged { number: i64 },
    #[error("a row with the same {0} already exists")]
    Unique(String),
    #[error("a row that this one refers to does not exist, or is still referred to")]
    ForeignKey,
    #[error("a value breaks a rule of the table: {0}")]
    Check(String),
    #[error("two transactions collided")]
    Serialization,
    #[error("column {column} of `{statement}` has another type than its reader expects")]
    Type { statement: &'static str, column: usize },
    #[error("`{0}` changes state but its transaction recorded no event")]
    NoEvent(&'static str),
    #[error("`{0}` writes, but this is a read")]
    WriteInRead(&'static str),
    #[error("`{0}` is a tenant statement and was given no organization")]
    NoTenant(&'static str),
    #[error("`{0}` would store a row of another organization than its own")]
    OtherTenant(&'static str),
    #[error(
        "`{0}` took too long, or waited too long for another transaction, and was stopped; nothing was stored"
    )]
    TooSlow(&'static str),
    #[error("a write failed inside the program; it was rolled back and nothing was stored")]
    Panicked,
    #[error("the program is shutting down: try again in a moment")]
    Closed,
    #[error("this installation is not set up yet: open the link that the program printed when it started")]
    NotSetUp,
    #[error("the ledger of this organization is inconsistent: {0}")]
    Ledger(String),
    #[error("the database refused `{statement}`: {message}")]
    Other { statement: &'static str, message: String },
}

impl DbError {
    /// Whether the same request may succeed a moment later.
    pub fn retryable(&self) -> bool {
        matches!(
            self,
            Self::Locked
                | Self::Full
                | Self::Unavailable(_)
                | Self::Serialization
                | Self::Closed
                | Self::TooSlow(_)
        )
    }
}
