//! The accept loop, attacked from a socket: slow, silent, greedy and flooding clients lose their connection while others
//! are served; a stop signal ends in time; certificates change under open connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use platform::web::routes::{self, Limit, Openness, Routes};
use platform::web::serve::{Limits, redirect, serve};
use platform::web::tls::Tls;
use platform::web::{self, guard};
use platform::{App, Area};
use rustls::pki_types::{CertificateDer, ServerName};
use testkit::{Kit, KitOptions, sqlite_only};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// Longer than everything a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);
const BIG: usize = 48 << 20;

static AREA: Area = Area {
    name: "edge",
    routes: area_routes,
    jobs: &[],
    schedules: &[],
    evidence: &[],
    drills: &[],
    facts: None,
    navigation: &[],
    tasks: &[],
};

fn area_routes() -> Routes {
    let open = Openness::Public;
    Routes::new()
        .add(routes::get("/quick", "edge.quick", open, quick).plain().limit(Limit::None))
        .add(routes::get("/hang", "edge.hang", open, hang).plain().limit(Limit::None))
        .add(routes::get("/big", "edge.big", open, big).plain().limit(Limit::None))
        .add(
            routes::post("/take", "edge.take", open, take)
                .plain()
                .limit(Limit::None)
                .records_nothing("reads a body"),
        )
}

async fn quick() -> &'static str {
    "quick"
}

async fn hang() -> web::Result {
    std::future::pending::<()>().await;
    Ok("never".into_response())
}

async fn big() -> Vec<u8> {
    vec![b'x'; BIG]
}

async fn take(body: axum::body::Bytes) -> String {
    body.len().to_string()
}

/// As in production, but quicker.
fn limits(app: &App) -> Limits {
    Limits {
        head: Duration::from_millis(400),
        request: Duration::from_millis(600),
        stall: Duration::from_millis(500),
        ..Limits::new(app.config())
    }
}

async fn start(
    kit: &Kit,
    tls: Option<Tls>,
    limits: Limits,
    drain: Duration,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = guard::router(&kit.app);
    (address, tokio::spawn(serve(kit.app.clone(), listener, router, tls, limits, drain)))
}

async fn serving(test: impl AsyncFn(&Kit, SocketAddr)) {
    let run = async |kit: &Kit| {
        let (address, served) = start(kit, None, limits(&kit.app), Duration::from_secs(1)).await;
        test(kit, address).await;
        kit.app.drain();
        within(served).await.unwrap();
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("it did not end in time")
}

/// Everything until the other side closes; a reset is an end, too.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> Vec<u8> {
    let mut all = Vec::new();
    let _ = within(stream.read_to_end(&mut all)).await;
    all
}

async fn quick_from(address: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(address).await else { return false };
    if stream.write_all(b"GET /quick HTTP/1.0\r\nHost: x\r\n\r\n").await.is_err() {
        return false;
    }
    rest(&mut stream).await.ends_with(b"quick")
}

/// The status of the answer to these bytes; 0 when the connection closes without one.
async fn status(address: SocketAddr, bytes: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let answer = String::from_utf8_lossy(&rest(&mut stream).await).into_owned();
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_client_that_sends_nothing_or_half_a_preface_is_closed() {
    serving(async |_, address| {
        for start in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
            let began = Instant::now();
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(start).await.unwrap();
            rest(&mut stream).await;
            assert!(began.elapsed() < Duration::from_secs(5), "{start:?}: {:?}", began.elapsed());
        }
    })
    .await;
}

/// One byte at a time never ends a head, and never lets the clock for it start anew.
#[tokio::test]
async fn a_head_that_drips_is_closed() {
    serving(async |_, address| {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut read, mut write) = stream.into_split();
        write.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
        let drip = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            while write.write_all(b"a").await.is_ok() {
                tick.tick().await;
            }
        };
        let began = Instant::now();
        tokio::select! {
            _ = rest(&mut read) => {}
            () = within(drip) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_connection_kept_alive_without_a_request_is_closed() {
    serving(async |_, address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with(b"quick"), "answered first: {}", String::from_utf8_lossy(&answer));
    })
    .await;
}

#[tokio::test]
async fn a_body_that_does_not_come_and_a_handler_that_hangs_end_in_408() {
    serving(async |_, address| {
        assert_eq!(
            status(address, b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx").await,
            408
        );
        assert_eq!(status(address, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n").await, 408);
    })
    .await;
}

#[tokio::test]
async fn heads_have_a_size() {
    serving(async |_, address| {
        let many: String = (0..101).map(|n| format!("X-{n}: x\r\n")).collect();
        assert_eq!(
            status(address, format!("GET /quick HTTP/1.1\r\nHost: x\r\n{many}\r\n").as_bytes()).await,
            431
        );
        let long = "x".repeat(40 * 1024);
        let head = format!("GET /quick HTTP/1.1\r\nHost: x\r\nX-Long: {long}\r\n\r\n");
        assert_eq!(status(address, head.as_bytes()).await, 431);
        let uri = format!("GET /{long} HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!([414, 431].contains(&status(address, uri.as_bytes()).await));
        // Two lengths, or a length and chunks, are two readings of where the next request starts.
        let two = b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx";
        assert_eq!(status(address, two).await, 400);
        let chunked = b"GET /quick HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n";
        assert_eq!(status(address, chunked).await, 400);
        assert!(quick_from(address).await);
    })
    .await;
}

/// One address has one place; whoever holds it without moving bytes gives it back.
#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_closed() {
    let run = async |kit: &Kit| {
        let one = Limits { connections_per_address: 1, ..limits(&kit.app) };
        let (address, served) = start(kit, None, one, Duration::from_secs(1)).await;
        let mut greedy = TcpStream::connect(address).await.unwrap();
        greedy.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let freed = async {
            let mut tick = tokio::time::interval(Duration::from_millis(100));
            while !quick_from(address).await {
                tick.tick().await;
            }
        };
        within(freed).await;
        let got = rest(&mut greedy).await;
        assert!(got.len() < BIG, "the answer was cut off after {} bytes", got.len());
        kit.app.drain();
        within(served).await.unwrap();
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

/// Slow is not stalled: a client that reads steadily gets everything, however long it takes.
#[tokio::test]
async fn a_slow_reader_that_goes_on_gets_everything() {
    serving(async |_, address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /big HTTP/1.0\r\nHost: x\r\n\r\n").await.unwrap();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        let (mut got, mut buffer) = (0, vec![0; 512 * 1024]);
        let began = Instant::now();
        loop {
            let read = within(stream.read(&mut buffer)).await.unwrap();
            if read == 0 {
                break;
            }
            got += read;
            tick.tick().await;
        }
        assert!(got > BIG, "{got} bytes");
        assert!(
            began.elapsed() > Duration::from_millis(1200),
            "longer than the limits: {:?}",
            began.elapsed()
        );
    })
    .await;
}

#[tokio::test]
async fn an_address_has_its_share_and_a_proxy_has_no_limit() {
    for (proxies, admitted) in [(vec![], 3), (vec!["127.0.0.1".parse().unwrap()], 9)] {
        let mut options = KitOptions::new(&[&AREA]);
        options.configure = Box::new(move |config| {
            config.trusted_proxies = proxies.iter().map(|ip: &std::net::IpAddr| (*ip).into()).collect();
        });
        let run = async |kit: &Kit| {
            let three = Limits { connections_per_address: 3, head: PATIENCE, ..limits(&kit.app) };
            let (address, served) = start(kit, None, three, Duration::ZERO).await;
            let mut open = 0;
            let mut kept = Vec::new();
            for _ in 0..9 {
                let mut stream = TcpStream::connect(address).await.unwrap();
                let _ = stream.write_all(b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n").await;
                let mut first = [0; 12];
                if within(stream.read_exact(&mut first)).await.is_ok() {
                    open += 1;
                    kept.push(stream);
                }
            }
            assert_eq!(open, admitted);
            kit.app.drain();
            within(served).await.unwrap();
        };
        sqlite_only(run, options).await;
    }
}

#[tokio::test]
async fn a_stop_is_heard_when_every_place_is_taken_and_ends_in_time() {
    let run = async |kit: &Kit| {
        let full = Limits { connections: 1, request: PATIENCE * 2, ..limits(&kit.app) };
        let (address, served) = start(kit, None, full, Duration::from_millis(300)).await;
        let mut hanging = TcpStream::connect(address).await.unwrap();
        hanging.write_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let _waiting = TcpStream::connect(address).await.unwrap();
        let began = Instant::now();
        kit.app.drain();
        within(served).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

#[tokio::test]
async fn a_drain_lets_a_request_under_way_end() {
    let run = async |kit: &Kit| {
        let (address, served) = start(kit, None, limits(&kit.app), PATIENCE).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST /take HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe").await.unwrap();
        // The server has the request once it answers another that came later.
        assert!(quick_from(address).await);
        kit.app.drain();
        stream.write_all(b"llo").await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.ends_with(b"5"), "{}", String::from_utf8_lossy(&answer));
        within(served).await.unwrap();
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

// ---- HTTP/2 -----------------------------------------------------------------------------------------------------

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// RFC 9113 §7.
const ENHANCE_YOUR_CALM: u32 = 0xb;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// GET http://x/hang, in HPACK's static table and literals.
fn head() -> Vec<u8> {
    let mut head = vec![0x82, 0x86, 0x41, 1, b'x', 0x04, 5];
    head.extend_from_slice(b"/hang");
    head
}

async fn h2(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, b"")).await.unwrap();
    stream
}

/// The error of the last GOAWAY in these bytes.
fn goaway(bytes: &[u8]) -> Option<u32> {
    let (mut at, mut told) = (0, None);
    while let Some(head) = bytes.get(at..at + 9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = bytes.get(at + 9..at + 9 + length)?;
        if head[3] == GOAWAY {
            told = Some(u32::from_be_bytes(payload.get(4..8)?.try_into().ok()?));
        }
        at += 9 + length;
    }
    told
}

/// Writes until the server has enough, at most `most` times; gives how often it wrote and what came back.
async fn flood(stream: TcpStream, most: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> (usize, Vec<u8>) {
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move { rest(&mut read).await });
    let mut written = 0;
    while written < most && !reading.is_finished() && within(write.write_all(&next(written))).await.is_ok() {
        written += 1;
    }
    (written, reading.await.unwrap())
}

/// CVE-2023-44487: streams opened and taken back at once, so that the limit for streams never counts them.
#[tokio::test]
async fn a_rapid_reset_is_told_to_calm_down() {
    serving(async |_, address| {
        let attack = flood(h2(address).await, 100_000, |n| {
            let stream = u32::try_from(n).unwrap() * 2 + 1;
            let open = frame(HEADERS, END_STREAM | END_HEADERS, stream, &head());
            [open, frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())].concat()
        });
        let ((written, answer), others) = tokio::join!(attack, quick_from(address));
        assert!(others, "others are served meanwhile");
        assert!(written < 100_000, "the attack ran to its end");
        if !answer.is_empty() && goaway(&answer).is_some() {
            assert_eq!(goaway(&answer), Some(ENHANCE_YOUR_CALM), "after {written} streams");
        }
        assert!(quick_from(address).await);
    })
    .await;
}

/// CVE-2024-27316 and its kin: a head without an end.
#[tokio::test]
async fn a_continuation_flood_is_cut_off() {
    serving(async |_, address| {
        let mut stream = h2(address).await;
        stream.write_all(&frame(HEADERS, END_STREAM, 1, &head())).await.unwrap();
        // A literal header of 100 bytes, again and again.
        let field = [&[0x00, 1, b'a', 100][..], &[b'b'; 100]].concat();
        let more = frame(CONTINUATION, 0, 1, &field.repeat(150));
        let most = 4000;
        let (written, _) = flood(stream, most, |_| more.clone()).await;
        assert!(written < most / 4, "{} MB of head were taken", (written * more.len()) >> 20);
        assert!(quick_from(address).await);
    })
    .await;
}

/// Empty frames cost the sender nothing.
#[tokio::test]
async fn a_flood_of_empty_continuations_is_cut_off() {
    serving(async |_, address| {
        let mut stream = h2(address).await;
        stream.write_all(&frame(HEADERS, END_STREAM, 1, &head())).await.unwrap();
        let (written, _) = flood(stream, 2_000_000, |_| frame(CONTINUATION, 0, 1, b"").repeat(100)).await;
        assert!(written < 2_000_000);
        assert!(quick_from(address).await);
    })
    .await;
}

/// Answers to pings are signs of life, and no reason to keep a place.
#[tokio::test]
async fn an_http2_client_that_only_pings_is_closed() {
    serving(async |_, address| {
        let stream = h2(address).await;
        let (mut read, mut write) = stream.into_split();
        let ping = async {
            let mut tick = tokio::time::interval(Duration::from_millis(50));
            while write.write_all(&frame(PING, 0, 0, &[0; 8])).await.is_ok() {
                tick.tick().await;
            }
        };
        let began = Instant::now();
        tokio::select! {
            _ = rest(&mut read) => {}
            () = within(ping) => {}
        }
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    })
    .await;
}

// ---- TLS --------------------------------------------------------------------------------------------------------

struct Pair {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
}

fn pair(name: &str) -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate =
        rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
    Pair { chain: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
}

async fn connect(
    address: SocketAddr,
    trusted: &[&Pair],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    for pair in trusted {
        roots.add(pair.der.clone()).unwrap();
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("trust.example").unwrap();
    within(tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// The certificate that the server showed.
fn shown(stream: &tokio_rustls::client::TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_new_certificate_breaks_no_open_connection() {
    let run = async |kit: &Kit| {
        let (old, new) = (pair("trust.example"), pair("trust.example"));
        let tls = Tls::empty().unwrap();
        let slow = Limits { head: Duration::from_secs(5), stall: PATIENCE, ..limits(&kit.app) };
        let (address, served) = start(kit, Some(tls.clone()), slow, Duration::from_secs(1)).await;
        assert!(connect(address, &[&old]).await.is_err(), "no certificate yet, no connection");

        tls.exchange(old.chain.as_bytes(), old.key.as_bytes()).unwrap();
        let mut open = connect(address, &[&old, &new]).await.unwrap();
        assert_eq!(shown(&open), old.der);
        // What cannot be used changes nothing: the key of another, no key, no certificate.
        for (chain, key) in [(&new.chain, &old.key), (&new.chain, &new.chain), (&new.key, &new.key)] {
            assert!(tls.exchange(chain.as_bytes(), key.as_bytes()).is_err());
        }
        assert_eq!(shown(&connect(address, &[&old, &new]).await.unwrap()), old.der);

        tls.exchange(new.chain.as_bytes(), new.key.as_bytes()).unwrap();
        assert_eq!(shown(&connect(address, &[&old, &new]).await.unwrap()), new.der);
        open.write_all(b"GET /quick HTTP/1.0\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(rest(&mut open).await.ends_with(b"quick"), "the old connection still works");
        assert!(tls.is_for("trust.example") && !tls.is_for("other.example"));
        kit.app.drain();
        within(served).await.unwrap();
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

#[tokio::test]
async fn a_handshake_that_stops_is_closed() {
    let run = async |kit: &Kit| {
        let pair = pair("trust.example");
        let tls = Tls::empty().unwrap();
        tls.exchange(pair.chain.as_bytes(), pair.key.as_bytes()).unwrap();
        let (address, served) = start(kit, Some(tls), limits(&kit.app), Duration::from_secs(1)).await;
        // Nothing; half a record; a request without TLS; TLS and then nothing.
        for bytes in [&b""[..], &[0x16, 3, 1, 2, 0, 1], b"GET / HTTP/1.1\r\n\r\n"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            rest(&mut stream).await;
        }
        let mut silent = connect(address, &[&pair]).await.unwrap();
        assert!(rest(&mut silent).await.is_empty());
        kit.app.drain();
        within(served).await.unwrap();
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}

#[tokio::test]
async fn the_plain_listener_sends_to_the_public_address_whatever_the_host_says() {
    let run = async |kit: &Kit| {
        let origin = kit.app.config().public_origin();
        let to = async |uri: &str| {
            let request =
                http::Request::get(uri).header("Host", "evil.example").body(axum::body::Body::empty());
            let answer = redirect::router(&kit.app).oneshot(request.unwrap()).await.unwrap();
            let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
            (answer.status().as_u16(), location.unwrap_or_default())
        };
        for (asked, given) in [
            ("/", "/"),
            ("/o/harbor?q=1", "/o/harbor?q=1"),
            ("http://evil.example/x", "/x"),
            ("//evil.example/x", "//evil.example/x"),
            ("/.well-known/x", "/.well-known/x"),
        ] {
            assert_eq!(to(asked).await, (308, format!("{origin}{given}")), "{asked}");
        }
        assert_eq!(to("/.well-known/acme-challenge/unknown").await, (404, String::new()));
        assert_eq!(to("/.well-known/acme-challenge/%2e%2e%2fx").await.0, 404);
    };
    sqlite_only(run, KitOptions::new(&[&AREA])).await;
}
