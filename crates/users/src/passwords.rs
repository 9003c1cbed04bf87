//! Passwords: read once at the edge, hashed on a pool of their own, judged by rules that are data.
//!
//! Start with [`Password`] (what was typed), then [`pool`] (hashing without letting a storm of sign-ins take the
//! machine), [`strength`] (what an organization may demand) and [`store`] (what is kept).
//! After NIST SP 800-63B-4 §3.1.1: no composition rules, no forced changes by date unless an organization insists,
//! lists of known passwords instead, Unicode welcome.

use unicode_normalization::UnicodeNormalization;
use zeroize::{Zeroize, Zeroizing};

pub mod breached;
pub mod phc;
pub mod pool;
pub mod store;
pub mod strength;

pub use pool::{PasswordPool, PoolError, PoolSettings};

/// Longest password in characters. Hashing takes the same time for any length; this bounds what is read.
pub const CHARS_MAX: usize = 1024;
pub const BYTES_MAX: usize = 4096;

/// A password as typed, in normalization form C, so that composed and decomposed accents are one password. Has no
/// `Debug` and no `Display`; wiped from memory when dropped.
#[derive(Clone)]
pub struct Password {
    text: Zeroizing<String>,
    oversize: bool,
}

impl Password {
    /// Takes any text, so that callers need no second path: an oversize one is refused by the rules and matches nothing.
    pub fn new(mut typed: String) -> Self {
        let oversize = typed.len() > BYTES_MAX || typed.chars().count() > CHARS_MAX;
        let text = if oversize {
            Zeroizing::default()
        } else {
            // Composing can lengthen a text (some characters compose to several); reserved, so that no copy is left
            // behind by growing.
            let mut text = Zeroizing::new(String::with_capacity(3 * typed.len()));
            text.extend(typed.nfc());
            text
        };
        typed.zeroize();
        Self { text, oversize }
    }

    /// Length as people count it: code points.
    pub fn chars(&self) -> usize {
        self.text.chars().count()
    }

    /// Longer than [`CHARS_MAX`] or [`BYTES_MAX`]; nothing of it was kept.
    pub fn is_oversize(&self) -> bool {
        self.oversize
    }

    /// Both typings of a password agree.
    pub fn same(&self, other: &Self) -> bool {
        !self.oversize && !other.oversize && self.text == other.text
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composed_and_decomposed_accents_are_one_password() {
        let composed = Password::new("caf\u{e9} au lait".to_owned());
        let decomposed = Password::new("cafe\u{301} au lait".to_owned());
        assert!(composed.same(&decomposed));
        assert_eq!(decomposed.chars(), 12);
        // Not compatibility forms: a full-width letter stays another character.
        assert!(!Password::new("ａ".to_owned()).same(&Password::new("a".to_owned())));
    }

    /// Security checklist, Accounts: "maximum password length".
    #[test]
    fn an_oversize_password_is_not_kept_and_equals_nothing() {
        let most = Password::new("ü".repeat(CHARS_MAX));
        assert!(!most.is_oversize() && most.chars() == CHARS_MAX);
        for long in ["a".repeat(CHARS_MAX + 1), "\u{10000}".repeat(CHARS_MAX + 1), "a".repeat(10_000_000)] {
            let long = Password::new(long);
            assert!(long.is_oversize() && long.text().is_empty());
            assert!(!long.same(&long) && !long.same(&Password::new(String::new())));
        }
    }
}
