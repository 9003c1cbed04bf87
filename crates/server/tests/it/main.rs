//! The whole program, looked at from outside: what every statement, table, route and start must keep to.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing fails")]

mod audit_coverage;
mod bad_start;
mod beside;
mod db_move;
mod edge;
mod framing;
mod hostile;
mod keys;
mod live_rows;
mod plans;
mod routes;
mod schema;
mod search;
mod secrecy;
mod shared;
mod statements;
mod support;
mod verify;
mod walks;
