//! SCIM 2.0 (RFC 7643, RFC 7644) as values: bytes in, typed values out; no clock, database or network.
//!
//! Start with [`schema`] (what a User and a Group are), [`Resource`] (a document that fits its schema), [`Filter`]
//! (what is asked for), [`patch`] (what is to change) and [`Projection`] (what is shown). Promises:
//! - Nothing here panics or runs away: filters and paths are bounded in length, depth and nodes, values in size and
//!   number ([`limits`]), and every parser is fuzzed.
//! - A refusal names the attribute or the position, and carries the `scimType` of RFC 7644 §3.12.
//! - A patch is applied as a whole or not at all.
//! - What Microsoft Entra and Okta send that the standard does not say is understood in one place, [`value`] and
//!   [`patch`]: `"False"` for a boolean, `Add` for `add`, objects without a path whose keys are paths, a remove of
//!   members that lists them in `value`.
//!
//! Why not the `scim_v2` crate: `docs/decisions/own-scim.md`.

mod error;
pub mod filter;
mod json;
pub mod message;
pub mod patch;
pub mod path;
mod projection;
mod resource;
pub mod schema;
pub mod time;
pub mod value;

pub use error::{Error, ScimType};
pub use filter::Filter;
pub use path::{AttributePath, PatchPath};
pub use projection::Projection;
pub use resource::{Resource, sort_key, sort_order};
pub use schema::{GROUP, ResourceType, USER};

/// What bounds a request, whoever sends it.
pub mod limits {
    /// Bytes of a filter.
    pub const FILTER_BYTES_MAX: usize = 4096;
    /// Bytes of a path in a patch, its filter included.
    pub const PATH_BYTES_MAX: usize = 2048;
    /// Comparisons and connectives of a filter together.
    pub const FILTER_NODES_MAX: usize = 128;
    /// Parentheses, brackets and `not` inside each other.
    pub const FILTER_DEPTH_MAX: usize = 16;
    /// Bytes of one text.
    pub const TEXT_BYTES_MAX: usize = 16 * 1024;
    /// Values of one attribute, but for the members of a group.
    pub const VALUES_MAX: usize = 200;
    /// Members named in one request.
    pub const MEMBERS_MAX: usize = 20_000;
    /// Operations of one patch.
    pub const OPERATIONS_MAX: usize = 2000;
    /// Names in `attributes` or `excludedAttributes`.
    pub const PROJECTED_MAX: usize = 100;
}
