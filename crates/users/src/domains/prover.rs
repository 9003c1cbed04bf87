//! Who looks at the outside world for a proof: the DNS and the guarded client, or a script in tests.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use platform::ctx::Random;
use platform::outbound::{Dns, DnsError, Outbound, OutboundError, Request, TxtAnswer, TxtOutcome};

use super::name::DomainName;
use super::proof::{Answer, DnsEvidence, FILE_PATH, HttpsEvidence, LABEL, ResolverAnswer, Seen};

/// A token and its line break fit well; anything larger is no proof.
const FILE_BYTES_MAX: usize = 512;

/// Asks for the proofs of a domain. Never judges and never stores anything.
pub trait Prover: Send + Sync {
    fn dns<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, DnsEvidence>;
    fn https<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, HttpsEvidence>;
}

/// The service that the program adds at its start.
#[derive(Clone)]
pub struct ProverService(pub Arc<dyn Prover>);

impl ProverService {
    /// Both ways at once.
    pub async fn look(&self, name: &DomainName) -> Seen {
        let (dns, https) = tokio::join!(self.0.dns(name), self.0.https(name));
        Seen { dns, https }
    }
}

/// The real one.
pub struct NetworkProver {
    dns: Arc<Dns>,
    outbound: Outbound,
    random: Random,
    https_port: u16,
}

impl NetworkProver {
    pub fn new(dns: Arc<Dns>, outbound: Outbound, random: Random, https_port: u16) -> Self {
        Self { dns, outbound, random, https_port }
    }

    async fn ask_dns(&self, name: &DomainName) -> DnsEvidence {
        let sibling = format!("{LABEL}-{}.{}", hex::encode(self.random.bytes::<8>()), name.as_str());
        let label = format!("{LABEL}.{}", name.as_str());
        let (ours, beside) = tokio::join!(self.dns.txt(&label), self.dns.txt(&sibling));
        match (ours, beside) {
            (Ok(ours), Ok(beside)) => pair(ours, beside),
            (Err(error), _) | (_, Err(error)) => {
                let silent = Answer::Unanswered(error.to_string());
                let answer = ResolverAnswer {
                    resolver: "resolver".to_owned(),
                    answer: silent.clone(),
                    sibling: silent,
                };
                DnsEvidence { answers: vec![answer] }
            }
        }
    }

    async fn ask_https(&self, name: &DomainName) -> HttpsEvidence {
        let port = if self.https_port == 443 { String::new() } else { format!(":{}", self.https_port) };
        let mut request = Request::get(format!("https://{}{port}{FILE_PATH}", name.as_str()));
        request.bytes_max = FILE_BYTES_MAX;
        match self.outbound.fetch(request).await {
            Ok(response) => HttpsEvidence::Answered {
                status: response.status.as_u16(),
                body: response.body.to_vec(),
                address: response.address.to_string(),
            },
            Err(OutboundError::Resolve { reason: DnsError::NoSuchName, .. }) => {
                HttpsEvidence::Absent("the name has no address".to_owned())
            }
            Err(error @ (OutboundError::Refused(_) | OutboundError::TooLarge(_))) => {
                HttpsEvidence::Absent(error.to_string())
            }
            Err(error) => HttpsEvidence::Unanswered(error.to_string()),
        }
    }
}

/// Puts each resolver's two answers together.
fn pair(ours: Vec<TxtAnswer>, beside: Vec<TxtAnswer>) -> DnsEvidence {
    let mut siblings: HashMap<_, _> =
        beside.into_iter().map(|answer| (answer.resolver, read(answer.outcome))).collect();
    let answers = ours.into_iter().map(|answer| {
        let missing = || Answer::Unanswered("the question for a random label was not asked".to_owned());
        ResolverAnswer {
            resolver: answer.resolver.to_string(),
            sibling: siblings.remove(&answer.resolver).unwrap_or_else(missing),
            answer: read(answer.outcome),
        }
    });
    DnsEvidence { answers: answers.collect() }
}

fn read(outcome: TxtOutcome) -> Answer {
    match outcome {
        TxtOutcome::Found { texts, aliases } => Answer::Records { texts, aliases },
        TxtOutcome::Absent => Answer::Absent,
        TxtOutcome::Unanswered { reason } => Answer::Unanswered(reason),
    }
}

impl Prover for NetworkProver {
    fn dns<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, DnsEvidence> {
        Box::pin(self.ask_dns(name))
    }

    fn https<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, HttpsEvidence> {
        Box::pin(self.ask_https(name))
    }
}
