//! How SQLite goes about each statement: no large table is read from end to end, no loop inside another walks all rows of
//! an organization, and what people search by is a range of an index.

use std::collections::BTreeMap;

use platform::db::Db;
use testkit::database;

use crate::shared::only;
use crate::statements::registered;

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

/// A statement's plan, step by step, and which table stands behind each name in it.
struct Plan {
    statement: String,
    tables: BTreeMap<String, String>,
    steps: Vec<String>,
}

impl Plan {
    /// The large table that a step with this beginning goes through.
    fn large(&self, step: &str, beginning: &str) -> Option<&str> {
        let name = step.strip_prefix(beginning)?.split(' ').next()?;
        self.tables.get(name).map(String::as_str).filter(|table| LARGE.contains(table))
    }
}

async fn plans() -> Vec<Plan> {
    let all = registered();
    let sqlite = database::sqlite();
    let db = Db::open(&sqlite.url).await.expect("SQLite opens");
    let described = db.describe_statements().await.expect("plans");
    described
        .into_iter()
        .map(|described| {
            let statement =
                all.iter().find(|statement| statement.name == described.name).expect("registered");
            Plan {
                statement: described.name.to_string(),
                tables: aliases(statement.sqlite()),
                steps: described.plan,
            }
        })
        .collect()
}

#[tokio::test]
async fn no_statement_reads_a_large_table_from_end_to_end() {
    let mut scans = Vec::new();
    for plan in plans().await {
        let scanned = plan.steps.iter().filter_map(|step| plan.large(step, "SCAN "));
        scans.extend(scanned.map(|table| format!("{}: {table}", plan.statement)));
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
    let mut walks = Vec::new();
    for plan in plans().await {
        let loops = plan.steps.iter().filter(|step| step.starts_with("SEARCH ") || step.starts_with("SCAN "));
        let inner = loops.skip(1).filter(|step| step.ends_with("(organization_id=?)"));
        let walked = inner.filter_map(|step| plan.large(step, "SEARCH "));
        let many = walked.filter(|table| !FEW_OF_EACH.contains(table));
        walks.extend(many.map(|table| format!("{}: {table}", plan.statement)));
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
    let (all, plans) = (registered(), plans().await);
    for (name, key) in LOOK_UPS {
        let plan = &plans.iter().find(|one| one.statement == *name).expect("registered").steps;
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
