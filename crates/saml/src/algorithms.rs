//! The algorithms of signatures that are taken, and no others: no HMAC, no DSA, nothing that is not listed.

use aws_lc_rs::digest;

use crate::{Kind, Time};

/// Whether SHA-1 is taken: an exception that one connection has for a time, for a provider that knows nothing better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sha1 {
    #[default]
    Refused,
    AllowedUntil(Time),
}

impl Sha1 {
    pub(crate) fn check(self, now: Time) -> Result<(), Kind> {
        match self {
            Self::AllowedUntil(end) if now < end => Ok(()),
            _ => Err(Kind::Sha1),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureMethod {
    /// Only under a dated exception.
    RsaSha1,
    RsaSha256,
    RsaSha384,
    RsaSha512,
    EcdsaSha256,
    EcdsaSha384,
}

impl SignatureMethod {
    pub fn parse(name: &str) -> Result<Self, Kind> {
        Ok(match name {
            "http://www.w3.org/2000/09/xmldsig#rsa-sha1" => Self::RsaSha1,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256" => Self::RsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384" => Self::RsaSha384,
            "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512" => Self::RsaSha512,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256" => Self::EcdsaSha256,
            "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384" => Self::EcdsaSha384,
            _ => return Err(Kind::Algorithm),
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::RsaSha1 => "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
            Self::RsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            Self::RsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
            Self::RsaSha512 => "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
            Self::EcdsaSha256 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
            Self::EcdsaSha384 => "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
        }
    }

    pub(crate) fn is_sha1(self) -> bool {
        self == Self::RsaSha1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestMethod {
    /// Only under a dated exception.
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl DigestMethod {
    pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

    pub fn parse(name: &str) -> Result<Self, Kind> {
        Ok(match name {
            "http://www.w3.org/2000/09/xmldsig#sha1" => Self::Sha1,
            Self::SHA256 => Self::Sha256,
            "http://www.w3.org/2001/04/xmldsig-more#sha384" => Self::Sha384,
            "http://www.w3.org/2001/04/xmlenc#sha512" => Self::Sha512,
            _ => return Err(Kind::Algorithm),
        })
    }

    pub(crate) fn of(self, bytes: &[u8]) -> digest::Digest {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes)
    }
}
