//! The test kit: a whole program in one process, on either database, with a clock that only tests move.
//!
//! ```ignore
//! #[tokio::test]
//! async fn an_owner_renames_the_organization() {
//!     testkit::both(async |kit| {
//!         let owner = kit.owner_of("harbor").await;
//!         let answer = owner.patch("/api/v1/organizations/harbor", json!({"name": "Harbor"})).await;
//!         assert_eq!(answer.status, 200);
//!     }, &[&crate::AREA]).await;
//! }
//! ```
//!
//! PostgreSQL runs when `BAILIWICK_TEST_POSTGRES` names a server (`tools/with-postgres.sh` starts one); each test gets
//! a schema of its own. Mail lands in a folder that [`Kit::mails`] reads.

pub mod authenticator;
pub mod database;
pub mod http;
pub mod kit;
pub mod personas;
pub mod program;
pub mod receiver;
mod turns;

pub use http::{Answer, Client};
pub use kit::{Kit, KitOptions, both, both_with, sqlite_only};
