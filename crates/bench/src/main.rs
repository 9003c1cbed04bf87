//! `bailiwick-bench`: measures this product beside its peers and the machine's limits, in one run.
//!
//! What it promises: the server has one core and the load another; subjects take turns (A-B-A-B) and the median counts;
//! what is durable in one is durable in all; what could not be measured says so and fails the run.
//! A new line is a function in [`lines`]; a new peer a script in `bench-peers/` and a driver in [`peers`].

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::error::{BenchError, Result};
use crate::hashing::HashCost;
use crate::setup::Setup;

mod audit;
mod error;
mod hashing;
mod histogram;
mod http;
mod lines;
mod load;
mod peers;
mod probe;
mod process;
mod product;
mod realm;
mod report;
mod round;
mod saml_verify;
mod scale;
mod seed;
mod setup;

#[derive(Parser)]
#[command(
    about = "Measures Bailiwick beside its peers and the machine's limits",
    args_conflicts_with_subcommands = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the machine's limits alone.
    Limits(Place),
    /// Simulates a million organizations with a billion people: spread, memory, bytes (docs/scale.md).
    Scale {
        #[arg(long, default_value_t = 1_000_000)]
        organizations: usize,
        #[arg(long, default_value_t = 1_000_000_000)]
        people: u64,
        /// Also fills a real store and weighs it.
        #[arg(long)]
        store: bool,
    },
    /// Writes a Keycloak realm to standard output.
    Realm {
        #[arg(long, default_value_t = 10_000)]
        users: u64,
        #[command(flatten)]
        cost: Cost,
    },
    /// Measures one limit on whatever core it is started on; prints the figure.
    #[command(hide = true)]
    Probe {
        #[arg(long)]
        millis: u64,
        #[command(subcommand)]
        probe: Probe,
    },
}

#[derive(Args)]
struct Run {
    /// Lines to measure; all when none is named.
    lines: Vec<u32>,
    /// Shorter rounds and no peers that need a big install.
    #[arg(long)]
    quick: bool,
    /// Rounds each subject is measured: 5, and 3 when quick.
    #[arg(long)]
    rounds: Option<usize>,
    /// Events of line 13: 10,000,000, and 200,000 when quick.
    #[arg(long)]
    events: Option<u64>,
    /// Puts the table into docs/benchmarks.md.
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Args)]
struct Place {
    /// The repository's root.
    #[arg(long, default_value = ".")]
    root: PathBuf,
    /// Where databases and logs are laid; default: target/ in the root, for it is on a disk.
    #[arg(long)]
    disk: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    server_core: u32,
    #[arg(long, default_value_t = 1)]
    load_core: u32,
}

#[derive(Args)]
struct Cost {
    /// Argon2id memory in KiB.
    #[arg(long, default_value_t = hashing::OWASP.memory_kib)]
    memory: u32,
    #[arg(long, default_value_t = hashing::OWASP.iterations)]
    iterations: u32,
}

impl Cost {
    fn get(&self) -> HashCost {
        HashCost { label: "as asked", memory_kib: self.memory, iterations: self.iterations }
    }
}

#[derive(Subcommand)]
enum Probe {
    Argon2(Cost),
    Es256,
    Es256Verify,
    Saml {
        #[arg(long)]
        folder: PathBuf,
    },
    Fdatasync {
        #[arg(long)]
        folder: PathBuf,
    },
    SqliteTransactions {
        #[arg(long)]
        folder: PathBuf,
    },
    SqliteRows {
        #[arg(long)]
        folder: PathBuf,
    },
    Matrix {
        #[arg(long)]
        data: PathBuf,
    },
    AuditAppend {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        events: u64,
        #[arg(long)]
        writers: u64,
        #[arg(long)]
        batch: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        None => run(&arguments.run),
        Some(Command::Limits(place)) => limits(&place).map(|()| true),
        Some(Command::Scale { organizations, people, store }) => {
            scale::run(scale::World { organizations, people, largest: 1_000_000 }, store).map(|()| true)
        }
        Some(Command::Realm { users, cost }) => print_realm(users, &cost).map(|()| true),
        Some(Command::Probe { millis, probe }) => {
            print_probe(Duration::from_millis(millis), &probe).map(|()| true)
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn setup(place: &Place, rounds: usize, quick: bool) -> Result<Setup> {
    let root =
        place.root.canonicalize().map_err(BenchError::io(format!("finding `{}`", place.root.display())))?;
    let disk = place.disk.clone().unwrap_or_else(|| root.join("target"));
    Setup::new(root, &disk, rounds.max(1), quick, (place.server_core, place.load_core))
}

/// Measures lines and prints the table; gives whether every bound of every line was met.
fn run(arguments: &Run) -> Result<bool> {
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { 3 } else { 5 });
    let mut setup = setup(&arguments.place, rounds, arguments.quick)?;
    setup.events = arguments.events.unwrap_or(setup.events);
    process::pin_self(setup.load_core)?;
    let lines = if arguments.lines.is_empty() { lines::ALL.to_vec() } else { arguments.lines.clone() };
    let mut rows = Vec::new();
    let mut failed = false;
    for line in &lines {
        eprintln!("line {line}");
        setup.look_around()?;
        match lines::measure(*line, &setup) {
            Ok(measured) => rows.extend(measured),
            Err(error) => {
                eprintln!("error: line {line}: {error}");
                failed = true;
            }
        }
    }
    let numbers: String = lines.iter().map(|line| format!(" {line}")).collect();
    let quick = if arguments.quick { " --quick" } else { "" };
    let events = arguments.events.map_or_else(String::new, |events| format!(" --events {events}"));
    let command = format!("./bench{quick}{events}{numbers}");
    let table = report::markdown(&command, &process::machine(), setup.disturbance(), &rows);
    println!("{table}");
    if arguments.write {
        report::write_between_markers(&setup.root.join("docs/benchmarks.md"), &table)?;
    }
    let mut judged = rows.iter().filter(|row| row.judged()).peekable();
    Ok(!failed && judged.peek().is_some() && judged.all(report::Row::met))
}

fn limits(place: &Place) -> Result<()> {
    let setup = setup(place, 1, false)?;
    for cost in [hashing::OWASP, hashing::KEYCLOAK] {
        let rate = setup.argon2(cost)?;
        println!(
            "Argon2id {}, arena re-used: {}/s ({} ms)",
            cost.label,
            report::number(rate),
            report::number(1e3 / rate)
        );
    }
    println!("fdatasync, 4 KiB, p50: {} ms", report::number(setup.fdatasync_ms()?));
    println!("SQLite WAL FULL, one row a transaction: {}/s", report::number(setup.sqlite_transactions()?));
    println!("SQLite WAL FULL, 1,000 rows a transaction: {} rows/s", report::number(setup.sqlite_rows()?));
    Ok(())
}

fn print_realm(users: u64, cost: &Cost) -> Result<()> {
    serde_json::to_writer(std::io::stdout().lock(), &realm::document(users, 0, cost.get())?)?;
    Ok(())
}

fn print_probe(lasting: Duration, probe: &Probe) -> Result<()> {
    if let Probe::AuditAppend { folder, events, writers, batch } = probe {
        let load = audit::Load { events: *events, writers: *writers, events_per_write: (*batch).max(1) };
        println!("{}", serde_json::to_string(&audit::append(folder, load)?)?);
        return Ok(());
    }
    if let Probe::Saml { folder } = probe {
        println!("{}", serde_json::to_string(&saml_verify::verify(folder, lasting)?)?);
        return Ok(());
    }
    let figure = match probe {
        Probe::Argon2(cost) => probe::argon2(cost.get(), lasting),
        Probe::Es256 => probe::es256(lasting),
        Probe::Es256Verify => probe::es256_verify(lasting),
        Probe::Fdatasync { folder } => probe::fdatasync(folder, lasting),
        Probe::SqliteTransactions { folder } => probe::sqlite_transactions(folder, lasting),
        Probe::SqliteRows { folder } => probe::sqlite_rows(folder, lasting),
        Probe::Matrix { data } => seed::recompute(data),
        Probe::AuditAppend { .. } | Probe::Saml { .. } => {
            return Err(product::missing("it prints its own figures"));
        }
    };
    println!("{}", figure?);
    Ok(())
}
