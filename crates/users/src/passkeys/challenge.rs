//! Challenges that need no row until they are answered, so that asking for millions of them fills nothing.
//!
//! A challenge is `nonce (16) | end (8, microseconds) | HMAC-SHA-256 (32)` over what it is for and whom it is bound to
//! (a browser's cookie or a session). The installation recognises its own; what was answered is noted and works once.

use std::time::Duration;

use aws_lc_rs::hmac;
use platform::db::{DbError, Tx};
use platform::params;
use platform::time::{MINUTE, Timestamp};
use platform::{App, Ctx};

use super::sql;
use super::webauthn::{Ceremony, Refusal, sha256};

/// How long somebody has to touch their authenticator.
pub const LIFETIME: Duration = Duration::from_secs(5 * MINUTE.as_secs());
const HEAD: usize = 16 + 8;

/// What makes and recognises challenges.
#[derive(Clone)]
pub struct Challenges {
    key: hmac::Key,
}

impl Challenges {
    pub fn new(app: &App) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &app.keyring().derive("webauthn challenge")) }
    }

    fn message(ceremony: Ceremony, binding: &str, head: &[u8]) -> Vec<u8> {
        let mut message = match ceremony {
            Ceremony::Create => b"create\0".to_vec(),
            Ceremony::Get => b"get\0".to_vec(),
        };
        message.extend_from_slice(&sha256(binding.as_bytes()));
        message.extend_from_slice(head);
        message
    }

    pub fn make(&self, ctx: &Ctx, ceremony: Ceremony, binding: &str) -> Vec<u8> {
        let mut challenge = ctx.random_bytes::<16>().to_vec();
        challenge.extend_from_slice(&ctx.now.plus(LIFETIME).micros().to_be_bytes());
        let tag = hmac::sign(&self.key, &Self::message(ceremony, binding, &challenge));
        challenge.extend_from_slice(tag.as_ref());
        challenge
    }

    /// Takes an answered challenge: ours, for this ceremony and binding, in time, and for the first time.
    pub fn spend(
        &self,
        tx: &mut Tx,
        ceremony: Ceremony,
        binding: &str,
        challenge: &[u8],
        now: Timestamp,
    ) -> Result<Result<(), Refusal>, DbError> {
        let Some((head, tag)) = challenge.split_at_checked(HEAD) else {
            return Ok(Err(Refusal::Challenge));
        };
        let end = head[16..].try_into().map(i64::from_be_bytes).unwrap_or(0);
        let ours = hmac::verify(&self.key, &Self::message(ceremony, binding, head), tag).is_ok();
        if !ours || end <= now.micros() {
            return Ok(Err(Refusal::Challenge));
        }
        // Of two answers at once only one makes the row.
        let rows =
            tx.execute(&sql::SPEND, params![sha256(challenge).to_vec(), Timestamp::from_micros(end)])?;
        Ok(if rows == 1 { Ok(()) } else { Err(Refusal::Challenge) })
    }
}
