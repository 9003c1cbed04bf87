//! SAML 2.0 for a service provider: sign-in, logout, metadata.
//!
//! Pure: bytes in, typed values out; the caller gives the time and keeps what was seen. It promises:
//! - **One parser.** Every text goes through [`xml::Document::parse`]: as it came, decrypted, canonical. Document types, entities
//!   and processing instructions are refused before anything else; size, depth, elements, attributes and namespaces are bounded.
//! - **What is read is what was hashed.** A verified signature gives back the canonical bytes that its digest was made of;
//!   who somebody is gets read from those bytes. An error of canonicalization is a refusal.
//! - **One shape.** One Response with one assertion; a signature stands directly in the element it signs and refers to it by its
//!   ID; IDs are unique; exclusive canonicalization and enveloped-signature are the only transforms.
//! - **Keys come from metadata**, never from a message. SHA-1 needs a dated exception.
//! - **A refusal names its reason** ([`Error::reason`]) and the element with line and column, never a value.
//!
//! Where to start: [`metadata`] to know an identity provider, [`request`] to send somebody there, [`response`] to let somebody in,
//! [`logout`] for both directions of the end.

pub mod algorithms;
mod assertion;
mod attributes;
mod base64;
pub mod c14n;
pub mod certificate;
pub mod encryption;
mod error;
pub mod logout;
pub mod metadata;
pub mod names;
pub mod post;
pub mod redirect;
pub mod request;
pub mod response;
mod shape;
pub mod signature;
mod time;
mod writer;
pub mod xml;

#[cfg(test)]
mod tests;

pub use algorithms::Sha1;
pub use assertion::{Login, NameId, Remember};
pub use attributes::{Attribute, Attributes};
pub use certificate::Certificate;
pub use encryption::DecryptionKey;
pub use error::{Error, Kind, Part, Place};
pub use response::{Demands, Expected, Flow};
pub use signature::{SignedBy, SigningKey, Trust};
pub use time::Time;
