//! What counts as proof of a domain: pure judgement over what resolvers and a web server said.
//!
//! - **DNS** (as RFC 8555 §8.4 does it for certificates): a TXT record at an own label, exactly [`VALUE_PREFIX`] and the
//!   token. A CNAME at that label is followed: who controls the label may delegate it.
//! - **Wildcards**: `*.example.com TXT …` answers for our label, too, and need not be written by whoever controls the
//!   exact name. Each resolver is therefore asked for a random label beside ours; one that gives the token there as well
//!   proves nothing, and one that does not answer that question counts as unanswered.
//! - **HTTPS** (RFC 8615): a file at a fixed path whose whole body is the token; a redirect proves nothing, since open
//!   redirects exist.
//! - **"No answer" is not "removed"**: SERVFAIL, time-outs, broken TLS and server errors say nothing at all.

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

pub const LABEL: &str = "_bailiwick-challenge";
pub const VALUE_PREFIX: &str = "bailiwick-domain-verification=";
pub const FILE_PATH: &str = "/.well-known/bailiwick-domain-verification";

/// What one resolver said about one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Records {
        texts: Vec<String>,
        aliases: Vec<String>,
    },
    /// There is no such record (NXDOMAIN, or an empty answer: RFC 2308).
    Absent,
    /// Says nothing: SERVFAIL, REFUSED, time-out.
    Unanswered(String),
}

/// One resolver's answers for our label and for a random one beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolverAnswer {
    pub resolver: String,
    pub answer: Answer,
    pub sibling: Answer,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsEvidence {
    pub answers: Vec<ResolverAnswer>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpsEvidence {
    Answered {
        status: u16,
        body: Vec<u8>,
        address: String,
    },
    /// There is nothing there that could answer: no address, or none on the public internet.
    Absent(String),
    /// Says nothing: connection refused, broken TLS, time-out.
    Unanswered(String),
}

/// Everything that one check saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub dns: DnsEvidence,
    pub https: HttpsEvidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    DnsTxt,
    HttpsFile,
}

impl Method {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DnsTxt => "dns_txt",
            Self::HttpsFile => "https_file",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::DnsTxt, Self::HttpsFile].into_iter().find(|method| method.as_str() == text)
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::DnsTxt => "DNS record",
            Self::HttpsFile => "HTTPS file",
        }
    }
}

/// What is stored of a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub method: Method,
    /// SHA-256 of the answer.
    pub hash: Vec<u8>,
    /// Who gave it.
    pub resolvers: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sight {
    /// The token is there.
    Found,
    /// Certainly nothing is there.
    Absent,
    /// Something else is there.
    Different,
    /// The token is there, but also at a random label.
    Wildcard,
    /// No answer, which says nothing.
    Unanswered,
}

/// What one resolver, or the web server, said: stored with the domain and shown on its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Said {
    /// Address of the resolver; of the web server, where it answered.
    pub by: String,
    /// `found`, `absent`, `different`, `wildcard` or `unanswered`.
    #[schema(value_type = String)]
    pub sight: Sight,
    /// In words.
    pub said: String,
}

/// The account of a check, per source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
    pub dns: Vec<Said>,
    pub https: Option<Said>,
}

/// What a check comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Proved(Proof),
    /// The proof is certainly not there.
    Gone(Gone),
    /// Nothing can be concluded; never counts against a domain.
    Undecided(String),
}

/// Why a proof is not accepted although everybody answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    Absent,
    Different,
    Wildcard,
}

impl Gone {
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Different => "different",
            Self::Wildcard => "wildcard",
        }
    }
}

pub fn record_value(token: &str) -> String {
    format!("{VALUE_PREFIX}{token}")
}

fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

fn holds(answer: &Answer, value: &str) -> bool {
    matches!(answer, Answer::Records { texts, .. } if texts.iter().any(|text| text == value))
}

fn see(answer: &ResolverAnswer, value: &str) -> Said {
    let (sight, said) = match (&answer.answer, &answer.sibling) {
        (Answer::Unanswered(reason), _) => (Sight::Unanswered, format!("no answer: {reason}")),
        (Answer::Absent, _) => (Sight::Absent, "says there is no such record".to_owned()),
        (found, _) if !holds(found, value) => (Sight::Different, different(found)),
        (_, sibling) if holds(sibling, value) => {
            (Sight::Wildcard, "gives the record for every name: a wildcard proves nothing".to_owned())
        }
        (_, Answer::Unanswered(reason)) => (
            Sight::Unanswered,
            format!("sees the record, but cannot tell whether it is a wildcard: {reason}"),
        ),
        (Answer::Records { aliases, .. }, _) => (
            Sight::Found,
            match aliases.first() {
                Some(alias) => format!("sees the record, by way of `{alias}`"),
                None => "sees the record".to_owned(),
            },
        ),
    };
    Said { by: answer.resolver.clone(), sight, said }
}

fn different(answer: &Answer) -> String {
    const SHOWN: usize = 80;
    match answer {
        Answer::Records { texts, .. } => {
            let first: String =
                texts.first().map(|text| text.chars().take(SHOWN).collect()).unwrap_or_default();
            format!("sees another value: `{first}`")
        }
        _ => "sees another value".to_owned(),
    }
}

pub(super) fn judge_dns(token: &str, evidence: &DnsEvidence) -> (Verdict, Vec<Said>) {
    let value = record_value(token);
    let said: Vec<Said> = evidence.answers.iter().map(|answer| see(answer, &value)).collect();
    let count = |wanted: Sight| said.iter().filter(|one| one.sight == wanted).count();
    let (found, silent, all) = (count(Sight::Found), count(Sight::Unanswered), said.len());
    let against = all - found - silent;
    let verdict = if found > 0 && against == 0 {
        Verdict::Proved(Proof {
            method: Method::DnsTxt,
            hash: sha256(value.as_bytes()),
            resolvers: said
                .iter()
                .filter(|one| one.sight == Sight::Found)
                .map(|one| one.by.clone())
                .collect(),
        })
    } else if against * 2 > all {
        Verdict::Gone(if count(Sight::Wildcard) > 0 {
            Gone::Wildcard
        } else if count(Sight::Different) > 0 {
            Gone::Different
        } else {
            Gone::Absent
        })
    } else if found > 0 {
        Verdict::Undecided(format!("{found} of {all} resolvers see the record, the others do not yet"))
    } else {
        Verdict::Undecided("the resolvers did not answer".to_owned())
    };
    (verdict, said)
}

/// The whole body is the token; one line break at its end is what editors and `echo` add.
fn is_token(body: &[u8], token: &str) -> bool {
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    body.strip_suffix(b"\r").unwrap_or(body) == token.as_bytes()
}

fn judge_https(token: &str, evidence: &HttpsEvidence) -> (Verdict, Said) {
    let said = |by: &str, sight: Sight, said: String| Said { by: by.to_owned(), sight, said };
    match evidence {
        HttpsEvidence::Answered { status: 200, body, address } if is_token(body, token) => (
            Verdict::Proved(Proof {
                method: Method::HttpsFile,
                hash: sha256(body),
                resolvers: vec![address.clone()],
            }),
            said(address, Sight::Found, "serves the file".to_owned()),
        ),
        HttpsEvidence::Answered { status, address, .. } if *status >= 500 || *status == 429 => (
            Verdict::Undecided(format!("the web server answered {status}")),
            said(address, Sight::Unanswered, format!("answered {status}: says nothing about the file")),
        ),
        HttpsEvidence::Answered { status: 200, address, .. } => (
            Verdict::Gone(Gone::Different),
            said(address, Sight::Different, "serves another content than the token alone".to_owned()),
        ),
        HttpsEvidence::Answered { status, address, .. } if (300..400).contains(status) => (
            Verdict::Gone(Gone::Different),
            said(
                address,
                Sight::Different,
                format!("redirects ({status}): the file must be at this address itself"),
            ),
        ),
        HttpsEvidence::Answered { status, address, .. } => (
            Verdict::Gone(Gone::Absent),
            said(address, Sight::Absent, format!("answered {status}: the file is not there")),
        ),
        HttpsEvidence::Absent(reason) => {
            (Verdict::Gone(Gone::Absent), said("", Sight::Absent, reason.clone()))
        }
        HttpsEvidence::Unanswered(reason) => {
            (Verdict::Undecided(reason.clone()), said("", Sight::Unanswered, format!("no answer: {reason}")))
        }
    }
}

/// Judges a check. Either method proves; when none does, the one that proved the domain before decides whether the proof
/// is gone (DNS for a first proof).
pub fn judge(token: &str, seen: &Seen, proved_by: Option<Method>) -> (Verdict, Report) {
    let (dns, dns_said) = judge_dns(token, &seen.dns);
    let (https, https_said) = judge_https(token, &seen.https);
    let report = Report { dns: dns_said, https: Some(https_said) };
    let (primary, other) = match proved_by {
        Some(Method::HttpsFile) => (https, dns),
        Some(Method::DnsTxt) | None => (dns, https),
    };
    let verdict = match (primary, other) {
        (Verdict::Proved(proof), _) | (_, Verdict::Proved(proof)) => Verdict::Proved(proof),
        // Nobody said which way is meant: the one where something stands tells more.
        (Verdict::Gone(Gone::Absent), Verdict::Gone(other)) if proved_by.is_none() => Verdict::Gone(other),
        (primary, _) => primary,
    };
    (verdict, report)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn texts(values: &[&str]) -> Answer {
        Answer::Records {
            texts: values.iter().map(|value| (*value).to_owned()).collect(),
            aliases: Vec::new(),
        }
    }

    fn good() -> Answer {
        texts(&[&record_value(TOKEN)])
    }

    fn dns(answers: &[(Answer, Answer)]) -> DnsEvidence {
        let answers = answers.iter().enumerate().map(|(n, (answer, sibling))| ResolverAnswer {
            resolver: format!("192.0.2.{n}:53"),
            answer: answer.clone(),
            sibling: sibling.clone(),
        });
        DnsEvidence { answers: answers.collect() }
    }

    fn verdict(answers: &[(Answer, Answer)]) -> Verdict {
        judge_dns(TOKEN, &dns(answers)).0
    }

    fn silent() -> Answer {
        Answer::Unanswered("SERVFAIL".to_owned())
    }

    #[test]
    fn a_proof_needs_every_resolver_that_answers() {
        let (yes, no, none) =
            ((good(), Answer::Absent), (Answer::Absent, Answer::Absent), (silent(), silent()));
        assert!(matches!(verdict(std::slice::from_ref(&yes)), Verdict::Proved(_)));
        assert!(matches!(verdict(&[yes.clone(), none.clone()]), Verdict::Proved(_)));
        assert!(matches!(verdict(&[yes.clone(), no.clone()]), Verdict::Undecided(_)));
        assert!(matches!(verdict(&[yes, no.clone(), no.clone()]), Verdict::Gone(Gone::Absent)));
        assert!(matches!(verdict(&[no.clone(), none.clone()]), Verdict::Undecided(_)));
        assert!(matches!(verdict(&[no.clone(), no, none.clone()]), Verdict::Gone(Gone::Absent)));
        assert!(matches!(verdict(&[none]), Verdict::Undecided(_)));
        assert!(matches!(verdict(&[]), Verdict::Undecided(_)));
    }

    #[test]
    fn wildcard_txt_proves_nothing() {
        assert_eq!(verdict(&[(good(), good())]), Verdict::Gone(Gone::Wildcard));
        // Another wildcard of the zone is no obstacle; one that cannot be ruled out is.
        assert!(matches!(verdict(&[(good(), texts(&["v=spf1 -all"]))]), Verdict::Proved(_)));
        assert!(matches!(verdict(&[(good(), silent())]), Verdict::Undecided(_)));
    }

    #[test]
    fn a_cname_at_the_label_is_followed_and_named() {
        let led = Answer::Records {
            texts: vec![record_value(TOKEN)],
            aliases: vec!["proof.dns.example".to_owned()],
        };
        let (verdict, said) = judge_dns(TOKEN, &dns(&[(led, Answer::Absent)]));
        assert!(matches!(verdict, Verdict::Proved(_)));
        assert!(said[0].said.contains("proof.dns.example"));
    }

    #[test]
    fn altered_values_prove_nothing() {
        let upper = record_value(TOKEN).to_uppercase();
        for bad in
            [TOKEN, "", &format!("{} ", record_value(TOKEN)), &format!("{}0", record_value(TOKEN)), &upper]
        {
            assert_eq!(verdict(&[(texts(&[bad]), Answer::Absent)]), Verdict::Gone(Gone::Different), "{bad}");
        }
        let beside = texts(&["v=spf1 -all", &record_value(TOKEN)]);
        assert!(matches!(verdict(&[(beside, Answer::Absent)]), Verdict::Proved(_)));
    }

    fn https(status: u16, body: &[u8]) -> Verdict {
        judge_https(
            TOKEN,
            &HttpsEvidence::Answered { status, body: body.to_vec(), address: "192.0.2.1".into() },
        )
        .0
    }

    #[test]
    fn https_wants_the_exact_body_and_no_redirect() {
        let line = format!("{TOKEN}\r\n");
        for body in [TOKEN, &format!("{TOKEN}\n"), &line] {
            assert!(matches!(https(200, body.as_bytes()), Verdict::Proved(_)), "{body:?}");
        }
        for body in [format!(" {TOKEN}"), format!("{TOKEN}\n\n"), format!("<p>{TOKEN}</p>"), String::new()] {
            assert_eq!(https(200, body.as_bytes()), Verdict::Gone(Gone::Different), "{body:?}");
        }
        for status in [301, 302, 307, 308] {
            assert_eq!(https(status, TOKEN.as_bytes()), Verdict::Gone(Gone::Different));
        }
        for status in [204, 403, 404, 410] {
            assert_eq!(https(status, TOKEN.as_bytes()), Verdict::Gone(Gone::Absent));
        }
        for status in [429, 500, 502, 503] {
            assert!(matches!(https(status, TOKEN.as_bytes()), Verdict::Undecided(_)));
        }
    }

    #[test]
    fn the_method_that_proved_decides_and_the_other_may_take_over() {
        let gone = dns(&[(Answer::Absent, Answer::Absent)]);
        let down = HttpsEvidence::Unanswered("connection refused".to_owned());
        let seen = Seen { dns: gone.clone(), https: down };
        assert!(matches!(judge(TOKEN, &seen, Some(Method::DnsTxt)).0, Verdict::Gone(Gone::Absent)));
        assert!(matches!(judge(TOKEN, &seen, Some(Method::HttpsFile)).0, Verdict::Undecided(_)));
        let served =
            HttpsEvidence::Answered { status: 200, body: TOKEN.into(), address: "192.0.2.1".to_owned() };
        let seen = Seen { dns: gone, https: served };
        let (verdict, _) = judge(TOKEN, &seen, Some(Method::DnsTxt));
        assert!(matches!(verdict, Verdict::Proved(Proof { method: Method::HttpsFile, .. })));
    }
}
