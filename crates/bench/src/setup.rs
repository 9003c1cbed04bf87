//! How a run is made: rounds, cores, folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::{BenchError, Result};
use crate::hashing::HashCost;
use crate::process;

pub struct Setup {
    /// The repository's root: `bench-peers/`, `docs/`, `target/` are found from it.
    pub root: PathBuf,
    pub rounds: usize,
    pub round: Duration,
    /// Leaves out the peers that need a big install, and takes shorter rounds.
    pub quick: bool,
    pub server_core: u32,
    pub load_core: u32,
    work: TempDir,
}

impl Setup {
    /// `disk` is where databases and logs are laid; what is synced there is what is measured.
    pub fn new(root: PathBuf, disk: &Path, rounds: usize, quick: bool, cores: (u32, u32)) -> Result<Self> {
        let work = tempfile::Builder::new().prefix("bailiwick-bench.").tempdir_in(disk);
        let work = work.map_err(BenchError::io(format!("making a folder in {}", disk.display())))?;
        let round = Duration::from_secs(if quick { 3 } else { 10 });
        Ok(Self { root, rounds, round, quick, server_core: cores.0, load_core: cores.1, work })
    }

    pub fn work(&self) -> &Path {
        self.work.path()
    }

    pub fn tools(&self) -> PathBuf {
        std::env::var_os("BAILIWICK_TOOLS").map_or_else(|| self.root.join(".tools"), PathBuf::from)
    }

    /// Runs a probe of this program on the server's core.
    fn probe(&self, arguments: &[&str]) -> Result<f64> {
        let program = std::env::current_exe().map_err(BenchError::io("finding this program"))?;
        let mut command = process::pinned(self.server_core, program);
        let millis = self.round.as_millis().min(5_000).to_string();
        command.args(["probe", "--millis", &millis]).args(arguments);
        process::json(&mut command)
    }

    /// Hashes a second on the server's core, arena re-used.
    pub fn argon2(&self, cost: HashCost) -> Result<f64> {
        let (memory, iterations) = (cost.memory_kib.to_string(), cost.iterations.to_string());
        self.probe(&["argon2", "--memory", &memory, "--iterations", &iterations])
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
