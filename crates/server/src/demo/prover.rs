//! What the demo's DNS answers: domains under `.example` exist nowhere, so the story says which record is published.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::BoxFuture;
use users::domains::name::DomainName;
use users::domains::proof::{Answer, DnsEvidence, HttpsEvidence, ResolverAnswer};
use users::domains::prover::{Prover, ProverService};

/// Records by domain; without one the answer is "there is none".
#[derive(Clone, Default)]
pub struct Script {
    records: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Script {
    pub fn publish(&self, domain: &str, record: &str) {
        if let Ok(mut records) = self.records.lock() {
            records.insert(domain.to_owned(), record.to_owned());
        }
    }

    pub fn withdraw(&self, domain: &str) {
        if let Ok(mut records) = self.records.lock() {
            records.remove(domain);
        }
    }

    pub fn service(&self) -> ProverService {
        ProverService(Arc::new(self.clone()))
    }
}

impl Prover for Script {
    fn dns<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, DnsEvidence> {
        let record = self.records.lock().ok().and_then(|records| records.get(name.as_str()).cloned());
        let answer = match record {
            Some(text) => Answer::Records { texts: vec![text], aliases: Vec::new() },
            None => Answer::Absent,
        };
        let said = ["192.0.2.53:53", "198.51.100.53:53"].map(|resolver| ResolverAnswer {
            resolver: resolver.to_owned(),
            answer: answer.clone(),
            sibling: Answer::Absent,
        });
        Box::pin(async move { DnsEvidence { answers: said.to_vec() } })
    }

    fn https<'a>(&'a self, _: &'a DomainName) -> BoxFuture<'a, HttpsEvidence> {
        Box::pin(async { HttpsEvidence::Absent("the name has no address".to_owned()) })
    }
}
