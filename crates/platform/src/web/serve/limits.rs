//! What a client may take of the server without giving anything: time, connections, memory.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Config;

/// The limits in force. The constants are those that no operator has a reason to change.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the head of a request, counted from the connection or from the answer before; also for a TLS handshake.
    pub head: Duration,
    /// From the head of a request to the head of its answer.
    pub request: Duration,
    /// A connection on which no request runs must move [`Limits::stall_bytes`] in this time, or begin a request.
    pub stall: Duration,
    pub stall_bytes: u64,
    pub connections: usize,
    pub connections_per_address: usize,
    pub headers: usize,
    pub head_bytes: usize,
    /// HTTP/2: streams at once, and streams that a client opened and took back before they were looked at
    /// ("rapid reset", CVE-2023-44487).
    pub h2_streams: u32,
    pub h2_resets: usize,
    /// HTTP/2: bytes of answers kept for a stream whose client does not read.
    pub h2_send_bytes: usize,
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        Self {
            head: config.header_timeout,
            request: config.request_timeout,
            stall: Duration::from_secs(60),
            stall_bytes: 4096,
            connections: config.connections_max,
            connections_per_address: config.connections_per_address_max,
            headers: 100,
            head_bytes: 32 * 1024,
            h2_streams: 32,
            h2_resets: 20,
            h2_send_bytes: 64 * 1024,
        }
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
pub struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address; given back when dropped.
pub struct Seat {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// `None` when the address has `max` connections already.
    pub fn take(&self, address: IpAddr, max: usize) -> Option<Seat> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let count = open.entry(address).or_insert(0);
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Seat { addresses: self.clone(), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut open = self.addresses.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Somebody who has one IPv6 address has all of its /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & (u128::MAX << 64))),
        address => address,
    }
}

/// What a connection has done, seen from its socket and its service.
#[derive(Default)]
pub struct Activity {
    bytes: AtomicU64,
    requests: AtomicU64,
    running: AtomicUsize,
}

/// A request whose answer has no head yet.
pub struct Running(Arc<Activity>);

impl Activity {
    pub fn begin(self: &Arc<Self>) -> Running {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(self.clone())
    }

    fn seen(&self) -> (u64, u64) {
        (self.requests.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    /// Resolves when the connection holds its place without a reason: no request in time, then neither requests nor
    /// bytes. Catches what timers for heads do not: a client that sends nothing at all, half a protocol preface, an
    /// HTTP/2 client that answers pings, one that does not read its answer.
    pub async fn idle(&self, limits: &Limits) {
        tokio::time::sleep(limits.head).await;
        if self.seen().0 == 0 {
            return;
        }
        loop {
            let (requests, bytes) = self.seen();
            tokio::time::sleep(limits.stall).await;
            // Bounded by the limit for requests.
            let busy = self.running.load(Ordering::Relaxed) > 0;
            let (requests_now, bytes_now) = self.seen();
            if !busy && requests_now == requests && bytes_now - bytes < limits.stall_bytes {
                return;
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A socket that counts what passes.
pub struct Counted<S> {
    inner: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    pub fn new(inner: S, activity: Arc<Activity>) -> Self {
        Self { inner, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.activity.bytes.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = &polled {
            self.activity.bytes.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, slices);
        if let Poll::Ready(Ok(written)) = &polled {
            self.activity.bytes.fetch_add(*written as u64, Ordering::Relaxed);
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_connections_and_gets_them_back() {
        let addresses = Addresses::default();
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let seats: Vec<_> = (0..3).map(|_| addresses.take(one, 3).unwrap()).collect();
        assert!(addresses.take(one, 3).is_none());
        assert!(addresses.take("::ffff:192.0.2.1".parse().unwrap(), 3).is_none(), "the same address");
        assert!(addresses.take("192.0.2.2".parse().unwrap(), 3).is_some(), "others are not touched");
        drop(seats);
        assert!(addresses.take(one, 1).is_some());
        assert!(addresses.open.lock().unwrap().is_empty(), "nothing is kept of who went");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let addresses = Addresses::default();
        let _seat = addresses.take("2001:db8::1".parse().unwrap(), 1).unwrap();
        assert!(addresses.take("2001:db8::ffff:2".parse().unwrap(), 1).is_none());
        assert!(addresses.take("2001:db8:0:1::1".parse().unwrap(), 1).is_some());
    }
}
