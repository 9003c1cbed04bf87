//! Programs beside this one: pinned to a core, known by their id, ended when their guard goes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::error::{BenchError, Result};
use crate::load::pause;

/// How long a program has to clear up after itself before it is killed.
const FAREWELL: Duration = Duration::from_secs(60);

/// `program`, on one core.
pub fn pinned(core: u32, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("--cpu-list").arg(core.to_string()).arg(program);
    command
}

/// Puts this process (before it starts threads) onto one core.
pub fn pin_self(core: u32) -> Result<()> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "--pid", &core.to_string(), &std::process::id().to_string()]);
    output(&mut command).map(drop)
}

/// Runs to the end and gives the standard output; standard error goes to ours.
pub fn output(command: &mut Command) -> Result<String> {
    let program = name(command);
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.map_err(BenchError::io(format!("starting `{program}`")))?;
    if !output.status.success() {
        return Err(BenchError::Program { program, why: format!("{}; its message is above", output.status) });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// [`output`], read as one JSON value.
pub fn json<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    Ok(serde_json::from_str(&output(command)?)?)
}

/// A program that says one line of JSON when it is ready, serves until its standard input closes, and then clears up.
pub struct Served {
    child: Child,
    input: Option<ChildStdin>,
}

impl Served {
    pub fn start<T: DeserializeOwned>(command: &mut Command) -> Result<(Self, T)> {
        let program = name(command);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn();
        let mut child = child.map_err(BenchError::io(format!("starting `{program}`")))?;
        let (input, out) = (child.stdin.take(), child.stdout.take());
        let served = Self { child, input };
        let mut line = String::new();
        if let Some(out) = out {
            BufReader::new(out)
                .read_line(&mut line)
                .map_err(BenchError::io(format!("reading from `{program}`")))?;
        }
        if line.is_empty() {
            return Err(BenchError::Program { program, why: "it ended before it was ready".to_owned() });
        }
        Ok((served, serde_json::from_str(&line)?))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.input.take());
        let began = Instant::now();
        while began.elapsed() < FAREWELL {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(50));
        }
        eprintln!("process {} did not end by itself and is killed", self.child.id());
        // Nothing can be done about a failure here, and the process may have ended meanwhile.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident memory of a process in MiB.
pub fn resident_mib(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    resident_kib(&status).map(|kib| kib / 1024.0).ok_or_else(|| BenchError::Answer {
        what: path,
        got: "no line VmRSS".to_owned(),
        expected: "VmRSS: N kB".to_owned(),
    })
}

fn resident_kib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Busy and total clock ticks of some cores since the machine started.
#[derive(Clone, Copy)]
pub struct CoreTicks {
    busy: u64,
    total: u64,
}

impl CoreTicks {
    pub fn now(cores: [u32; 2]) -> Result<Self> {
        let stat = std::fs::read_to_string("/proc/stat").map_err(BenchError::io("reading /proc/stat"))?;
        Ok(core_ticks(&stat, cores))
    }

    /// The share of the time since `earlier` in which the cores worked, or were kept by another guest.
    pub fn busy_since(self, earlier: Self) -> f64 {
        let total = self.total.saturating_sub(earlier.total).max(1);
        self.busy.saturating_sub(earlier.busy) as f64 / total as f64
    }
}

/// proc(5): user nice system idle iowait irq softirq steal; what follows is counted in them already.
fn core_ticks(stat: &str, cores: [u32; 2]) -> CoreTicks {
    let mut sum = CoreTicks { busy: 0, total: 0 };
    for line in stat.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        if !cores.iter().any(|core| name == format!("cpu{core}")) {
            continue;
        }
        let ticks: Vec<u64> = words.take(8).map(|word| word.parse().unwrap_or(0)).collect();
        let total: u64 = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        sum.total += total;
        sum.busy += total - idle;
    }
    sum
}

/// What `/proc/cpuinfo` calls the processor, with the number of cores: enough to tell two tables apart.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    // Not `available_parallelism`: this process is pinned and would count one.
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    format!("{}, {cores} cores", model.map_or("an unnamed processor", |(_, name)| name.trim()))
}

fn name(command: &Command) -> String {
    let program = Path::new(command.get_program()).display().to_string();
    let arguments: Vec<_> = command.get_args().take(3).map(|argument| argument.to_string_lossy()).collect();
    format!("{program} {}", arguments.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_served_program_ends_when_its_guard_goes() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo '{\"url\":\"here\"}'; cat >/dev/null"]);
        let (served, ready) = Served::start::<serde_json::Value>(&mut command).unwrap();
        assert_eq!(ready["url"], "here");
        let pid = served.child.id();
        drop(served);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[test]
    fn a_program_that_ends_early_is_an_error() {
        assert!(Served::start::<serde_json::Value>(Command::new("sh").args(["-c", "exit 3"])).is_err());
        assert!(output(Command::new("sh").args(["-c", "exit 3"])).is_err());
    }

    #[test]
    fn a_cores_work_is_all_but_idle_and_waiting_for_the_disk() {
        let before = core_ticks(
            "cpu 9 9 9 9 9 9 9 9\ncpu0 10 0 10 100 20 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0",
            [0, 1],
        );
        let after =
            core_ticks("cpu0 15 0 10 110 25 0 0 5 0 0\ncpu1 0 0 0 75 0 0 0 0 0 0\ncpu2 99 9 9 9", [0, 1]);
        assert!((after.busy_since(before) - 0.1).abs() < 1e-9, "{}", after.busy_since(before));
    }

    #[test]
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(resident_kib("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t  2048 kB\n"), Some(2048.0));
        assert_eq!(resident_kib("Name:\tx\n"), None);
        assert!(resident_mib(std::process::id()).unwrap() > 0.5);
    }
}
