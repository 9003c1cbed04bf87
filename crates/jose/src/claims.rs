//! Claims of a verified token, and what they must say here. What is absent is refused.

use serde_json::{Map, Value};

use crate::{Error, json};

/// The claims of a token whose signature was verified.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

/// Whether a token must repeat a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nonce<'a> {
    /// It must be there and be this.
    Is(&'a str),
    /// None was sent.
    Any,
    /// There must be none (logout tokens).
    Forbidden,
}

/// What a token must say. Times in seconds since 1970.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub issuer: &'a str,
    /// It must be for one of these.
    pub audience: &'a [&'a str],
    pub now: i64,
    /// How far the two clocks may differ.
    pub leeway: i64,
    /// How long ago it may have been made.
    pub age_max: i64,
    pub nonce: Nonce<'a>,
}

impl Claims {
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Error> {
        json::object(payload).map(Self).ok_or(Error::Json("payload"))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    pub fn text(&self, name: &'static str) -> Result<&str, Error> {
        self.0.get(name).and_then(Value::as_str).ok_or(Error::Claim(name))
    }

    /// A NumericDate; fractions are cut.
    pub fn time(&self, name: &'static str) -> Result<i64, Error> {
        let value = self.0.get(name).ok_or(Error::Claim(name))?;
        if let Some(whole) = value.as_i64() {
            return Ok(whole);
        }
        let number = value.as_f64().filter(|number| number.abs() < 1e15).ok_or(Error::Claim(name))?;
        #[expect(clippy::cast_possible_truncation, reason = "bounded above")]
        Ok(number as i64)
    }

    /// Whom it is for; empty when it does not say, or says it wrongly.
    pub fn audiences(&self) -> Vec<&str> {
        match self.0.get("aud") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => {
                many.iter().map(Value::as_str).collect::<Option<_>>().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Refuses a token that is not for here and now.
    pub fn check(&self, expected: &Expected<'_>) -> Result<(), Error> {
        if self.text("iss")? != expected.issuer {
            return Err(Error::Unexpected("iss"));
        }
        let audiences = self.audiences();
        if audiences.is_empty() {
            return Err(Error::Claim("aud"));
        }
        if !audiences.iter().any(|one| expected.audience.contains(one)) {
            return Err(Error::Unexpected("aud"));
        }
        self.check_times(expected.now, expected.leeway, expected.age_max)?;
        match (expected.nonce, self.0.get("nonce")) {
            (Nonce::Any, _) | (Nonce::Forbidden, None) => Ok(()),
            (Nonce::Forbidden, Some(_)) => Err(Error::Unexpected("nonce")),
            (Nonce::Is(wanted), _) if self.text("nonce")? == wanted => Ok(()),
            (Nonce::Is(_), _) => Err(Error::Unexpected("nonce")),
        }
    }

    /// `exp` and `iat` must be there and hold; `nbf` must hold where it is there.
    pub fn check_times(&self, now: i64, leeway: i64, age_max: i64) -> Result<(), Error> {
        if self.time("exp")? <= now.saturating_sub(leeway) {
            return Err(Error::Expired);
        }
        self.check_made(now, leeway, age_max)?;
        if self.0.contains_key("nbf") && self.time("nbf")? > now.saturating_add(leeway) {
            return Err(Error::Early("nbf"));
        }
        Ok(())
    }

    /// `iat` must be there, not be in the future, and not too long ago.
    pub(crate) fn check_made(&self, now: i64, leeway: i64, age_max: i64) -> Result<(), Error> {
        let made = self.time("iat")?;
        if made > now.saturating_add(leeway) {
            return Err(Error::Early("iat"));
        }
        if made < now.saturating_sub(age_max).saturating_sub(leeway) {
            return Err(Error::Old);
        }
        Ok(())
    }
}
