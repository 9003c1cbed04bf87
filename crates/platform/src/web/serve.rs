//! The accept loop: TLS, limits for slow and greedy clients, and a drain with a hard deadline.
//!
//! What it promises: a client that sends or reads slowly, or not at all, loses its connection; no address has more than
//! its share; a stop signal is heard also when every place is taken; a new certificate is used by the next handshake and
//! breaks no connection that is open.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tower::ServiceExt;

use crate::acme;
use crate::app::App;

use super::guard::Peer;
use super::tls::Tls;

mod limits;
pub mod redirect;

pub use limits::Limits;
use limits::{Activity, Addresses, Counted};

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error("port {0} is in use: stop the other program, or choose another one with `--listen HOST:PORT`")]
    PortInUse(u16),
    #[error("cannot listen on {address}: {reason}")]
    Listen { address: SocketAddr, reason: String },
}

/// Takes the port.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => ServeError::PortInUse(address.port()),
        _ => ServeError::Listen { address, reason: error.to_string() },
    })
}

/// What every connection of a listener needs.
#[derive(Clone)]
struct Shared {
    app: App,
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
}

/// Serves until the app drains; then lets requests under way end, for at most `drain_max`.
pub async fn serve(
    app: App,
    listener: TcpListener,
    router: Router,
    tls: Option<Tls>,
    limits: Limits,
    drain_max: Duration,
) {
    let graceful = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(limits.connections));
    let addresses = Addresses::default();
    let shared = Shared { app: app.clone(), router, tls, limits };
    loop {
        let next = async {
            let permit = permits.clone().acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            () = app.drained() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: going on at once would only spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let max =
            if app.config().trusts_proxy(peer.ip()) { usize::MAX } else { limits.connections_per_address };
        let Some(seat) = addresses.take(peer.ip(), max) else {
            metrics::counter!("bailiwick_connections_refused_total").increment(1);
            continue;
        };
        let (shared, watcher) = (shared.clone(), graceful.watcher());
        tokio::spawn(async move {
            accept(shared, stream, peer, watcher).await;
            drop((permit, seat));
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(drain_max) => tracing::warn!("requests were cut off at the end of the drain"),
    }
}

async fn accept(shared: Shared, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = shared.tls.clone() else {
        return connection(shared, stream, peer, watcher, None).await;
    };
    let shaken = tokio::time::timeout(shared.limits.head, handshake(&shared.app, &tls, stream)).await;
    let Ok(Ok(Some(stream))) = shaken else { return };
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    connection(shared, stream, peer, watcher, Some(h2)).await;
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// `None` after the handshake by which an authority looks whether a name leads here (RFC 8737): nothing follows.
async fn handshake(app: &App, tls: &Tls, stream: TcpStream) -> std::io::Result<Option<TlsStream>> {
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let asked = acme::asked_by_authority(&start.client_hello());
    if let Some(name) = asked {
        if let Some(config) = acme::challenge_config(app, &name).await {
            start.into_stream(config).await?;
        }
        return Ok(None);
    }
    start.into_stream(tls.config()).await.map(Some)
}

/// `h2` is what the handshake agreed on; `None` without TLS, where the first bytes tell.
async fn connection<S>(shared: Shared, stream: S, peer: SocketAddr, watcher: Watcher, h2: Option<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = shared.limits;
    let activity = Arc::new(Activity::default());
    let io = TokioIo::new(Counted::new(stream, activity.clone()));
    let seen = activity.clone();
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let (router, running) = (shared.router.clone(), seen.begin());
        async move {
            if names_no_host(&request) {
                return Ok(axum::response::IntoResponse::into_response(axum::http::StatusCode::BAD_REQUEST));
            }
            let answer = tokio::time::timeout(limits.request, router.oneshot(request.map(Body::new))).await;
            drop(running);
            answer.unwrap_or_else(|_| {
                Ok(axum::response::IntoResponse::into_response(axum::http::StatusCode::REQUEST_TIMEOUT))
            })
        }
    });
    let served = builder(&limits, h2).serve_connection_with_upgrades(io, service).into_owned();
    // A client that goes away or speaks nonsense is no error of ours.
    tokio::select! {
        _ = watcher.watch(served) => {}
        () = activity.idle(&limits) => {
            metrics::counter!("bailiwick_connections_idle_total").increment(1);
        }
    }
}

fn builder(limits: &Limits, h2: Option<bool>) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams)
        .max_pending_accept_reset_streams(limits.h2_resets)
        .max_send_buf_size(limits.h2_send_bytes)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    match h2 {
        Some(true) => builder.http2_only(),
        Some(false) => builder.http1_only(),
        None => builder,
    }
}

/// RFC 9112 §3.2: a request of HTTP/1.1 names exactly one host; two readers must not see two.
fn names_no_host<B>(request: &Request<B>) -> bool {
    let hosts = request.headers().get_all(axum::http::header::HOST).iter().count();
    hosts > 1 || (hosts == 0 && request.version() == axum::http::Version::HTTP_11)
}

/// Resolves on SIGTERM or SIGINT.
pub async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupt.await;
        }
    }
}
