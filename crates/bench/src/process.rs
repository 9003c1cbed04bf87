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

/// What `/proc/cpuinfo` calls the processor, with the number of cores: enough to tell two tables apart.
pub fn machine() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split_once(':'));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
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
    fn resident_memory_is_read_from_its_line() {
        assert_eq!(resident_kib("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t  2048 kB\n"), Some(2048.0));
        assert_eq!(resident_kib("Name:\tx\n"), None);
        assert!(resident_mib(std::process::id()).unwrap() > 0.5);
    }
}
