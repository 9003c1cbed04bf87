//! What goes wrong around the program: each ends in one clear sentence with the cure, an exit code, and nothing lost.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use testkit::program::{self, Ended, Program, ask, free_port};

pub const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
pub const PASSWORD: &str = "seven grey herons over the weir";

/// A folder with an installation that is set up, and its port.
pub struct Place {
    pub folder: TempDir,
    pub port: u16,
}

impl Place {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), port: free_port() }
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::command(BINARY, self.folder.path());
        command.args(arguments);
        command
    }

    pub fn serve(&self, more: &[&str]) -> Command {
        let mut command = self.command(&["serve", "--data", "data", "--set", "password_memory_kib=8192"]);
        command.args(["--set", "rate_limit_percent=0", "--set", "mailbox=mail"]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--public-url", &format!("http://localhost:{}", self.port)]).args(more);
        command
    }

    /// Starts it the first time, sets it up and lets it run.
    pub async fn set_up(&self) -> Program {
        let mut program = Program::start(self.serve(&[]));
        let link = program.says("set up this installation: ").await;
        program.ready(self.port).await;
        program::set_up(self.port, &link, PASSWORD).await;
        program
    }

    pub async fn run(&self, arguments: &[&str]) -> Ended {
        Program::start(self.command(arguments)).end().await
    }

    fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("data/bailiwick.db")
    }

    async fn refused(&self, code: i32, words: &[&str]) {
        self.refuses(self.serve(&[]), code, words).await;
    }

    async fn refuses(&self, command: Command, code: i32, words: &[&str]) {
        let ended = Program::start(command).end().await;
        sentence(&ended, code, words);
    }
}

/// One line that says what is wrong and how to mend it.
#[track_caller]
fn sentence(ended: &Ended, code: i32, words: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.starts_with("error:")).collect();
    assert_eq!(errors.len(), 1, "one sentence: {ended:?}");
    assert!(errors[0].len() < 400, "a sentence, not a page: {}", errors[0]);
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    for word in words {
        assert!(ended.stderr.contains(word), "`{word}` is not said: {}", ended.stderr);
    }
}

#[tokio::test]
async fn a_port_in_use() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind(("127.0.0.1", place.port)).expect("the port");
    place.refused(1, &[&place.port.to_string(), "in use", "--listen"]).await;
    drop(taken);
    assert!(!place.database().exists(), "nothing was made on the way");
}

#[tokio::test]
async fn an_unknown_option() {
    let place = Place::new();
    place.refuses(place.command(&["serve", "--lisen", "127.0.0.1:1"]), 2, &["--lisen", "--listen"]).await;
    place.refuses(place.command(&["serve", "--set", "lisen=127.0.0.1:1"]), 2, &["lisen", "listen"]).await;
    place
        .refuses(
            place.command(&["serve", "--set", "drain_seconds=soon"]),
            2,
            &["drain_seconds", "whole number"],
        )
        .await;
    place.refuses(place.command(&["serve", "--database", "mysql://x"]), 2, &["sqlite:", "postgres://"]).await;
}

#[tokio::test]
async fn an_unknown_key_and_broken_toml() {
    let place = Place::new();
    let file = place.folder.path().join("bailiwick.toml");
    std::fs::write(&file, "# ours\nlisten_on = \"127.0.0.1:1\"\n").unwrap();
    place.refused(2, &["listen_on", "line 2", "`listen`"]).await;
    std::fs::write(&file, "listen = \"127.0.0.1:1\n").unwrap();
    place.refused(2, &["bailiwick.toml", "line 1"]).await;
    std::fs::write(&file, "drain_seconds = \"5\"\n").unwrap();
    place.refused(2, &["drain_seconds", "without quotes", "line 1"]).await;
    place.refuses(place.command(&["serve", "--config", "nowhere.toml"]), 2, &["nowhere.toml"]).await;
    place.refuses(place.command(&["config", "check"]), 2, &["drain_seconds"]).await;
}

#[tokio::test]
async fn a_data_folder_that_is_none() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("data"), "a file").unwrap();
    place.refused(1, &["data folder", "--data DIR"]).await;
}

/// The binary where everybody may run it, for tests that give up the rights of root.
fn lend(place: &Place) -> String {
    use std::os::unix::fs::PermissionsExt;
    let lent = place.folder.path().join("bailiwick");
    std::fs::copy(BINARY, &lent).expect("a copy");
    std::fs::set_permissions(&lent, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(place.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    lent.display().to_string()
}

fn as_nobody(place: &Place, binary: &str) -> Command {
    let wanted = place.serve(&[]);
    let mut command = program::command(binary, place.folder.path());
    command.args(wanted.get_args());
    program::unprivileged(&mut command);
    command
}

#[tokio::test]
async fn a_folder_and_a_database_that_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.set_up().await.stop().await;
    let binary = lend(&place);
    let data = place.folder.path().join("data");
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    // Files that may be read and a folder that may not be written.
    for entry in std::fs::read_dir(&data).unwrap() {
        set(&entry.unwrap().path(), 0o444);
    }
    set(&data, 0o555);
    let before = std::fs::read(place.database()).unwrap();
    place.refuses(as_nobody(&place, &binary), 1, &["read-only", "writable"]).await;
    assert_eq!(std::fs::read(place.database()).unwrap(), before, "nothing was changed");
    // A folder that cannot even be made.
    std::fs::rename(&data, place.folder.path().join("elsewhere")).unwrap();
    set(place.folder.path(), 0o555);
    place.refuses(as_nobody(&place, &binary), 1, &["data folder", "--data DIR"]).await;
    set(place.folder.path(), 0o755);
}

#[tokio::test]
async fn a_database_that_another_program_holds() {
    let place = Place::new();
    place.set_up().await.stop().await;
    let holder = rusqlite::Connection::open(place.database()).expect("the database");
    holder.execute_batch("begin exclusive").expect("the lock");
    place.refused(1, &["locked by another program"]).await;
    holder.execute_batch("rollback").expect("the lock is given back");
    drop(holder);
    let mut again = Program::start(place.serve(&[]));
    again.ready(place.port).await;
}

#[tokio::test]
async fn a_schema_of_a_newer_version() {
    let place = Place::new();
    place.set_up().await.stop().await;
    let connection = rusqlite::Connection::open(place.database()).expect("the database");
    let newer = platform::db::migrate::newest() + 1;
    connection.execute("insert into schema_migrations values (?1, 'tomorrow', '00', 0)", [newer]).unwrap();
    place.refused(1, &[&format!("schema {newer}"), "newer version of bailiwick"]).await;
    connection.execute("delete from schema_migrations where number = ?1", [newer]).unwrap();
    connection.execute("update schema_migrations set checksum = 'ff' where number = 1", []).unwrap();
    place.refused(1, &["migration 1 was changed"]).await;
}

#[tokio::test]
async fn a_file_that_is_no_database() {
    let place = Place::new();
    std::fs::create_dir(place.folder.path().join("data")).unwrap();
    std::fs::write(place.database(), "a letter to somebody, much longer than a header would be".repeat(40))
        .unwrap();
    let before = std::fs::read(place.database()).unwrap();
    place.refused(1, &["damaged", "backup"]).await;
    assert_eq!(std::fs::read(place.database()).unwrap(), before, "nothing was changed");
}

#[tokio::test]
async fn a_master_key_that_is_open_missing_or_another() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    place.set_up().await.stop().await;
    let key = place.folder.path().join("data/master.key");
    let right = std::fs::read(&key).expect("the key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.refused(1, &["master.key", "read by others", "chmod 600"]).await;
    std::fs::remove_file(&key).unwrap();
    place.refused(1, &["master.key", "is missing", "backup"]).await;
    assert!(!key.exists(), "no new key takes its place");
    std::fs::write(&key, "not a key\n").unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    place.refused(1, &["master.key", "base64"]).await;
    std::fs::write(&key, right).unwrap();
    let mut again = Program::start(place.serve(&[]));
    again.ready(place.port).await;
}

/// Runs `script` in a mount namespace of its own, where it may mount; `None` where this machine allows none.
fn with_small_disk(place: &Place, size: &str, arguments: &Command) -> Option<Command> {
    let unshare = ["--mount", "--user", "--map-root-user"];
    let probe = Command::new("unshare").args(unshare).args(["mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "skipped: a full disk needs a file system of its own, and this machine lets nobody mount one"
        );
        return None;
    }
    let mut command = program::command("unshare", place.folder.path());
    let script = format!("mkdir -p data && mount -t tmpfs -o size={size} none data && exec \"$0\" \"$@\"");
    command.args(unshare).args(["sh", "-c", &script, BINARY]).args(arguments.get_args());
    Some(command)
}

#[tokio::test]
async fn a_disk_that_is_full_at_the_start() {
    let place = Place::new();
    let Some(command) = with_small_disk(&place, "128k", &place.serve(&[])) else { return };
    place.refuses(command, 1, &["disk is full", "free some space"]).await;
}

/// A disk that fills up under a running server: writes are refused in words, reads go on, nothing acknowledged is lost.
#[tokio::test]
async fn a_disk_that_fills_up() {
    let place = Place::new();
    let Some(command) = with_small_disk(&place, "12m", &place.serve(&[])) else { return };
    let mut program = Program::start(command);
    let link = program.says("set up this installation: ").await;
    program.ready(place.port).await;
    program::set_up(place.port, &link, PASSWORD).await;
    let cookie = sign_in(place.port).await;
    let origin = format!("http://localhost:{}", place.port);
    let page = ask(place.port, "GET", "/o/northwind/groups/new", &[("Cookie", &cookie)], "")
        .await
        .unwrap()
        .expect(200);
    let html = page.text();
    let csrf = html.split_once("name=\"csrf\" value=\"").and_then(|(_, rest)| rest.split('"').next());
    let csrf = csrf.expect("a form").to_owned();
    let cookie = format!("{cookie}; {}", page.cookies().join("; "));
    let headers = [
        ("Cookie", cookie.as_str()),
        ("Origin", origin.as_str()),
        ("X-CSRF-Token", csrf.as_str()),
        ("Content-Type", "application/json"),
    ];
    let mut kept = Vec::new();
    let filler = "x".repeat(480);
    let refusal = loop {
        let body = format!("{{\"name\":\"group {}\",\"description\":\"{filler}\"}}", kept.len());
        let path = "/api/v1/organizations/northwind/groups";
        let reply = ask(place.port, "POST", path, &headers, &body).await.expect("an answer");
        match reply.status {
            201 => kept.push(reply.json()["id"].as_str().expect("an id").to_owned()),
            _ => break reply,
        }
        assert!(kept.len() < 20_000, "the disk never filled up");
    };
    assert_eq!(refusal.status, 503, "{}", refusal.text());
    assert!(
        refusal.text().contains("the disk is full; nothing of this request was stored"),
        "{}",
        refusal.text()
    );
    assert!(kept.len() > 100, "only {} writes fitted", kept.len());
    for id in kept.iter().rev().take(50) {
        let path = format!("/api/v1/organizations/northwind/groups/{id}");
        ask(place.port, "GET", &path, &headers, "").await.expect("an answer").expect(200);
    }
    let _ = program.stop().await;
}

/// Signs the provider's owner in; gives the cookies.
pub async fn sign_in(port: u16) -> String {
    let body = format!("{{\"email\":\"owner@northwind.example\",\"password\":\"{PASSWORD}\"}}");
    let headers = [("Content-Type", "application/json")];
    let reply = ask(port, "POST", "/api/v1/sessions", &headers, &body).await.expect("an answer");
    assert!(reply.status < 300, "{}", reply.text());
    reply.cookies().join("; ")
}
