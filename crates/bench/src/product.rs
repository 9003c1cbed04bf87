//! Our own server under measurement: the release build, on the server's core, with its default settings except that
//! rate limits are off (the load comes from one address) and the password cost is the run's.

use std::fs::OpenOptions;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::{BenchError, Result};
use crate::hashing::HashCost;
use crate::http::{Connection, Response};
use crate::load::pause;
use crate::process;
use crate::setup::Setup;

const START_MAX: Duration = Duration::from_secs(120);
const STOP_MAX: Duration = Duration::from_secs(60);

/// The release build; a debug build would measure the compiler's mood.
pub fn program(setup: &Setup) -> Result<PathBuf> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| setup.root.join("target"), PathBuf::from);
    let program = target.join("release/bailiwick");
    if program.exists() {
        return Ok(program);
    }
    Err(missing("no release build of the server; run `cargo build --release -p bailiwick`"))
}

pub fn missing(why: &str) -> BenchError {
    BenchError::NotMeasured(why.to_owned())
}

/// A running server; ends when this goes.
pub struct Server {
    child: Child,
    pub url: String,
    /// From before its process was made to its first `/readyz`.
    pub start_ms: f64,
}

impl Server {
    pub fn start(setup: &Setup, data: &Path, cost: HashCost) -> Result<Self> {
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let path = setup.work().join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let log = log.map_err(BenchError::io(format!("opening {}", path.display())))?;
        let mut command = process::pinned(setup.server_core, program(setup)?);
        command.current_dir(setup.work()).arg("serve").arg("--data").arg(data).args(["--listen", &address]);
        for setting in [
            "rate_limit_percent=0".to_owned(),
            format!("password_memory_kib={}", cost.memory_kib),
            format!("password_passes={}", cost.iterations),
        ] {
            command.arg("--set").arg(setting);
        }
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        let child = child.map_err(BenchError::io("starting the server"))?;
        let mut server = Self { child, url: format!("http://{address}"), start_ms: 0.0 };
        server.await_ready(&path, began)?;
        Ok(server)
    }

    fn await_ready(&mut self, log: &Path, began: Instant) -> Result<()> {
        while began.elapsed() < START_MAX {
            if Connection::new(&self.url).get("/readyz", &[]).is_ok_and(|answer| answer.status == 200) {
                self.start_ms = began.elapsed().as_secs_f64() * 1e3;
                return Ok(());
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            pause(Duration::from_millis(1));
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        Err(BenchError::Program { program: "bailiwick serve".to_owned(), why: reason(&said).to_owned() })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Transactions that the store has committed since the start. Each is one sync of its log, whatever was gathered in it.
    pub fn commits(&self) -> Result<f64> {
        let page = Connection::new(&self.url).get("/metrics", &[])?.expect("/metrics", 200)?;
        commits(&page.text()).ok_or_else(|| missing("the server does not count its commits"))
    }

    /// SIGKILL, as a power cut ends it as far as the process is concerned.
    pub fn kill_minus_nine(mut self) -> Result<()> {
        let killed = self.child.kill().and_then(|()| self.child.wait().map(drop));
        killed.map_err(BenchError::io("killing the server"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // A failure here shows below: the process is still there.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let began = Instant::now();
        while began.elapsed() < STOP_MAX {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            pause(Duration::from_millis(10));
        }
        eprintln!("the server did not drain within a minute and is killed");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn commits(metrics: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix("bailiwick_db_group_size_count ")?.trim().parse().ok())
}

/// Why a server ended, of what it wrote: its last error or panic, else its last line.
fn reason(log: &str) -> &str {
    let lines: Vec<&str> = log.lines().collect();
    let told = lines.iter().enumerate().rev().find_map(|(index, line)| {
        if line.contains("panicked at") {
            return lines.get(index + 1).copied();
        }
        line.starts_with("error:").then_some(*line)
    });
    told.or(lines.last().copied()).unwrap_or("it said nothing")
}

/// Another program can take it in between; the server then says so and the line fails.
fn free_port() -> Result<u16> {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    port.map(|address| address.port()).map_err(BenchError::io("looking for a free port"))
}

/// What the server itself says the answer took, in milliseconds (`Server-Timing: app;dur=…`).
pub fn server_ms(response: &Response) -> Result<f64> {
    let header = response.header("server-timing").unwrap_or_default();
    let duration = header.split("dur=").nth(1).and_then(|text| text.split([',', ';']).next());
    duration.and_then(|text| text.trim().parse().ok()).ok_or_else(|| BenchError::Answer {
        what: "the header Server-Timing".to_owned(),
        got: header.to_owned(),
        expected: "app;dur=MILLISECONDS".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ended_says_why() {
        assert_eq!(reason("INFO a\nerror: no port\nINFO b"), "error: no port");
        assert_eq!(
            reason("thread 'main' panicked at x.rs:1:\ntwo routes\nstack backtrace:\n 0: f"),
            "two routes"
        );
        assert_eq!(reason("INFO a"), "INFO a");
        assert_eq!(reason(""), "it said nothing");
    }

    #[test]
    fn commits_are_read_from_the_metrics() {
        let page = "# TYPE x summary\nbailiwick_db_group_size_sum 9\nbailiwick_db_group_size_count 4\n";
        assert_eq!(commits(page), Some(4.0));
        assert_eq!(commits("other 1\n"), None);
    }

    #[test]
    fn the_servers_time_is_read_from_its_header() {
        let headers = vec![("server-timing".to_owned(), "app;dur=1.25, db;dur=9".to_owned())];
        let response = Response { status: 200, headers, body: Vec::new() };
        assert!((server_ms(&response).unwrap() - 1.25).abs() < 1e-9);
        assert!(server_ms(&Response::default()).is_err());
    }
}
