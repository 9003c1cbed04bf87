//! What a password must be: rules as data, set per organization and never below the platform's floor.
//!
//! NIST SP 800-63B-4 §3.1.1.2: at least 15 characters where the password is the only factor and 8 beside a second one,
//! no composition rules, refusal of known, expected and context-specific ones. The estimate is zxcvbn's.
//! A new rule: a field of [`PasswordRules`], a line in [`PasswordRules::weaker_than`], a [`Refusal`] with its sentence.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;
use zxcvbn::matching::patterns::MatchPattern;

use super::{BYTES_MAX, CHARS_MAX, Password};

/// zxcvbn's time grows faster than the length; what follows only makes a password better.
const ESTIMATED_CHARS_MAX: usize = 64;
/// It also tries all readings of characters that stand for letters: with many different ones, 64 take half a second.
const STAND_INS: &str = "4@8({[<369!1|05$7+%2";
const STAND_INS_MAX: usize = 8;
const ESTIMATED_CHARS_WITH_STAND_INS_MAX: usize = 24;
/// Longest text that is looked for in the dictionaries.
const KNOWN_CHARS_MAX: usize = 32;
/// A context word counts when what stands beside it in the password is shorter than this.
const OWN_CHARS_MIN: usize = 8;
const CONTEXT_WORD_CHARS_MIN: usize = 4;
const MIN_LENGTH_MAX: u16 = 128;
const MIN_SCORE_MAX: u8 = 4;
pub const REUSE_HISTORY_MAX: u8 = 24;

/// Whether a second factor is asked for besides the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factors {
    PasswordOnly,
    Multiple,
}

/// The password part of an authentication policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordRules {
    /// In characters (code points after normalization).
    pub min_length: u16,
    /// zxcvbn's 0 (guessed at once) to 4.
    pub min_score: u8,
    /// Refuses passwords that are little more than the person's address, the organization or this program.
    pub refuse_context_words: bool,
    /// How many earlier passwords may not come back.
    pub reuse_history: u8,
    /// Refuses passwords on lists of known ones.
    pub breached: bool,
    /// Days until a change is demanded. The standard advises against it: forced changes lead to weaker passwords.
    pub max_age_days: Option<u16>,
}

impl PasswordRules {
    /// What no organization can go below; also the default.
    pub fn floor(factors: Factors) -> Self {
        let min_length = match factors {
            Factors::PasswordOnly => 15,
            Factors::Multiple => 8,
        };
        Self {
            min_length,
            min_score: 2,
            refuse_context_words: true,
            reuse_history: 0,
            breached: true,
            max_age_days: None,
        }
    }

    /// Everything that is wrong with the password, all at once. Reuse is the caller's to check: it takes hashing.
    pub fn check(&self, password: &Password, context: &Context) -> Vec<Refusal> {
        self.check_with(password, context, &CommonPasswords)
    }

    pub fn check_with(
        &self,
        password: &Password,
        context: &Context,
        known: &dyn BreachedList,
    ) -> Vec<Refusal> {
        if password.is_oversize() {
            return vec![Refusal::Long];
        }
        let mut refusals = Vec::new();
        let chars = password.chars();
        if chars < usize::from(self.min_length) {
            refusals.push(Refusal::Short { min: self.min_length, chars });
        }
        if self.breached && known.contains(password) {
            refusals.push(Refusal::Breached);
        }
        let words = context.all_words();
        if self.refuse_context_words
            && let Some(word) = mostly(password.text(), &words)
        {
            refusals.push(Refusal::ContextWord(word));
        }
        // A short password is weak too; one sentence about it is enough.
        if refusals.is_empty() {
            let score = estimate(password.text(), &words);
            if score < self.min_score {
                refusals.push(Refusal::Guessable);
            }
        }
        refusals
    }

    /// In what these rules ask for less than `floor` does; empty when they may replace it.
    pub fn weaker_than(&self, floor: &Self) -> Vec<Weakness> {
        let longer_age = match (self.max_age_days, floor.max_age_days) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(own), Some(limit)) => own > limit,
        };
        [
            (self.min_length < floor.min_length, Weakness::MinLength(floor.min_length)),
            (self.min_score < floor.min_score, Weakness::MinScore(floor.min_score)),
            (!self.refuse_context_words && floor.refuse_context_words, Weakness::ContextWords),
            (self.reuse_history < floor.reuse_history, Weakness::ReuseHistory(floor.reuse_history)),
            (!self.breached && floor.breached, Weakness::Breached),
            (longer_age, Weakness::MaxAgeDays(floor.max_age_days.unwrap_or(0))),
        ]
        .into_iter()
        .filter_map(|(weaker, weakness)| weaker.then_some(weakness))
        .collect()
    }

    /// Values that no password could meet or the store does not keep.
    pub fn out_of_range(&self) -> Vec<RangeError> {
        let mut errors = Vec::new();
        if !(1..=MIN_LENGTH_MAX).contains(&self.min_length) {
            errors.push(RangeError::MinLength(self.min_length));
        }
        if self.min_score > MIN_SCORE_MAX {
            errors.push(RangeError::MinScore(self.min_score));
        }
        if self.reuse_history > REUSE_HISTORY_MAX {
            errors.push(RangeError::ReuseHistory(self.reuse_history));
        }
        if self.max_age_days == Some(0) {
            errors.push(RangeError::MaxAgeDays);
        }
        errors
    }
}

/// What a password is refused for: the sentence tells the person what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the password has {chars} characters: use at least {min}; several words make it easy")]
    Short { min: u16, chars: usize },
    #[error("the password is longer than {CHARS_MAX} characters or {BYTES_MAX} bytes: use a shorter one")]
    Long,
    #[error("the password is easy to guess: use several words that have nothing to do with each other")]
    Guessable,
    #[error(
        "the password is little more than `{0}`: use words that have nothing to do with you or your organization"
    )]
    ContextWord(String),
    #[error("the password is on a list of known passwords: use another one")]
    Breached,
    #[error("you used this password before: use a new one")]
    Reused,
}

/// In what a rule is weaker than the floor, with the value it must have at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weakness {
    #[error("passwords need at least {0} characters")]
    MinLength(u16),
    #[error("the strength must be at least {0} of {MIN_SCORE_MAX}")]
    MinScore(u8),
    #[error("context words must be refused")]
    ContextWords,
    #[error("at least the last {0} passwords must be refused")]
    ReuseHistory(u8),
    #[error("known passwords must be refused")]
    Breached,
    #[error("passwords must be changed after {0} days at the latest")]
    MaxAgeDays(u16),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("a shortest length of `{0}` is not possible: choose 1 to {MIN_LENGTH_MAX}")]
    MinLength(u16),
    #[error("a strength of `{0}` is not possible: choose 0 to {MIN_SCORE_MAX}")]
    MinScore(u8),
    #[error("`{0}` earlier passwords are not kept: choose up to {REUSE_HISTORY_MAX}")]
    ReuseHistory(u8),
    #[error("a change after `0` days is not possible: choose 1 or more, or leave it out")]
    MaxAgeDays,
}

/// Who chooses the password, for words that must not carry it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Canonical address of the account.
    pub email: String,
    /// Names of the person, the organization, the provider.
    pub words: Vec<String>,
}

impl Context {
    /// Lower-case words worth looking for; whole phrases and their parts.
    fn all_words(&self) -> Vec<String> {
        let (local, domain) = self.email.split_once('@').unwrap_or((&self.email, ""));
        // The top level (`com`) says nothing.
        let domain = domain.rsplit_once('.').map_or(domain, |(rest, _)| rest);
        let mut words = vec!["bailiwick".to_owned()];
        for phrase in [local, domain].into_iter().chain(self.words.iter().map(String::as_str)) {
            let phrase = phrase.to_lowercase();
            words.extend(phrase.split(|c: char| !c.is_alphanumeric()).map(str::to_owned));
            words.push(phrase.chars().filter(|c| c.is_alphanumeric()).collect());
            words.push(phrase);
        }
        words.retain(|word| word.chars().count() >= CONTEXT_WORD_CHARS_MIN);
        // Longest first, so that `harbor logistics` goes before `harbor`.
        words.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        words.dedup();
        words
    }
}

/// The context word that carries the password, if too little is left without all of them. Containing one is fine: the
/// standard wants whole passwords compared, not parts.
fn mostly(password: &str, words: &[String]) -> Option<String> {
    let mut rest = password.to_lowercase();
    let mut found = None;
    for word in words {
        if rest.contains(word.as_str()) {
            rest = rest.replace(word.as_str(), "");
            found.get_or_insert(word);
        }
    }
    found.filter(|_| rest.chars().count() < OWN_CHARS_MIN).cloned()
}

fn many_stand_ins(text: &str) -> bool {
    STAND_INS.chars().filter(|c| text.contains(*c)).count() > STAND_INS_MAX
}

fn estimate(password: &str, words: &[String]) -> u8 {
    let mut start: Zeroizing<String> = Zeroizing::new(password.chars().take(ESTIMATED_CHARS_MAX).collect());
    if many_stand_ins(&start) {
        start = Zeroizing::new(password.chars().take(ESTIMATED_CHARS_WITH_STAND_INS_MAX).collect());
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    u8::from(zxcvbn::zxcvbn(&start, &words).score())
}

/// A list of passwords that are known to attackers.
pub trait BreachedList: Send + Sync {
    fn contains(&self, password: &Password) -> bool;
}

/// The list that is always there: zxcvbn's dictionaries, also in capitals, backwards or with digits for letters.
pub struct CommonPasswords;

impl BreachedList for CommonPasswords {
    fn contains(&self, password: &Password) -> bool {
        let text = password.text();
        if text.chars().count() > KNOWN_CHARS_MAX || many_stand_ins(text) {
            return false;
        }
        let estimate = zxcvbn::zxcvbn(text, &[]);
        matches!(estimate.sequence(), [only] if matches!(only.pattern, MatchPattern::Dictionary(_)))
    }
}

impl fmt::Display for PasswordRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at least {} characters, not easy to guess", self.min_length)?;
        if self.reuse_history > 0 {
            write!(f, ", not one of your last {}", self.reuse_history)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
