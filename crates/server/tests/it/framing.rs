//! One message has one reading: what a proxy in front could understand otherwise than the program is refused whole
//! (request smuggling, ASVS V4.2). Spoken byte by byte with a running program.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bad_start::Place;

/// A connection that is left open says nothing more after this.
const PATIENCE: Duration = Duration::from_secs(3);

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.expect("the program listens")
}

/// Everything that comes back until the program closes the connection.
async fn answers(port: u16, request: &str) -> String {
    let mut stream = connect(port).await;
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _left_open = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// ASVS 4.2.1.
#[tokio::test]
async fn one_message_has_one_reading() {
    let place = Place::new();
    let program = place.set_up().await;
    // What is smuggled is a request for this page.
    let hidden = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let chunks = format!("0\r\n\r\n{hidden}");
    for (why, head, body) in [
        ("two lengths", "Host: x\r\nContent-Length: 4\r\nContent-Length: 5", "abcde"),
        ("a length that is none", "Host: x\r\nContent-Length: +4", "abcd"),
        ("an unknown coding", "Host: x\r\nTransfer-Encoding: xchunked", chunks.as_str()),
        ("chunked and then something", "Host: x\r\nTransfer-Encoding: chunked, identity", chunks.as_str()),
        ("a space before the colon", "Host: x\r\nTransfer-Encoding : chunked", chunks.as_str()),
        ("a folded line", "Host: x\r\nX-A: b\r\n Transfer-Encoding: chunked", chunks.as_str()),
        ("two hosts", "Host: x\r\nHost: y\r\nContent-Length: 0", ""),
        ("no host", "Content-Length: 0", ""),
        ("a bare line end", "Host: x\r\nX-A: b\nX-B", ""),
        ("a zero byte", "Host: x\r\nX-A: \0\r\nContent-Length: 0", ""),
    ] {
        let said = answers(
            place.port,
            &format!("POST /sign-in HTTP/1.1\r\nConnection: close\r\n{head}\r\n\r\n{body}"),
        )
        .await;
        assert!(said.starts_with("HTTP/1.1 4"), "{why}: {said}");
        assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{why}: {said}");
    }
    // With both, the length does not count (RFC 9112 §6.3), and nobody is left to read on.
    let both = format!(
        "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
    );
    let said = answers(place.port, &both).await;
    assert!(said.starts_with("HTTP/1.1 4") && !said.ends_with("ok\n"), "{said}");
    let last = hidden.replace("Host: x", "Host: x\r\nConnection: close");
    let whole = answers(place.port, &format!("{hidden}{last}")).await;
    assert_eq!(whole.matches("ok\n").count(), 2, "well-formed messages may follow each other: {whole}");
    program.stop().await;
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field as HPACK writes one that it does not index (RFC 7541 §6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.push(u8::try_from(text.len()).unwrap());
        bytes.extend(text.as_bytes());
    }
    bytes
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

/// Sends one request over HTTP/2 and gives the kinds of frames that came back.
async fn over_http2(port: u16, more: &[(&str, &str)], body: Option<&str>) -> Vec<u8> {
    let (method, path) = if body.is_some() { ("POST", "/api/v1/sessions") } else { ("GET", "/healthz") };
    let pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "localhost")];
    let fields: Vec<u8> = pseudo.iter().chain(more).flat_map(|(name, value)| field(name, value)).collect();
    let mut request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    request.extend(frame(SETTINGS, 0, 0, &[]));
    request.extend(frame(HEADERS, if body.is_some() { 4 } else { 5 }, 1, &fields));
    if let Some(body) = body {
        request.extend(frame(DATA, 1, 1, body.as_bytes()));
    }
    let mut stream = connect(port).await;
    stream.write_all(&request).await.unwrap();
    let mut kinds = Vec::new();
    let mut head = [0_u8; 9];
    while let Ok(Ok(_)) = tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        kinds.push(head[3]);
        let ended = head[3] == DATA && head[4] & 1 == 1;
        if ended || matches!(head[3], RST_STREAM | GOAWAY | PING) {
            break;
        }
    }
    kinds
}

/// ASVS 4.2.1, 4.2.3, 4.2.4: what would become another message once somebody writes it down as HTTP/1.
#[tokio::test]
async fn http_2_refuses_what_http_1_would_split() {
    let place = Place::new();
    let program = place.set_up().await;
    let good = over_http2(place.port, &[("x-a", "b")], None).await;
    assert!(good.contains(&HEADERS) && good.contains(&DATA), "{good:?}");
    let json = ("content-type", "application/json");
    for (why, fields, body) in [
        ("line ends in a value", &[("x-a", "b\r\nx-evil: 1")][..], None),
        ("a line end in a name", &[("x-a\nx", "b")], None),
        ("a zero byte", &[("x-a", "b\0c")], None),
        ("a transfer coding", &[("transfer-encoding", "chunked")], None),
        ("a connection", &[("connection", "keep-alive")], None),
        ("capitals", &[("X-Upper", "1")], None),
        ("a second path", &[(":path", "/x")], None),
        ("a length too small", &[json, ("content-length", "2")], Some("{\"email\":\"a\"}")),
        ("a length too large", &[json, ("content-length", "200")], Some("{}")),
    ] {
        let frames = over_http2(place.port, fields, body).await;
        assert!(!frames.contains(&HEADERS), "{why} was answered: {frames:?}");
        assert!(frames.contains(&RST_STREAM) || frames.contains(&GOAWAY), "{why}: {frames:?}");
    }
    program.stop().await;
}
