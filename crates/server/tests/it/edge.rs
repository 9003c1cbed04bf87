//! The program at the edge of the network: certificates by ACME against a real authority (pebble, which refuses nonces on
//! purpose), certificate files that change, the plain listener.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use testkit::program::{self, Program, ask, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::bad_start::Place;

const HOST: &str = "trust.northwind.example";
const PATIENCE: Duration = Duration::from_secs(90);
const WEEK: u64 = 7 * 86_400;

/// pebble and its DNS server, which `tools/provision.sh pebble` builds; `None` (and said) where they are not.
fn tools() -> Option<(PathBuf, PathBuf)> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.tools");
    let own = std::env::var_os("BAILIWICK_TOOLS").map_or(own, PathBuf::from).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| {
        let folders = std::iter::once(own.clone()).chain(std::env::split_paths(&path));
        folders.map(|folder| folder.join(name)).find(|file| file.is_file())
    };
    let found = find("pebble").zip(find("pebble-challtestsrv"));
    if found.is_none() {
        eprintln!(
            "skipped: no ACME authority to test with; `tools/provision.sh pebble` builds pebble where Go is"
        );
    }
    found
}

/// An authority of its own for one test.
struct Authority {
    folder: tempfile::TempDir,
    tools: (PathBuf, PathBuf),
    port: u16,
    management: u16,
    /// Where it looks whether a name leads to us.
    tls_port: u16,
    http_port: u16,
    ca: String,
    pebble: Option<Program>,
    _dns: Program,
    dns_port: u16,
}

impl Authority {
    async fn start(tls_port: u16, http_port: u16) -> Option<Self> {
        let tools = tools()?;
        let folder = tempfile::tempdir().unwrap();
        let ca = own_ca(folder.path());
        let dns_port = free_port();
        let mut dns = program::command(tools.1.to_str().unwrap(), folder.path());
        dns.args(["-dnsserver", &format!("127.0.0.1:{dns_port}"), "-defaultIPv6", ""]);
        dns.args(["-management", &format!("127.0.0.1:{}", free_port())]);
        dns.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-doh", ""]);
        let dns = Program::start(dns);
        let (port, management) = (free_port(), free_port());
        let mut authority = Self {
            folder,
            tools,
            port,
            management,
            tls_port,
            http_port,
            ca,
            pebble: None,
            _dns: dns,
            dns_port,
        };
        authority.open(0).await;
        Some(authority)
    }

    /// `refused` of a hundred nonces are refused.
    async fn open(&mut self, refused: u8) {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management),
            "certificate": "own.pem", "privateKey": "own.key",
            "httpPort": self.http_port, "tlsPort": self.tls_port,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
            "retryAfter": { "authz": 1, "order": 1 }, "keyAlgorithm": "ecdsa",
            "profiles": { "default": { "description": "a week", "validityPeriod": WEEK } },
        }});
        std::fs::write(self.folder.path().join("pebble.json"), config.to_string()).unwrap();
        let mut pebble = program::command(self.tools.0.to_str().unwrap(), self.folder.path());
        pebble.args([
            "-config",
            "pebble.json",
            "-strict",
            "-dnsserver",
            &format!("127.0.0.1:{}", self.dns_port),
        ]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_WFE_NONCEREJECT", refused.to_string());
        self.pebble = Some(Program::start(pebble));
        until(async || TcpStream::connect(("127.0.0.1", self.management)).await.ok()).await;
        until(async || TcpStream::connect(("127.0.0.1", self.port)).await.ok()).await;
    }

    async fn close(&mut self) {
        self.pebble.take().unwrap().kill();
    }

    /// The root of what it issues, made anew at each of its starts.
    async fn root(&self) -> CertificateDer<'static> {
        let roots = vec![CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()];
        let mut stream = connect(self.management, "localhost", &roots).await.expect("its management");
        let answer = get(&mut stream, "/roots/0").await;
        let at = answer.find("-----BEGIN").expect("a certificate");
        CertificateDer::from_pem_slice(&answer.as_bytes()[at..]).unwrap()
    }

    /// The options of `serve` that name it.
    fn options(&self) -> Vec<String> {
        let ca = self.folder.path().join("ca.pem");
        [
            "--acme-domain",
            HOST,
            "--acme-contact",
            "ops@northwind.example",
            "--acme-directory",
            &format!("https://localhost:{}/dir", self.port),
            "--acme-ca",
            ca.to_str().unwrap(),
        ]
        .map(str::to_owned)
        .to_vec()
    }
}

/// A certificate authority and, from it, the certificate of the authority's own doors.
fn own_ca(folder: &Path) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap();
    let issuer = rcgen::Issuer::new(params, key);
    let own_key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&own_key, &issuer).unwrap();
    for (name, text) in [("ca.pem", ca.pem()), ("own.pem", own.pem()), ("own.key", own_key.serialize_pem())] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    ca.pem()
}

async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "it did not happen in time");
        tick.tick().await;
    }
}

async fn connect(
    port: u16,
    name: &str,
    trusted: &[CertificateDer<'static>],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for root in trusted {
        roots.add(root.clone()).unwrap();
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

async fn request(stream: &mut TlsStream<TcpStream>, method: &str, path: &str) -> String {
    let head = format!("{method} {path} HTTP/1.0\r\nHost: {HOST}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

async fn get(stream: &mut TlsStream<TcpStream>, path: &str) -> String {
    request(stream, "GET", path).await
}

fn hang_up(program: &Program) {
    assert!(Command::new("kill").args(["-HUP", &program.id().to_string()]).status().unwrap().success());
}

fn serve(place: &Place, options: &[String]) -> Program {
    let mut command = place.command(&["serve", "--data", "data", "--set", "mailbox=mail"]);
    // A connection that is opened early and used late must outlive the wait.
    command.args(["--set", "header_seconds=120"]);
    command.args(["--set", "rate_limit_percent=0", "--listen", &format!("127.0.0.1:{}", place.port)]);
    command.args(["--public-url", &format!("https://{HOST}:{}", place.port)]).args(options);
    Program::start(command)
}

/// A connection whose certificate a browser that trusts `root` takes.
async fn trusted(place: &Place, root: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    until(async || connect(place.port, HOST, std::slice::from_ref(root)).await.ok()).await
}

fn cell(place: &Place, sql: &str) -> Option<String> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection =
        rusqlite::Connection::open_with_flags(place.folder.path().join("data/bailiwick.db"), flags).ok()?;
    connection.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).ok().flatten()
}

/// Obtained although a third of all nonces is refused; sealed; used again after a restart without the authority; renewed
/// at two thirds of its life while an open connection goes on.
#[tokio::test]
async fn a_certificate_is_obtained_kept_and_renewed() {
    let place = Place::new();
    let Some(mut authority) = Authority::start(place.port, free_port()).await else { return };
    authority.close().await;
    authority.open(30).await;
    let root = authority.root().await;
    let mut options = authority.options();
    options.push("--test-clock".to_owned());
    let program = serve(&place, &options);
    // Three refusals in a row end an order; whoever does not want to wait says so.
    let mut first = until(async || {
        let connected = connect(place.port, HOST, std::slice::from_ref(&root)).await.ok();
        if connected.is_none() && program.stderr().contains("no certificate was obtained") {
            hang_up(&program);
        }
        connected
    })
    .await;
    let certificate = shown(&first);
    assert!(get(&mut first, "/readyz").await.contains("certificate valid until 20"));

    let sealed =
        cell(&place, "select hex(sealed_key) || hex(sealed) from acme_certificates, acme_accounts").unwrap();
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02X}")).collect::<String>();
    for open in ["PRIVATE KEY", "key_pkcs8", "localhost"] {
        assert!(!sealed.contains(&hex(open)), "`{open}` is readable in the store");
    }

    program.stop().await;
    authority.close().await;
    let program = serve(&place, &options);
    let mut open = trusted(&place, &root).await;
    assert_eq!(shown(&open), certificate, "the same one, from the store");

    // A new start of the authority does not know the account: the first renewal fails, the next one makes a new account.
    authority.open(0).await;
    let new_root = authority.root().await;
    let advance = format!("/test/clock/advance?seconds={}", WEEK * 2 / 3 + 3600);
    let mut asking = trusted(&place, &root).await;
    assert!(request(&mut asking, "POST", &advance).await.contains(" 200 "));
    until(async || program.stderr().contains("accountDoesNotExist").then_some(())).await;
    let still = connect(place.port, HOST, std::slice::from_ref(&root))
        .await
        .expect("the old certificate is still in force");
    assert_eq!(shown(&still), certificate);
    hang_up(&program);
    let renewed = trusted(&place, &new_root).await;
    assert_ne!(shown(&renewed), certificate);
    let ready = get(&mut open, "/readyz").await;
    assert!(ready.contains("certificate valid until"), "the connection of before still works: {ready}");
    let mut metrics = trusted(&place, &new_root).await;
    let metrics = get(&mut metrics, "/metrics").await;
    assert!(metrics.contains("bailiwick_tls_not_after_seconds 1"), "{metrics}");
    let told = cell(
        &place,
        "select group_concat(failures || ' ' || coalesce(last_error, 'none')) from acme_certificates",
    );
    assert_eq!(told.as_deref(), Some("0 none"));
}

#[tokio::test]
async fn the_plain_listener_answers_http_01_and_redirects() {
    let (place, plain) = (Place::new(), free_port());
    let Some(authority) = Authority::start(free_port(), plain).await else { return };
    let mut options = authority.options();
    let more = ["--redirect-listen", &format!("127.0.0.1:{plain}"), "--set", "acme_challenge=http-01"];
    options.extend(more.map(str::to_owned));
    let _program = serve(&place, &options);
    let root = authority.root().await;
    let mut stream = trusted(&place, &root).await;
    let ready = get(&mut stream, "/readyz").await.to_lowercase();
    assert!(ready.contains("strict-transport-security: max-age=63072000"), "{ready}");
    let reply =
        ask(plain, "GET", "/sign-in?next=%2F", &[("X-Forwarded-Host", "evil.example")], "").await.unwrap();
    assert_eq!(reply.status, 308);
    let to = format!("location: https://{HOST}:{}/sign-in?next=%2F", place.port);
    assert!(reply.head.to_lowercase().contains(&to.to_lowercase()), "{}", reply.head);
}

/// The authority looks where nobody listens: the reason is kept, and the next try waits.
#[tokio::test]
async fn a_failed_proof_is_told() {
    let place = Place::new();
    let nobody = free_port();
    let Some(authority) = Authority::start(nobody, free_port()).await else { return };
    let program = serve(&place, &authority.options());
    let sql = "select failures || ' ' || last_error from acme_certificates";
    let told = until(async || cell(&place, sql)).await;
    assert!(told.starts_with("1 ") && told.contains(HOST), "{told}");
    let words = told.contains("Failed to connect") && told.contains("urn:ietf:params:acme:error:");
    assert!(words, "the authority's own words: {told}");
    assert!(connect(place.port, HOST, &[authority.root().await]).await.is_err(), "there is no certificate");
    hang_up(&program);
    until(async || cell(&place, sql).filter(|told| told.starts_with("2 "))).await;
    let wait = "select cast((next_try_at - changed_at) / 1000000 as text) from acme_certificates";
    let seconds: i64 = cell(&place, wait).unwrap().parse().unwrap();
    assert!(seconds >= 240, "after the second failure it waits at least four minutes: {seconds} s");
}

#[tokio::test]
async fn certificate_files_are_read_again() {
    let place = Place::new();
    let write = || {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec![HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        std::fs::write(place.folder.path().join("chain.pem"), certificate.pem()).unwrap();
        std::fs::write(place.folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().clone()
    };
    let first = write();
    let program = serve(&place, &["--tls-cert", "chain.pem", "--tls-key", "key.pem"].map(str::to_owned));
    let mut open = trusted(&place, &first).await;
    let second = write();
    hang_up(&program);
    trusted(&place, &second).await;
    std::fs::write(place.folder.path().join("key.pem"), "no key").unwrap();
    hang_up(&program);
    until(async || program.stderr().contains("the old certificate stays").then_some(())).await;
    trusted(&place, &second).await;
    // Without a signal it is seen, too.
    let third = write();
    trusted(&place, &third).await;
    assert!(get(&mut open, "/healthz").await.contains(" 200 "), "the first connection still works");
}
