//! The real program as a process of its own, for tests whose subject is the process: bad starts, `kill -9`, logs.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long anything may take before the test gives up on it.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A command that starts in `folder`, without the settings of whoever runs the tests.
pub fn command(binary: &str, folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command.current_dir(folder).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BAILIWICK_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the command as a user whom file permissions bind; root is not bound.
pub fn unprivileged(command: &mut Command) {
    const NOBODY: u32 = 65_534;
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// A port of 127.0.0.1 that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A running process; killed when dropped.
pub struct Program {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

/// A process that has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let stdout = listen(child.stdout.take().expect("its output"));
        let stderr = listen(child.stderr.take().expect("its errors"));
        Self { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn stdout(&self) -> String {
        self.stdout.lock().map(|text| text.clone()).unwrap_or_default()
    }

    pub fn stderr(&self) -> String {
        self.stderr.lock().map(|text| text.clone()).unwrap_or_default()
    }

    /// Waits until the server on `port` says that it is ready; fails the test when the program ends before.
    pub async fn ready(&mut self, port: u16) -> Duration {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("the program ended ({status}) before it was ready: {}", self.stderr());
            }
            if matches!(ask(port, "GET", "/readyz", &[], "").await, Ok(answer) if answer.status == 200) {
                return started.elapsed();
            }
            assert!(started.elapsed() < PATIENCE, "not ready in time: {}", self.stderr());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits for a line of standard output that starts with `start`, and gives the rest of it.
    pub async fn says(&mut self, start: &str) -> String {
        let began = Instant::now();
        loop {
            if let Some(rest) = self.stdout().lines().find_map(|line| line.strip_prefix(start)) {
                return rest.trim().to_owned();
            }
            assert!(began.elapsed() < PATIENCE, "never said `{start}`: {} {}", self.stdout(), self.stderr());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// `kill -9`: no goodbye.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("reaped");
    }

    /// Asks it to end and waits.
    pub async fn stop(self) -> Ended {
        let id = self.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("a signal");
        assert!(sent.success());
        self.end().await
    }

    /// Waits until it has ended by itself.
    pub async fn end(mut self) -> Ended {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return self.ended(status).await;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {}", self.stderr());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn ended(&self, status: ExitStatus) -> Ended {
        // The listeners end with the pipes, a moment after the process.
        while Arc::strong_count(&self.stdout) + Arc::strong_count(&self.stderr) > 2 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ended { code: status.code(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(pipe: impl Read + Send + 'static) -> Arc<Mutex<String>> {
    let heard = Arc::new(Mutex::new(String::new()));
    let text = heard.clone();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            if let Ok(mut text) = text.lock() {
                text.push_str(&String::from_utf8_lossy(&line));
                text.push('\n');
            }
        }
    });
    heard
}

/// What a server answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; fails the test with the body when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.text()))
    }

    /// Fails the test, showing the body, unless the status is `status`.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// `name=value` of every cookie it sets.
    pub fn cookies(&self) -> Vec<String> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"))
            .filter_map(|(_, value)| value.split(';').next().map(str::to_owned))
            .collect()
    }
}

/// One request on a connection of its own. An error means that no whole answer came: nothing was acknowledged.
pub async fn ask(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Reply> {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await?;
    let mut request =
        format!("{method} {path} HTTP/1.0\r\nHost: localhost:{port}\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "the answer is cut off");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(cut)?;
    let body = answer[end + 4..].to_vec();
    let announced = head.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    });
    if announced.is_some_and(|length| length != body.len()) {
        return Err(cut());
    }
    Ok(Reply { status, head, body })
}

/// Uses the set-up link: the provider `northwind` and its first owner.
pub async fn set_up(port: u16, link: &str, password: &str) {
    let path = format!("/{}", link.splitn(4, '/').nth(3).expect("a path"));
    let page = ask(port, "GET", &path, &[], "").await.expect("the page").expect(200);
    let html = page.text();
    let csrf = html.split_once("name=\"csrf\"").and_then(|(_, rest)| rest.split_once("value=\""));
    let csrf = csrf.and_then(|(_, rest)| rest.split('"').next()).expect("a form").to_owned();
    let body = format!(
        "provider=Northwind&email=owner%40northwind.example&name=Nora+Winter&password={}&csrf={csrf}",
        password.replace(' ', "+")
    );
    let cookies = page.cookies().join("; ");
    let origin = format!("http://localhost:{port}");
    let headers = [
        ("Cookie", cookies.as_str()),
        ("Origin", origin.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    ask(port, "POST", &path, &headers, &body).await.expect("an answer").expect(303);
}
