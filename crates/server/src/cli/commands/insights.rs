//! `bailiwick insights`: how an organization's people use the platform, and the growth over all customers.

use std::path::PathBuf;

use axum::http::Method;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::super::{CliError, Client, Target, block_on};
use super::audit::write_whole;
use super::{need, with_client};

#[derive(Args)]
pub struct Insights {
    #[command(subcommand)]
    command: InsightsCommand,
    /// The organization's slug
    #[arg(long, global = true, default_value = "")]
    organization: String,
    #[command(flatten)]
    target: Target,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Json,
}

#[derive(Subcommand)]
enum InsightsCommand {
    /// The figures of an organization, counted now
    Show,
    /// The figures day by day
    History {
        /// How many days back, 1 to 400
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// Mail domains of its people that it has not verified
    Domains,
    /// Write the figures day by day to a file
    Export {
        #[arg(long)]
        to: PathBuf,
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
        /// How many days back, 1 to 400
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
    /// The growth over all customers, for the provider
    Growth {
        /// How many days back, 1 to 400
        #[arg(long, default_value_t = 90)]
        days: u32,
    },
}

impl Insights {
    pub fn run(self) -> Result<(), CliError> {
        let Self { command, organization, target } = self;
        if let InsightsCommand::Growth { days } = command {
            let work = async |client: &Client| {
                let growth = client.get(&format!("/api/v1/provider/insights?days={days}")).await?;
                Ok(growth["days"].clone())
            };
            return with_client(
                &target,
                work,
                &["day", "organizations", "people", "active_month", "sign_ins"],
            );
        }
        let base = format!("/api/v1/organizations/{}/insights", need(&organization, "organization")?);
        if let InsightsCommand::Export { to, format, days } = command {
            let format = match format {
                Format::Csv => "csv",
                Format::Json => "json",
            };
            return export(&target, &to, &format!("{base}/export?days={days}&format={format}"));
        }
        let work = async |client: &Client| match command {
            InsightsCommand::History { days } => {
                let history = client.get(&format!("{base}/history?days={days}")).await?;
                Ok::<Value, CliError>(history["days"].clone())
            }
            InsightsCommand::Domains => Ok(client.get(&base).await?["unverified_domains"].clone()),
            _ => client.get(&base).await,
        };
        let columns: &[&str] = match command {
            InsightsCommand::Domains => &["domain", "people", "public_mail", "state"],
            _ => &["day", "people", "active_day", "active_week", "active_month", "sign_ins", "second_factor"],
        };
        with_client(&target, work, columns)
    }
}

fn export(target: &Target, to: &std::path::Path, path: &str) -> Result<(), CliError> {
    let answer = block_on(async {
        let client = Client::open(target).await?;
        let answer = client.call(Method::GET, path, None).await;
        client.close().await?;
        answer
    })?;
    write_whole(to, &answer.body)?;
    println!("wrote {} bytes to {}", answer.body.len(), to.display());
    Ok(())
}
