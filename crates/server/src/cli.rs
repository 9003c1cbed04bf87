//! The command line. Every act of the consoles has a twin here; a command talks to a running installation
//! (`--url`, `--token`) or, on the server's machine, to the store (`--data DIR` / `--database URL`): the same API,
//! in process, as the operator.
//!
//! Exit codes: 0 done; 1 refused or failed; 2 the command line or the configuration is wrong; 3 a check found damage.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

mod client;
mod commands;
mod config;
mod db;
mod master_key;
mod output;
mod serve;
mod verify;

pub use client::{Client, operator};

#[derive(Parser)]
#[command(
    name = "bailiwick",
    version,
    about = "Who answers for what between a cloud provider and its customers, and whether it holds right now",
    propagate_version = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server
    Serve(serve::Serve),
    /// Look at the configuration in force
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// The database itself: move an installation to another
    #[command(subcommand)]
    Db(db::DbCommand),
    /// Check an exported ledger, offline: finds and locates a single flipped bit
    Verify(verify::Verify),
    #[command(flatten)]
    Act(commands::Act),
}

/// Where a command finds the installation.
#[derive(Args, Clone, Default)]
pub struct Target {
    /// A running installation, e.g. https://trust.example.com
    #[arg(long, env = "BAILIWICK_URL", global = true)]
    url: Option<String>,
    /// An API token for it
    #[arg(long, env = "BAILIWICK_TOKEN", hide_env_values = true, global = true)]
    token: Option<String>,
    /// The data folder on this machine, instead of --url
    #[arg(long, env = "BAILIWICK_DATA", global = true)]
    data: Option<PathBuf>,
    /// The database on this machine, instead of --url: sqlite:PATH or postgres://…
    #[arg(long, global = true, hide_env_values = true)]
    database: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

/// A command's end, other than well.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line or the configuration is wrong.
    #[error("{0}")]
    Usage(String),
    /// The installation refused, or something failed.
    #[error("{0}")]
    Failed(String),
    /// A check found damage.
    #[error("{0}")]
    Damaged(String),
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::Damaged(_) => 3,
        }
    }
}

impl From<crate::start::StartError> for CliError {
    fn from(error: crate::start::StartError) -> Self {
        Self::Failed(error.to_string())
    }
}

pub fn main() -> ExitCode {
    // What it writes is about people: the data folder, the database, exports are their owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let cli = Cli::parse();
    let result = match cli.command {
        Command::Serve(serve) => serve.run(),
        Command::Config(command) => command.run(),
        Command::Db(command) => command.run(),
        Command::Verify(verify) => verify.run(),
        Command::Act(act) => act.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// A runtime for one command.
fn block_on<T>(work: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Failed(format!("cannot start: {error}")))?
        .block_on(work)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Cli::command().debug_assert();
    }
}
