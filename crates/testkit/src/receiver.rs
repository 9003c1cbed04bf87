//! Receivers on loopback that really listen: one for HTTP, one for syslog over TLS. Each can be down, refuse, or die in
//! the middle, and remembers what it was sent.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// How a receiver treats what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// HTTP: answers with this status. Syslog: takes everything and closes in order, whatever the number.
    Answers(u16),
    /// Takes everything, keeps it, and never says so.
    Silent,
    /// Takes everything, keeps it, and breaks the connection.
    Breaks,
}

/// One HTTP request.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

struct Shared<T> {
    manner: Mutex<Manner>,
    received: Mutex<Vec<T>>,
    count: watch::Sender<usize>,
}

impl<T: Clone> Shared<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(Manner::Answers(200)),
            received: Mutex::new(Vec::new()),
            count: watch::channel(0).0,
        })
    }

    fn keep(&self, one: T) -> Manner {
        let count = {
            let mut received = self.received.lock().unwrap_or_else(PoisonError::into_inner);
            received.push(one);
            received.len()
        };
        self.count.send_replace(count);
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A receiver; `T` is what one delivery is.
pub struct Receiver<T> {
    pub address: SocketAddr,
    /// The certificate of the authority that vouches for a TLS receiver (PEM).
    pub authority: String,
    shared: Arc<Shared<T>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
    serve: Serve<T>,
}

type Serve<T> = Arc<dyn Fn(TcpStream, Arc<Shared<T>>) + Send + Sync>;

impl<T: Clone + Send + 'static> Receiver<T> {
    async fn start(authority: String, serve: Serve<T>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let receiver = Self { address, authority, shared: Shared::new(), accepting: Mutex::new(None), serve };
        receiver.accept(listener);
        receiver
    }

    fn accept(&self, listener: TcpListener) {
        let (shared, serve) = (self.shared.clone(), self.serve.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, shared.clone());
            }
        });
        *self.accepting.lock().unwrap_or_else(PoisonError::into_inner) = Some(accepting);
    }

    pub fn set(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Refuses connections from now on.
    pub async fn stop(&self) {
        let accepting = self.accepting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(accepting) = accepting {
            accepting.abort();
            // Ended by the abort: the port is free when this returns.
            let _ = accepting.await;
        }
    }

    /// Listens where it did before.
    pub async fn start_again(&self) {
        self.accept(TcpListener::bind(self.address).await.expect("the same port"));
    }

    pub fn received(&self) -> Vec<T> {
        self.shared.received.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until so many deliveries have come.
    pub async fn until(&self, count: usize) {
        let mut seen = self.shared.count.subscribe();
        seen.wait_for(|now| *now >= count).await.expect("the receiver lives");
    }
}

impl Receiver<Received> {
    pub async fn http() -> Self {
        let serve: Serve<Received> =
            Arc::new(|stream, shared| drop(tokio::spawn(serve_http(stream, shared))));
        Self::start(String::new(), serve).await
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

async fn serve_http(mut stream: TcpStream, shared: Arc<Shared<Received>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    match shared.keep(request) {
        Manner::Answers(status) => {
            let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Manner::Silent => {
            // Until the other side gives up.
            let _ = stream.read(&mut [0; 1]).await;
        }
        Manner::Breaks => {}
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Received> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.split("\r\n");
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(Some(0), |text| text.parse().ok())?;
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut chunk).await {
            Ok(read) if read > 0 => body.extend_from_slice(&chunk[..read]),
            _ => return None,
        }
    }
    Some(Received { path, headers, body: String::from_utf8(body).ok()? })
}

impl Receiver<Vec<String>> {
    /// Syslog over TLS (RFC 5425): one delivery is the messages of one connection.
    pub async fn syslog() -> Self {
        let (acceptor, authority) = tls();
        let serve: Serve<Vec<String>> = Arc::new(move |stream, shared| {
            let acceptor = acceptor.clone();
            drop(tokio::spawn(serve_syslog(stream, shared, acceptor)));
        });
        Self::start(authority, serve).await
    }
}

/// A certificate for 127.0.0.1 from an authority of its own.
fn tls() -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(authority, key).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
    let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a certificate with its key");
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

async fn serve_syslog(stream: TcpStream, shared: Arc<Shared<Vec<String>>>, acceptor: TlsAcceptor) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let mut bytes = Vec::new();
    if stream.read_to_end(&mut bytes).await.is_err() {
        return;
    }
    match shared.keep(frames(&bytes)) {
        Manner::Answers(_) => {
            let _ = stream.shutdown().await;
        }
        Manner::Silent => std::future::pending().await,
        Manner::Breaks => {}
    }
}

/// `LENGTH SP MESSAGE`, one after the other.
fn frames(mut bytes: &[u8]) -> Vec<String> {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').expect("a length");
        let length: usize = std::str::from_utf8(&bytes[..space]).expect("digits").parse().expect("a number");
        let (message, rest) = bytes[space + 1..].split_at(length);
        messages.push(String::from_utf8(message.to_vec()).expect("UTF-8"));
        bytes = rest;
    }
    messages
}
