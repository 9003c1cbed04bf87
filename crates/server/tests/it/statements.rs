//! Every SQL statement of the program on both engines: it is understood, means the same columns, and keeps to one
//! organization where it says so.

use std::collections::BTreeSet;

use platform::db::{Db, Scope, Sql, Statement, statement};
use testkit::database;
use tokio_postgres::types::Type;

use crate::shared::only;

pub(crate) fn registered() -> Vec<&'static Statement> {
    // Naming the areas links them, and with them their statements.
    assert!(bailiwick::AREAS.len() > 3);
    let all = statement::all();
    assert!(all.len() > 150, "only {} statements are linked into this test", all.len());
    all
}

fn texts(statement: &Statement) -> Vec<&'static str> {
    match statement.sql {
        Sql::Both(text) => vec![text],
        Sql::Split { sqlite, postgres } => vec![sqlite, postgres],
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn names_are_unique() {
    let mut seen = BTreeSet::new();
    for statement in registered() {
        assert!(seen.insert(statement.name), "two statements are called {}", statement.name);
    }
}

/// Whether a text keeps to the organization given as its first parameter.
fn keeps_to_its_organization(text: &str) -> bool {
    let text = one_line(text);
    let compares = text
        .match_indices("organization_id = $1")
        .any(|(at, found)| !text[at + found.len()..].starts_with(|next: char| next.is_ascii_digit()));
    let inserts = text.strip_prefix("insert into ").and_then(|rest| rest.split_once('(')).is_some_and(
        |(_, columns)| columns.trim_start().starts_with("organization_id,") && text.contains("($1"),
    );
    compares || inserts
}

#[test]
fn tenant_statements_name_their_organization() {
    assert!(keeps_to_its_organization("select 1 from a where organization_id = $1 and id = $2"));
    assert!(keeps_to_its_organization("insert into a (organization_id, id)\n values ($1, $2)"));
    assert!(!keeps_to_its_organization("select 1 from a where organization_id = $10"));
    assert!(!keeps_to_its_organization("insert into a (id, organization_id) values ($1, $2)"));
    for statement in registered().into_iter().filter(|statement| statement.scope.is_of_tenant()) {
        for text in texts(statement) {
            assert!(keeps_to_its_organization(text), "{} is a tenant statement: {text}", statement.name);
        }
    }
}

/// Tenant statements that see other organizations' rows, with what they look for there.
const ACROSS: &[(&str, &str)] = &[
    (
        "threats::person_alerts::sql::LIST",
        "the alerts are the provider's, the people in them the organization's",
    ),
    ("users::claims::sql::CHOOSE_ALL", "who lost the domain earlier, and who is staff of the provider"),
    ("users::claims::sql::CHOOSE_NEW", "who is staff of the provider"),
    ("users::claims::sql::COUNT_TOUCHED", "who lost the domain earlier, and who is staff of the provider"),
    ("users::claims::sql::LIST_TOUCHED", "who lost the domain earlier, and who is staff of the provider"),
    ("users::claims::sql::TOUCHED_BY_EMAIL", "who lost the domain earlier, and who is staff of the provider"),
    ("users::claims::sql::TOUCHED_BY_ID", "who lost the domain earlier, and who is staff of the provider"),
    ("users::social_login::sql::COUNT", "social connections are the provider's, and so are their links"),
    ("users::social_login::sql::USERS", "social connections are the provider's, and so are their links"),
];

#[test]
fn tenant_statements_that_look_across_are_few_and_have_a_reason() {
    let across = registered().into_iter().filter(|statement| statement.scope == Scope::TenantAcross);
    only("tenant statements across", across.map(|statement| statement.name.to_owned()), ACROSS);
}

/// Housekeeping writes without an event, so it must not touch what people decided.
#[test]
fn housekeeping_leaves_principals_and_the_ledger_alone() {
    const DECIDED: &[&str] = &[
        "accounts",
        "alerts",
        "detector_stops",
        "organizations",
        "memberships",
        "groups",
        "group_members",
        "policies",
        "policy_versions",
        "policy_groups",
        "policy_accounts",
        "policy_rollouts",
        "break_glass_codes",
        "break_glass_openings",
        "invitations",
        "claims",
        "declarations",
        "breach_contacts",
        "breach_regimes",
        "passwords",
        "products",
        "product_access",
        "product_members",
        "product_secrets",
        "abuse_report_notes",
        "abuse_report_pages",
        "abuse_reports",
        "access_decisions",
        "access_offers",
        "access_requests",
        "access_review_items",
        "access_review_reviewers",
        "access_reviews",
        "approved_domains",
        "awareness_notices",
        "awareness_people",
        "set_up_skips",
        "support_choices",
        "support_desk",
        "ticket_messages",
        "ticket_notes",
        "tickets",
        "oauth_consents",
        "oauth_keys",
        "events",
        "ledger_heads",
        "ledger_keys",
        "ledger_nodes",
    ];
    let mut found = Vec::new();
    for statement in registered() {
        if statement.scope != Scope::Housekeeping || !statement.writes() {
            continue;
        }
        let text = one_line(statement.postgres());
        let words: Vec<&str> = text.split(' ').collect();
        let table = match words.as_slice() {
            ["insert", "into", table, ..] | ["delete", "from", table, ..] | ["update", table, ..] => *table,
            _ => panic!("{}: cannot tell which table it writes: {text}", statement.name),
        };
        if DECIDED.contains(&table) {
            found.push(format!("{}: {table}", statement.name));
        }
    }
    only("housekeeping on what people decided", found, HOUSEKEEPING);
}

const HOUSEKEEPING: &[(&str, &str)] = &[
    (
        "platform::events::signing::RESEALED: ledger_keys",
        "the same signing key under another seal; the rotation that asks for it is recorded",
    ),
    (
        "users::openid_provider::sql::KEY_RESEALED: oauth_keys",
        "the same signing key under another seal; the rotation that asks for it is recorded",
    ),
];

/// Whether a column's name was chosen by its author: SQLite calls others by their expression, PostgreSQL by function.
fn chosen(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_lowercase())
}

#[tokio::test]
async fn every_statement_is_understood_by_both_engines_alike() {
    let all = registered();
    let sqlite = database::sqlite();
    let db = Db::open(&sqlite.url).await.expect("SQLite opens");
    let ours = db.describe_statements().await.expect("SQLite prepares every statement");
    assert_eq!(ours.len(), all.len());
    for described in &ours {
        assert!(described.columns.iter().all(|name| !name.is_empty()), "{described:?}");
    }
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let theirs = Db::open(&postgres.url).await.expect("PostgreSQL opens");
    let theirs = theirs.describe_statements().await.expect("PostgreSQL prepares every statement");
    let mut wrong = Vec::new();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours.name, theirs.name);
        if ours.columns.len() != theirs.columns.len() {
            wrong.push(format!("{}: columns {:?} and {:?}", ours.name, ours.columns, theirs.columns));
        }
        for (one, other) in ours.columns.iter().zip(&theirs.columns) {
            if chosen(one) && one != other {
                wrong.push(format!("{}: SQLite gives `{one}` where PostgreSQL gives `{other}`", ours.name));
            }
        }
        if ours.parameters != theirs.parameters {
            wrong.push(format!("{}: {} parameters and {}", ours.name, ours.parameters, theirs.parameters));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    check_types(&postgres, &all).await;
    postgres.remove().await;
}

/// Only types that are the same value on both engines: a `numeric` or an untyped parameter would be read wrongly.
async fn check_types(postgres: &database::TestDatabase, all: &[&'static Statement]) {
    const VALUES: [Type; 4] = [Type::INT8, Type::TEXT, Type::BYTEA, Type::FLOAT8];
    let client = crate::schema::client_of(postgres).await;
    let mut wrong = Vec::new();
    for statement in all {
        let prepared = client.prepare(statement.postgres()).await.expect(statement.name);
        for (number, parameter) in prepared.params().iter().enumerate() {
            if !VALUES.contains(parameter) {
                wrong.push(format!("{}: parameter ${} is of type {parameter}", statement.name, number + 1));
            }
        }
        for column in prepared.columns() {
            let literal = *column.type_() == Type::INT4;
            if !VALUES.contains(column.type_()) && !literal {
                wrong.push(format!(
                    "{}: column `{}` is of type {}",
                    statement.name,
                    column.name(),
                    column.type_()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
