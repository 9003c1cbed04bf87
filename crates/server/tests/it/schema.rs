//! The two schemas are one; every reference is kept by the database and found by an index; tenants stand apart.

use std::collections::{BTreeMap, BTreeSet};

use platform::db::{DatabaseUrl, Db};
use testkit::database::{self, TestDatabase};

use crate::shared::only;

#[derive(Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Type as PostgreSQL calls it, and whether null is refused.
    pub columns: BTreeMap<String, (String, bool)>,
    pub primary: Vec<String>,
    /// The columns of every whole index in order, primary key included; expressions left out.
    pub indexes: BTreeSet<Vec<String>>,
    /// The columns of every unique index, partial ones included.
    pub unique: BTreeSet<Vec<String>>,
    /// Columns here, the table they point to, columns there.
    pub references: BTreeSet<(Vec<String>, String, Vec<String>)>,
}

pub type Schema = BTreeMap<String, Table>;

/// Columns called `…_id` that are no reference, with the reason.
const NO_REFERENCE: &[(&str, &str)] = &[
    ("events.actor_id", "an actor may be of any kind, and outlives its row here"),
    ("events.target_id", "a target may be of any kind, and outlives its row here"),
    ("events.transaction_id", "PostgreSQL's own number of the transaction, orders the feed"),
    ("passkeys.credential_id", "the authenticator's own name of the key, from outside"),
    ("scim_users.external_id", "the identity provider's own word, never an id of ours"),
    ("scim_groups.external_id", "the identity provider's own word, never an id of ours"),
    (
        "policies.directory_id",
        "looked up in the transaction that makes the default of a directory, and no directory is ever removed",
    ),
    ("policy_versions.policy_id", "rows of policies stay for ever: what is deleted is only marked so"),
    ("feed_cursors.transaction_id", "a place in the feed, not a row"),
];

/// Tables about an organization whose key does not start with it.
const OTHER_KEY: &[(&str, &str)] = &[
    ("jobs", "a queue of the installation; some jobs are about no organization"),
    ("mail_outbox", "a queue of the installation; some mails are about no organization"),
];

pub async fn client_of(database: &TestDatabase) -> tokio_postgres::Client {
    let DatabaseUrl::Postgres(dsn) = &database.url else { panic!("not PostgreSQL") };
    let (client, connection) =
        tokio_postgres::connect(dsn, tokio_postgres::NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

pub fn of_sqlite(database: &TestDatabase) -> Schema {
    let DatabaseUrl::Sqlite(path) = &database.url else { panic!("not SQLite") };
    let connection = rusqlite::Connection::open(path).expect("the file opens");
    let names = strings(
        &connection,
        "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'",
        "",
    );
    names.into_iter().map(|name| (name.clone(), sqlite_table(&connection, &name))).collect()
}

fn strings(connection: &rusqlite::Connection, sql: &str, parameter: &str) -> Vec<String> {
    let mut select = connection.prepare(sql).expect(sql);
    let wanted: Vec<&str> = if select.parameter_count() == 0 { Vec::new() } else { vec![parameter] };
    let rows = select.query_map(rusqlite::params_from_iter(wanted), |row| row.get(0)).expect(sql);
    rows.collect::<Result<_, _>>().expect(sql)
}

fn sqlite_table(connection: &rusqlite::Connection, name: &str) -> Table {
    let mut table = Table::default();
    let mut keys: Vec<(i64, String)> = Vec::new();
    let mut select =
        connection.prepare("select name, type, \"notnull\", pk from pragma_table_xinfo(?1)").unwrap();
    let columns = select
        .query_map([name], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    for column in columns {
        let (column, kind, not_null, place): (String, String, bool, i64) = column.unwrap();
        let kind = match kind.to_ascii_lowercase().as_str() {
            "integer" => "bigint",
            "text" => "text",
            "blob" => "bytea",
            "real" => "double precision",
            other => other,
        }
        .to_owned();
        table.columns.insert(column.clone(), (kind, not_null || place > 0));
        if place > 0 {
            keys.push((place, column));
        }
    }
    keys.sort();
    table.primary = keys.into_iter().map(|(_, column)| column).collect();
    table.indexes.insert(table.primary.clone());
    table.unique.insert(table.primary.clone());
    sqlite_indexes(connection, name, &mut table);
    sqlite_references(connection, name, &mut table);
    table
}

fn sqlite_indexes(connection: &rusqlite::Connection, name: &str, table: &mut Table) {
    let mut select =
        connection.prepare("select name, \"unique\", partial from pragma_index_list(?1)").unwrap();
    let found = select.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
    for index in found {
        let (index, unique, partial): (String, bool, bool) = index.unwrap();
        let columns = strings(
            connection,
            "select name from pragma_index_info(?1) where cid >= 0 order by seqno",
            &index,
        );
        if unique {
            table.unique.insert(columns.clone());
        }
        if !partial {
            table.indexes.insert(columns);
        }
    }
}

fn sqlite_references(connection: &rusqlite::Connection, name: &str, table: &mut Table) {
    let sql = "select id, \"table\", \"from\", \"to\" from pragma_foreign_key_list(?1) order by id, seq";
    let mut select = connection.prepare(sql).unwrap();
    let mut found: BTreeMap<i64, (Vec<String>, String, Vec<String>)> = BTreeMap::new();
    let rows =
        select.query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
    for row in rows {
        let (id, other, from, to): (i64, String, String, String) = row.unwrap();
        let reference = found.entry(id).or_default();
        reference.0.push(from);
        reference.1 = other;
        reference.2.push(to);
    }
    table.references = found.into_values().collect();
}

async fn of_postgres(database: &TestDatabase) -> Schema {
    let client = client_of(database).await;
    let mut schema = Schema::new();
    let columns = "select table_name::text, column_name::text, data_type::text, is_nullable = 'NO'
        from information_schema.columns where table_schema = current_schema()";
    for row in client.query(columns, &[]).await.expect("columns") {
        let table: &mut Table = schema.entry(row.get(0)).or_default();
        table.columns.insert(row.get(1), (row.get(2), row.get(3)));
    }
    let indexes = "select c.relname::text, i.indisprimary, i.indisunique, i.indpred is not null,
          array(select a.attname::text from unnest(i.indkey) with ordinality k(n, place)
                join pg_attribute a on a.attrelid = c.oid and a.attnum = k.n order by k.place)
        from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = current_schema()::regnamespace";
    for row in client.query(indexes, &[]).await.expect("indexes") {
        let table: &mut Table = schema.entry(row.get(0)).or_default();
        let (primary, unique, partial, columns): (bool, bool, bool, Vec<String>) =
            (row.get(1), row.get(2), row.get(3), row.get(4));
        if primary {
            table.primary.clone_from(&columns);
        }
        if unique {
            table.unique.insert(columns.clone());
        }
        if !partial {
            table.indexes.insert(columns);
        }
    }
    let references = "select f.conrelid::regclass::text, f.confrelid::regclass::text,
          array(select a.attname::text from unnest(f.conkey) with ordinality k(n, place)
                join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n order by k.place),
          array(select a.attname::text from unnest(f.confkey) with ordinality k(n, place)
                join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n order by k.place)
        from pg_constraint f where f.contype = 'f' and f.connamespace = current_schema()::regnamespace";
    for row in client.query(references, &[]).await.expect("references") {
        let table: &mut Table = schema.entry(row.get(0)).or_default();
        table.references.insert((row.get(2), row.get(1), row.get(3)));
    }
    schema
}

/// The event log is keyed by its place in the feed on SQLite, whose row number that is.
const FEED_KEY: &str = "events";

#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let Some(server) = database::postgres_server() else { return };
    let (sqlite, postgres) = (database::sqlite(), database::postgres(&server).await);
    let _one = Db::open(&sqlite.url).await.expect("SQLite opens");
    let _other = Db::open(&postgres.url).await.expect("PostgreSQL opens");
    let (ours, theirs) = (of_sqlite(&sqlite), of_postgres(&postgres).await);
    assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
    for (name, one) in ours.iter().filter(|(name, _)| *name != "schema_migrations") {
        let other = &theirs[name];
        assert_eq!(one.columns, other.columns, "columns of {name}");
        assert_eq!(one.references, other.references, "references of {name}");
        if name != FEED_KEY {
            assert_eq!(one.primary, other.primary, "primary key of {name}");
            assert_eq!(one.indexes, other.indexes, "indexes of {name}");
            assert_eq!(one.unique, other.unique, "unique indexes of {name}");
        }
    }
    postgres.remove().await;
}

async fn sqlite_schema() -> Schema {
    let sqlite = database::sqlite();
    let _db = Db::open(&sqlite.url).await.expect("SQLite opens");
    of_sqlite(&sqlite)
}

#[tokio::test]
async fn every_reference_is_kept_by_the_database() {
    let mut loose = Vec::new();
    for (name, table) in sqlite_schema().await {
        for column in table.columns.keys().filter(|column| column.ends_with("_id") || column.ends_with("_by"))
        {
            let kept = table.references.iter().any(|(columns, ..)| columns.contains(column));
            let text = table.columns[column].0 == "text" && column.ends_with("_by");
            if !kept && !text {
                loose.push(format!("{name}.{column}"));
            }
        }
    }
    only("ids that are no reference", loose, NO_REFERENCE);
}

/// Without one, deleting or changing the row that is referred to reads the whole table.
#[tokio::test]
async fn every_reference_has_an_index() {
    let mut without = Vec::new();
    for (name, table) in sqlite_schema().await {
        for (columns, other, _) in &table.references {
            let wanted: BTreeSet<&String> = columns.iter().collect();
            let covered = table
                .indexes
                .iter()
                .any(|index| index.iter().take(wanted.len()).collect::<BTreeSet<_>>() == wanted);
            if !covered {
                without.push(format!("{name}({}) → {other}", columns.join(", ")));
            }
        }
    }
    only("references without an index", without, &[]);
}

#[tokio::test]
async fn the_key_of_every_tenant_table_starts_with_its_organization() {
    let mut others = Vec::new();
    for (name, table) in sqlite_schema().await {
        let tenant = table.columns.contains_key("organization_id");
        let first = table.primary.first().map(String::as_str);
        if tenant && first != Some("organization_id") && name != FEED_KEY {
            others.push(name);
        }
    }
    only("tenant tables with another key", others, OTHER_KEY);
}

#[tokio::test]
async fn the_event_log_has_one_place_per_event_in_its_ledger() {
    let schema = sqlite_schema().await;
    let place = vec!["organization_id".to_owned(), "sequence".to_owned()];
    assert!(schema[FEED_KEY].unique.contains(&place));
}

/// Nobody has to remember it: the start of the program sees to every table with an `organization_id`.
#[tokio::test]
async fn every_tenant_table_stands_behind_the_second_wall() {
    let Some(server) = database::postgres_server() else { return };
    let postgres = database::postgres(&server).await;
    let db = Db::open(&postgres.url).await.expect("PostgreSQL opens");
    assert_eq!(db.second_wall(), platform::db::SecondWall::Stands);
    let client = client_of(&postgres).await;
    let tenants: Vec<String> = of_postgres(&postgres)
        .await
        .into_iter()
        .filter(|(_, table)| table.columns.contains_key("organization_id"))
        .map(|(name, _)| name)
        .collect();
    assert!(tenants.len() > 15, "{tenants:?}");
    assert_eq!(behind_the_wall(&client).await, tenants);
    // Torn down by somebody, on one table in each way, and for a table that no migration of ours made.
    client
        .batch_execute(&format!(
            "alter table groups disable row level security;
             alter table domains no force row level security;
             drop policy {policy} on memberships;
             alter policy {policy} on claims rename to bailiwick_organization_0;
             create table newcomers (organization_id bytea not null primary key)",
            policy = platform::db::POLICY
        ))
        .await
        .expect("torn down");
    assert_eq!(behind_the_wall(&client).await.len(), tenants.len() - 4);
    let _again = Db::open(&postgres.url).await.expect("PostgreSQL opens again");
    let mut wanted = tenants;
    wanted.push("newcomers".to_owned());
    wanted.sort();
    assert_eq!(behind_the_wall(&client).await, wanted);
    postgres.remove().await;
}

/// Tables with the policy, and no other, enabled for their owner, too; all say the same.
async fn behind_the_wall(client: &tokio_postgres::Client) -> Vec<String> {
    let sql =
        "select c.relname::text, p.polname::text, p.polcmd = '*' and p.polpermissive and p.polroles = '{0}',
          pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid)
        from pg_class c join pg_policy p on p.polrelid = c.oid
        where c.relnamespace = current_schema()::regnamespace and c.relrowsecurity and c.relforcerowsecurity
        order by 1";
    let (mut tables, mut texts) = (Vec::new(), BTreeSet::new());
    for row in client.query(sql, &[]).await.expect("policies") {
        let (name, policy, plain): (String, String, bool) = (row.get(0), row.get(1), row.get(2));
        if policy != platform::db::POLICY {
            continue;
        }
        assert!(plain, "{name}: for everybody and every statement");
        texts.insert(row.get::<_, String>(3));
        texts.insert(row.get::<_, String>(4));
        tables.push(name);
    }
    assert_eq!(texts.len(), 1, "{texts:?}");
    tables
}

/// `Keyring::seal` refuses what nobody declares; what is declared must be there.
#[tokio::test]
async fn what_a_rotation_of_keys_goes_through_is_in_the_schema() {
    assert!(bailiwick::AREAS.len() > 3, "links the areas and what they hold");
    let sqlite = database::sqlite();
    let _one = Db::open(&sqlite.url).await.expect("SQLite opens");
    let schema = of_sqlite(&sqlite);
    let mut declared = BTreeSet::new();
    for holding in platform::secrets::rotation::holdings() {
        let (table, column) = holding.name.split_once('.').expect("table.column");
        let known = schema.get(table).is_some_and(|table| table.columns.contains_key(column));
        assert!(known, "`{}` is not in the schema", holding.name);
        declared.insert(holding.name.to_owned());
    }
    for (name, table) in schema {
        for column in table.columns.keys().filter(|column| column.contains("sealed")) {
            assert!(declared.contains(&format!("{name}.{column}")), "declare `{name}.{column}`");
        }
    }
    assert!(declared.contains("totp_factors.secret"), "{declared:?}");
}
