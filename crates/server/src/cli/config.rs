//! `bailiwick config check` and `config print`.

use std::path::PathBuf;

use clap::Subcommand;
use platform::config::{Config, Sources};
use platform::db::{self, SecondWall};

use super::{CliError, block_on};
use crate::start;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration: everything that is wrong, at once
    Check {
        #[command(flatten)]
        place: Where,
        /// Ask the database, too: whether it answers, and whether row-level security holds the program's role there
        #[arg(long)]
        connect: bool,
    },
    /// Print every setting with its value in force and where that came from; secrets are masked
    Print(Where),
}

#[derive(clap::Args)]
pub struct Where {
    /// The file instead of ./bailiwick.toml
    #[arg(long, env = "BAILIWICK_CONFIG")]
    config: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

/// Reads the configuration with `flags` on top.
pub fn load(file: Option<&std::path::Path>, flags: Vec<(String, String)>) -> Result<Config, CliError> {
    let sources = Sources::from_process(file, flags).map_err(|errors| CliError::Usage(errors.to_string()))?;
    Config::load(&sources).map_err(|errors| CliError::Usage(errors.to_string()))
}

impl ConfigCommand {
    pub fn run(self) -> Result<(), CliError> {
        let (place, print, connect) = match self {
            Self::Check { place, connect } => (place, false, connect),
            Self::Print(place) => (place, true, false),
        };
        let config = load(place.config.as_deref(), Vec::new())?;
        if place.json {
            println!("{}", serde_json::to_string_pretty(config.effective()).unwrap_or_default());
            return Ok(());
        }
        for warning in &config.warnings {
            eprintln!("warning: {warning}");
        }
        if !print {
            println!("the configuration is good: {} settings", config.effective().len());
            return if connect { ask_database(&config) } else { Ok(()) };
        }
        for setting in config.effective() {
            println!("{} = {}  # {}", setting.key, setting.value, setting.origin);
        }
        Ok(())
    }
}

/// Changes nothing there: no table is made, no migration runs.
fn ask_database(config: &Config) -> Result<(), CliError> {
    let failed = |error: db::DbError| CliError::Failed(error.to_string());
    let probe = block_on(async { db::probe(&config.database).await.map_err(failed) })?;
    let newest = db::migrate::newest();
    match probe.schema {
        None => println!("the database is empty: the first start makes its tables"),
        Some(schema) if schema > newest => {
            return Err(failed(db::DbError::Newer { found: schema, known: newest }));
        }
        Some(schema) if schema < newest => {
            println!("the database has schema {schema}: the next start brings it to {newest}");
        }
        Some(schema) => println!("the database has schema {schema}, as this program"),
    }
    match probe.wall {
        SecondWall::None => {}
        SecondWall::Stands => println!("row-level security holds the program's role"),
        SecondWall::Bypassed { role } => eprintln!("warning: {}", start::bypassed(&role)),
    }
    Ok(())
}
