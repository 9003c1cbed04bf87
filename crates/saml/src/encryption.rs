//! `EncryptedAssertion`: AES-GCM anywhere, AES-CBC only where a signature around it was verified before (its ciphertext can
//! be changed by anybody, and errors then tell about the plain text), the content key by RSA-OAEP and nothing older.

#[cfg(test)]
mod tests;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Part};
use crate::names::{DSIG, SAML, XENC, XENC11, XS, XSI};
use crate::xml::{Document, Element, Limits};

/// One for each of this service's keys while one replaces another.
const ENCRYPTED_KEYS_MAX: usize = 4;
const LABEL_BYTES_MAX: usize = 256;

/// A private RSA key of this service. Has no `Debug`.
pub struct DecryptionKey(OaepPrivateDecryptingKey);

impl DecryptionKey {
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Error> {
        PrivateDecryptingKey::from_pkcs8(pkcs8)
            .ok()
            .and_then(|key| OaepPrivateDecryptingKey::new(key).ok())
            .map(Self)
            .ok_or_else(|| Kind::Key("it is no RSA key in PKCS #8").into())
    }

    fn unwrap(&self, wrapped: &WrappedKey) -> Option<Zeroizing<Vec<u8>>> {
        let mut room = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let label = (!wrapped.label.is_empty()).then_some(wrapped.label.as_slice());
        let key = self.0.decrypt(wrapped.algorithm, &wrapped.bytes, &mut room, label).ok()?;
        Some(Zeroizing::new(key.to_vec()))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Gcm,
    Cbc,
}

/// The algorithm of the content, with the length of its key in bytes.
#[derive(Clone, Copy)]
struct Content {
    mode: Mode,
    key_bytes: usize,
}

impl Content {
    fn parse(name: &str) -> Option<Self> {
        let (mode, key_bytes) = match name {
            "http://www.w3.org/2009/xmlenc11#aes128-gcm" => (Mode::Gcm, 16),
            "http://www.w3.org/2009/xmlenc11#aes192-gcm" => (Mode::Gcm, 24),
            "http://www.w3.org/2009/xmlenc11#aes256-gcm" => (Mode::Gcm, 32),
            "http://www.w3.org/2001/04/xmlenc#aes128-cbc" => (Mode::Cbc, 16),
            "http://www.w3.org/2001/04/xmlenc#aes192-cbc" => (Mode::Cbc, 24),
            "http://www.w3.org/2001/04/xmlenc#aes256-cbc" => (Mode::Cbc, 32),
            _ => return None,
        };
        Some(Self { mode, key_bytes })
    }

    fn open(self, key: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        if key.len() != self.key_bytes {
            return None;
        }
        match self.mode {
            Mode::Gcm => {
                let algorithm = match self.key_bytes {
                    16 => &AES_128_GCM,
                    24 => &AES_192_GCM,
                    _ => &AES_256_GCM,
                };
                let (nonce, rest) = sealed.split_first_chunk::<12>()?;
                let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
                let mut content = rest.to_vec();
                let plain = key
                    .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::empty(), &mut content)
                    .ok()?;
                Some(plain.to_vec())
            }
            Mode::Cbc => {
                let algorithm = match self.key_bytes {
                    16 => &AES_128,
                    24 => &AES_192,
                    _ => &AES_256,
                };
                let (iv, rest) = sealed.split_first_chunk::<16>()?;
                let key = UnboundCipherKey::new(algorithm, key).ok()?;
                let key = PaddedBlockDecryptingKey::cbc_iso10126(key).ok()?;
                let mut content = rest.to_vec();
                let context = DecryptionContext::Iv128(FixedLength::from(iv));
                Some(key.decrypt(&mut content, context).ok()?.to_vec())
            }
        }
    }
}

struct WrappedKey {
    algorithm: &'static OaepAlgorithm,
    label: Vec<u8>,
    bytes: Vec<u8>,
}

impl WrappedKey {
    fn read(element: Element<'_>) -> Result<Self, Error> {
        let method = element.only(XENC, "EncryptionMethod")?;
        let algorithm = oaep(method)?.ok_or_else(|| method.error(Kind::Algorithm))?;
        let label = match method.optional(XENC, "OAEPparams")? {
            Some(label) => label.base64()?,
            None => Vec::new(),
        };
        if label.len() > LABEL_BYTES_MAX {
            return Err(method.error(Kind::Algorithm));
        }
        Ok(Self { algorithm, label, bytes: cipher_value(element)? })
    }
}

/// The variants whose two hashes are the same, which is all that the library offers and nearly all that providers send.
fn oaep(method: Element<'_>) -> Result<Option<&'static OaepAlgorithm>, Error> {
    let algorithm_of = |element: Option<Element<'_>>| match element {
        Some(element) => element.required("Algorithm").map(str::to_owned),
        None => Ok(String::new()),
    };
    let digest = algorithm_of(method.optional(DSIG, "DigestMethod")?)?;
    let mask = algorithm_of(method.optional(XENC11, "MGF")?)?;
    let first = match digest.as_str() {
        "" | "http://www.w3.org/2000/09/xmldsig#sha1" => 1,
        "http://www.w3.org/2001/04/xmlenc#sha256" => 256,
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => 384,
        "http://www.w3.org/2001/04/xmlenc#sha512" => 512,
        _ => return Ok(None),
    };
    let second = match (method.required("Algorithm")?, mask.as_str()) {
        ("http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "") => 1,
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", "" | "http://www.w3.org/2009/xmlenc11#mgf1sha1") => 1,
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2009/xmlenc11#mgf1sha256") => 256,
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2009/xmlenc11#mgf1sha384") => 384,
        ("http://www.w3.org/2009/xmlenc11#rsa-oaep", "http://www.w3.org/2009/xmlenc11#mgf1sha512") => 512,
        _ => return Ok(None),
    };
    Ok(match (first, second) {
        (1, 1) => Some(&OAEP_SHA1_MGF1SHA1),
        (256, 256) => Some(&OAEP_SHA256_MGF1SHA256),
        (384, 384) => Some(&OAEP_SHA384_MGF1SHA384),
        (512, 512) => Some(&OAEP_SHA512_MGF1SHA512),
        _ => None,
    })
}

fn cipher_value(element: Element<'_>) -> Result<Vec<u8>, Error> {
    let data = element.only(XENC, "CipherData")?;
    data.allow(&[(XENC, "CipherValue")])?;
    data.only(XENC, "CipherValue")?.base64()
}

/// The `EncryptedKey`s of an assertion: in the data's `KeyInfo`, or beside the data.
fn encrypted_keys<'a>(assertion: Element<'a>, data: Element<'a>) -> Result<Vec<Element<'a>>, Error> {
    let mut found: Vec<Element<'a>> = assertion.named(XENC, "EncryptedKey").collect();
    if let Some(info) = data.optional(DSIG, "KeyInfo")? {
        found.extend(info.named(XENC, "EncryptedKey"));
    }
    if found.is_empty() {
        return Err(data.error(Kind::Missing("EncryptedKey")));
    }
    if found.len() > ENCRYPTED_KEYS_MAX {
        return Err(data.error(Kind::Twice("EncryptedKey")));
    }
    Ok(found)
}

/// The text of the assertion inside. `signed` says that `assertion` stands in bytes whose signature was verified.
pub(crate) fn decrypt(assertion: Element<'_>, keys: &[DecryptionKey], signed: bool) -> Result<Plain, Error> {
    assertion.allow(&[(XENC, "EncryptedData"), (XENC, "EncryptedKey")])?;
    if keys.is_empty() {
        return Err(assertion.error(Kind::NoDecryptionKey));
    }
    let data = assertion.only(XENC, "EncryptedData")?;
    if data.attribute("Type").is_some_and(|kind| kind != "http://www.w3.org/2001/04/xmlenc#Element") {
        return Err(data.error(Kind::Attribute("Type")));
    }
    let method = data.only(XENC, "EncryptionMethod")?;
    let content =
        Content::parse(method.required("Algorithm")?).ok_or_else(|| method.error(Kind::Algorithm))?;
    if content.mode == Mode::Cbc && !signed {
        return Err(method.error(Kind::UnsignedCbc));
    }
    let sealed = cipher_value(data)?;
    // A key that is wrapped in a way that is refused counts only where it is the only one.
    let mut refused = None;
    for element in encrypted_keys(assertion, data)? {
        match WrappedKey::read(element) {
            Ok(wrapped) => {
                let mut opened = keys.iter().filter_map(|key| content.open(&key.unwrap(&wrapped)?, &sealed));
                if let Some(text) = opened.next() {
                    return Ok(Plain::new(data, &text));
                }
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.unwrap_or_else(|| data.error(Kind::Decryption)))
}

/// A decrypted element in an outer one that declares the namespaces of the place it was taken from (XML encryption §4.4).
pub(crate) struct Plain(Zeroizing<Vec<u8>>);

impl Plain {
    fn new(place: Element<'_>, text: &[u8]) -> Self {
        let mut out = b"<context".to_vec();
        let mut declare = |prefix: &str, uri: &str| {
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            out.extend_from_slice(format!(" {name}=\"{}\"", crate::writer::attribute(uri)).as_bytes());
        };
        let mut known = Vec::new();
        for namespace in place.node().namespaces() {
            let prefix = namespace.name().unwrap_or_default();
            if prefix != "xml" {
                declare(prefix, namespace.uri());
                known.push(prefix);
            }
        }
        // Canonical bytes keep no declaration that nothing uses; of these two everybody knows what they mean.
        for (prefix, uri) in [("xs", XS), ("xsi", XSI)] {
            if !known.contains(&prefix) {
                declare(prefix, uri);
            }
        }
        out.extend_from_slice(b">\n");
        out.extend_from_slice(text);
        out.extend_from_slice(b"</context>");
        Self(Zeroizing::new(out))
    }

    /// One element and nothing around it. Text that closes the outer element early leaves a second root behind, which is not
    /// well-formed.
    pub(crate) fn parse(&self) -> Result<Document<'_>, Error> {
        Document::parse(&self.0, Part::Decrypted, Limits::MESSAGE)
    }

    pub(crate) fn assertion<'a>(document: &'a Document<'_>) -> Result<Element<'a>, Error> {
        let context = document.root();
        context.allow(&[(SAML, "Assertion")])?;
        context.only(SAML, "Assertion")
    }
}
