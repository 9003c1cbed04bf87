//! The schemas of RFC 7643: what a resource may hold. One table; `/Schemas`, validation, filters, patches and
//! projections all read it.

use serde_json::{Value, json};

mod group;
mod user;

pub use group::GROUP_SCHEMA;
pub use user::{ENTERPRISE_SCHEMA, USER_SCHEMA};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    ReadOnly,
    ReadWrite,
    Immutable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    Always,
    Default,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    Text,
    Boolean,
    Time,
    /// Base 64.
    Binary,
    /// A URI, or a resource of one of these types.
    Reference(&'static [&'static str]),
    Complex(&'static [Attribute]),
}

/// One attribute as RFC 7643 §7 describes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub many: bool,
    pub required: bool,
    pub case_exact: bool,
    pub mutability: Mutability,
    pub returned: Returned,
    /// Unique in the directory.
    pub unique: bool,
    pub canonical: &'static [&'static str],
    pub description: &'static str,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, description: &'static str) -> Self {
        Self {
            name,
            kind,
            many: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            unique: false,
            canonical: &[],
            description,
        }
    }

    const fn text(name: &'static str, description: &'static str) -> Self {
        Self::new(name, Kind::Text, description)
    }

    const fn many(mut self) -> Self {
        self.many = true;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn always(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    const fn among(mut self, canonical: &'static [&'static str]) -> Self {
        self.canonical = canonical;
        self
    }

    pub fn subs(&self) -> &'static [Attribute] {
        match self.kind {
            Kind::Complex(subs) => subs,
            _ => &[],
        }
    }

    pub fn sub(&self, name: &str) -> Option<&'static Attribute> {
        find(self.subs(), name)
    }

    /// The sub-attribute that stands for the whole in comparisons and short forms.
    pub fn value_sub(&self) -> Option<&'static Attribute> {
        self.sub("value")
    }

    fn describe(&self) -> Value {
        let kind = match self.kind {
            Kind::Text => "string",
            Kind::Boolean => "boolean",
            Kind::Time => "dateTime",
            Kind::Binary => "binary",
            Kind::Reference(_) => "reference",
            Kind::Complex(_) => "complex",
        };
        let mutability = match self.mutability {
            Mutability::ReadOnly => "readOnly",
            Mutability::ReadWrite => "readWrite",
            Mutability::Immutable => "immutable",
        };
        let returned = if self.returned == Returned::Always { "always" } else { "default" };
        let mut out = json!({
            "name": self.name,
            "type": kind,
            "multiValued": self.many,
            "description": self.description,
            "required": self.required,
            "mutability": mutability,
            "returned": returned,
        });
        match self.kind {
            Kind::Complex(subs) => out["subAttributes"] = subs.iter().map(Self::describe).collect(),
            Kind::Boolean => {}
            _ => {
                out["caseExact"] = json!(self.case_exact);
                out["uniqueness"] = json!(if self.unique { "server" } else { "none" });
            }
        }
        if let Kind::Reference(types) = self.kind {
            out["referenceTypes"] = json!(types);
        }
        if !self.canonical.is_empty() {
            out["canonicalValues"] = json!(self.canonical);
        }
        out
    }
}

/// By name, without regard to case (RFC 7643 §2.1).
pub fn find(attributes: &'static [Attribute], name: &str) -> Option<&'static Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

#[derive(Debug, PartialEq)]
pub struct Schema {
    pub urn: &'static str,
    pub name: &'static str,
    pub description: &'static str,
    pub attributes: &'static [Attribute],
}

/// Attributes of every resource (RFC 7643 §3.1); not part of any schema document.
pub static COMMON: &[Attribute] = &[
    Attribute::new("schemas", Kind::Reference(&["uri"]), "the schemas of this resource")
        .many()
        .exact()
        .read_only()
        .always(),
    Attribute::text("id", "made here").exact().read_only().always().unique(),
    Attribute::text("externalId", "the client's own name for it").exact(),
    Attribute::new("meta", Kind::Complex(META), "about the resource").read_only(),
];

const META: &[Attribute] = &[
    Attribute::text("resourceType", "its type").exact().read_only(),
    Attribute::new("created", Kind::Time, "when it was made").read_only(),
    Attribute::new("lastModified", Kind::Time, "when it was changed last").read_only(),
    Attribute::new("location", Kind::Reference(&["uri"]), "its address").exact().read_only(),
    Attribute::text("version", "its version").exact().read_only(),
];

#[derive(Debug, PartialEq)]
pub struct ResourceType {
    pub name: &'static str,
    /// `Users`
    pub endpoint: &'static str,
    pub description: &'static str,
    pub schema: &'static Schema,
    pub extensions: &'static [&'static Schema],
}

pub static USER: ResourceType = ResourceType {
    name: "User",
    endpoint: "Users",
    description: "A person of the directory",
    schema: &USER_SCHEMA,
    extensions: &[&ENTERPRISE_SCHEMA],
};

pub static GROUP: ResourceType = ResourceType {
    name: "Group",
    endpoint: "Groups",
    description: "A group of people of the directory",
    schema: &GROUP_SCHEMA,
    extensions: &[],
};

pub static RESOURCE_TYPES: [&ResourceType; 2] = [&USER, &GROUP];

impl ResourceType {
    /// An attribute of the core schema, or one that every resource has.
    pub fn core(&self, name: &str) -> Option<&'static Attribute> {
        find(self.schema.attributes, name).or_else(|| find(COMMON, name))
    }

    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        self.extensions.iter().copied().find(|schema| schema.urn.eq_ignore_ascii_case(urn))
    }

    /// One entry of `/ResourceTypes`; `base` is the address under which `Users` stands.
    pub fn describe(&self, base: &str) -> Value {
        let extensions: Vec<Value> =
            self.extensions.iter().map(|schema| json!({ "schema": schema.urn, "required": false })).collect();
        let mut out = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
            "id": self.name,
            "name": self.name,
            "description": self.description,
            "endpoint": format!("/{}", self.endpoint),
            "schema": self.schema.urn,
            "meta": {
                "resourceType": "ResourceType",
                "location": format!("{base}/ResourceTypes/{}", self.name),
            },
        });
        if !extensions.is_empty() {
            out["schemaExtensions"] = Value::Array(extensions);
        }
        out
    }
}

pub static SCHEMAS: [&Schema; 3] = [&USER_SCHEMA, &ENTERPRISE_SCHEMA, &GROUP_SCHEMA];

impl Schema {
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        find(self.attributes, name)
    }

    /// One entry of `/Schemas`.
    pub fn describe(&self, base: &str) -> Value {
        json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": self.attributes.iter().map(Attribute::describe).collect::<Vec<_>>(),
            "meta": { "resourceType": "Schema", "location": format!("{base}/Schemas/{}", self.urn) },
        })
    }
}
