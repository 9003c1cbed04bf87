//! Signing what this service sends.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use crate::algorithms::{DigestMethod, SignatureMethod};
use crate::error::{Error, Kind, Part};
use crate::names::{DSIG, ENVELOPED, EXCLUSIVE_C14N, METADATA, SAML};
use crate::xml::{Document, Limits};
use crate::{base64, c14n};

enum Pair {
    Rsa(Box<RsaKeyPair>),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
}

/// A private key of this service. Has no `Debug`.
pub struct SigningKey {
    pair: Pair,
    random: SystemRandom,
}

const REFUSED: Kind = Kind::Key("it is no private key of RSA, P-256 or P-384 in PKCS #8");

impl SigningKey {
    /// RSA is what every identity provider verifies; the curves are for those that are known to.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Error> {
        let curve = |algorithm| EcdsaKeyPair::from_pkcs8(algorithm, pkcs8);
        let pair = if let Ok(pair) = RsaKeyPair::from_pkcs8(pkcs8) {
            Pair::Rsa(Box::new(pair))
        } else if let Ok(pair) = curve(&ECDSA_P256_SHA256_FIXED_SIGNING) {
            Pair::P256(pair)
        } else {
            Pair::P384(curve(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|_| REFUSED)?)
        };
        Ok(Self { pair, random: SystemRandom::new() })
    }

    pub fn method(&self) -> SignatureMethod {
        match self.pair {
            Pair::Rsa(_) => SignatureMethod::RsaSha256,
            Pair::P256(_) => SignatureMethod::EcdsaSha256,
            Pair::P384(_) => SignatureMethod::EcdsaSha384,
        }
    }

    pub(crate) fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let failed = |_| Kind::Key("the library of cryptography refuses it");
        Ok(match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => {
                pair.sign(&self.random, message).map_err(failed)?.as_ref().to_vec()
            }
            Pair::Rsa(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut made).map_err(failed)?;
                made
            }
        })
    }
}

/// `xml`, made by this crate, with an enveloped signature over its root in the place its schema gives it: behind `Issuer`, or
/// first in metadata. `certificate` (DER) goes into `KeyInfo`, for receivers that want to see it.
pub(crate) fn sign(xml: &str, key: &SigningKey, certificate: Option<&[u8]>) -> Result<String, Error> {
    let document = Document::parse(xml.as_bytes(), Part::Message, Limits::METADATA)?;
    let root = document.root();
    let digest = DigestMethod::Sha256.of(&c14n::exclusive(root, None, &[])?);
    let info = format!(
        "<ds:SignedInfo xmlns:ds=\"{DSIG}\">\
         <ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE_C14N}\"></ds:CanonicalizationMethod>\
         <ds:SignatureMethod Algorithm=\"{}\"></ds:SignatureMethod><ds:Reference URI=\"#{}\"><ds:Transforms>\
         <ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{EXCLUSIVE_C14N}\"></ds:Transform></ds:Transforms>\
         <ds:DigestMethod Algorithm=\"{}\"></ds:DigestMethod><ds:DigestValue>{}</ds:DigestValue>\
         </ds:Reference></ds:SignedInfo>",
        key.method().name(),
        super::id_of(root)?,
        DigestMethod::SHA256,
        base64::encode(digest),
    );
    // Written in its canonical form, so that these are the bytes to sign; the outer declaration does not change them.
    let value = base64::encode(key.signature(info.as_bytes())?);
    let key_info = certificate.map_or_else(String::new, |der| {
        let text = base64::encode(der);
        format!(
            "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{text}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>"
        )
    });
    let signature = format!(
        "<ds:Signature xmlns:ds=\"{DSIG}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue>{key_info}</ds:Signature>"
    );
    let at = if root.namespace() == METADATA {
        root.children().next().map(|first| first.node().range().start)
    } else {
        root.optional(SAML, "Issuer")?.map(|issuer| issuer.node().range().end)
    };
    let (before, after) =
        at.and_then(|at| xml.split_at_checked(at)).ok_or_else(|| root.error(Kind::Missing("Issuer")))?;
    Ok(format!("{before}{signature}{after}"))
}
