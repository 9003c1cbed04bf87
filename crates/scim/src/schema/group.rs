//! The Group schema (RFC 7643 §4.2).

use super::{Attribute, Kind, Schema};

pub static GROUP_SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    description: "Group",
    attributes: &[
        Attribute::text("displayName", "its name for people").unique(),
        Attribute::new("members", Kind::Complex(MEMBER), "who is in it").many(),
    ],
};

const MEMBER: &[Attribute] = &[
    Attribute::text("value", "the id of the member").exact().immutable(),
    Attribute::new("$ref", Kind::Reference(&["User"]), "the address of the member").exact().immutable(),
    Attribute::text("type", "what the member is").immutable().among(&["User"]),
];
