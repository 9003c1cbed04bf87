//! XML signatures. One shape is taken: enveloped in the element it signs, one reference to that element's ID, exclusive
//! canonicalization. What was hashed is handed back as bytes, and only those bytes are read afterwards.

mod sign;
#[cfg(test)]
mod tests;

use crate::algorithms::{DigestMethod, Sha1, SignatureMethod};
use crate::c14n;
use crate::certificate::Certificate;
use crate::error::{Error, Kind, Part};
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE_C14N};
use crate::time::Time;
use crate::xml::{Document, Element, Limits};

pub use sign::SigningKey;
pub(crate) use sign::sign;

const ID_BYTES_MAX: usize = 256;
const PREFIXES_MAX: usize = 32;
/// A signature is tried with each key that fits; metadata with more is refused before.
pub const KEYS_MAX: usize = 16;

/// Whose signatures count: keys from metadata, never from `KeyInfo`.
#[derive(Clone, Copy)]
pub struct Trust<'a> {
    pub certificates: &'a [Certificate],
    pub sha1: Sha1,
    pub now: Time,
}

/// What a verified signature says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The canonical bytes of the element without its signature: exactly what the digest was made of.
    pub bytes: Vec<u8>,
    pub by: SignedBy,
}

/// The key that a signature verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// SHA-256 of the certificate.
    pub certificate: String,
    pub certificate_ends: Time,
    /// The dated exception was used.
    pub sha1: bool,
}

/// The signature of `element`, if it has one. One at most, and nowhere else than directly below it.
pub(crate) fn of<'a>(element: Element<'a>) -> Result<Option<Element<'a>>, Error> {
    element.optional(DSIG, "Signature")
}

/// Verifies that `signature`, a child of `element`, signs `element` and nothing else.
pub(crate) fn verify(
    element: Element<'_>,
    signature: Element<'_>,
    trust: &Trust<'_>,
) -> Result<Verified, Error> {
    signature.allow(&[(DSIG, "SignedInfo"), (DSIG, "SignatureValue"), (DSIG, "KeyInfo")])?;
    let key_infos = signature.named(DSIG, "KeyInfo").count();
    if key_infos > 1 {
        return Err(signature.error(Kind::Twice("KeyInfo")));
    }
    let info = signature.only(DSIG, "SignedInfo")?;
    let value = signature.only(DSIG, "SignatureValue")?.base64()?;
    // How to canonicalize is read from the text as it came; what it says is read from the result.
    let method = info.only(DSIG, "CanonicalizationMethod")?;
    let prefixes = exclusive(method)?;
    let canonical = c14n::exclusive(info, None, &prefixes)?;
    let document = Document::parse(&canonical, Part::SignedInfo, Limits::MESSAGE)?;
    let claims = SignedInfo::read(document.root(), id_of(element)?, trust)?;

    let by = signer(&claims, &canonical, &value, trust).ok_or_else(|| signature.error(Kind::Signature))?;
    let prefixes: Vec<&str> = claims.prefixes.iter().map(String::as_str).collect();
    let bytes = c14n::exclusive(element, Some(signature.id()), &prefixes)?;
    if claims.digest_method.of(&bytes).as_ref() != claims.digest {
        return Err(element.error(Kind::Digest));
    }
    Ok(Verified { bytes, by })
}

/// The ID of an element that may be signed.
pub(crate) fn id_of(element: Element<'_>) -> Result<&str, Error> {
    let id = element.attribute("ID").unwrap_or_default();
    let plain = id.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if id.is_empty() || id.len() > ID_BYTES_MAX || !plain {
        return Err(element.error(Kind::InvalidId));
    }
    Ok(id)
}

fn signer(claims: &SignedInfo, message: &[u8], value: &[u8], trust: &Trust<'_>) -> Option<SignedBy> {
    let sha1 = claims.method.is_sha1() || claims.digest_method == DigestMethod::Sha1;
    signed_by(claims.method, message, value, trust).map(|by| SignedBy { sha1, ..by })
}

/// Which of the trusted keys made this signature over these bytes.
pub(crate) fn signed_by(
    method: SignatureMethod,
    message: &[u8],
    value: &[u8],
    trust: &Trust<'_>,
) -> Option<SignedBy> {
    let mut keys = trust.certificates.iter().take(KEYS_MAX);
    let found = keys.find(|certificate| certificate.verifies(method, message, value))?;
    Some(SignedBy {
        certificate: found.fingerprint(),
        certificate_ends: found.not_after,
        sha1: method.is_sha1(),
    })
}

/// What a canonical `SignedInfo` says.
struct SignedInfo {
    method: SignatureMethod,
    digest_method: DigestMethod,
    digest: Vec<u8>,
    /// `PrefixList` of the reference's canonicalization.
    prefixes: Vec<String>,
}

impl SignedInfo {
    fn read(info: Element<'_>, id: &str, trust: &Trust<'_>) -> Result<Self, Error> {
        info.allow(&[(DSIG, "CanonicalizationMethod"), (DSIG, "SignatureMethod"), (DSIG, "Reference")])?;
        exclusive(info.only(DSIG, "CanonicalizationMethod")?)?;
        let method_element = info.only(DSIG, "SignatureMethod")?;
        method_element.allow(&[])?;
        let method = SignatureMethod::parse(method_element.required("Algorithm")?)
            .map_err(|kind| method_element.error(kind))?;
        if method.is_sha1() {
            trust.sha1.check(trust.now).map_err(|kind| method_element.error(kind))?;
        }
        let reference = info.only(DSIG, "Reference")?;
        reference.allow(&[(DSIG, "Transforms"), (DSIG, "DigestMethod"), (DSIG, "DigestValue")])?;
        if reference.attribute("URI").and_then(|uri| uri.strip_prefix('#')) != Some(id) {
            return Err(reference.error(Kind::Reference));
        }
        let prefixes = transforms(reference.only(DSIG, "Transforms")?)?;
        let digest_element = reference.only(DSIG, "DigestMethod")?;
        digest_element.allow(&[])?;
        let digest_method = DigestMethod::parse(digest_element.required("Algorithm")?)
            .map_err(|kind| digest_element.error(kind))?;
        if digest_method == DigestMethod::Sha1 {
            trust.sha1.check(trust.now).map_err(|kind| digest_element.error(kind))?;
        }
        let digest = reference.only(DSIG, "DigestValue")?.base64()?;
        Ok(Self { method, digest_method, digest, prefixes })
    }
}

/// Enveloped-signature, then exclusive canonicalization; nothing else, nothing twice. Gives the `PrefixList`.
fn transforms(list: Element<'_>) -> Result<Vec<String>, Error> {
    list.allow(&[(DSIG, "Transform")])?;
    let steps: Vec<Element<'_>> = list.children().collect();
    let [enveloped, canonical] = steps.as_slice() else { return Err(list.error(Kind::Transform)) };
    if enveloped.attribute("Algorithm") != Some(ENVELOPED) || enveloped.children().next().is_some() {
        return Err(enveloped.error(Kind::Transform));
    }
    if canonical.attribute("Algorithm") != Some(EXCLUSIVE_C14N) {
        return Err(canonical.error(Kind::Transform));
    }
    Ok(exclusive(*canonical)?.into_iter().map(str::to_owned).collect())
}

/// The `PrefixList` of a canonicalization, which must be the exclusive one without comments.
fn exclusive<'a>(method: Element<'a>) -> Result<Vec<&'a str>, Error> {
    if method.attribute("Algorithm") != Some(EXCLUSIVE_C14N) {
        return Err(method.error(Kind::Canonicalization));
    }
    method.allow(&[(EXCLUSIVE_C14N, "InclusiveNamespaces")])?;
    let Some(list) = method.optional(EXCLUSIVE_C14N, "InclusiveNamespaces")? else { return Ok(Vec::new()) };
    list.allow(&[])?;
    let prefixes: Vec<&str> =
        list.attribute("PrefixList").unwrap_or_default().split_ascii_whitespace().collect();
    if prefixes.len() > PREFIXES_MAX { Err(list.error(Kind::Canonicalization)) } else { Ok(prefixes) }
}
