//! X.509 certificates as carriers of a key: the key, the two times, a fingerprint. Trust comes from the metadata that holds
//! them, never from who issued them (SAML metadata interoperability profile §2.6), so that nothing else of them is read.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, UnparsedPublicKey,
    VerificationAlgorithm,
};

use crate::algorithms::SignatureMethod;
use crate::{Error, Kind, Time};

/// Larger ones exist in no metadata.
const BYTES_MAX: usize = 16 * 1024;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    Rsa { bits: usize },
    P256,
    P384,
}

/// A certificate whose key may verify signatures or encrypt for its holder.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    kind: KeyKind,
    key: Vec<u8>,
    pub not_before: Time,
    pub not_after: Time,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Certificate({:?}, {})", self.kind, self.fingerprint())
    }
}

impl Certificate {
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        if der.len() > BYTES_MAX {
            return Err(Kind::TooLarge(BYTES_MAX).into());
        }
        let parts = Parts::read(der).ok_or(Kind::Certificate)?;
        let kind = parts.kind()?;
        let (not_before, not_after) = (parts.not_before, parts.not_after);
        Ok(Self { der: der.to_vec(), kind, key: parts.key.to_vec(), not_before, not_after })
    }

    pub fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// SHA-256 of the certificate, in hexadecimal: what people compare.
    pub fn fingerprint(&self) -> String {
        digest(&SHA256, &self.der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether two certificates carry the same key: a renewed certificate is no new key.
    pub fn same_key(&self, other: &Certificate) -> bool {
        self.key == other.key
    }

    pub(crate) fn verifies(&self, method: SignatureMethod, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &'static dyn VerificationAlgorithm = match (method, self.kind) {
            (SignatureMethod::RsaSha1, KeyKind::Rsa { .. }) => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            (SignatureMethod::RsaSha256, KeyKind::Rsa { .. }) => &RSA_PKCS1_2048_8192_SHA256,
            (SignatureMethod::RsaSha384, KeyKind::Rsa { .. }) => &RSA_PKCS1_2048_8192_SHA384,
            (SignatureMethod::RsaSha512, KeyKind::Rsa { .. }) => &RSA_PKCS1_2048_8192_SHA512,
            (SignatureMethod::EcdsaSha256, KeyKind::P256) => &ECDSA_P256_SHA256_FIXED,
            (SignatureMethod::EcdsaSha384, KeyKind::P384) => &ECDSA_P384_SHA384_FIXED,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.key).verify(message, signature).is_ok()
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];

/// What stands in the DER form (RFC 5280 §4.1).
struct Parts<'a> {
    not_before: Time,
    not_after: Time,
    algorithm: &'a [u8],
    curve: &'a [u8],
    /// `RSAPublicKey`, or a point.
    key: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Der(der);
        let mut certificate = Der(outer.take(SEQUENCE)?);
        let mut body = Der(certificate.take(SEQUENCE)?);
        if !outer.0.is_empty() {
            return None;
        }
        if body.0.first() == Some(&EXPLICIT_VERSION) {
            body.take(EXPLICIT_VERSION)?;
        }
        let _serial = body.take(INTEGER)?;
        let _signature = body.take(SEQUENCE)?;
        let _issuer = body.take(SEQUENCE)?;
        let mut validity = Der(body.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let _subject = body.take(SEQUENCE)?;
        let mut info = Der(body.take(SEQUENCE)?);
        let mut names = Der(info.take(SEQUENCE)?);
        let algorithm = names.take(OBJECT)?;
        let curve = names.take(OBJECT).unwrap_or_default();
        // The first byte says how many bits of the last are unused.
        let key = info.take(BIT_STRING)?.strip_prefix(&[0])?;
        Some(Self { not_before, not_after, algorithm, curve, key })
    }

    fn kind(&self) -> Result<KeyKind, Error> {
        match (self.algorithm, self.curve) {
            (EC, P256) => Ok(KeyKind::P256),
            (EC, P384) => Ok(KeyKind::P384),
            (RSA, _) => {
                let mut list = Der(self.key);
                let list = list.take(SEQUENCE).ok_or(Kind::Certificate)?;
                let modulus = Der(list).take(INTEGER).ok_or(Kind::Certificate)?;
                let bare = modulus.strip_prefix(&[0]).unwrap_or(modulus);
                let unused = bare.first().map_or(8, |first| first.leading_zeros() as usize);
                let bits = (bare.len() * 8).saturating_sub(unused);
                if RSA_BITS.contains(&bits) {
                    Ok(KeyKind::Rsa { bits })
                } else {
                    Err(Kind::Key("an RSA key must have 2048 to 8192 bits").into())
                }
            }
            _ => Err(Kind::Key("it is neither RSA, P-256 nor P-384").into()),
        }
    }
}

/// The rest of a list of DER values.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The content of the next value if it has this tag; else nothing moves.
    fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        let bytes = self.0.strip_prefix(&[tag])?;
        let (first, rest) = bytes.split_first()?;
        let (length, rest) = match *first {
            short @ 0..=0x7f => (usize::from(short), rest),
            0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
            0x82 => (usize::from(u16::from_be_bytes(*rest.first_chunk::<2>()?)), rest.get(2..)?),
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(content)
    }

    /// `UTCTime` (two digits of the year: 1950 to 2049) or `GeneralizedTime`.
    fn time(&mut self) -> Option<Time> {
        let digits = |bytes: &'a [u8], count: usize| {
            let text = std::str::from_utf8(bytes).ok()?.strip_suffix('Z')?;
            (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
        };
        let (century, text) = match self.take(0x17) {
            Some(bytes) => {
                let text = digits(bytes, 12)?;
                (if text < "50" { "20" } else { "19" }, text)
            }
            None => ("", digits(self.take(0x18)?, 14)?),
        };
        let whole = format!("{century}{text}");
        let cut = |from: usize, to: usize| whole.get(from..to).unwrap_or_default();
        let [date, clock] = [(0, 4, 6, 8, "-"), (8, 10, 12, 14, ":")].map(|(a, b, c, d, between)| {
            format!("{}{between}{}{between}{}", cut(a, b), cut(b, c), cut(c, d))
        });
        Time::parse(&format!("{date}T{clock}Z"))
    }
}
