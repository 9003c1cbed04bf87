//! Stored hashes: the PHC string format, Argon2id version 19 only.
//!
//! `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, base 64 without padding. Strict: one spelling per hash, and costs
//! within [`Cost::check`], so that a row written by somebody else cannot make a sign-in take minutes or gigabytes.

use std::fmt;

use argon2::Params;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq;

pub const SALT_BYTES: usize = 16;
pub const HASH_BYTES: usize = 32;
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 32;
const LANES_MAX: u32 = 8;
/// Bound on memory × passes: about two seconds.
const WORK_KIB_MAX: u64 = 2 * 1024 * 1024;

/// How expensive a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    pub memory_kib: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Cost {
    /// The first recommendation of the OWASP password storage cheat sheet for Argon2id.
    pub const DEFAULT: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };
    /// Its equal for machines with little memory.
    pub const LOW_MEMORY: Cost = Cost { memory_kib: 7 * 1024, passes: 5, lanes: 1 };

    pub fn check(self) -> Result<Params, PhcError> {
        let work = u64::from(self.memory_kib) * u64::from(self.passes);
        let bounded = self.memory_kib <= MEMORY_KIB_MAX
            && (1..=PASSES_MAX).contains(&self.passes)
            && (1..=LANES_MAX).contains(&self.lanes)
            && work <= WORK_KIB_MAX;
        if !bounded {
            return Err(PhcError::Cost(self));
        }
        Params::new(self.memory_kib, self.passes, self.lanes, None).map_err(|_| PhcError::Cost(self))
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "m={},t={},p={}", self.memory_kib, self.passes, self.lanes)
    }
}

/// The stored text is no hash that can be checked. Never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhcError {
    #[error(
        "the stored password hash is not in PHC form for Argon2id version 19: set a new password for the account"
    )]
    Form,
    #[error(
        "the password hash cost `{0}` is outside the limits ({LANES_MAX} lanes, {PASSES_MAX} passes, \
         {MEMORY_KIB_MAX} KiB, {WORK_KIB_MAX} KiB × passes): choose a lower one"
    )]
    Cost(Cost),
}

/// A parsed hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phc {
    pub cost: Cost,
    pub salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Phc {
    pub fn new(cost: Cost, salt: &[u8; SALT_BYTES], hash: [u8; HASH_BYTES]) -> Self {
        Self { cost, salt: salt.to_vec(), hash: hash.to_vec() }
    }

    pub fn parse(text: &str) -> Result<Self, PhcError> {
        let fields: Vec<&str> = text.splitn(7, '$').collect();
        let ["", "argon2id", "v=19", cost, salt, hash] = fields[..] else { return Err(PhcError::Form) };
        let cost = parse_cost(cost).ok_or(PhcError::Form)?;
        cost.check()?;
        let decode = |field: &str| STANDARD_NO_PAD.decode(field).map_err(|_| PhcError::Form);
        let (salt, hash) = (decode(salt)?, decode(hash)?);
        if (8..=64).contains(&salt.len()) && (16..=64).contains(&hash.len()) {
            Ok(Self { cost, salt, hash })
        } else {
            Err(PhcError::Form)
        }
    }

    pub fn hash_len(&self) -> usize {
        self.hash.len()
    }

    /// Compares in constant time.
    pub fn matches(&self, computed: &[u8]) -> bool {
        self.hash.ct_eq(computed).into()
    }
}

impl fmt::Display for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encode = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
        write!(f, "$argon2id$v=19${}${}${}", self.cost, encode(&self.salt), encode(&self.hash))
    }
}

fn parse_cost(text: &str) -> Option<Cost> {
    let mut fields = text.splitn(4, ',');
    let mut number = |name: &str| {
        let digits = fields.next()?.strip_prefix(name)?;
        let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        if plain { digits.parse().ok() } else { None }
    };
    let cost = Cost { memory_kib: number("m=")?, passes: number("t=")?, lanes: number("p=")? };
    fields.next().is_none().then_some(cost)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_bounded_argon2id_is_accepted() {
        let good = Phc::new(Cost::DEFAULT, &[1; 16], [2; 32]).to_string();
        assert!(good.starts_with("$argon2id$v=19$m=19456,t=2,p=1$AQEB"), "{good}");
        assert_eq!(Phc::parse(&good).unwrap().to_string(), good);
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("v=19", "v=16"),
            ("$v=19", ""),
            ("m=19456", "m=+19456"),
            ("m=19456", "m=019456"),
            ("t=2,p=1", "p=1,t=2"),
            ("p=1", "p=1,x=1"),
            ("p=1", "p=1,"),
            ("AQEB", "AQE="),
            ("AQEB", "*QEB"),
            ("m=19456", "m=99999999999"),
        ] {
            assert_eq!(Phc::parse(&good.replacen(from, to, 1)), Err(PhcError::Form), "{to}");
        }
        assert_eq!(Phc::parse(&format!("{good}$")), Err(PhcError::Form));
        assert_eq!(Phc::parse(""), Err(PhcError::Form));
        for cost in [
            "m=4294967295,t=2,p=1",
            "m=19456,t=4000,p=1",
            "m=19456,t=2,p=64",
            "m=262144,t=32,p=1",
            "m=7,t=1,p=1",
        ] {
            let text = good.replacen("m=19456,t=2,p=1", cost, 1);
            assert!(matches!(Phc::parse(&text), Err(PhcError::Cost(_))), "{cost}");
        }
    }

    #[test]
    fn the_comparison_needs_every_byte() {
        let phc = Phc::new(Cost::DEFAULT, &[1; 16], [2; 32]);
        assert!(phc.matches(&[2; 32]));
        for at in 0..32 {
            let mut other = [2; 32];
            other[at] ^= 1;
            assert!(!phc.matches(&other));
        }
        assert!(!phc.matches(&[2; 31]) && !phc.matches(&[]));
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_its_own_spelling(
            text in r"(\$argon2id\$v=19\$m=[0-9]{1,6},t=[0-9]{1,3},p=[0-9]{1,2}\$[A-Za-z0-9+/]{0,40}\$[A-Za-z0-9+/]{0,60})|\PC{0,60}"
        ) {
            if let Ok(phc) = Phc::parse(&text) {
                prop_assert_eq!(phc.to_string(), text);
            }
        }
    }
}
