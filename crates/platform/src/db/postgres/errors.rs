//! PostgreSQL's answers as errors of the store.

use std::error::Error as _;

use tokio_postgres::error::SqlState;

use super::super::DbError;

thread_local! {
    /// Set when a statement of the running transaction failed with 40001 or 40P01: rules wrap errors in their own
    /// types, and the retry must not depend on them passing it on.
    static COLLIDED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Forgets what happened before this transaction.
pub(super) fn forget_collision() {
    COLLIDED.set(false);
}

pub(super) fn take_collision() -> bool {
    COLLIDED.replace(false)
}

pub(super) fn unavailable(error: &deadpool_postgres::PoolError) -> DbError {
    use deadpool_postgres::PoolError;
    match error {
        PoolError::Backend(error) => failed("connect", error),
        PoolError::Closed => DbError::Closed,
        PoolError::Timeout(_) => {
            DbError::Unavailable("all of its connections are in use, or it takes none".to_owned())
        }
        other => DbError::Unavailable(other.to_string()),
    }
}

/// Whether the connection itself is gone, so that nothing of a transaction that it had not begun can have happened.
pub(super) fn lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(db) => matches!(db.code().code(), "57P01" | "57P02" | "57P05"),
        None => error.is_closed() || of_the_network(error),
    }
}

fn of_the_network(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(|source| source.is::<std::io::Error>())
}

pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

/// Translates PostgreSQL's codes (<https://www.postgresql.org/docs/15/errcodes-appendix.html>).
pub(in super::super) fn failed(statement: &'static str, error: &tokio_postgres::Error) -> DbError {
    let Some(db) = error.as_db_error() else {
        return if lost(error) {
            DbError::Unavailable(describe(error))
        } else {
            DbError::Other { statement, message: describe(error) }
        };
    };
    let code = db.code();
    let constraint = || db.constraint().unwrap_or("value").to_owned();
    if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
        COLLIDED.set(true);
        return DbError::Serialization;
    }
    match code.code() {
        "23505" => DbError::Unique(constraint()),
        "23503" => DbError::ForeignKey,
        "23514" | "23502" => DbError::Check(constraint()),
        // A row that the second wall does not take: the statement and its parameters disagree.
        "42501" if db.routine() == Some("ExecWithCheckOptions") => DbError::OtherTenant(statement),
        "25006" => DbError::ReadOnly,
        "53100" => DbError::Full,
        "57014" | "55P03" => DbError::TooSlow(statement),
        "28P01" | "28000" | "3D000" => DbError::Open(db.message().to_owned()),
        // Connection exceptions, no resources, operator's intervention, system errors (its disk).
        code if ["08", "53", "57", "58"].iter().any(|class| code.starts_with(class)) => {
            DbError::Unavailable(db.message().to_owned())
        }
        _ => DbError::Other { statement, message: db.message().to_owned() },
    }
}
