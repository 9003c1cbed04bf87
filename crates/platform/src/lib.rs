//! What every area stands on: ids, clock, context, the store, events and their ledger, the change feed, jobs, mail,
//! the guarded outbound client, secrets, configuration and the web shell.
//!
//! Start reading at [`ctx`] (who asks), [`db`] (how state changes) and [`web`] (how requests come in).

pub mod access;
pub mod acme;
pub mod app;
pub mod area;
pub mod config;
pub mod ctx;
pub mod db;
pub mod events;
pub mod evidence;
pub mod feed;
pub mod ids;
pub mod installation;
pub mod jobs;
pub mod log;
pub mod mail;
pub mod outbound;
pub mod principals;
pub mod secrets;
pub mod time;
pub mod web;

// For the macros `id!` and `statements!`.
#[doc(hidden)]
pub use inventory;
#[doc(hidden)]
pub use serde;
#[doc(hidden)]
pub use uuid;

pub use app::App;
pub use area::Area;
pub use ctx::{Actor, Ctx};
