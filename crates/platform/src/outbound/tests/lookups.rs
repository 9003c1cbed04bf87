use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, RecordType};

use super::dns_server::{DnsServer, Says, start};
use super::*;

fn txt(parts: &[&str]) -> RData {
    RData::TXT(TXT::new(parts.iter().map(|part| (*part).to_owned()).collect()))
}

fn cname(target: &str) -> RData {
    RData::CNAME(CNAME(Name::from_ascii(format!("{target}.")).unwrap()))
}

fn zone(name: &str, kind: RecordType) -> Says {
    let a = |a, b, c, d| RData::A(A::new(a, b, c, d));
    match (name, kind) {
        ("proof.example", RecordType::TXT) => Says::Records(vec![
            ("proof.example", txt(&["bailiwick=", "abc"])),
            ("proof.example", txt(&["other"])),
        ]),
        ("alias.example", RecordType::TXT) => Says::Records(vec![
            ("alias.example", cname("proof.example")),
            ("proof.example", txt(&["led here"])),
        ]),
        ("far.example", RecordType::TXT) => Says::Records(vec![("far.example", cname("proof.example"))]),
        ("loop.example", RecordType::TXT) => Says::Records(vec![("loop.example", cname("loop.example"))]),
        ("chain.example", _) => Says::Records(vec![("chain.example", cname("loop2.example"))]),
        ("loop2.example", _) => Says::Records(vec![("loop2.example", cname("chain.example"))]),
        ("empty.example", _) => Says::Records(Vec::new()),
        ("broken.example", _) => Says::Code(ResponseCode::ServFail),
        ("refused.example", _) => Says::Code(ResponseCode::Refused),
        ("silent.example", _) => Says::Silence,
        ("large.example", RecordType::TXT) => Says::OnlyByTcp(vec![("large.example", txt(&["by tcp"]))]),
        ("flood.example", RecordType::TXT) => {
            Says::OnlyByTcp((0..100).map(|_| ("flood.example", txt(&["x"]))).collect())
        }
        ("both.example", RecordType::A) => Says::Records(vec![("both.example", a(192, 0, 2, 1))]),
        ("both.example", RecordType::AAAA) => {
            Says::Records(vec![("both.example", RData::AAAA(AAAA::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)))])
        }
        ("half.example", RecordType::A) => Says::Records(vec![("half.example", a(192, 0, 2, 2))]),
        ("half.example", RecordType::AAAA) => Says::Code(ResponseCode::ServFail),
        ("inside.example", RecordType::A) => Says::Records(vec![
            ("inside.example", cname("db.internal.example")),
            ("db.internal.example", a(10, 0, 0, 5)),
        ]),
        _ => Says::Code(ResponseCode::NXDomain),
    }
}

async fn dns() -> (Dns, DnsServer) {
    let server = start(zone).await;
    (Dns::new(&[server.address]).unwrap(), server)
}

async fn outcome(dns: &Dns, name: &str) -> TxtOutcome {
    dns.txt(name).await.unwrap().remove(0).outcome
}

fn unanswered(outcome: &TxtOutcome) -> bool {
    matches!(outcome, TxtOutcome::Unanswered { .. })
}

#[tokio::test]
async fn txt_records_come_joined_with_their_resolver() {
    let (dns, server) = dns().await;
    let answers = dns.txt("proof.example").await.unwrap();
    assert_eq!(answers[0].resolver, server.address);
    let TxtOutcome::Found { mut texts, aliases } = answers[0].outcome.clone() else { panic!("{answers:?}") };
    texts.sort();
    assert_eq!(texts, ["bailiwick=abc", "other"]);
    assert!(aliases.is_empty());
}

#[tokio::test]
async fn aliases_are_followed_and_named() {
    let (dns, _server) = dns().await;
    let expected =
        TxtOutcome::Found { texts: vec!["led here".into()], aliases: vec!["proof.example".into()] };
    assert_eq!(outcome(&dns, "alias.example").await, expected);
    // The resolver gave the alias only: the target is asked for.
    let TxtOutcome::Found { texts, aliases } = outcome(&dns, "far.example").await else { panic!() };
    assert_eq!((texts.len(), aliases), (2, vec!["proof.example".to_owned()]));
}

#[tokio::test]
async fn a_loop_of_aliases_ends_and_proves_nothing() {
    let (dns, server) = dns().await;
    for name in ["loop.example", "chain.example"] {
        let outcome = outcome(&dns, name).await;
        assert!(!matches!(outcome, TxtOutcome::Found { .. }), "{outcome:?}");
    }
    assert!(server.asked.load(Ordering::SeqCst) < 64);
}

#[tokio::test]
async fn servfail_is_not_removed() {
    let (dns, _server) = dns().await;
    assert_eq!(outcome(&dns, "missing.example").await, TxtOutcome::Absent);
    assert_eq!(outcome(&dns, "empty.example").await, TxtOutcome::Absent);
    for name in ["broken.example", "refused.example", "silent.example"] {
        let outcome = outcome(&dns, name).await;
        assert!(unanswered(&outcome), "{name}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_not_removed_either() {
    let address = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let dns = Dns::new(&[address]).unwrap();
    let outcome = outcome(&dns, "proof.example").await;
    assert!(unanswered(&outcome), "{outcome:?}");
}

#[tokio::test]
async fn every_resolver_is_asked_and_answers_stay_apart() {
    let (good, bad) = (start(zone).await, start(|_, _| Says::Code(ResponseCode::ServFail)).await);
    let none = start(|_, _| Says::Code(ResponseCode::NXDomain)).await;
    let dns = Dns::new(&[good.address, bad.address, none.address]).unwrap();
    let answers = dns.txt("proof.example").await.unwrap();
    let resolvers: Vec<_> = answers.iter().map(|answer| answer.resolver).collect();
    assert_eq!(resolvers, [good.address, bad.address, none.address]);
    assert!(matches!(answers[0].outcome, TxtOutcome::Found { .. }));
    assert!(unanswered(&answers[1].outcome));
    assert_eq!(answers[2].outcome, TxtOutcome::Absent);
}

#[tokio::test]
async fn nothing_is_cached() {
    let (dns, server) = dns().await;
    for _ in 0..3 {
        assert!(matches!(outcome(&dns, "proof.example").await, TxtOutcome::Found { .. }));
        assert_eq!(outcome(&dns, "missing.example").await, TxtOutcome::Absent);
    }
    assert!(server.asked.load(Ordering::SeqCst) >= 6, "{:?}", server.asked);
}

#[tokio::test]
async fn a_large_answer_comes_by_tcp_and_a_flood_proves_nothing() {
    let (dns, _server) = dns().await;
    let expected = TxtOutcome::Found { texts: vec!["by tcp".into()], aliases: Vec::new() };
    assert_eq!(outcome(&dns, "large.example").await, expected);
    let flood = outcome(&dns, "flood.example").await;
    assert!(unanswered(&flood), "{flood:?}");
}

#[tokio::test]
async fn addresses_of_both_families_are_found() {
    let (dns, _server) = dns().await;
    let mut found = dns.addresses("both.example").await.unwrap();
    found.sort();
    assert_eq!(found, ["192.0.2.1".parse::<IpAddr>().unwrap(), "2001:db8::1".parse().unwrap()]);
    assert_eq!(dns.addresses("half.example").await.unwrap(), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(dns.addresses("missing.example").await, Err(DnsError::NoSuchName));
    assert!(matches!(dns.addresses("broken.example").await, Err(DnsError::Unanswered(_))));
}

#[tokio::test]
async fn outbound_refuses_cname_to_private() {
    let (dns, _server) = dns().await;
    let outbound = Outbound::with(Duration::from_secs(5), false, None, Arc::new(dns)).unwrap();
    let result = outbound.fetch(Request::get("https://inside.example/")).await;
    assert!(matches!(result, Err(OutboundError::Refused(Refusal::NotPublic))), "{result:?}");
}

#[tokio::test]
async fn names_that_are_none_are_errors() {
    let (dns, server) = dns().await;
    for name in ["", "a b", "münchen.example", "a..b", "proof.example.", &"a.".repeat(200), &"a".repeat(64)]
    {
        assert!(matches!(dns.txt(name).await, Err(DnsError::Name(_))), "{name:?}");
    }
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
}
