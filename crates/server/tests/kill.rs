//! `kill -9` while the program writes: what it acknowledged is there afterwards, once, and the ledger is whole.
//!
//! `BAILIWICK_KILLS` says how often (20 when not set; the full run kills 200 times on each database).

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use platform::db::DatabaseUrl;
use tempfile::TempDir;
use testkit::program::{self, Program, ask, free_port};

const BINARY: &str = env!("CARGO_BIN_EXE_bailiwick");
const GROUPS: &str = "/api/v1/organizations/northwind/groups";
const WRITERS: u64 = 8;
/// After how many kills the whole ledger is exported and recomputed.
const LEDGER_EVERY: u64 = 10;
const SEED: u64 = 0x6b69_6c6c_2d39_2121;

fn kills() -> u64 {
    std::env::var("BAILIWICK_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(20)
}

/// splitmix64 (Steele, Lea, Flood 2014): the same points of death in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

struct Installation {
    folder: TempDir,
    port: u16,
    database: Option<String>,
    token: String,
}

impl Installation {
    fn new(database: Option<String>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, port: free_port(), database, token: String::new() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program::command(BINARY, self.folder.path());
        command.args(arguments).args(["--data", "data"]);
        if let Some(database) = &self.database {
            command.args(["--database", database]);
        }
        command
    }

    fn start(&self) -> Program {
        let mut command = self.command(&["serve", "--set", "rate_limit_percent=0", "--set", "mailbox=mail"]);
        command.args(["--set", "password_memory_kib=8192", "--set", "log_level=warn"]);
        command.args(["--listen", &format!("127.0.0.1:{}", self.port)]);
        command.args(["--public-url", &format!("http://localhost:{}", self.port)]);
        Program::start(command)
    }

    async fn run(&self, arguments: &[&str]) -> String {
        let ended = Program::start(self.command(arguments)).end().await;
        assert_eq!(ended.code, Some(0), "{arguments:?}: {ended:?}");
        ended.stdout
    }

    async fn set_up(&mut self) -> Program {
        let mut program = self.start();
        let link = program.says("set up this installation: ").await;
        program.ready(self.port).await;
        program::set_up(self.port, &link, "seven grey herons over the weir").await;
        let scopes = "people.read,people.manage,audit.read";
        let made =
            self.run(&["token", "create", "--organization", "northwind", "--scopes", scopes, "--json"]).await;
        let made: serde_json::Value = serde_json::from_str(&made).expect("JSON");
        self.token = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
        program
    }

    async fn get(&self, path: &str) -> program::Reply {
        ask(self.port, "GET", path, &[("Authorization", &self.token)], "").await.expect("an answer")
    }

    /// Names of all groups, in pages.
    async fn groups(&self) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.get(&format!("{GROUPS}?limit=200{cursor}")).await.expect(200).json();
            names.extend(
                page["items"]
                    .as_array()
                    .expect("items")
                    .iter()
                    .map(|group| group["name"].as_str().expect("a name").to_owned()),
            );
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return names,
            }
        }
    }

    /// Exports the ledger while the server runs and recomputes it; gives the groups it says were made.
    async fn ledger(&self) -> Vec<String> {
        self.run(&["audit", "export", "--organization", "northwind", "--to", "ledger.jsonl"]).await;
        let bytes = std::fs::read(self.folder.path().join("ledger.jsonl")).expect("the export");
        let verified = ledger::verify_export(bytes.as_slice()).expect("the ledger is whole");
        let head = self.get("/api/v1/organizations/northwind/audit/checkpoint").await.expect(200).json();
        assert_eq!(head["size"].as_u64(), Some(verified.entries), "the export is the whole ledger");
        let text = String::from_utf8(bytes).expect("text");
        text.lines().filter(|line| line.contains("group.created")).map(str::to_owned).collect()
    }
}

/// What the writers were told.
#[derive(Default)]
struct Told {
    /// Name and id of every group whose making was acknowledged.
    acknowledged: Vec<(String, String)>,
    asked: u64,
}

/// Writes until the server is gone.
async fn write(
    port: u16,
    token: String,
    writer: u64,
    next: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
) {
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    while !stop.load(Ordering::Relaxed) {
        let name = format!("group {:08} of {writer}", next.fetch_add(1, Ordering::Relaxed));
        told.lock().expect("told").asked += 1;
        let reply = ask(port, "POST", GROUPS, &headers, &format!("{{\"name\":\"{name}\"}}")).await;
        match reply {
            Ok(reply) if reply.status == 201 => {
                let id = reply.json()["id"].as_str().expect("an id").to_owned();
                told.lock().expect("told").acknowledged.push((name, id));
            }
            Ok(reply) => panic!("the server refused: {} {}", reply.status, reply.text()),
            Err(_) => return,
        }
    }
}

/// When a life ends.
struct Death {
    after: Duration,
    /// Counted from the first acknowledgement, or else from the first request.
    answered: bool,
}

/// One life of the server: writers come, the server dies under them. Gives what it acknowledged.
async fn live_and_die(
    place: &Installation,
    program: &mut Program,
    next: &Arc<AtomicU64>,
    death: Death,
) -> Told {
    let told = Arc::new(Mutex::new(Told::default()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(
            place.port,
            place.token.clone(),
            writer,
            next.clone(),
            stop.clone(),
            told.clone(),
        ));
    }
    let none = || told.lock().expect("told").acknowledged.is_empty();
    let mut looks = 0;
    while death.answered && none() {
        looks += 1;
        assert!(looks < 20_000, "nothing was ever acknowledged: {}", program.stderr());
        // real time: another process works.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // real time: a process is killed at some moment of its work, which only the real clock can choose.
    tokio::time::sleep(death.after).await;
    program.kill();
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = writers.join_next().await {
        ended.expect("a writer");
    }
    Arc::into_inner(told).expect("writers have ended").into_inner().expect("told")
}

async fn kill_many_times(mut place: Installation, engine: &str) {
    let (kills, mut dice) = (kills(), Dice(SEED));
    let mut program = place.set_up().await;
    let next = Arc::new(AtomicU64::new(0));
    let (mut all, mut asked) = (BTreeSet::new(), 0);
    let mut starts = Vec::new();
    for kill in 1..=kills {
        let death = Death { answered: dice.below(4) > 0, after: Duration::from_millis(dice.below(300)) };
        let told = live_and_die(&place, &mut program, &next, death).await;
        asked += told.asked;
        program = place.start();
        // Some die while they start.
        if dice.below(8) == 0 {
            // real time: as above, while it starts.
            tokio::time::sleep(Duration::from_millis(dice.below(120))).await;
            program.kill();
            program = place.start();
        }
        starts.push(program.ready(place.port).await);
        for (name, id) in told.acknowledged {
            let found = place.get(&format!("{GROUPS}/{id}")).await;
            assert_eq!(found.status, 200, "kill {kill}: `{name}` was acknowledged and is gone");
            assert_eq!(found.json()["name"], name.as_str());
            all.insert(name);
        }
        if kill % LEDGER_EVERY == 0 || kill == kills {
            check_all(&place, &all, kill).await;
        }
    }
    starts.sort();
    println!(
        "{engine}: {kills} kills, {} of {asked} writes acknowledged, none lost; start again: median {:?}, worst {:?}",
        all.len(),
        starts[starts.len() / 2],
        starts[starts.len() - 1]
    );
    assert!(all.len() as u64 >= kills, "too few writes to say anything: {}", all.len());
    program.stop().await;
}

/// The name of the group that a line of the export is about.
fn group_in(line: &str) -> String {
    let at = line.find("\"group ").unwrap_or_else(|| panic!("no group in {line}")) + 1;
    line[at..].split('"').next().unwrap_or_default().to_owned()
}

/// Everything acknowledged is there once, and the ledger tells the same story as the tables.
async fn check_all(place: &Installation, acknowledged: &BTreeSet<String>, kill: u64) {
    let names = place.groups().await;
    let unique: BTreeSet<String> = names.iter().cloned().collect();
    assert_eq!(unique.len(), names.len(), "kill {kill}: a group stands twice");
    let lost: Vec<_> = acknowledged.difference(&unique).collect();
    assert!(lost.is_empty(), "kill {kill}: lost {lost:?}");
    let told = place.ledger().await;
    assert_eq!(told.len(), names.len(), "kill {kill}: as many events as groups");
    let recorded: BTreeSet<String> = told.iter().map(|line| group_in(line)).collect();
    assert_eq!(recorded, unique, "kill {kill}: the ledger and the tables tell two stories");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: ./test kill"]
async fn kill_nine_loses_nothing_on_sqlite() {
    kill_many_times(Installation::new(None), "SQLite").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: ./test kill"]
async fn kill_nine_loses_nothing_on_postgresql() {
    let Some(server) = testkit::database::postgres_server() else { return };
    let database = testkit::database::postgres(&server).await;
    let DatabaseUrl::Postgres(dsn) = database.url.clone() else { panic!("not PostgreSQL") };
    kill_many_times(Installation::new(Some(dsn)), "PostgreSQL").await;
    database.remove().await;
}
