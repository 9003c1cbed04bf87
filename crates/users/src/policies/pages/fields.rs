//! The fields of a policy's form: from a policy, and back into rules.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::ReadTx;
use platform::ids::{GroupId, OrganizationId};
use platform::time::Timestamp;
use platform::web::Problem;
use platform::web::ui::{Choice, FieldErrors};
use serde::{Deserialize, Serialize};

use super::super::Rules;
use super::super::api::views::{self, PolicyView};
use super::super::decide::{Content, Target};
use super::super::networks::Networks;
use super::super::rollout::Stage;
use super::super::rules::{SOCIAL_PROVIDERS, Social};
use crate::factors::Level;

/// The form as typed; read whole or refused whole.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct PolicyForm {
    pub name: String,
    pub applies_to: String,
    /// Which directory's default it becomes.
    pub directory: String,
    pub groups: String,
    pub accounts: String,
    pub factor: String,
    pub single_sign_on: String,
    pub social_google: String,
    pub social_microsoft: String,
    pub social_apple: String,
    pub social_github: String,
    pub password_min_length: String,
    pub password_min_score: String,
    pub password_reuse_history: String,
    pub password_breached: String,
    pub password_max_age_days: String,
    pub session_idle_minutes: String,
    pub session_absolute_hours: String,
    pub step_up_minutes: String,
    pub api_tokens: String,
    pub api_token_max_days: String,
    pub networks: String,
    pub version: String,
    /// On the second step: the [`PolicyForm::digest`] of what was tried.
    pub confirmed: String,
    /// Goes on behind this person of the dry run; confirms nothing.
    pub after: String,
    /// `now` or `later`.
    pub when: String,
    pub first_on: String,
    pub first_percent: String,
    pub first_group: String,
    pub everybody_on: String,
}

fn lines(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join("\n")
}

fn split(text: &str) -> Vec<String> {
    text.split(['\n', '\r', ',', ';'])
        .map(str::trim)
        .filter(|one| !one.is_empty())
        .map(str::to_owned)
        .collect()
}

impl PolicyForm {
    pub fn of(view: &PolicyView) -> Self {
        let rules = &view.rules;
        let on = |on: bool| if on { "on".to_owned() } else { String::new() };
        let social =
            |name: &str| rules.social_login.get(name).copied().unwrap_or_default().as_str().to_owned();
        Self {
            name: view.name.clone(),
            applies_to: view.applies_to.as_str().to_owned(),
            groups: lines(view.groups.iter().map(|group| group.name.clone())),
            accounts: lines(view.accounts.iter().map(|person| person.email.clone())),
            factor: rules.factor.as_str().to_owned(),
            single_sign_on: on(rules.single_sign_on),
            social_google: social("google"),
            social_microsoft: social("microsoft"),
            social_apple: social("apple"),
            social_github: social("github"),
            password_min_length: rules.password_min_length.to_string(),
            password_min_score: rules.password_min_score.to_string(),
            password_reuse_history: rules.password_reuse_history.to_string(),
            password_breached: on(rules.password_breached),
            password_max_age_days: rules
                .password_max_age_days
                .map(|days| days.to_string())
                .unwrap_or_default(),
            session_idle_minutes: rules.session_idle_minutes.to_string(),
            session_absolute_hours: rules.session_absolute_hours.to_string(),
            step_up_minutes: rules.step_up_minutes.to_string(),
            api_tokens: on(rules.api_tokens),
            api_token_max_days: rules.api_token_max_days.to_string(),
            networks: rules
                .networks
                .as_ref()
                .map(|list| lines(list.blocks().iter().map(ToString::to_string)))
                .unwrap_or_default(),
            version: view.version.to_string(),
            ..Self::default()
        }
    }

    /// Stands for what would be decided: whom it is for and every rule, not when it begins. A form that was changed after
    /// its dry run has another one.
    pub fn digest(&self) -> String {
        let decided = Self {
            version: String::new(),
            confirmed: String::new(),
            after: String::new(),
            when: String::new(),
            first_on: String::new(),
            first_percent: String::new(),
            first_group: String::new(),
            everybody_on: String::new(),
            ..self.clone()
        };
        // Browsers end lines with CR LF and drop the first line end of a text.
        let text = serde_json::to_string(&decided).unwrap_or_default().replace("\\r\\n", "\\n");
        let hash = crate::tokens::sha256(text.as_bytes());
        hash.iter().take(16).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
    }

    fn social(&self, name: &str) -> &str {
        match name {
            "google" => &self.social_google,
            "microsoft" => &self.social_microsoft,
            "apple" => &self.social_apple,
            _ => &self.social_github,
        }
    }

    /// `before` keeps what the form does not show: a connection, other social providers.
    pub fn read(&self, before: &Rules, errors: &mut FieldErrors) -> Option<Rules> {
        fn number<T: std::str::FromStr>(text: &str, field: &str, errors: &mut FieldErrors) -> Option<T> {
            let read = text.trim().parse().ok();
            if read.is_none() {
                errors.add(field, format!("{}: write a whole number", field.replace('_', " ")));
            }
            read
        }
        let mut social_login: BTreeMap<String, Social> = before.social_login.clone();
        for (name, _) in SOCIAL_PROVIDERS {
            match Social::parse(self.social(name)) {
                Some(Social::Undecided) | None => social_login.remove(name),
                Some(decided) => social_login.insert(name.to_owned(), decided),
            };
        }
        let networks = match Networks::parse_list(&self.networks) {
            Ok(list) => (!list.is_empty()).then_some(list),
            Err(error) => {
                errors.add("networks", error.to_string());
                None
            }
        };
        let max_age = match self.password_max_age_days.trim() {
            "" => Some(None),
            days => number(days, "password_max_age_days", errors).map(Some),
        };
        let single_sign_on = !self.single_sign_on.is_empty();
        let rules = Rules {
            factor: Level::parse(&self.factor).unwrap_or_default(),
            single_sign_on,
            single_sign_on_connection: before.single_sign_on_connection.filter(|_| single_sign_on),
            social_login,
            password_min_length: number(&self.password_min_length, "password_min_length", errors)?,
            password_min_score: number(&self.password_min_score, "password_min_score", errors)?,
            password_reuse_history: number(&self.password_reuse_history, "password_reuse_history", errors)?,
            password_breached: !self.password_breached.is_empty(),
            password_max_age_days: max_age?,
            session_idle_minutes: number(&self.session_idle_minutes, "session_idle_minutes", errors)?,
            session_absolute_hours: number(&self.session_absolute_hours, "session_absolute_hours", errors)?,
            step_up_minutes: number(&self.step_up_minutes, "step_up_minutes", errors)?,
            api_tokens: !self.api_tokens.is_empty(),
            api_token_max_days: number(&self.api_token_max_days, "api_token_max_days", errors)?,
            networks,
        };
        errors.is_empty().then_some(rules)
    }

    pub fn content(
        &self,
        tx: &mut ReadTx,
        organization: OrganizationId,
        target: Target,
        rules: &Rules,
    ) -> Result<Content, Problem> {
        Ok(Content {
            name: match (self.name.trim(), target) {
                ("", Target::Directory(directory)) => views::name_for(tx, organization, directory)?,
                (name, _) => name.to_owned(),
            },
            rules: rules.clone(),
            groups: views::groups(tx, organization, &split(&self.groups))?,
            accounts: views::accounts(tx, organization, &split(&self.accounts))?,
            deleted: false,
        })
    }

    /// The stages asked for; a roll-out in the console has one or two.
    pub fn stages(&self, tx: &mut ReadTx, organization: OrganizationId) -> Result<Vec<Stage>, Problem> {
        let day = |field: &str, text: &str| {
            Timestamp::parse_rfc3339(&format!("{}T08:00:00Z", text.trim()))
                .ok_or_else(|| Problem::invalid("a date is needed").field(field, "choose a day"))
        };
        let everybody =
            Stage { at: day("everybody_on", &self.everybody_on)?, percent: 100, groups: BTreeSet::new() };
        let percent: u8 = self.first_percent.trim().parse().unwrap_or(0);
        let groups: BTreeSet<GroupId> = views::groups(tx, organization, &split(&self.first_group))?;
        if percent == 0 && groups.is_empty() {
            return Ok(vec![everybody]);
        }
        Ok(vec![Stage { at: day("first_on", &self.first_on)?, percent, groups }, everybody])
    }
}

pub(super) struct SocialChoice {
    pub name: String,
    pub label: &'static str,
    pub choices: Vec<Choice>,
}

pub(super) fn scores(chosen: &str) -> Vec<Choice> {
    let labels = [
        "0 · anything",
        "1 · stops throttled guessing",
        "2 · stops unthrottled guessing",
        "3 · recommended",
        "4 · strongest",
    ];
    labels.iter().enumerate().map(|(at, label)| Choice::new(&at.to_string(), label, chosen)).collect()
}

pub(super) fn social_choices(form: &PolicyForm) -> Vec<SocialChoice> {
    let label = |social: Social| match social {
        Social::Allowed => "allowed",
        Social::Undecided => "not decided (works)",
        Social::Blocked => "blocked",
    };
    SOCIAL_PROVIDERS
        .iter()
        .map(|(name, shown)| SocialChoice {
            name: format!("social_{name}"),
            label: shown,
            choices: Social::ALL.map(|one| Choice::new(one.as_str(), label(one), form.social(name))).to_vec(),
        })
        .collect()
}
