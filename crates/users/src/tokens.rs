//! Bearer secrets: what a link, a session cookie or an API client carries.
//!
//! Promises: 256 random bits each; the store sees only the SHA-256; neither type has `Debug` or `Display`; texts are
//! accepted in exactly one spelling; secrets are wiped from memory when dropped.
//!
//! An API token is `bwk_` + 43 characters of base 62 + `_` + 6 of its CRC-32. The prefix and the checksum let leak
//! scanners recognise a token without asking us, and let us refuse a mistyped one without asking the database.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const SECRET_BYTES: usize = 32;
/// What the store keeps of a token.
pub type TokenHash = [u8; 32];

/// The text is not a token. Never repeats the text: it may be a real secret with one wrong character.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("this is not a complete link token: open the link again as it was sent, in one piece")]
    Link,
    #[error(
        "a token starts with `bwk_` or `bws_` and has {} characters: copy it again in one piece",
        ApiToken::TEXT_LEN
    )]
    Shape,
    #[error(
        "the checksum of this API token is wrong, so a character is missing or changed: copy it again in one piece"
    )]
    Checksum,
}

/// The secret of a mailed link or of a session cookie.
#[derive(Clone)]
pub struct LinkToken(Zeroizing<[u8; SECRET_BYTES]>);

impl LinkToken {
    /// Length of [`text`](Self::text).
    pub const TEXT_LEN: usize = 43;

    pub fn generate(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill(secret.as_mut_slice());
        Self(secret)
    }

    pub fn parse(text: &str) -> Result<Self, TokenError> {
        if text.len() != Self::TEXT_LEN {
            return Err(TokenError::Link);
        }
        // The decoder refuses padding and stray low bits, so each secret has one spelling.
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Link)?);
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        if bytes.len() != SECRET_BYTES {
            return Err(TokenError::Link);
        }
        secret.copy_from_slice(&bytes);
        Ok(Self(secret))
    }

    /// The only place where the secret leaves the type: for the mail, the terminal or the cookie.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.as_slice())
    }

    pub fn hash(&self) -> TokenHash {
        sha256(self.0.as_slice())
    }

    /// Compares with a stored hash in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.hash().as_slice().ct_eq(stored).into()
    }
}

/// The secret of an API client.
#[derive(Clone)]
pub struct ApiToken(Zeroizing<[u8; SECRET_BYTES]>);

impl ApiToken {
    pub const PREFIX: &'static str = "bwk_";
    /// Length of [`text`](Self::text).
    pub const TEXT_LEN: usize = Self::PREFIX.len() + BODY_LEN + 1 + CHECK_LEN;

    pub fn generate(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill(secret.as_mut_slice());
        Self(secret)
    }

    /// Checks shape and checksum; what passes may still be unknown to the store.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        parse_checked(Self::PREFIX, text).map(Self)
    }

    /// The only place where the secret leaves the type: shown once, when it is made.
    pub fn text(&self) -> String {
        checked_text(Self::PREFIX, &self.0)
    }

    pub fn hash(&self) -> TokenHash {
        sha256(self.0.as_slice())
    }

    /// Compares with a stored hash in constant time.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.hash().as_slice().ct_eq(stored).into()
    }
}

/// The secret of an identity provider that keeps a directory over SCIM. Made like an API token, and never taken for one.
#[derive(Clone)]
pub struct ScimToken(Zeroizing<[u8; SECRET_BYTES]>);

impl ScimToken {
    pub const PREFIX: &'static str = "bws_";

    pub fn generate(fill: &mut dyn FnMut(&mut [u8])) -> Self {
        let mut secret = Zeroizing::new([0; SECRET_BYTES]);
        fill(secret.as_mut_slice());
        Self(secret)
    }

    /// Checks shape and checksum; what passes may still be unknown to the store.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        parse_checked(Self::PREFIX, text).map(Self)
    }

    /// The only place where the secret leaves the type: shown once, when it is made.
    pub fn text(&self) -> String {
        checked_text(Self::PREFIX, &self.0)
    }

    pub fn hash(&self) -> TokenHash {
        sha256(self.0.as_slice())
    }
}

fn parse_checked(prefix: &str, text: &str) -> Result<Zeroizing<[u8; SECRET_BYTES]>, TokenError> {
    if text.len() != ApiToken::TEXT_LEN || !text.is_ascii() {
        return Err(TokenError::Shape);
    }
    let (body, check) = text.rsplit_once('_').ok_or(TokenError::Shape)?;
    let digits = body.strip_prefix(prefix).ok_or(TokenError::Shape)?;
    if digits.len() != BODY_LEN || check.len() != CHECK_LEN {
        return Err(TokenError::Shape);
    }
    let secret = from_base62(digits).ok_or(TokenError::Shape)?;
    if checksum(body).as_bytes() != check.as_bytes() {
        return Err(TokenError::Checksum);
    }
    Ok(secret)
}

fn checked_text(prefix: &str, secret: &Zeroizing<[u8; SECRET_BYTES]>) -> String {
    let body = format!("{prefix}{}", to_base62(secret.as_slice(), BODY_LEN));
    let check = checksum(&body);
    format!("{body}_{check}")
}

pub(crate) fn sha256(bytes: &[u8]) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    hash
}

/// 62^43 is a little more than 2^256.
const BODY_LEN: usize = 43;
/// 62^6 is more than 2^32.
const CHECK_LEN: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

fn checksum(body: &str) -> String {
    to_base62(&crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECK_LEN)
}

/// `bytes` as one big-endian number, in exactly `length` digits (the callers' lengths are enough).
fn to_base62(bytes: &[u8], length: usize) -> String {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut digits = vec![b'0'; length];
    for digit in digits.iter_mut().rev() {
        let mut remainder = 0_usize;
        for byte in number.iter_mut() {
            let value = (remainder << 8) | usize::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            remainder = value % 62;
        }
        *digit = BASE62[remainder];
    }
    digits.into_iter().map(char::from).collect()
}

/// `None` for a character outside the alphabet and for numbers of more than 256 bits.
fn from_base62(digits: &str) -> Option<Zeroizing<[u8; SECRET_BYTES]>> {
    let mut number = Zeroizing::new([0_u8; SECRET_BYTES]);
    for digit in digits.bytes() {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'A'..=b'Z' => digit - b'A' + 10,
            b'a'..=b'z' => digit - b'a' + 36,
            _ => return None,
        };
        let mut carry = value;
        for byte in number.iter_mut().rev() {
            [carry, *byte] = (u16::from(*byte) * 62 + u16::from(carry)).to_be_bytes();
        }
        if carry != 0 {
            return None;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn link(secret: [u8; 32]) -> LinkToken {
        LinkToken::generate(&mut |bytes| bytes.copy_from_slice(&secret))
    }

    fn api(secret: [u8; 32]) -> ApiToken {
        ApiToken::generate(&mut |bytes| bytes.copy_from_slice(&secret))
    }

    #[test]
    fn a_known_secret_has_a_known_text() {
        assert_eq!(link([0; 32]).text(), "A".repeat(43));
        let zero = api([0; 32]).text();
        assert!(zero.starts_with(&format!("bwk_{}_", "0".repeat(43))), "{zero}");
        // 2^256 - 1 in base 62, computed independently (Python).
        assert!(
            api([255; 32]).text().starts_with("bwk_yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1_"),
            "{}",
            api([255; 32]).text()
        );
    }

    #[test]
    fn a_text_beyond_256_bits_or_with_a_changed_character_is_refused() {
        let over = format!("bwk_{}", "z".repeat(43));
        assert_eq!(ApiToken::parse(&format!("{over}_{}", checksum(&over))).err(), Some(TokenError::Shape));
        let good = api([7; 32]).text();
        let mut swapped = good.clone().into_bytes();
        swapped.swap(20, 21);
        assert_ne!(swapped, good.as_bytes());
        let swapped = String::from_utf8(swapped).unwrap();
        assert_eq!(ApiToken::parse(&swapped).err(), Some(TokenError::Checksum));
        for bad in [
            "",
            "bwk_",
            &good[1..],
            &format!("{good} "),
            &good.replace("bwk_", "bwx_"),
            &"_".repeat(54),
            &"é".repeat(27),
        ] {
            assert_eq!(ApiToken::parse(bad).err(), Some(TokenError::Shape), "{bad}");
        }
    }

    #[test]
    fn a_link_has_one_spelling() {
        let text = link([9; 32]).text();
        for bad in [format!("{text}="), format!(" {text}"), text[1..].to_owned(), text.replace("C", "+")] {
            assert_eq!(LinkToken::parse(&bad).err(), Some(TokenError::Link), "{bad}");
        }
        // The last character carries 4 bits; its 2 spare bits must be zero.
        let mut stray = text.into_bytes();
        stray[42] += 1;
        assert!(LinkToken::parse(std::str::from_utf8(&stray).unwrap()).is_err());
    }

    #[test]
    fn the_stored_hash_is_the_sha256_and_matches_only_itself() {
        // SHA-256 of 32 zero bytes.
        let expected = "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925";
        assert_eq!(hex::encode(link([0; 32]).hash()), expected);
        assert!(link([0; 32]).matches(&api([0; 32]).hash()));
        assert!(!link([1; 32]).matches(&link([0; 32]).hash()));
        assert!(!link([1; 32]).matches(&[]));
    }

    proptest! {
        #[test]
        fn texts_come_back(secret: [u8; 32]) {
            prop_assert!(LinkToken::parse(&link(secret).text()).unwrap().0.as_slice() == secret);
            prop_assert_eq!(api(secret).text().len(), ApiToken::TEXT_LEN);
            prop_assert!(ApiToken::parse(&api(secret).text()).unwrap().0.as_slice() == secret);
            let scim = ScimToken::generate(&mut |bytes| bytes.copy_from_slice(&secret));
            prop_assert!(ScimToken::parse(&scim.text()).unwrap().0.as_slice() == secret);
            prop_assert!(ApiToken::parse(&scim.text()).is_err() && ScimToken::parse(&api(secret).text()).is_err());
        }

        #[test]
        fn any_text_is_refused_or_is_its_own_spelling(text in "(bwk_)?[0-9A-Za-z_=+-]{0,60}") {
            if let Ok(token) = ApiToken::parse(&text) { prop_assert_eq!(token.text(), text.clone()); }
            if let Ok(token) = LinkToken::parse(&text) { prop_assert_eq!(token.text(), text); }
        }

        #[test]
        fn every_single_change_is_caught(secret: [u8; 32], at in 0..ApiToken::TEXT_LEN, to in 0..62_usize) {
            let good = api(secret).text();
            let mut bytes = good.clone().into_bytes();
            bytes[at] = BASE62[to];
            let changed = String::from_utf8(bytes).unwrap();
            prop_assume!(changed != good);
            prop_assert!(ApiToken::parse(&changed).is_err());
        }
    }
}
