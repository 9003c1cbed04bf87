//! Questions to the DNS: addresses for the guarded client, TXT records for domain proofs.
//!
//! What it promises: nothing is cached; each configured resolver is asked by itself and its answer kept apart; "there is
//! no such record" (NXDOMAIN, or an empty answer: RFC 2308) is told from "no answer" (SERVFAIL, REFUSED, time-out, an
//! answer beyond our limits), because an outage must never look like a removed record. UDP first, TCP when truncated or
//! unanswered; names in mixed case over UDP against forged answers.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::{OutboundError, Resolve};
use crate::config::Config;

const TRY_TIMEOUT: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// For one resolver and one question, with all tries and aliases.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(9);
const RECORDS_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 16 * 1024;
const ALIASES_MAX: usize = 8;
const RESOLVERS_MAX: usize = 8;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    #[error("`{0}` is no DNS name")]
    Name(String),
    #[error("the name does not exist or has no address")]
    NoSuchName,
    #[error("no resolver answered: {0}")]
    Unanswered(String),
    #[error("cannot read the system's resolvers ({0}): set `dns_servers`")]
    System(String),
}

/// What one resolver says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TxtAnswer {
    pub resolver: SocketAddr,
    pub outcome: TxtOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxtOutcome {
    /// The texts (the parts of a record joined, RFC 7208 §3.3), and the names that the question was led along by CNAME
    /// records, in order; a proof may not want any.
    Found { texts: Vec<String>, aliases: Vec<String> },
    /// The resolver says that there is none.
    Absent,
    /// Says nothing about the record.
    Unanswered { reason: String },
}

pub struct Dns {
    resolvers: Vec<(SocketAddr, TokioResolver)>,
}

impl Dns {
    /// Asks `servers`, or those of the system when there are none.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, DnsError> {
        let servers = if servers.is_empty() { system_servers()? } else { servers.to_vec() };
        let resolvers = servers
            .into_iter()
            .take(RESOLVERS_MAX)
            .map(|server| resolver(server).map(|resolver| (server, resolver)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| DnsError::System(error.to_string()))?;
        Ok(Self { resolvers })
    }

    pub fn from_config(config: &Config) -> Result<Self, OutboundError> {
        Self::new(&config.dns_servers).map_err(|error| OutboundError::Setup(error.to_string()))
    }

    /// The TXT records of `name`, asked of every resolver at once. To find a wildcard, ask for a random label, too.
    pub async fn txt(&self, name: &str) -> Result<Vec<TxtAnswer>, DnsError> {
        let name = full_name(name)?;
        let ask = |(server, resolver): &(SocketAddr, TokioResolver)| {
            let (server, resolver, name) = (*server, resolver.clone(), name.clone());
            async move { TxtAnswer { resolver: server, outcome: ask_txt(&resolver, name).await } }
        };
        Ok(join_all(self.resolvers.iter().map(ask)).await)
    }

    async fn find_addresses(&self, name: &str) -> Result<Vec<IpAddr>, DnsError> {
        let name = full_name(name)?;
        let mut last = DnsError::Unanswered("there is none".into());
        for (_, resolver) in &self.resolvers {
            let (v4, v6) = tokio::join!(
                ask(resolver, name.clone(), RecordType::A),
                ask(resolver, name.clone(), RecordType::AAAA)
            );
            let mut found = Vec::new();
            for lookup in [&v4, &v6].into_iter().flatten() {
                found.extend(lookup.answers().iter().filter_map(|record| record.data.ip_addr()));
            }
            if !found.is_empty() {
                found.truncate(RECORDS_MAX);
                return Ok(found);
            }
            last = match (v4, v6) {
                (Err(Trouble::Unanswered(reason)), _) | (_, Err(Trouble::Unanswered(reason))) => {
                    DnsError::Unanswered(reason)
                }
                _ => return Err(DnsError::NoSuchName),
            };
        }
        Err(last)
    }
}

impl Resolve for Dns {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(self.find_addresses(name))
    }
}

enum Trouble {
    Absent,
    Unanswered(String),
}

async fn ask(resolver: &TokioResolver, name: Name, kind: RecordType) -> Result<Lookup, Trouble> {
    match tokio::time::timeout(QUESTION_TIMEOUT, resolver.lookup(name, kind)).await {
        Ok(Ok(lookup)) => Ok(lookup),
        Ok(Err(error)) => Err(trouble(&error)),
        Err(_) => Err(Trouble::Unanswered("no answer in time".into())),
    }
}

fn trouble(error: &NetError) -> Trouble {
    match error {
        NetError::Dns(HickoryError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => Trouble::Absent,
            // An empty answer with name servers and no SOA is a referral: this server does not resolve for us.
            ResponseCode::NoError if none.ns.is_some() && none.soa.is_none() => {
                Trouble::Unanswered("the server only refers to others: it is no resolver for us".into())
            }
            ResponseCode::NoError => Trouble::Absent,
            code => Trouble::Unanswered(code.to_string()),
        },
        NetError::Dns(HickoryError::ResponseCode(code)) => Trouble::Unanswered(code.to_string()),
        other => Trouble::Unanswered(other.to_string()),
    }
}

async fn ask_txt(resolver: &TokioResolver, name: Name) -> TxtOutcome {
    let lookup = match ask(resolver, name, RecordType::TXT).await {
        Ok(lookup) => lookup,
        Err(Trouble::Absent) => return TxtOutcome::Absent,
        Err(Trouble::Unanswered(reason)) => return TxtOutcome::Unanswered { reason },
    };
    let (mut texts, mut aliases, mut bytes) = (Vec::new(), Vec::new(), 0);
    for record in lookup.answers() {
        match &record.data {
            RData::TXT(txt) => {
                let joined: Vec<u8> = txt.txt_data.iter().flat_map(|part| part.iter().copied()).collect();
                bytes += joined.len();
                texts.push(String::from_utf8_lossy(&joined).into_owned());
            }
            RData::CNAME(target) => aliases.push(target.0.to_ascii().trim_end_matches('.').to_lowercase()),
            _ => {}
        }
    }
    if texts.len() > RECORDS_MAX || bytes > TEXT_BYTES_MAX || aliases.len() > ALIASES_MAX {
        return TxtOutcome::Unanswered { reason: "the answer is too large".into() };
    }
    if texts.is_empty() { TxtOutcome::Absent } else { TxtOutcome::Found { texts, aliases } }
}

/// The name with a dot at its end, so that no search list applies.
fn full_name(name: &str) -> Result<Name, DnsError> {
    let bad = || DnsError::Name(name.to_owned());
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if !plain || name.is_empty() || name.ends_with('.') {
        return Err(bad());
    }
    let mut parsed = Name::from_ascii(name).map_err(|_| bad())?;
    parsed.set_fqdn(true);
    Ok(parsed)
}

fn resolver(server: SocketAddr) -> Result<TokioResolver, NetError> {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    let servers = vec![NameServerConfig::new(server.ip(), true, connections.to_vec())];
    let config = ResolverConfig::from_parts(None, Vec::new(), servers);
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    set_options(builder.options_mut());
    builder.build()
}

fn set_options(options: &mut ResolverOpts) {
    options.timeout = TRY_TIMEOUT;
    options.attempts = TRIES;
    options.use_hosts_file = ResolveHosts::Never;
    options.preserve_intermediates = true;
    options.try_tcp_on_error = true;
    options.case_randomization = true;
    // No cache: a proof that was just published must be seen, one that was removed must not.
    options.cache_size = 0;
    options.positive_max_ttl = Some(Duration::ZERO);
    options.negative_max_ttl = Some(Duration::ZERO);
}

fn system_servers() -> Result<Vec<SocketAddr>, DnsError> {
    let (config, _) = hickory_resolver::system_conf::read_system_conf()
        .map_err(|error| DnsError::System(error.to_string()))?;
    let mut servers = Vec::new();
    for server in config.name_servers() {
        let port = server.connections.first().map_or(53, |connection| connection.port);
        let address = SocketAddr::new(server.ip, port);
        if !servers.contains(&address) {
            servers.push(address);
        }
    }
    if servers.is_empty() { Err(DnsError::System("there are none".into())) } else { Ok(servers) }
}
