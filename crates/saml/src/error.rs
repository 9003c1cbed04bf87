//! Why something is refused, and where it stands.

use std::fmt;

/// Which text a line and a column count in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it came.
    Message,
    /// The canonical bytes whose digest was verified.
    Verified,
    /// What an `EncryptedAssertion` held.
    Decrypted,
    /// The canonical bytes of a `SignedInfo`.
    SignedInfo,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Message => "the message",
            Self::Verified => "the verified bytes",
            Self::Decrypted => "the decrypted assertion",
            Self::SignedInfo => "the canonical SignedInfo",
        }
    }
}

/// An element by its name, line and column (both from 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub part: Part,
    /// Empty where the text is not well-formed enough to have elements.
    pub element: String,
    pub line: u32,
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.element.is_empty() {
            write!(f, "`{}` ", self.element)?;
        }
        write!(f, "in line {}, column {} of {}", self.line, self.column, self.part.as_str())
    }
}

/// A refusal. Never repeats a value that was given, only names of elements: it may be somebody's personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    /// Boxed, so that a result stays small.
    pub place: Option<Box<Place>>,
}

impl Error {
    /// The name of the reason, for the audit log; stable.
    pub fn reason(&self) -> &'static str {
        self.kind.reason()
    }
}

impl From<Kind> for Error {
    fn from(kind: Kind) -> Self {
        Self { kind, place: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(f, "{}: {place}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident $(($kind:ty))? = $reason:literal, $text:literal;)+) => {
        /// What is wrong.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Kind {
            $($(#[$meta])* #[error($text)] $name $(($kind))?,)+
        }

        impl Kind {
            /// Stable words for the audit log.
            pub fn reason(&self) -> &'static str {
                match self {
                    $(kinds!(@pattern $name $(($kind))?) => $reason,)+
                }
            }
        }
    };
    (@pattern $name:ident) => { Kind::$name };
    (@pattern $name:ident ($kind:ty)) => { Kind::$name(_) };
}

kinds! {
    // The text.
    TooLarge(usize) = "too_large", "it is larger than {0} bytes";
    Encoding = "encoding", "it is not XML 1.0 in UTF-8";
    Dtd = "dtd", "it holds a document type or an entity, which are refused";
    ProcessingInstruction = "processing_instruction", "it holds a processing instruction, which is refused";
    Depth = "depth", "its elements are nested too deeply";
    Attributes = "attributes", "an element has too many attributes, or too long names";
    Namespaces = "namespaces", "it declares too many or too long namespaces";
    Nodes = "nodes", "it has too many elements";
    NamespaceTrick = "namespace_trick", "it declares a namespace in a way that parsers read differently";
    UnknownPrefix = "unknown_prefix", "a prefix is not bound to a namespace";
    DuplicateAttribute = "duplicate_attribute", "an attribute stands twice";
    Malformed = "malformed", "it is not well-formed XML";
    // Shape.
    DuplicateId = "duplicate_id", "an ID stands twice";
    InvalidId = "invalid_id", "its ID is missing, too long or no name";
    Root(&'static str) = "root", "it is not a `{0}`";
    Misplaced = "misplaced", "an element stands where it must not";
    Missing(&'static str) = "missing", "`{0}` is missing";
    Twice(&'static str) = "twice", "`{0}` stands more than once";
    NoText = "no_text", "it must hold text and no elements";
    Attribute(&'static str) = "attribute", "its attribute `{0}` is missing or has a value that is not allowed";
    Version = "version", "its version is not 2.0";
    Time(&'static str) = "time", "its `{0}` is no time of the form 2026-01-31T08:00:00Z";
    // Signatures.
    Unsigned = "unsigned", "nothing that is needed of it is signed";
    ResponseUnsigned = "response_unsigned", "the Response is not signed, and this connection demands it";
    AssertionUnsigned = "assertion_unsigned", "the Assertion is not signed, and this connection demands it";
    SignatureInside = "signature_inside", "it came by redirect and holds an XML signature, which that binding does not allow";
    Reference = "reference", "the signature does not refer to the element it stands in, by its ID";
    Transform = "transform", "a transform other than enveloped-signature and exclusive canonicalization is refused";
    Canonicalization = "canonicalization", "a canonicalization other than the exclusive one without comments is refused";
    Algorithm = "algorithm", "an algorithm is not among those allowed here";
    Sha1 = "sha1", "it uses SHA-1, and this connection has no exception for it that still runs";
    Base64 = "base64", "it is not Base64";
    Digest = "digest", "the digest is not that of the element";
    Signature = "signature", "no key of the metadata verifies the signature";
    // Keys and certificates.
    Certificate = "certificate", "it is no X.509 certificate";
    Key(&'static str) = "key", "a key is not usable: {0}";
    // Encryption.
    NoDecryptionKey = "no_decryption_key", "it is encrypted, and no key for that is set up here";
    UnsignedCbc = "unsigned_cbc", "it is encrypted with AES-CBC, which is only taken inside a signed Response; use AES-GCM";
    Decryption = "decryption", "it cannot be decrypted with any key of this service";
    EncryptedId = "encrypted_id", "an encrypted identifier or attribute is not supported; encrypt the whole assertion";
    // Rules.
    Status(String) = "status", "the identity provider answered `{0}`";
    Issuer = "issuer", "its issuer is not the identity provider of this connection";
    Destination = "destination", "it was sent to another destination";
    Recipient = "recipient", "it is meant for another recipient";
    Audience = "audience", "it is meant for another audience";
    Early = "early", "it is not valid yet";
    Expired = "expired", "it has expired";
    StaleLogin = "stale_login", "the sign-in at the identity provider is older than was asked for";
    InResponseTo = "in_response_to", "it does not answer the request of this sign-in";
    Unsolicited = "unsolicited", "it answers a request that was not made here";
    Bearer = "bearer", "it has no subject confirmation of method bearer with recipient and end";
    Condition = "condition", "it has a condition that is not understood";
    NameId = "name_id", "its NameID is empty, too long or holds control characters";
    Several = "several", "an attribute that must have one value has several";
    // Bindings.
    Inflate = "inflate", "its deflated form is broken";
    Query(&'static str) = "query", "its parameter `{0}` is missing, stands twice or is wrongly written";
    RelayState = "relay_state", "its RelayState is longer than 80 bytes";
    // Metadata.
    NoIdentityProvider = "no_identity_provider", "it describes no identity provider for SAML 2.0";
    ManyIdentityProviders = "many_identity_providers", "it describes several identity providers; name the entity id of one";
    NoEndpoint = "no_endpoint", "it has no single sign-on endpoint with the bindings HTTP-Redirect or HTTP-POST";
    NoKey = "no_key", "it has no certificate for signing with a key that is strong enough";
    Url = "url", "an address is not an absolute https URL";
}
