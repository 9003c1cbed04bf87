//! A DNS server on loopback, UDP and TCP, that answers from a function: what no well-behaved server would do.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::proto::serialize::binary::{BinDecodable, BinEncodable};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What the server says to one question.
#[derive(Clone)]
pub(super) enum Says {
    Records(Vec<(&'static str, RData)>),
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
    /// Truncated over UDP; these over TCP.
    OnlyByTcp(Vec<(&'static str, RData)>),
}

pub(super) type Zone = fn(&str, RecordType) -> Says;

pub(super) struct DnsServer {
    pub address: SocketAddr,
    pub asked: Arc<AtomicUsize>,
}

pub(super) async fn start(zone: Zone) -> DnsServer {
    // The port must be free for both; another test may hold its TCP side.
    let (udp, tcp, address) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = udp.local_addr().unwrap();
        if let Ok(tcp) = TcpListener::bind(address).await {
            break (udp, tcp, address);
        }
    };
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    tokio::spawn(async move {
        let mut bytes = [0; 2048];
        while let Ok((length, peer)) = udp.recv_from(&mut bytes).await {
            count.fetch_add(1, Ordering::SeqCst);
            if let Some(answer) = answer(&bytes[..length], zone, false) {
                let _ = udp.send_to(&answer, peer).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            tokio::spawn(async move {
                while let Ok(length) = stream.read_u16().await {
                    let mut bytes = vec![0; usize::from(length)];
                    if stream.read_exact(&mut bytes).await.is_err() {
                        return;
                    }
                    let Some(answer) = answer(&bytes, zone, true) else { return };
                    let _ = stream.write_u16(u16::try_from(answer.len()).unwrap()).await;
                    let _ = stream.write_all(&answer).await;
                }
            });
        }
    });
    DnsServer { address, asked }
}

fn answer(question: &[u8], zone: Zone, tcp: bool) -> Option<Vec<u8>> {
    let question = Message::from_bytes(question).ok()?;
    let query = question.queries.first()?.clone();
    let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
    let mut reply = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.add_query(query.clone());
    let records = match zone(&name, query.query_type()) {
        Says::Silence => return None,
        Says::Code(code) => {
            reply.metadata.response_code = code;
            Vec::new()
        }
        Says::OnlyByTcp(_) if !tcp => {
            reply.metadata.truncation = true;
            Vec::new()
        }
        Says::OnlyByTcp(records) | Says::Records(records) => records,
    };
    for (owner, data) in records {
        // The name as it was asked, in its mixed case, where it is the one asked for.
        let owner =
            if owner == name { query.name().clone() } else { Name::from_ascii(format!("{owner}.")).unwrap() };
        reply.add_answer(Record::from_rdata(owner, 3600, data));
    }
    reply.to_bytes().ok()
}
