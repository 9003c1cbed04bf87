//! `bailiwick db move`: carries an installation from one database to another.

use std::io::{IsTerminal, Write};

use clap::Subcommand;
use platform::db::carry::{self, MoveError, Moved, Progress};
use platform::db::{DatabaseUrl, DbError};
use serde_json::json;

use super::{CliError, block_on};

#[derive(Subcommand)]
pub enum DbCommand {
    /// Carry an installation to another, empty database; the one it comes from is only read
    ///
    /// Stop every server first. Counts and checksums of all tables and every ledger are compared before the target is
    /// made to stand; when it is interrupted nothing is in the target, and you start again.
    Move(Move),
}

#[derive(clap::Args)]
pub struct Move {
    /// Where the installation is: sqlite:PATH or postgres://…
    #[arg(long, hide_env_values = true)]
    from: String,
    /// An empty database: sqlite:PATH or postgres://…
    #[arg(long, hide_env_values = true)]
    to: String,
    /// Look whether it can be done, and say what would be carried
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl DbCommand {
    pub fn run(self) -> Result<(), CliError> {
        match self {
            Self::Move(command) => command.run(),
        }
    }
}

fn url(text: &str, option: &str) -> Result<DatabaseUrl, CliError> {
    DatabaseUrl::parse(text).map_err(|error| CliError::Usage(format!("--{option}: {error}")))
}

impl Move {
    fn run(self) -> Result<(), CliError> {
        let (from, to) = (url(&self.from, "from")?, url(&self.to, "to")?);
        let (dry_run, quiet) = (self.dry_run, self.json);
        let moved = block_on(async {
            let say = move |progress| {
                if !quiet {
                    tell(&progress);
                }
            };
            carry::move_store(from, to, dry_run, say).await.map_err(ended)
        })?;
        if self.json {
            println!("{}", report(&moved));
        } else {
            show(&moved, dry_run);
        }
        Ok(())
    }
}

fn ended(error: MoveError) -> CliError {
    match error {
        MoveError::Differs { .. } | MoveError::Ledger { .. } | MoveError::Db(DbError::Corrupt(_)) => {
            CliError::Damaged(error.to_string())
        }
        error => CliError::Failed(error.to_string()),
    }
}

/// On a terminal the rows of a table count up in place; elsewhere a line for each table.
fn tell(progress: &Progress) {
    let mut out = std::io::stderr();
    let lively = out.is_terminal();
    let _ = match progress {
        Progress::Copying { table, rows, of } if rows == of && lively => {
            writeln!(out, "\r\x1b[2Kcopied    {table}: {rows} rows")
        }
        Progress::Copying { table, rows, of } if rows == of => {
            writeln!(out, "copied    {table}: {rows} rows")
        }
        Progress::Copying { table, rows, of } if lively => {
            write!(out, "\r\x1b[2Kcopying   {table}: {rows} of {of} rows").and_then(|()| out.flush())
        }
        Progress::Copying { .. } => Ok(()),
        Progress::Comparing { table } => writeln!(out, "comparing {table}"),
        Progress::Ledgers => writeln!(out, "computing every ledger anew"),
    };
}

fn report(moved: &Moved) -> serde_json::Value {
    let tables: Vec<_> = moved
        .tables
        .iter()
        .map(|table| json!({ "table": table.name, "rows": table.rows, "checksum": table.checksum }))
        .collect();
    let ledgers = moved
        .ledgers
        .map(|ledgers| json!({ "organizations": ledgers.organizations, "entries": ledgers.entries }));
    json!({ "moved": ledgers.is_some(), "tables": tables, "ledgers": ledgers })
}

fn show(moved: &Moved, dry_run: bool) {
    let rows: u64 = moved.tables.iter().map(|table| table.rows).sum();
    let tables = moved.tables.len();
    if dry_run {
        for table in &moved.tables {
            println!("{:28} {:>12}", table.name, table.rows);
        }
        println!("{tables} tables with {rows} rows can be carried; nothing was done");
        return;
    }
    println!("moved {tables} tables with {rows} rows; counts and checksums are the same");
    if let Some(ledgers) = moved.ledgers {
        println!("{} ledgers with {} entries are whole", ledgers.organizations, ledgers.entries);
    }
    println!("set `database` to the new one, keep `master.key` and the data folder, and start the server");
}
