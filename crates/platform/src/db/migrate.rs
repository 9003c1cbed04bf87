//! Brings the schema up to date: numbered files, applied once, in order, each in a transaction, with a checksum.
//!
//! A file is written once, in SQLite's dialect with `STRICT` tables; for PostgreSQL its types are renamed
//! (`INTEGER` → `BIGINT`, `BLOB` → `BYTEA`, `REAL` → `DOUBLE PRECISION`) and `STRICT`/`WITHOUT ROWID` dropped. Where
//! the DDL itself differs a `.postgres.sql` twin stands beside it.

use aws_lc_rs::digest;
use deadpool_postgres::Object;
use rusqlite::OptionalExtension;
use tokio_postgres::GenericClient;

use super::{DbError, postgres, sqlite, wall};

pub struct Migration {
    pub number: i64,
    pub name: &'static str,
    sqlite: &'static str,
    postgres: Option<&'static str>,
}

macro_rules! migration {
    ($number:literal, $name:literal) => {
        Migration {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../../../../migrations/", $name, ".sql")),
            postgres: None,
        }
    };
    ($number:literal, $name:literal, postgres) => {
        Migration {
            number: $number,
            name: $name,
            sqlite: include_str!(concat!("../../../../migrations/", $name, ".sql")),
            postgres: Some(include_str!(concat!("../../../../migrations/", $name, ".postgres.sql"))),
        }
    };
}

/// In order; a released one is never edited.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "0001_platform"),
    migration!(2, "0002_events", postgres),
    migration!(3, "0003_sign_in"),
    migration!(4, "0004_organizations"),
    migration!(5, "0005_domains"),
    migration!(6, "0006_policies"),
    migration!(7, "0007_breach_contacts"),
    migration!(8, "0008_responsibility"),
    migration!(9, "0009_ledger_anchors"),
    migration!(10, "0010_factors"),
    migration!(11, "0011_acme"),
    migration!(12, "0012_matrix_counts"),
    migration!(13, "0013_search", postgres),
    migration!(14, "0014_named_policies"),
    migration!(15, "0015_openid_provider"),
    migration!(16, "0016_directories"),
    migration!(17, "0017_ledger_keys"),
    migration!(18, "0018_single_sign_on"),
    migration!(19, "0019_access_requests"),
    migration!(20, "0020_access_reviews"),
    migration!(21, "0021_awareness"),
    migration!(22, "0022_saml_answers"),
    migration!(23, "0023_audit_search", postgres),
    migration!(24, "0024_audit_streams"),
    migration!(25, "0025_insights"),
    migration!(26, "0026_abuse_reports"),
    migration!(27, "0027_support"),
    migration!(28, "0028_set_up_guides"),
    migration!(29, "0029_saml_sign_out"),
    migration!(30, "0030_scim_groups_of_user"),
    migration!(31, "0031_audit_retentions"),
    migration!(32, "0032_search_by_surname", postgres),
    migration!(33, "0033_threats"),
    migration!(34, "0034_person_alerts"),
    migration!(35, "0035_covering_indexes"),
    migration!(36, "0036_matrix_generation"),
    migration!(37, "0037_standing_indexes"),
];

impl Migration {
    fn postgres(&self) -> String {
        self.postgres.map_or_else(|| to_postgres(self.sqlite), str::to_owned)
    }

    fn checksum(&self) -> Vec<u8> {
        digest::digest(&digest::SHA256, self.sqlite.as_bytes()).as_ref().to_vec()
    }
}

/// The newest schema this program knows.
pub fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}

fn to_postgres(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len() + 256);
    for line in sql.lines() {
        let (code, comment) = line.split_once("--").map_or((line, None), |(a, b)| (a, Some(b)));
        let code = code
            .replace(" STRICT, WITHOUT ROWID", "")
            .replace(" STRICT", "")
            .split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .map(|token| {
                let word = token.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                match word {
                    "INTEGER" => token.replacen(word, "BIGINT", 1),
                    "BLOB" => token.replacen(word, "BYTEA", 1),
                    "REAL" => token.replacen(word, "DOUBLE PRECISION", 1),
                    _ => token.to_owned(),
                }
            })
            .collect::<String>();
        out.push_str(&code);
        if let Some(comment) = comment {
            out.push_str("--");
            out.push_str(comment);
        }
        out.push('\n');
    }
    out
}

const CREATE_TABLE: &str = "create table if not exists schema_migrations (
    number bigint primary key, name text not null, checksum text not null, applied_at bigint not null)";

fn check(applied: &[(i64, String)]) -> Result<Vec<&'static Migration>, DbError> {
    let found = applied.iter().map(|(number, _)| *number).max().unwrap_or(0);
    if found > newest() {
        return Err(DbError::Newer { found, known: newest() });
    }
    let mut due = Vec::new();
    for migration in MIGRATIONS {
        match applied.iter().find(|(number, _)| *number == migration.number) {
            None => due.push(migration),
            Some((_, checksum)) if *checksum != hex::encode(migration.checksum()) => {
                return Err(DbError::MigrationChanged { number: migration.number });
            }
            Some(_) => {}
        }
    }
    Ok(due)
}

pub(super) fn sqlite(connection: &mut rusqlite::Connection) -> Result<(), DbError> {
    let fail = |error: rusqlite::Error| sqlite::failed("migration", &error);
    let exists: Option<i64> = connection
        .query_row("select 1 from sqlite_master where name = 'schema_migrations'", [], |row| row.get(0))
        .optional()
        .map_err(fail)?;
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(fail)?;
    if exists.is_none() {
        tx.execute_batch(CREATE_TABLE).map_err(fail)?;
    }
    let applied: Vec<(i64, String)> = tx
        .prepare("select number, checksum from schema_migrations")
        .and_then(|mut select| select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(fail)?;
    for migration in check(&applied)? {
        tx.execute_batch(migration.sqlite).map_err(fail)?;
        tx.execute(
            "insert into schema_migrations values (?1, ?2, ?3, cast(unixepoch('subsec') * 1000000 as integer))",
            (migration.number, migration.name, hex::encode(migration.checksum())),
        )
        .map_err(fail)?;
    }
    tx.commit().map_err(fail)
}

pub(super) async fn postgres(client: &mut Object) -> Result<(), DbError> {
    let fail = |error: tokio_postgres::Error| postgres::failed("migration", &error);
    let tx = client.transaction().await.map_err(fail)?;
    tx.batch_execute("set local statement_timeout = 0; set local lock_timeout = 0").await.map_err(fail)?;
    // Several nodes may start at once: the first one migrates, the others wait and find nothing to do.
    tx.batch_execute("select pg_advisory_xact_lock(8480)").await.map_err(fail)?;
    // A migration may move the rows of every organization.
    tx.batch_execute(wall::BIND_ALL).await.map_err(fail)?;
    postgres_in(&*tx).await?;
    wall::raise(&*tx).await.map_err(|error| postgres::failed("second wall", &error))?;
    tx.commit().await.map_err(fail)
}

/// What is due, inside a transaction of the caller's.
pub(super) async fn postgres_in(tx: &(impl GenericClient + Sync)) -> Result<(), DbError> {
    let fail = |error: tokio_postgres::Error| postgres::failed("migration", &error);
    tx.batch_execute(CREATE_TABLE).await.map_err(fail)?;
    let applied: Vec<(i64, String)> = tx
        .query("select number, checksum from schema_migrations", &[])
        .await
        .map_err(fail)?
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    for migration in check(&applied)? {
        tx.batch_execute(&migration.postgres()).await.map_err(fail)?;
        tx.execute(
            "insert into schema_migrations values ($1, $2, $3, (extract(epoch from now()) * 1000000)::bigint)",
            &[&migration.number, &migration.name, &hex::encode(migration.checksum())],
        )
        .await
        .map_err(fail)?;
    }
    Ok(())
}

/// How many migrations a database with these still lacks; refuses a newer schema and changed files.
pub(super) fn due(applied: &[(i64, String)]) -> Result<usize, DbError> {
    Ok(check(applied)?.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_renamed_for_postgres_and_comments_kept() {
        let sql = "CREATE TABLE a (\n  id BLOB NOT NULL, -- INTEGER stays here\n  n INTEGER,\n  r REAL\n) STRICT, WITHOUT ROWID;\n";
        assert_eq!(
            to_postgres(sql),
            "CREATE TABLE a (\n  id BYTEA NOT NULL, -- INTEGER stays here\n  n BIGINT,\n  r DOUBLE PRECISION\n);\n"
        );
    }

    #[test]
    fn migrations_are_numbered_without_gaps_and_named_by_their_number() {
        for (index, migration) in MIGRATIONS.iter().enumerate() {
            assert_eq!(migration.number, i64::try_from(index).unwrap() + 1);
            assert!(migration.name.starts_with(&format!("{:04}_", migration.number)));
        }
    }

    #[test]
    fn a_newer_schema_and_a_changed_file_are_refused() {
        assert_eq!(
            check(&[(newest() + 1, String::new())]).err(),
            Some(DbError::Newer { found: newest() + 1, known: newest() })
        );
        assert_eq!(check(&[(1, "00".to_owned())]).err(), Some(DbError::MigrationChanged { number: 1 }));
    }
}
