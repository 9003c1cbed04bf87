//! How a run is made: rounds, cores, folders.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::audit::{AppendRun, Load};
use crate::error::{BenchError, Result};
use crate::hashing::HashCost;
use crate::load::pause;
use crate::process::{self, CoreTicks};
use crate::saml_verify::SamlRun;

const LOOK: Duration = Duration::from_millis(300);

pub struct Setup {
    /// The repository's root: `bench-peers/`, `docs/`, `target/` are found from it.
    pub root: PathBuf,
    pub rounds: usize,
    pub round: Duration,
    /// Leaves out the peers that need a big install, and takes shorter rounds.
    pub quick: bool,
    pub server_core: u32,
    pub load_core: u32,
    /// Events of line 13.
    pub events: u64,
    work: TempDir,
    /// The most that other programs used of the two cores when nothing of ours was under load.
    disturbance: Cell<f64>,
}

impl Setup {
    /// `disk` is where databases and logs are laid; what is synced there is what is measured.
    pub fn new(root: PathBuf, disk: &Path, rounds: usize, quick: bool, cores: (u32, u32)) -> Result<Self> {
        let making = BenchError::io(format!("making the folder {}", disk.display()));
        std::fs::create_dir_all(disk).map_err(making)?;
        let work = tempfile::Builder::new().prefix("bailiwick-bench.").tempdir_in(disk);
        let work = work.map_err(BenchError::io(format!("making a folder in {}", disk.display())))?;
        let round = Duration::from_secs(if quick { 1 } else { 10 });
        let events = if quick { 200_000 } else { 10_000_000 };
        let ((server_core, load_core), disturbance) = (cores, Cell::new(0.0));
        Ok(Self { root, rounds, round, quick, server_core, load_core, events, work, disturbance })
    }

    /// Looks, before a measurement, how busy the two cores are without it.
    pub fn look_around(&self) -> Result<()> {
        let cores = [self.server_core, self.load_core];
        let before = CoreTicks::now(cores)?;
        pause(LOOK);
        let busy = CoreTicks::now(cores)?.busy_since(before);
        self.disturbance.set(self.disturbance.get().max(busy));
        Ok(())
    }

    pub fn disturbance(&self) -> f64 {
        self.disturbance.get()
    }

    pub fn work(&self) -> &Path {
        self.work.path()
    }

    pub fn tools(&self) -> PathBuf {
        std::env::var_os("BAILIWICK_TOOLS").map_or_else(|| self.root.join(".tools"), PathBuf::from)
    }

    /// Appends to the audit ledger, in a process of its own on the server's core.
    pub fn audit_append(&self, load: Load) -> Result<AppendRun> {
        let folder = self.work().to_string_lossy();
        let [events, writers, batch] =
            [load.events, load.writers, load.events_per_write].map(|n| n.to_string());
        self.probe(&[
            "audit-append",
            "--folder",
            &folder,
            "--events",
            &events,
            "--writers",
            &writers,
            "--batch",
            &batch,
        ])
    }

    /// Runs a probe of this program on the server's core.
    fn probe<T: DeserializeOwned>(&self, arguments: &[&str]) -> Result<T> {
        let program = std::env::current_exe().map_err(BenchError::io("finding this program"))?;
        let mut command = process::pinned(self.server_core, program);
        let millis = self.round.as_millis().min(5_000).to_string();
        command.args(["probe", "--millis", &millis]).args(arguments);
        process::json(&mut command)
    }

    /// Seconds of a full run of the matrix on the server's core.
    pub fn matrix(&self, data: &Path) -> Result<f64> {
        self.probe(&["matrix", "--data", &data.to_string_lossy()])
    }

    /// Hashes a second on the server's core, arena re-used.
    pub fn argon2(&self, cost: HashCost) -> Result<f64> {
        let (memory, iterations) = (cost.memory_kib.to_string(), cost.iterations.to_string());
        self.probe(&["argon2", "--memory", &memory, "--iterations", &iterations])
    }

    /// ES256 tokens signed a second on the server's core.
    pub fn es256(&self) -> Result<f64> {
        self.probe(&["es256"])
    }

    /// ES256 signatures verified a second on the server's core.
    pub fn es256_verify(&self) -> Result<f64> {
        self.probe(&["es256-verify"])
    }

    /// SAML sign-ins verified a second on the server's core.
    pub fn saml(&self, folder: &Path) -> Result<SamlRun> {
        self.probe(&["saml", "--folder", &folder.to_string_lossy()])
    }

    /// Median milliseconds of an fdatasync on the measured disk.
    pub fn fdatasync_ms(&self) -> Result<f64> {
        self.probe(&["fdatasync", "--folder", &self.work().to_string_lossy()])
    }

    /// Durable one-row transactions a second on the server's core.
    pub fn sqlite_transactions(&self) -> Result<f64> {
        self.probe(&["sqlite-transactions", "--folder", &self.work().to_string_lossy()])
    }

    /// Rows a second in durable batches on the server's core.
    pub fn sqlite_rows(&self) -> Result<f64> {
        self.probe(&["sqlite-rows", "--folder", &self.work().to_string_lossy()])
    }
}
