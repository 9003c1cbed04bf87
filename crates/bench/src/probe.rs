//! The limits, measured where the server runs: each probe is this program again, started on the server's core
//! (`bailiwick-bench probe …`), so that a limit and a server share a core's clock and caches, never the moment.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{BenchError, Result};
use crate::hashing::{HashCost, Hasher, PASSWORD};
use crate::histogram::Histogram;

/// Rows of a batch in [`sqlite_rows`]; past this the rate no longer grows.
const BATCH_ROWS: usize = 1_000;
const ROW_BYTES: usize = 400;

/// Hashes a second with the arena re-used.
pub fn argon2(cost: HashCost, lasting: Duration) -> Result<f64> {
    let mut hasher = Hasher::new(cost)?;
    hasher.hash(PASSWORD.as_bytes(), &[7; 16])?;
    let started = Instant::now();
    let mut hashes = 0u32;
    let mut mixed = 0u8;
    while started.elapsed() < lasting {
        let salt = [hashes as u8; 16];
        mixed ^= std::hint::black_box(hasher.hash(PASSWORD.as_bytes(), &salt)?)[0];
        hashes += 1;
    }
    std::hint::black_box(mixed);
    Ok(f64::from(hashes) / started.elapsed().as_secs_f64())
}

fn failed(error: jose::Error) -> BenchError {
    BenchError::Program { program: "ES256".to_owned(), why: error.to_string() }
}

fn es256_key() -> Result<jose::SigningKey> {
    let pkcs8 = jose::SigningKey::generate(jose::Algorithm::Es256).map_err(failed)?;
    jose::SigningKey::from_pkcs8(jose::Algorithm::Es256, &pkcs8).map_err(failed)
}

/// ES256 signatures verified a second, with nothing around them.
pub fn es256_verify(lasting: Duration) -> Result<f64> {
    let key = es256_key()?;
    let signed = key.sign("at+jwt", br#"{"sub":"bench"}"#).map_err(failed)?;
    let (keys, started) = ([key.public().clone()], Instant::now());
    let mut tokens = 0u32;
    while started.elapsed() < lasting {
        std::hint::black_box(jose::Token::parse(&signed).and_then(|one| one.verify(&keys)).map_err(failed)?);
        tokens += 1;
    }
    Ok(f64::from(tokens) / started.elapsed().as_secs_f64())
}

/// ES256 tokens signed a second, with nothing around them.
pub fn es256(lasting: Duration) -> Result<f64> {
    let key = es256_key()?;
    let (payload, started) = ([b'x'; 300], Instant::now());
    let mut tokens = 0u32;
    while started.elapsed() < lasting {
        std::hint::black_box(key.sign("at+jwt", &payload).map_err(failed)?);
        tokens += 1;
    }
    Ok(f64::from(tokens) / started.elapsed().as_secs_f64())
}

/// The median fdatasync after a 4 KiB overwrite, in milliseconds.
pub fn fdatasync(folder: &Path, lasting: Duration) -> Result<f64> {
    let failed = || BenchError::io(format!("syncing a file in {}", folder.display()));
    let mut file: File = tempfile::tempfile_in(folder).map_err(failed())?;
    let page = [0x5a; 4096];
    for _ in 0..256 {
        file.write_all(&page).map_err(failed())?;
    }
    file.sync_all().map_err(failed())?;
    let mut delays = Histogram::default();
    let began = Instant::now();
    let mut place = 0;
    while began.elapsed() < lasting {
        file.write_all_at(&page, place * 4096).map_err(failed())?;
        let started = Instant::now();
        file.sync_data().map_err(failed())?;
        delays.record(started.elapsed());
        place = (place + 1) % 256;
    }
    Ok(delays.percentile_ms(0.5))
}

/// Durable transactions of one 400-byte row each, a second: SQLite, WAL, `synchronous=FULL`.
pub fn sqlite_transactions(folder: &Path, lasting: Duration) -> Result<f64> {
    sqlite(folder, lasting, 1)
}

/// Rows a second in durable transactions of a thousand.
pub fn sqlite_rows(folder: &Path, lasting: Duration) -> Result<f64> {
    sqlite(folder, lasting, BATCH_ROWS)
}

fn sqlite(folder: &Path, lasting: Duration, rows_per_commit: usize) -> Result<f64> {
    let folder = tempfile::tempdir_in(folder).map_err(BenchError::io("making a folder"))?;
    let mut database = rusqlite::Connection::open(folder.path().join("probe.sqlite"))?;
    database.pragma_update(None, "journal_mode", "wal")?;
    database.pragma_update(None, "synchronous", "full")?;
    database.execute_batch("create table entry (id integer primary key, body blob not null) strict")?;
    let mut body = vec![0u8; ROW_BYTES];
    let (mut rows, began) = (0i64, Instant::now());
    while began.elapsed() < lasting {
        let transaction = database.transaction()?;
        {
            let mut insert = transaction.prepare_cached("insert into entry (body) values (?1)")?;
            for _ in 0..rows_per_commit {
                rows += 1;
                body[..8].copy_from_slice(&rows.to_be_bytes());
                insert.execute([&body])?;
            }
        }
        transaction.commit()?;
    }
    let elapsed = began.elapsed();
    let kept: i64 = database.query_row("select count(*) from entry", [], |row| row.get(0))?;
    if kept != rows {
        return Err(BenchError::Answer {
            what: "SQLite's count of rows".to_owned(),
            got: kept.to_string(),
            expected: rows.to_string(),
        });
    }
    Ok(rows as f64 / elapsed.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_gives_a_figure() {
        let folder = tempfile::tempdir().unwrap();
        let short = Duration::from_millis(20);
        assert!(argon2(HashCost { label: "test", memory_kib: 64, iterations: 1 }, short).unwrap() > 0.0);
        assert!(es256(short).unwrap() > 0.0);
        assert!(es256_verify(short).unwrap() > 0.0);
        assert!(fdatasync(folder.path(), short).unwrap() > 0.0);
        let transactions = sqlite_transactions(folder.path(), short).unwrap();
        let rows = sqlite_rows(folder.path(), short).unwrap();
        assert!(rows > transactions, "{rows} rows/s batched beside {transactions} transactions/s");
    }
}
