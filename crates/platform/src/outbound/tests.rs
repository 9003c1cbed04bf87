//! One named test per line of the security checklist, *Outbound requests*.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

mod dns_server;
mod lookups;
mod ranges;
mod tls;

/// Gives the next of its answers at each question, the last one for ever.
struct Stub {
    answers: Mutex<Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Stub {
    fn new(answers: &[&[&str]]) -> Arc<Self> {
        let parse = |answer: &&[&str]| answer.iter().map(|ip| ip.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.iter().map(parse).collect()),
            asked: AtomicUsize::new(0),
        })
    }
}

impl Resolve for Stub {
    fn addresses<'a>(&'a self, _name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() };
        Box::pin(async move { if answer.is_empty() { Err(DnsError::NoSuchName) } else { Ok(answer) } })
    }
}

fn outbound(allow_loopback: bool, stub: &Arc<Stub>) -> Outbound {
    Outbound::with(Duration::from_secs(5), allow_loopback, None, stub.clone()).unwrap()
}

async fn refusal_of(url: &str) -> Refusal {
    let stub = Stub::new(&[&["127.0.0.1"]]);
    match outbound(false, &stub).fetch(Request::get(url)).await {
        Err(OutboundError::Refused(refusal)) => refusal,
        other => panic!("`{url}` was not refused: {other:?}"),
    }
}

async fn refused(url: &str, refusal: Refusal) {
    assert_eq!(refusal_of(url).await, refusal, "{url}");
}

/// A server on loopback that answers every connection with `answer` and counts them.
async fn server(answer: Vec<u8>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    (port, count)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-test: yes\r\n\r\n{body}", body.len()).into_bytes()
}

#[tokio::test]
async fn outbound_refuses_ipv4_in_decimal() {
    refused("https://2130706433/", Refusal::Host).await;
    // Also when the number means a public address: another program may read it differently.
    refused("https://134744072/", Refusal::Host).await;
}

#[tokio::test]
async fn outbound_refuses_ipv4_in_hex() {
    refused("https://0x7f000001/", Refusal::Host).await;
    refused("https://0x7f.0.0.1/", Refusal::Host).await;
    refused("https://0x08080808/", Refusal::Host).await;
}

#[tokio::test]
async fn outbound_refuses_ipv4_in_octal_or_short() {
    for url in ["https://0177.0.0.1/", "https://017700000001/", "https://127.1/", "https://8.8.2056/"] {
        refused(url, Refusal::Host).await;
    }
}

#[tokio::test]
async fn outbound_refuses_trailing_dot() {
    for url in ["https://example.com./", "https://localhost./", "https://127.0.0.1./"] {
        refused(url, Refusal::Host).await;
    }
}

#[tokio::test]
async fn outbound_refuses_userinfo() {
    for url in [
        "https://a:b@example.com/",
        "https://a@example.com/",
        "https://@example.com/",
        "https://example.com@127.0.0.1/",
    ] {
        refused(url, Refusal::UserInfo).await;
    }
}

#[tokio::test]
async fn outbound_refuses_port_zero() {
    refused("https://example.com:0/", Refusal::Port).await;
}

#[tokio::test]
async fn outbound_refuses_full_width_digits_and_lookalike_dots() {
    for url in [
        "https://１２７.０.０.１/",
        "https://127。0。0。1/",
        "https://ｅｘａｍｐｌｅ.com/",
        "https://①②⑦.0.0.1/",
    ] {
        refused(url, Refusal::Malformed).await;
    }
}

#[tokio::test]
async fn outbound_refuses_escapes_and_white_space() {
    refused("https://127%2e0.0.1/", Refusal::Host).await;
    refused("https://ex%61mple.com/", Refusal::Host).await;
    for url in [
        "https://exa\tmple.com/",
        " https://example.com/",
        "https:\\\\example.com",
        "https://example.com/\r\nx: y",
        "",
    ] {
        refused(url, Refusal::Malformed).await;
    }
    refused("https:example.com", Refusal::Malformed).await;
    refused(&format!("https://example.com/{}", "a".repeat(3000)), Refusal::Malformed).await;
}

#[tokio::test]
async fn outbound_refuses_other_schemes() {
    for url in [
        "http://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "ftp://example.com/",
        "unix:/run/x",
    ] {
        refused(url, Refusal::Scheme).await;
    }
}

#[tokio::test]
async fn outbound_refuses_localhost_and_single_labels() {
    for url in ["https://localhost/", "https://intranet/", "https://metadata/", "https://-a.example/"] {
        refused(url, Refusal::Host).await;
    }
}

#[tokio::test]
async fn outbound_refuses_addresses_that_are_not_public() {
    for host in [
        "0.0.0.0",
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "100.64.0.1",
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fd00::1]",
        "[fe80::1]",
    ] {
        let refusal = refusal_of(&format!("https://{host}/")).await;
        assert!(matches!(refusal, Refusal::NotPublic | Refusal::Host), "{host}: {refusal:?}");
    }
}

#[tokio::test]
async fn outbound_refuses_a_name_that_leads_to_a_private_address() {
    // As after a CNAME: the resolver gives the last addresses.
    for private in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "64:ff9b::a00:1"] {
        let stub = Stub::new(&[&[private]]);
        let result = outbound(false, &stub).fetch(Request::get("https://example.com/")).await;
        assert!(matches!(result, Err(OutboundError::Refused(Refusal::NotPublic))), "{private}: {result:?}");
    }
}

#[tokio::test]
async fn outbound_refuses_a_name_with_one_public_and_one_private_address() {
    for answer in [&["93.184.215.14", "10.0.0.1"], &["10.0.0.1", "93.184.215.14"]] {
        let stub = Stub::new(&[answer]);
        let result = outbound(false, &stub).fetch(Request::get("https://example.com/")).await;
        assert!(matches!(result, Err(OutboundError::Refused(Refusal::NotPublic))), "{result:?}");
    }
}

#[tokio::test]
async fn outbound_resolves_once_so_rebinding_has_no_second_look_up() {
    let (port, connections) = server(ok("good")).await;
    // The first answer is where the server is; later ones lead elsewhere.
    let stub = Stub::new(&[&["127.0.0.1"], &["10.0.0.1"], &["127.0.0.2"]]);
    let response =
        outbound(true, &stub).fetch(Request::get(format!("http://rebind.example:{port}/"))).await.unwrap();
    assert_eq!(response.body, "good");
    assert_eq!(response.address.to_string(), format!("127.0.0.1:{port}"));
    assert_eq!(stub.asked.load(Ordering::SeqCst), 1);
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn outbound_reaches_loopback_only_with_the_setting() {
    let (port, connections) = server(ok("good")).await;
    let stub = Stub::new(&[&["127.0.0.1"]]);
    for url in [format!("https://127.0.0.1:{port}/"), format!("https://target.example:{port}/")] {
        let result = outbound(false, &stub).fetch(Request::get(url)).await;
        assert!(matches!(result, Err(OutboundError::Refused(Refusal::NotPublic))), "{result:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0, "nothing was even connected to");
    for host in ["127.0.0.1", "localhost", "target.example"] {
        let response =
            outbound(true, &stub).fetch(Request::get(format!("http://{host}:{port}/"))).await.unwrap();
        assert_eq!(response.headers["x-test"], "yes");
    }
}

#[tokio::test]
async fn outbound_with_the_setting_still_refuses_private_and_plain_public_targets() {
    for (url, addresses) in [
        ("http://x.example/", &["93.184.215.14"][..]),
        ("https://x.example/", &["10.0.0.1"]),
        ("http://x.example/", &["127.0.0.1", "93.184.215.14"]),
        ("https://10.0.0.1/", &["127.0.0.1"]),
    ] {
        let stub = Stub::new(&[addresses]);
        let result = outbound(true, &stub).fetch(Request::get(url)).await;
        assert!(matches!(result, Err(OutboundError::Refused(Refusal::NotPublic))), "{url}: {result:?}");
    }
}

#[tokio::test]
async fn outbound_follows_no_redirect() {
    let (other, reached) = server(ok("secret")).await;
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{other}/\r\ncontent-length: 0\r\n\r\n");
    let (port, _) = server(redirect.into_bytes()).await;
    let stub = Stub::new(&[&["127.0.0.1"]]);
    let response =
        outbound(true, &stub).fetch(Request::get(format!("http://a.example:{port}/"))).await.unwrap();
    assert_eq!(response.status, StatusCode::FOUND);
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn outbound_caps_the_size_announced_or_not() {
    let stub = Stub::new(&[&["127.0.0.1"]]);
    let body = "x".repeat(5000);
    let unannounced = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").into_bytes();
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1388\r\n{body}\r\n0\r\n\r\n")
        .into_bytes();
    for answer in [ok(&body), unannounced, chunked] {
        let (port, _) = server(answer).await;
        let fetch = |bytes_max| {
            let request = Request { bytes_max, ..Request::get(format!("http://127.0.0.1:{port}/")) };
            let outbound = outbound(true, &stub);
            async move { outbound.fetch(request).await }
        };
        assert!(matches!(fetch(4999).await, Err(OutboundError::TooLarge(4999))));
        assert_eq!(fetch(5000).await.unwrap().body.len(), 5000);
    }
}

#[tokio::test]
async fn outbound_caps_the_time_to_the_last_byte() {
    // Sends a head and then nothing more.
    let (port, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec()).await;
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stub = Stub::new(&[&["127.0.0.1"]]);
    for port in [silent.local_addr().unwrap().port(), port] {
        let timeout = Some(Duration::from_millis(200));
        let request = Request { timeout, ..Request::get(format!("http://127.0.0.1:{port}/")) };
        let error = outbound(true, &stub).fetch(request).await.unwrap_err();
        assert!(matches!(error, OutboundError::Timeout(_) | OutboundError::Failed { .. }), "{error:?}");
        assert!(error.retryable());
    }
}

#[tokio::test]
async fn outbound_refuses_headers_of_the_connection() {
    let stub = Stub::new(&[&["127.0.0.1"]]);
    for name in ["host", "content-length", "transfer-encoding", "connection", "proxy-authorization"] {
        let mut request = Request::get("https://example.com/");
        request.headers.insert(http::HeaderName::from_static(name), http::HeaderValue::from_static("1"));
        let result = outbound(false, &stub).fetch(request).await;
        assert!(matches!(result, Err(OutboundError::Refused(Refusal::Header))), "{name}: {result:?}");
    }
}

#[tokio::test]
async fn outbound_errors_name_neither_inner_addresses_nor_the_url() {
    let stub = Stub::new(&[&["10.1.2.3"]]);
    let error =
        outbound(false, &stub).fetch(Request::get("https://example.com/?token=abc")).await.unwrap_err();
    assert!(!error.to_string().contains("10.1.2.3") && !error.to_string().contains("abc"), "{error}");
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let stub = Stub::new(&[&["127.0.0.1"]]);
    let url = format!("http://example.com:{closed}/?token=abc");
    let error = outbound(true, &stub).fetch(Request::get(url)).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot reach `example.com`"), "{error}");
    assert!(!error.to_string().contains("abc"), "{error}");
}

#[tokio::test]
async fn outbound_speaks_tls_to_loopback_and_refuses_an_unknown_authority() {
    // A plain server: the handshake must fail, never fall back to plain text.
    let (port, _) = server(ok("plain")).await;
    let stub = Stub::new(&[&["127.0.0.1"]]);
    let error =
        outbound(true, &stub).fetch(Request::get(format!("https://a.example:{port}/"))).await.unwrap_err();
    assert!(matches!(error, OutboundError::Failed { .. }), "{error:?}");
}

proptest::proptest! {
    #[test]
    fn outbound_never_panics_on_a_url(text in ".{0,80}", host in "[0-9a-fx.:\\[\\]%@]{0,30}") {
        let _ = target::Target::parse(&text, true);
        let _ = target::Target::parse(&format!("https://{host}/"), false);
    }
}
