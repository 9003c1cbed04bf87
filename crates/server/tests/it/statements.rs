//! Every SQL statement of the program on both engines: it is understood, means the same columns, keeps to one
//! organization where it says so, and does not read large tables from end to end.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::{Db, Scope, Sql, Statement, statement};
use testkit::database;
use tokio_postgres::types::Type;

use crate::shared::only;

/// Tables that grow with organizations, people or time.
const LARGE: &[&str] = &[
    "abuse_report_notes",
    "abuse_report_pages",
    "abuse_reports",
    "access_decisions",
    "access_offers",
    "access_requests",
    "access_review_items",
    "access_review_reviewers",
    "access_reviews",
    "accounts",
    "alert_figures",
    "alert_mails",
    "alert_sightings",
    "alert_slots",
    "alerts",
    "api_tokens",
    "approved_domains",
    "audit_retentions",
    "audit_streams",
    "awareness_notices",
    "awareness_people",
    "breach_contacts",
    "break_glass_codes",
    "break_glass_openings",
    "breach_regimes",
    "cell_versions",
    "cells",
    "claimed_accounts",
    "claims",
    "connection_answers",
    "connection_links",
    "connection_messages",
    "connection_requests",
    "connections",
    "declarations",
    "detector_tries",
    "directories",
    "domains",
    "events",
    "group_members",
    "groups",
    "idempotency_keys",
    "insight_days",
    "insight_products",
    "invitation_groups",
    "invitations",
    "jobs",
    "ledger_anchors",
    "ledger_heads",
    "ledger_nodes",
    "links",
    "mail_outbox",
    "matrix_standings",
    "oauth_consents",
    "oauth_device_codes",
    "oauth_grants",
    "oauth_refresh_tokens",
    "oauth_requests",
    "oauth_spent",
    "memberships",
    "organizations",
    "passkeys",
    "password_history",
    "passwords",
    "pending_sign_ins",
    "person_alerts",
    "policies",
    "policy_accounts",
    "policy_groups",
    "policy_rollouts",
    "policy_versions",
    "product_access",
    "product_members",
    "recovery_codes",
    "scim_departures",
    "scim_group_members",
    "scim_groups",
    "scim_requests",
    "scim_tokens",
    "scim_users",
    "sessions",
    "set_up_guides",
    "set_up_skips",
    "sign_in_failures",
    "spent_challenges",
    "support_choices",
    "ticket_messages",
    "ticket_notes",
    "tickets",
    "totp_factors",
];

/// Tables of a few rows, whatever the size of the installation.
const SMALL: &[&str] = &[
    "acme_accounts",
    "acme_certificates",
    "acme_challenges",
    "detector_beats",
    "detector_stops",
    "drill_results",
    "feed_cursors",
    "insight_totals",
    "installation",
    "ledger_keys",
    "matrix_counts",
    "matrix_engine",
    "oauth_keys",
    "product_secrets",
    "products",
    "schedules",
    "schema_migrations",
    "secret_keys",
    "support_desk",
];

/// `statement: table`, with why reading all of it is right.
const SCANS: &[(&str, &str)] = &[
    ("users::single_sign_on::sql::ACTIVE_SAML: connections", "every connection of one kind, once a day"),
    ("responsibility::cells::sql::COUNT_ALL: cells", "counts every cell, once a night"),
    ("platform::events::sql::FEED_END: events", "reads the last row alone"),
    ("platform::jobs::sql::COUNTS: jobs", "counts all of them, from an index alone"),
    ("platform::jobs::sql::LIST: jobs", "reads the first rows of an index, as many as the page shows"),
    (
        "platform::mail::sql::CENSUS: mail_outbox",
        "which key sealed each body; for the operator's page and a rotation",
    ),
    ("platform::mail::sql::COUNTS: mail_outbox", "counts all of them, from an index alone"),
    ("responsibility::overview::sql::COUNT_CUSTOMERS: organizations", "counts all of them"),
    (
        "users::totp::sql::CENSUS: totp_factors",
        "which key sealed each secret; for the operator's page and a rotation",
    ),
    (
        "users::audit_streams::sql::CENSUS: audit_streams",
        "which key sealed each secret; for the operator's page and a rotation",
    ),
    (
        "users::single_sign_on::sql::CENSUS: connections",
        "which key sealed each secret; for the operator's page and a rotation",
    ),
    (
        "users::insights::sql::FRESH: organizations",
        "looks at the newest figures of each, a few times an hour",
    ),
    ("users::domains::sql::COUNT_BY_STATE: domains", "counts all of them, from an index alone"),
    ("users::domains::sql::TROUBLED: domains", "held domains, one for each organization or so"),
    ("users::set_up::sql::REVOKE: links", "runs only before there is anybody who could get a link"),
];

fn registered() -> Vec<&'static Statement> {
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

/// Which table stands behind each name that a text gives one.
fn aliases(text: &str) -> BTreeMap<String, String> {
    let spaced: String =
        text.chars().flat_map(|c| if "(),".contains(c) { vec![' ', c, ' '] } else { vec![c] }).collect();
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut found = BTreeMap::new();
    for (at, word) in words.iter().enumerate() {
        if !matches!(*word, "from" | "join" | "update" | "into") {
            continue;
        }
        let Some(table) = words.get(at + 1).filter(|word| **word != "(") else { continue };
        let alias = match words.get(at + 2) {
            Some(&"as") => words.get(at + 3),
            other => other,
        };
        found.insert((*table).to_owned(), (*table).to_owned());
        if let Some(alias) = alias {
            found.insert((*alias).to_owned(), (*table).to_owned());
        }
    }
    found
}

#[test]
fn aliases_are_seen_through() {
    let found = aliases(
        "select 1 from memberships m join accounts as a on a.id = m.account_id, (select 2 from jobs)",
    );
    assert_eq!(found["m"], "memberships");
    assert_eq!(found["a"], "accounts");
    assert_eq!(found["jobs"], "jobs");
}

#[tokio::test]
async fn no_statement_reads_a_large_table_from_end_to_end() {
    let all = registered();
    let sqlite = database::sqlite();
    let db = Db::open(&sqlite.url).await.expect("SQLite opens");
    let mut scans = Vec::new();
    for described in db.describe_statements().await.expect("plans") {
        let statement = all.iter().find(|statement| statement.name == described.name).expect("registered");
        let names = aliases(statement.sqlite());
        for step in &described.plan {
            let Some(scanned) = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next()) else {
                continue;
            };
            let Some(table) = names.get(scanned) else { continue };
            if LARGE.contains(&table.as_str()) {
                scans.push(format!("{}: {table}", described.name));
            }
        }
    }
    only("scans of large tables", scans, SCANS);
}

/// Large tables of which one organization has a few rows.
const FEW_OF_EACH: &[&str] =
    &["cells", "connections", "domains", "ledger_heads", "policy_groups", "set_up_guides"];

/// `statement: table`, with why an inner loop over all of an organization's rows is right.
const WALKS: &[(&str, &str)] = &[(
    "users::social_login::sql::USERS: connection_links",
    "the provider's links, of one connection at a time",
)];

/// A loop over an organization's people inside of which all its rows of another table are walked is quadratic: ten
/// thousand members of ten thousand groups' members kept the one writer for seconds.
#[tokio::test]
async fn no_inner_loop_walks_all_rows_of_an_organization() {
    let all = registered();
    let sqlite = database::sqlite();
    let db = Db::open(&sqlite.url).await.expect("SQLite opens");
    let mut walks = Vec::new();
    for described in db.describe_statements().await.expect("plans") {
        let statement = all.iter().find(|statement| statement.name == described.name).expect("registered");
        let names = aliases(statement.sqlite());
        let loops =
            described.plan.iter().filter(|step| step.starts_with("SEARCH ") || step.starts_with("SCAN "));
        for step in loops.skip(1).filter(|step| step.ends_with("(organization_id=?)")) {
            let walked = step.trim_start_matches("SEARCH ").split(' ').next().unwrap_or_default();
            let Some(table) = names.get(walked).map(String::as_str) else { continue };
            if LARGE.contains(&table) && !FEW_OF_EACH.contains(&table) {
                walks.push(format!("{}: {table}", described.name));
            }
        }
    }
    walks.dedup();
    only("inner loops over an organization", walks, WALKS);
}

#[tokio::test]
async fn every_table_is_known_to_be_large_or_small() {
    let sqlite = database::sqlite();
    let _db = Db::open(&sqlite.url).await.expect("SQLite opens");
    for table in crate::schema::of_sqlite(&sqlite).keys() {
        let known =
            usize::from(LARGE.contains(&table.as_str())) + usize::from(SMALL.contains(&table.as_str()));
        assert_eq!(known, 1, "say in this file whether `{table}` grows");
    }
}

/// What people search by is a range of an index on both engines. On PostgreSQL row-level security keeps every condition
/// out of an index that calls a function which is not declared leakproof, such as `lower`.
#[tokio::test]
async fn people_are_looked_up_by_ranges_of_indexes() {
    const LOOK_UPS: &[(&str, &str)] = &[
        ("users::people::sql::LIST", "email"),
        ("users::people::sql::LIST_BY_NAME", "name_key"),
        ("users::people::sql::LIST_BY_SURNAME", "surname_key"),
    ];
    let all = registered();
    let sqlite = database::sqlite();
    let db = Db::open(&sqlite.url).await.expect("SQLite opens");
    let described = db.describe_statements().await.expect("plans");
    for (name, key) in LOOK_UPS {
        let plan = &described.iter().find(|one| one.name == *name).expect("registered").plan;
        let range = format!("(organization_id=? AND {key}>? AND {key}<?)");
        assert!(plan.iter().any(|step| step.contains(&range)), "{name}: {plan:?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{name} sorts: {plan:?}");
    }
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let stands = Db::open(&postgres.url).await.expect("PostgreSQL opens").second_wall();
    assert_eq!(stands, platform::db::SecondWall::Stands);
    let client = crate::schema::client_of(&postgres).await;
    client
        .batch_execute(
            "set plan_cache_mode = force_generic_plan; set enable_seqscan = off;
             set enable_bitmapscan = off; set enable_sort = off",
        )
        .await
        .expect("settings");
    for (name, key) in LOOK_UPS {
        let statement = all.iter().find(|one| one.name == *name).expect("registered");
        client.batch_execute(&format!("prepare one as {}", statement.postgres())).await.expect(name);
        let parameters = (1..20).take_while(|n| statement.postgres().contains(&format!("${n}"))).count();
        let nulls = vec!["null"; parameters].join(", ");
        let rows = client.query(&format!("explain execute one({nulls})"), &[]).await.expect(name);
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let condition = plan.iter().find(|line| line.contains("Index Cond") && line.contains(key));
        let ranged = condition.is_some_and(|line| line.contains(">= $2") && line.contains("< $3"));
        assert!(ranged, "{name}: {plan:#?}");
        client.batch_execute("deallocate one").await.expect(name);
    }
    postgres.remove().await;
}
