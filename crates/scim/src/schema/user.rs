//! The User schema and its enterprise extension (RFC 7643 §4.1, §4.3). There is no `password`: a directory never sets
//! one here, so that it is not announced and ignored when sent.

use super::{Attribute, Kind, Schema};

pub static USER_SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    description: "User Account",
    attributes: &[
        Attribute::text("userName", "what the directory calls the person; mostly an e-mail address")
            .required()
            .unique(),
        Attribute::new("name", Kind::Complex(NAME), "the parts of the person's name"),
        Attribute::text("displayName", "the name shown to others"),
        Attribute::text("nickName", "what the person is called"),
        Attribute::new("profileUrl", Kind::Reference(&["external"]), "a page about the person").exact(),
        Attribute::text("title", "the person's title"),
        Attribute::text("userType", "employee, contractor …"),
        Attribute::text("preferredLanguage", "the language to speak with the person"),
        Attribute::text("locale", "how dates and numbers are written for the person"),
        Attribute::text("timezone", "where the person's clock is"),
        Attribute::new("active", Kind::Boolean, "whether the person may sign in"),
        Attribute::new("emails", Kind::Complex(EMAIL), "mail addresses").many(),
        Attribute::new("phoneNumbers", Kind::Complex(PHONE), "phone numbers").many(),
        Attribute::new("ims", Kind::Complex(IM), "messaging addresses").many(),
        Attribute::new("photos", Kind::Complex(PHOTO), "addresses of pictures").many(),
        Attribute::new("addresses", Kind::Complex(ADDRESS), "postal addresses").many(),
        Attribute::new("groups", Kind::Complex(GROUP), "the groups that the person is in").many().read_only(),
        Attribute::new("entitlements", Kind::Complex(PLAIN), "what the directory says the person has").many(),
        Attribute::new(
            "roles",
            Kind::Complex(PLAIN),
            "what the directory says the person is; gives no rights here",
        )
        .many(),
        Attribute::new("x509Certificates", Kind::Complex(CERTIFICATE), "certificates").many(),
    ],
};

const NAME: &[Attribute] = &[
    Attribute::text("formatted", "the whole name"),
    Attribute::text("familyName", "the family name"),
    Attribute::text("givenName", "the given name"),
    Attribute::text("middleName", "middle names"),
    Attribute::text("honorificPrefix", "what stands before the name"),
    Attribute::text("honorificSuffix", "what stands behind the name"),
];

const DISPLAY: Attribute = Attribute::text("display", "how to show it");
const TYPE: Attribute = Attribute::text("type", "what it is for");
const PRIMARY: Attribute = Attribute::new("primary", Kind::Boolean, "the preferred one; at most one is");

const EMAIL: &[Attribute] =
    &[Attribute::text("value", "the address"), DISPLAY, TYPE.among(&["work", "home", "other"]), PRIMARY];

const PHONE: &[Attribute] = &[
    Attribute::text("value", "the number"),
    DISPLAY,
    TYPE.among(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const IM: &[Attribute] = &[
    Attribute::text("value", "the address"),
    DISPLAY,
    TYPE.among(&["aim", "gtalk", "icq", "xmpp", "msn", "skype", "qq", "yahoo"]),
    PRIMARY,
];

const PHOTO: &[Attribute] = &[
    Attribute::new("value", Kind::Reference(&["external"]), "the address").exact(),
    DISPLAY,
    TYPE.among(&["photo", "thumbnail"]),
    PRIMARY,
];

const ADDRESS: &[Attribute] = &[
    Attribute::text("formatted", "the whole address"),
    Attribute::text("streetAddress", "street and number"),
    Attribute::text("locality", "city"),
    Attribute::text("region", "state or region"),
    Attribute::text("postalCode", "postal code"),
    Attribute::text("country", "country"),
    TYPE.among(&["work", "home", "other"]),
    PRIMARY,
];

const GROUP: &[Attribute] = &[
    Attribute::text("value", "the id of the group").exact().read_only(),
    Attribute::new("$ref", Kind::Reference(&["Group"]), "the address of the group").exact().read_only(),
    Attribute::text("display", "the name of the group").read_only(),
    Attribute::text("type", "how the person is in it").read_only().among(&["direct"]),
];

const PLAIN: &[Attribute] = &[Attribute::text("value", "the value"), DISPLAY, TYPE, PRIMARY];

const CERTIFICATE: &[Attribute] =
    &[Attribute::new("value", Kind::Binary, "the certificate in base 64").exact(), DISPLAY, TYPE, PRIMARY];

pub static ENTERPRISE_SCHEMA: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    description: "Enterprise User",
    attributes: &[
        Attribute::text("employeeNumber", "the person's number"),
        Attribute::text("costCenter", "who pays"),
        Attribute::text("organization", "the company"),
        Attribute::text("division", "the division"),
        Attribute::text("department", "the department"),
        Attribute::new("manager", Kind::Complex(MANAGER), "whom the person reports to"),
    ],
};

const MANAGER: &[Attribute] = &[
    Attribute::text("value", "the id of the manager").exact(),
    Attribute::new("$ref", Kind::Reference(&["User"]), "the address of the manager").exact(),
    Attribute::text("displayName", "the name of the manager").read_only(),
];
