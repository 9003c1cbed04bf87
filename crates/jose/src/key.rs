//! Signing keys, and the three algorithms.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};

use crate::jwk::{Jwk, Material};
use crate::{Error, encode};

/// What signs a token. Nothing weaker, nothing symmetric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for clients that know nothing else.
    Rs256,
}

impl Algorithm {
    pub const ALL: [Algorithm; 3] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }

    /// By its name, letter for letter; `Ed25519` is the name that RFC 9864 gives EdDSA on that curve.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "ES256" => Ok(Self::Es256),
            "EdDSA" | "Ed25519" => Ok(Self::EdDsa),
            "RS256" => Ok(Self::Rs256),
            _ if text.eq_ignore_ascii_case("none") => Err(Error::None),
            _ => Err(Error::Algorithm),
        }
    }
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(Box<RsaKeyPair>),
}

/// A private key with its public half. Has no `Debug`.
pub struct SigningKey {
    pair: Pair,
    public: Jwk,
    random: SystemRandom,
}

const FAILED: Error = Error::Key("the library of cryptography refuses it");

impl SigningKey {
    /// A new private key in PKCS #8, to be sealed and read again with [`SigningKey::from_pkcs8`].
    pub fn generate(algorithm: Algorithm) -> Result<Vec<u8>, Error> {
        let random = SystemRandom::new();
        Ok(match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
                .map_err(|_| FAILED)?
                .as_ref()
                .to_vec(),
            Algorithm::EdDsa => {
                Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| FAILED)?.as_ref().to_vec()
            }
            Algorithm::Rs256 => RsaKeyPair::generate(KeySize::Rsa2048)
                .and_then(|pair| pair.as_der())
                .map_err(|_| FAILED)?
                .as_ref()
                .to_vec(),
        })
    }

    /// Reads a key; its id is its thumbprint (RFC 7638).
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, Error> {
        let (pair, material) = match algorithm {
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| FAILED)?;
                let material = Material::p256_from_point(pair.public_key().as_ref())?;
                (Pair::Es256(pair), material)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| FAILED)?;
                let x = pair.public_key().as_ref().try_into().map_err(|_| FAILED)?;
                (Pair::EdDsa(pair), Material::Ed25519 { x })
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| FAILED)?;
                let material = Material::rsa_from_der(pair.public_key().as_ref())?;
                (Pair::Rs256(Box::new(pair)), material)
            }
        };
        let mut public = Jwk { id: None, material };
        public.id = Some(public.thumbprint());
        Ok(Self { pair, public, random: SystemRandom::new() })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The key's id, as it stands in every token it signs.
    pub fn id(&self) -> &str {
        self.public.id.as_deref().unwrap_or_default()
    }

    pub fn public(&self) -> &Jwk {
        &self.public
    }

    /// A token of this type (`typ`, a constant) over `payload`, a JSON object.
    pub fn sign(&self, typ: &str, payload: &[u8]) -> Result<String, Error> {
        let header =
            format!(r#"{{"alg":"{}","typ":"{typ}","kid":"{}"}}"#, self.algorithm().as_str(), self.id());
        self.sign_parts(&header, payload)
    }

    /// As [`SigningKey::sign`], with a header of the caller's: for DPoP proofs and for tests.
    pub fn sign_parts(&self, header: &str, payload: &[u8]) -> Result<String, Error> {
        let mut token = encode(header);
        token.reserve((payload.len() * 4).div_ceil(3) + 700);
        token.push('.');
        token.push_str(&encode(payload));
        let signature = self.signature(token.as_bytes())?;
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&self.random, message).map(|made| made.as_ref().to_vec()).map_err(|_| FAILED)
            }
            Pair::EdDsa(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rs256(pair) => {
                let mut made = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut made).map_err(|_| FAILED)?;
                Ok(made)
            }
        }
    }
}
