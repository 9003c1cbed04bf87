//! What somebody types to find events, read into a filter: the same words in the API, on the page and on the command line.

use platform::db::{DbError, ReadTx};
use platform::events::search::{Filter, Party};
use platform::principals;
use platform::time::{DAY, Timestamp};
use platform::web::Problem;
use platform::web::routes::Route;
use serde::Deserialize;

const TEXT_BYTES_MAX: usize = 200;

/// As typed; what is empty is not asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct FilterQuery {
    /// The beginning of an action.
    #[serde(default)]
    pub action: String,
    /// An e-mail address, an id, `kind:id`, `operator` or `anonymous`.
    #[serde(default)]
    pub actor: String,
    /// An e-mail address, an id or `kind:id`.
    #[serde(default)]
    pub target: String,
    /// A day or a time (RFC 3339).
    #[serde(default)]
    pub since: String,
    /// A day, which counts whole, or a time.
    #[serde(default)]
    pub until: String,
}

/// Read, but addresses are not looked up yet.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    action: String,
    actor: Option<Whom>,
    target: Option<Whom>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Debug, Clone)]
enum Whom {
    Address(String),
    Party(Party),
}

/// Describes the parameters of [`FilterQuery`] in a route.
pub(super) fn described(route: Route) -> Route {
    route
        .query("action", "beginning of the action, e.g. `member.`")
        .query("actor", "who did it: an e-mail address, an id, `kind:id`, `operator` or `anonymous`")
        .query("target", "what it happened to: an e-mail address, an id or `kind:id`")
        .query("since", "not before this day or time (RFC 3339)")
        .query("until", "up to the end of this day, or before this time (RFC 3339)")
}

impl FilterQuery {
    pub fn read(&self) -> Result<Asked, Problem> {
        let (since, until) = (time("since", &self.since, false)?, time("until", &self.until, true)?);
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            let why = "`until` must come after `since`";
            return Err(Problem::invalid(why).field("until", "not after `since`"));
        }
        Ok(Asked {
            action: self.prefix()?,
            actor: whom("actor", &self.actor)?,
            target: whom("target", &self.target)?,
            since,
            until,
        })
    }

    fn prefix(&self) -> Result<String, Problem> {
        let text = self.action.trim();
        let good = text.len() <= 60 && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'.');
        if good {
            Ok(text.to_owned())
        } else {
            Err(Problem::invalid("`action` is the beginning of an action, such as `member.`")
                .field("action", "use a-z, `_` and `.`"))
        }
    }

    /// What was given, as the query of a link.
    pub fn query(&self) -> String {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        out.extend_pairs(self.pairs());
        out.finish()
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("action", self.action.trim()),
            ("actor", self.actor.trim()),
            ("target", self.target.trim()),
            ("since", self.since.trim()),
            ("until", self.until.trim()),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
    }
}

impl Asked {
    /// The filter; `None` when it names an address that nobody has, so that nothing fits.
    pub fn resolve(self, tx: &mut ReadTx) -> Result<Option<Filter>, DbError> {
        let mut parties = [None, None];
        for (party, whom) in parties.iter_mut().zip([self.actor, self.target]) {
            match whom {
                None => {}
                Some(Whom::Party(found)) => *party = Some(found),
                Some(Whom::Address(email)) => {
                    let Some(account) = principals::account_by_email(tx, &email)? else { return Ok(None) };
                    let kind = Some("account".to_owned());
                    *party = Some(Party { kind, id: account.id.to_string() });
                }
            }
        }
        let [actor, target] = parties;
        Ok(Some(Filter { action: self.action, actor, target, since: self.since, until: self.until }))
    }
}

fn whom(field: &'static str, text: &str) -> Result<Option<Whom>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if text.len() > TEXT_BYTES_MAX || text.chars().any(char::is_control) {
        let why = format!("`{field}` is an e-mail address, an id or `kind:id`");
        return Err(Problem::invalid(why).field(field, "not readable"));
    }
    if text.contains('@') {
        return Ok(Some(Whom::Address(text.to_lowercase())));
    }
    let nameless = ["operator", "anonymous"].contains(&text);
    let is_kind = |kind: &str| kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let (kind, id) = match text.split_once(':') {
        _ if nameless => (Some(text), ""),
        Some((kind, id)) if is_kind(kind) => (Some(kind), id),
        _ => (None, text),
    };
    Ok(Some(Whom::Party(Party { kind: kind.map(str::to_owned), id: id.to_owned() })))
}

/// A day's beginning, or with `whole` its end; or a time.
fn time(field: &'static str, text: &str, whole: bool) -> Result<Option<Timestamp>, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let day = (text.len() == 10).then(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z"))).flatten();
    let read = match day {
        Some(day) if whole => Some(day.plus(DAY)),
        Some(day) => Some(day),
        None => Timestamp::parse_rfc3339(text),
    };
    read.map(Some).ok_or_else(|| {
        let why = format!("`{field}` is a day such as `2026-03-02` or a time such as `2026-03-02T08:00:00Z`");
        Problem::invalid(why).field(field, "not readable")
    })
}
