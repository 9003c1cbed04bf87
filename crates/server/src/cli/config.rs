//! `bailiwick config check` and `config print`.

use std::path::PathBuf;

use clap::Subcommand;
use platform::config::{Config, Sources};

use super::CliError;

#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration: everything that is wrong, at once
    Check(Where),
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
        let (place, print) = match self {
            Self::Check(place) => (place, false),
            Self::Print(place) => (place, true),
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
            return Ok(());
        }
        for setting in config.effective() {
            println!("{} = {}  # {}", setting.key, setting.value, setting.origin);
        }
        Ok(())
    }
}
