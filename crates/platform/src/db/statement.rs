//! Statements as data: every SQL text of the program is declared once, by name, and registered, so that tests can
//! prepare all of them on both engines, compare them, and check that tenant statements carry their organization.
//!
//! ```ignore
//! platform::statements! {
//!     /// One domain by its name.
//!     pub(super) FIND: Tenant = "select id, state from domains where organization_id = $1 and name = $2";
//! }
//! ```

use std::sync::OnceLock;

/// Whose rows a statement touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One organization's: the text must say `organization_id = $1`, or insert into `organization_id` first. On
    /// PostgreSQL it sees and takes rows of that organization alone, whatever the rest of the text says (`wall.rs`).
    Tenant,
    /// As `Tenant`, but it has to look at rows of other organizations, too. Each is listed with its reason in a test.
    TenantAcross,
    /// The installation's, or several organizations' (feeds, jobs, the provider's overview).
    Platform,
    /// As `Platform`, and allowed to write without an event: leases, counters, last-seen times, derived tables.
    Housekeeping,
}

impl Scope {
    /// Whether `$1` is the organization.
    pub fn is_of_tenant(self) -> bool {
        matches!(self, Self::Tenant | Self::TenantAcross)
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Sql {
    Both(&'static str),
    Split { sqlite: &'static str, postgres: &'static str },
}

pub struct Statement {
    pub name: &'static str,
    pub scope: Scope,
    pub sql: Sql,
    rewritten: OnceLock<String>,
}

/// An entry of the registry.
pub struct Registered(pub &'static Statement);
inventory::collect!(Registered);

/// Every statement linked into this program, sorted by name.
pub fn all() -> Vec<&'static Statement> {
    let mut all: Vec<_> = inventory::iter::<Registered>().map(|entry| entry.0).collect();
    all.sort_by_key(|statement| statement.name);
    all
}

/// What an engine says of a prepared statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    pub name: &'static str,
    pub columns: Vec<String>,
    pub parameters: usize,
    /// The query plan where the engine gives one as text (SQLite); empty on PostgreSQL.
    pub plan: Vec<String>,
}

/// Declares statements as statics and registers them.
#[macro_export]
macro_rules! statements {
    ($($(#[$meta:meta])* $vis:vis $name:ident : $scope:ident = $sql:literal $(, postgres $pg:literal)? ;)+) => {$(
        $(#[$meta])*
        $vis static $name: $crate::db::Statement = $crate::db::Statement::new(
            concat!(module_path!(), "::", stringify!($name)),
            $crate::db::Scope::$scope,
            $crate::statements!(@sql $sql $(, $pg)?),
        );
        $crate::inventory::submit! { $crate::db::statement::Registered(&$name) }
    )+};
    (@sql $sql:literal) => { $crate::db::Sql::Both($sql) };
    (@sql $sqlite:literal, $pg:literal) => { $crate::db::Sql::Split { sqlite: $sqlite, postgres: $pg } };
}

impl Statement {
    pub const fn new(name: &'static str, scope: Scope, sql: Sql) -> Self {
        Self { name, scope, sql, rewritten: OnceLock::new() }
    }

    /// The text for SQLite: `$n` becomes `?n`, since SQLite numbers `$2` by first appearance and would swap values.
    pub fn sqlite(&self) -> &str {
        self.rewritten.get_or_init(|| {
            question_marks(match self.sql {
                Sql::Both(text) => text,
                Sql::Split { sqlite, .. } => sqlite,
            })
        })
    }

    pub fn postgres(&self) -> &'static str {
        match self.sql {
            Sql::Both(text) => text,
            Sql::Split { postgres, .. } => postgres,
        }
    }

    /// Whether the text can reach a table at all.
    pub(super) fn names_tables(&self) -> bool {
        self.postgres().split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| {
            ["from", "into", "update", "join", "table"].iter().any(|w| word.eq_ignore_ascii_case(w))
        })
    }

    /// Whether the text changes rows.
    pub fn writes(&self) -> bool {
        let text = self.postgres().trim_start();
        let starts = |word: &str| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        starts("insert")
            || starts("update")
            || starts("delete")
            || (starts("with") && ["insert into", "update ", "delete from"].iter().any(|w| text.contains(w)))
    }
}

/// Rewrites `$1` to `?1` outside of string literals.
fn question_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\'' {
            quoted = !quoted;
        }
        let placeholder = c == '$' && !quoted && chars.peek().is_some_and(char::is_ascii_digit);
        out.push(if placeholder { '?' } else { c });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_rewritten_outside_of_quotes() {
        assert_eq!(question_marks("select '$1', $2 where a = $10"), "select '$1', ?2 where a = ?10");
    }

    #[test]
    fn writes_are_recognised() {
        let of = |sql| Statement::new("t", Scope::Platform, Sql::Both(sql)).writes();
        assert!(of("insert into a values ($1)"));
        assert!(of("\n  UPDATE a set b = 1"));
        assert!(of("with x as (select 1) delete from a"));
        assert!(!of("select 1"));
        assert!(!of("with x as (select 1) select * from x"));
    }
}
