//! Against receivers that really listen, on both databases.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use platform::config::Config;
use platform::outbound::{DnsError, Outbound, Resolve};
use serde_json::{Value, json};
use testkit::receiver::{Received, Receiver};
use testkit::{Client, Kit, KitOptions};

use crate::kit::with_mail;

mod console;
mod evidence;
mod failures;
mod order;
mod syslog;

const STREAMS: &str = "/api/v1/organizations/harbor/audit/streams";

/// Every name means the same address.
struct Everywhere(IpAddr);

impl Resolve for Everywhere {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async { Ok(vec![self.0]) })
    }
}

fn outbound(loopback: bool, everywhere: &str) -> Outbound {
    let mut config = Config::for_tests(Path::new("/nowhere"));
    config.outbound_allow_loopback = loopback;
    let address = everywhere.parse().expect("an address");
    Outbound::new(&config, Arc::new(Everywhere(address))).expect("a client")
}

/// A program that may reach this machine, and sends what streams have to send whenever it settles.
fn options() -> KitOptions {
    with(true, "127.0.0.1")
}

fn with(loopback: bool, everywhere: &'static str) -> KitOptions {
    let mut options = with_mail();
    options.configure = Box::new(move |config| {
        config.test_clock = true;
        config.outbound_allow_loopback = loopback;
    });
    let services = options.services;
    options.services = Box::new(move |builder| services(builder).service(outbound(loopback, everywhere)));
    options.consumers = vec![|app| Box::pin(super::jobs::step(app))];
    options
}

/// Adds a webhook to `target`; gives its id and secret.
async fn webhook(client: &mut Client, target: &str, from: &str) -> (String, String) {
    let body =
        json!({ "name": "SIEM", "kind": "webhook", "target": target, "format": "jsonl", "from": from });
    let made = client.post(STREAMS, body).await.expect(201).json();
    (made["id"].as_str().unwrap().to_owned(), made["secret"].as_str().unwrap().to_owned())
}

async fn groups(client: &mut Client, names: std::ops::Range<usize>) {
    for n in names {
        let body = json!({ "name": format!("Group {n}") });
        client.post("/api/v1/organizations/harbor/groups", body).await.expect(201);
    }
}

async fn view(client: &mut Client, id: &str) -> Value {
    client.get(&format!("{STREAMS}/{id}")).await.expect(200).json()
}

/// The numbers of the events in a delivery.
fn sequences(one: &Received) -> Vec<u64> {
    let number = |line| serde_json::from_str::<Value>(line).unwrap()["sequence"].as_u64().unwrap();
    one.body.lines().map(number).collect()
}

/// Each event once, where a repeated delivery repeats what came before it. Fails when one is left out or comes early.
fn in_order(receiver: &Receiver<Received>) -> Vec<u64> {
    let mut seen: Vec<u64> = Vec::new();
    for delivery in receiver.received() {
        for sequence in sequences(&delivery) {
            match seen.last() {
                Some(last) if sequence <= *last => assert!(seen.contains(&sequence)),
                Some(last) => {
                    assert_eq!(sequence, last + 1, "an event was left out");
                    seen.push(sequence);
                }
                None => seen.push(sequence),
            }
        }
    }
    seen
}

async fn size(kit: &Kit) -> u64 {
    let harbor = kit.organization("harbor").await;
    kit.actions(harbor).await.len() as u64
}
