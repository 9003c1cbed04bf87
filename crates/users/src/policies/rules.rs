//! What a policy says, setting by setting: bounds, where it is weak, and the stricter of two.
//!
//! A new setting: a field of [`Rules`] with its value in [`Rules::RECOMMENDED`], a line in [`Rules::strictest`], a line
//! in [`Setting`] so that a policy can be explained, and one in the form of `pages/form.rs`.

use std::collections::BTreeMap;

use platform::db::DbError;
use platform::time::{DAY, HOUR, MINUTE};
use serde::{Deserialize, Serialize};

use super::ConnectionId;
use super::networks::{BLOCKS_MAX, Networks};
use crate::factors::Level;
use crate::passwords::strength::{Factors, PasswordRules, REUSE_HISTORY_MAX};
use crate::sessions::SessionRules;

/// The platform takes nothing weaker, whatever an organization decides.
pub const MIN_LENGTH_FLOOR: u16 = 8;
/// Without a second factor a password should be this long (NIST SP 800-63B-4); weaker is allowed and shown as a gap.
pub const MIN_LENGTH_RECOMMENDED: u16 = 15;
pub const MIN_SCORE_RECOMMENDED: u8 = 3;
const MIN_LENGTH_MAX: u16 = 64;
const SESSION_IDLE_MINUTES: std::ops::RangeInclusive<u32> = 5..=43_200;
const SESSION_ABSOLUTE_HOURS: std::ops::RangeInclusive<u32> = 1..=2160;
const STEP_UP_MINUTES: std::ops::RangeInclusive<u32> = 5..=1440;
const TOKEN_DAYS: std::ops::RangeInclusive<u32> = 1..=365;
const MAX_AGE_DAYS: std::ops::RangeInclusive<u16> = 30..=730;
const PROVIDERS_MAX: usize = 20;

/// Social providers the form offers; others can be named over the API.
pub const SOCIAL_PROVIDERS: [(&str, &str); 4] =
    [("google", "Google"), ("microsoft", "Microsoft"), ("apple", "Apple"), ("github", "GitHub")];

/// Whether people may sign in with their account at a social provider.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Social {
    Allowed,
    /// Nobody has decided: it works, and the matrix says that nobody has decided.
    #[default]
    Undecided,
    Blocked,
}

impl Social {
    pub const ALL: [Social; 3] = [Self::Undecided, Self::Allowed, Self::Blocked];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Undecided => "undecided",
            Self::Blocked => "blocked",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|social| social.as_str() == text)
    }
}

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// What somebody proves themselves with at least: `any`, `mfa`, `passkey` or `attested_passkey`.
    pub factor: Level,
    /// Passwords and links do not sign in: only the organization's identity provider does.
    pub single_sign_on: bool,
    /// Which connection to an identity provider; null: any of the organization's.
    #[schema(value_type = Option<String>)]
    pub single_sign_on_connection: Option<ConnectionId>,
    /// Per social provider; one that is not named is undecided.
    pub social_login: BTreeMap<String, Social>,
    /// Characters a new password needs at least.
    pub password_min_length: u16,
    /// How hard to guess it must be: 0 to 4, as zxcvbn scores.
    pub password_min_score: u8,
    /// How many earlier passwords may not come back; 0 turns it off.
    pub password_reuse_history: u8,
    /// Refuses passwords on lists of known ones.
    pub password_breached: bool,
    /// A password older than this many days has to be changed; null: never, as NIST SP 800-63B-4 advises.
    pub password_max_age_days: Option<u16>,
    /// A session unused for this long ends.
    pub session_idle_minutes: u32,
    /// A session ends after this long, however it is used.
    pub session_absolute_hours: u32,
    /// Administrative acts ask for a new proof when the last one is older than this.
    pub step_up_minutes: u32,
    /// Whether people may act through API tokens.
    pub api_tokens: bool,
    /// How long an API token may live at most.
    pub api_token_max_days: u32,
    /// The only networks requests are taken from, as CIDR blocks, the console included; null: any.
    #[schema(value_type = Option<Vec<String>>)]
    pub networks: Option<Networks>,
}

impl Rules {
    /// In force until an organization decides.
    pub const RECOMMENDED: Rules = Rules {
        factor: Level::Any,
        single_sign_on: false,
        single_sign_on_connection: None,
        social_login: BTreeMap::new(),
        password_min_length: MIN_LENGTH_RECOMMENDED,
        password_min_score: MIN_SCORE_RECOMMENDED,
        password_reuse_history: 0,
        password_breached: true,
        password_max_age_days: None,
        session_idle_minutes: 720,
        session_absolute_hours: 720,
        step_up_minutes: 60,
        api_tokens: true,
        api_token_max_days: 365,
        networks: None,
    };

    /// Reads stored rules. What an older version did not know is as recommended.
    pub fn read(text: &str) -> Result<Rules, DbError> {
        let unreadable = || DbError::Check("a stored policy is not readable".to_owned());
        let stored: serde_json::Value = serde_json::from_str(text).map_err(|_| unreadable())?;
        let mut whole = serde_json::to_value(Rules::RECOMMENDED).map_err(|_| unreadable())?;
        let (Some(whole_fields), Some(stored)) = (whole.as_object_mut(), stored.as_object()) else {
            return Err(unreadable());
        };
        whole_fields.extend(stored.clone());
        serde_json::from_value(whole).map_err(|_| unreadable())
    }

    pub fn text(&self) -> Result<String, DbError> {
        serde_json::to_string(self).map_err(|error| DbError::Check(error.to_string()))
    }

    /// What is out of bounds: the member's name and a sentence with the cure.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut wrong = self.check_passwords();
        let mut say = |bad: bool, name: &'static str, why: &str| {
            if bad {
                wrong.push((name, why.to_owned()));
            }
        };
        say(
            !SESSION_IDLE_MINUTES.contains(&self.session_idle_minutes),
            "session_idle_minutes",
            "the idle time must be 5 minutes to 30 days",
        );
        say(
            !SESSION_ABSOLUTE_HOURS.contains(&self.session_absolute_hours),
            "session_absolute_hours",
            "the session length must be 1 hour to 90 days",
        );
        say(
            !STEP_UP_MINUTES.contains(&self.step_up_minutes),
            "step_up_minutes",
            "the window of administrative acts must be 5 minutes to 24 hours",
        );
        say(
            !TOKEN_DAYS.contains(&self.api_token_max_days),
            "api_token_max_days",
            "API tokens may live 1 to 365 days",
        );
        let networks = self.networks.as_ref();
        say(
            networks.is_some_and(Networks::is_empty),
            "networks",
            "an empty list would lock everybody out: name a network, or leave the list out",
        );
        say(
            networks.is_some_and(|list| list.blocks().len() > BLOCKS_MAX),
            "networks",
            "a list holds up to 200 networks: use wider blocks",
        );
        let name = |name: &String| {
            (1..=32).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        say(
            self.social_login.len() > PROVIDERS_MAX || !self.social_login.keys().all(name),
            "social_login",
            "name up to 20 providers in lower case, such as `google`",
        );
        say(
            self.single_sign_on_connection.is_some() && !self.single_sign_on,
            "single_sign_on_connection",
            "a connection is only named where single sign-on is enforced",
        );
        wrong
    }

    fn check_passwords(&self) -> Vec<(&'static str, String)> {
        let mut wrong = Vec::new();
        if !(MIN_LENGTH_FLOOR..=MIN_LENGTH_MAX).contains(&self.password_min_length) {
            wrong.push((
                "password_min_length",
                format!("the least length must be {MIN_LENGTH_FLOOR} to {MIN_LENGTH_MAX} characters"),
            ));
        }
        if self.password_min_score > 4 {
            wrong.push(("password_min_score", "the score must be 0 to 4".to_owned()));
        }
        if self.password_reuse_history > REUSE_HISTORY_MAX {
            wrong.push((
                "password_reuse_history",
                format!("at most {REUSE_HISTORY_MAX} earlier passwords are kept"),
            ));
        }
        if self.password_max_age_days.is_some_and(|days| !MAX_AGE_DAYS.contains(&days)) {
            let why = "a password may last 30 to 730 days: leave it out for no end, as is recommended";
            wrong.push(("password_max_age_days", why.to_owned()));
        }
        wrong
    }

    /// How long a password should be: shorter where it is not the only factor.
    pub fn recommended_length(&self) -> u16 {
        if self.factor >= Level::Mfa { MIN_LENGTH_FLOOR } else { MIN_LENGTH_RECOMMENDED }
    }

    /// Where it is weaker than recommended, in words.
    pub fn weaknesses(&self) -> Vec<String> {
        let mut weak = Vec::new();
        // Where nobody types a password here, its rules bind nobody.
        if self.single_sign_on {
            return weak;
        }
        let (length, wanted) = (self.password_min_length, self.recommended_length());
        if length < wanted {
            weak.push(format!("passwords of {length} characters are allowed, {wanted} are recommended"));
        }
        if self.password_min_score < MIN_SCORE_RECOMMENDED {
            let score = self.password_min_score;
            weak.push(format!(
                "a guessability score of {score} is enough, {MIN_SCORE_RECOMMENDED} is recommended"
            ));
        }
        if !self.password_breached {
            weak.push("passwords on lists of known ones are allowed".to_owned());
        }
        weak
    }

    /// Each setting the stricter of the two. The order of the two, and of several, makes no difference.
    #[must_use]
    pub fn strictest(&self, other: &Rules) -> Rules {
        Rules {
            factor: self.factor.max(other.factor),
            single_sign_on: self.single_sign_on || other.single_sign_on,
            single_sign_on_connection: stricter(
                self.single_sign_on_connection,
                other.single_sign_on_connection,
                |one, two| one.min(two),
            ),
            social_login: stricter_social(&self.social_login, &other.social_login),
            password_min_length: self.password_min_length.max(other.password_min_length),
            password_min_score: self.password_min_score.max(other.password_min_score),
            password_reuse_history: self.password_reuse_history.max(other.password_reuse_history),
            password_breached: self.password_breached || other.password_breached,
            password_max_age_days: stricter(
                self.password_max_age_days,
                other.password_max_age_days,
                |one, two| one.min(two),
            ),
            session_idle_minutes: self.session_idle_minutes.min(other.session_idle_minutes),
            session_absolute_hours: self.session_absolute_hours.min(other.session_absolute_hours),
            step_up_minutes: self.step_up_minutes.min(other.step_up_minutes),
            api_tokens: self.api_tokens && other.api_tokens,
            api_token_max_days: self.api_token_max_days.min(other.api_token_max_days),
            networks: stricter(self.networks.clone(), other.networks.clone(), |one, two| one.common(&two)),
        }
    }

    pub fn session(&self) -> SessionRules {
        SessionRules {
            idle: MINUTE * self.session_idle_minutes,
            absolute: HOUR * self.session_absolute_hours,
        }
    }

    pub fn password(&self) -> PasswordRules {
        PasswordRules {
            min_length: self.password_min_length,
            min_score: self.password_min_score,
            reuse_history: self.password_reuse_history,
            breached: self.password_breached,
            max_age_days: self.password_max_age_days,
            ..PasswordRules::floor(Factors::Multiple)
        }
    }

    pub fn token_lifetime_max(&self) -> std::time::Duration {
        DAY * self.api_token_max_days
    }

    /// Whether a request can fail on it: such policies are looked at with every request, the others never.
    pub(crate) fn narrows(&self) -> bool {
        self.networks.is_some() || !self.api_tokens || self.api_token_max_days < *TOKEN_DAYS.end()
    }
}

fn stricter<T>(one: Option<T>, two: Option<T>, both: impl Fn(T, T) -> T) -> Option<T> {
    match (one, two) {
        (Some(one), Some(two)) => Some(both(one, two)),
        (one, two) => one.or(two),
    }
}

/// Blocked wins over undecided, undecided over allowed: one organization's decision is not another one's.
fn stricter_social(
    one: &BTreeMap<String, Social>,
    two: &BTreeMap<String, Social>,
) -> BTreeMap<String, Social> {
    let of = |map: &BTreeMap<String, Social>, name: &str| map.get(name).copied().unwrap_or_default();
    one.keys()
        .chain(two.keys())
        .map(|name| (name.clone(), of(one, name).max(of(two, name))))
        .filter(|(_, social)| *social != Social::Undecided)
        .collect()
}

/// A setting as people read it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The member of [`Rules`] it is.
    pub name: &'static str,
    pub label: &'static str,
    value: fn(&Rules) -> String,
}

impl Setting {
    pub fn value(&self, rules: &Rules) -> String {
        (self.value)(rules)
    }
}

fn yes(on: bool, yes: &str, no: &str) -> String {
    if on { yes } else { no }.to_owned()
}

/// `90 minutes`, `1 hour`, `30 days`.
fn lasting(minutes: u32) -> String {
    let (count, unit) = match minutes {
        m if m % 1440 == 0 => (m / 1440, "day"),
        m if m % 60 == 0 => (m / 60, "hour"),
        m => (m, "minute"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

fn social_words(rules: &Rules) -> String {
    let words: Vec<String> =
        rules.social_login.iter().map(|(name, social)| format!("{name} {}", social.as_str())).collect();
    if words.is_empty() { "undecided".to_owned() } else { words.join(", ") }
}

/// Every setting, in the order in which pages show them.
pub const SETTINGS: [Setting; 13] = [
    Setting { name: "factor", label: "Proof at sign-in", value: |r| r.factor.words().to_owned() },
    Setting {
        name: "single_sign_on",
        label: "Single sign-on",
        value: |r| yes(r.single_sign_on, "required", "not required"),
    },
    Setting { name: "social_login", label: "Social login", value: social_words },
    Setting {
        name: "password_min_length",
        label: "Least length of a password",
        value: |r| format!("{} characters", r.password_min_length),
    },
    Setting {
        name: "password_min_score",
        label: "How hard to guess",
        value: |r| format!("{} of 4", r.password_min_score),
    },
    Setting {
        name: "password_reuse_history",
        label: "Earlier passwords that may not come back",
        value: |r| r.password_reuse_history.to_string(),
    },
    Setting {
        name: "password_breached",
        label: "Known passwords",
        value: |r| yes(r.password_breached, "refused", "allowed"),
    },
    Setting {
        name: "password_max_age_days",
        label: "A password lasts",
        value: |r| {
            r.password_max_age_days.map_or("without end".to_owned(), |days| lasting(u32::from(days) * 1440))
        },
    },
    Setting {
        name: "session_idle_minutes",
        label: "A session ends when unused for",
        value: |r| lasting(r.session_idle_minutes),
    },
    Setting {
        name: "session_absolute_hours",
        label: "A session ends after",
        value: |r| lasting(r.session_absolute_hours * 60),
    },
    Setting {
        name: "step_up_minutes",
        label: "Administrative acts ask again after",
        value: |r| lasting(r.step_up_minutes),
    },
    Setting {
        name: "api_tokens",
        label: "API tokens",
        value: |r| {
            let up_to = format!("up to {}", lasting(r.api_token_max_days * 1440));
            yes(r.api_tokens, &up_to, "not allowed")
        },
    },
    Setting {
        name: "networks",
        label: "Networks",
        value: |r| match &r.networks {
            None => "any".to_owned(),
            Some(list) if list.is_empty() => "none that all policies allow".to_owned(),
            Some(list) => list.to_string(),
        },
    },
];
