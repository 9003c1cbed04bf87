//! The drill of USR-P3: proofs that are forged in every way we know must be refused, by the same rules that judge real
//! ones, and the right proof beside them must be accepted (a control that refuses everything would pass otherwise).
//!
//! A canary domain lives only inside a transaction that is rolled back; what remains is `drill.passed` or
//! `drill.failed` in the provider's ledger.

use platform::ctx::Actor;
use platform::db::{Commit, DbError, Tx};
use platform::events::Event;
use platform::evidence::{DrillReport, DrillSource};
use platform::ids::OrganizationId;
use platform::params;
use platform::principals;
use platform::{App, Ctx};

use super::checks::{self, Checked};
use super::proof::{self, Answer, DnsEvidence, HttpsEvidence, ResolverAnswer, Seen};
use super::{DomainId, TOKEN_LIFE, new_token, sql};

pub const ROW: &str = "USR-P3";
pub const NAME: &str = "forged-domain-proof";

pub(crate) const FORGED_PROOF: DrillSource = DrillSource {
    row: ROW,
    id: NAME,
    run: |app| {
        Box::pin(async move {
            let ctx = app.ctx(Actor::System(NAME));
            run(&app, &ctx).await
        })
    },
};

/// One forgery, and what the canary answers.
struct Attempt {
    name: &'static str,
    seen: Seen,
    /// The token of the canary has expired.
    expired: bool,
    must_pass: bool,
}

fn records(value: String) -> Answer {
    Answer::Records { texts: vec![value], aliases: Vec::new() }
}

fn dns(answer: Answer, sibling: Answer) -> Seen {
    let answer = ResolverAnswer { resolver: "canary".to_owned(), answer, sibling };
    Seen {
        dns: DnsEvidence { answers: vec![answer] },
        https: HttpsEvidence::Absent("the canary serves nothing".to_owned()),
    }
}

fn https(status: u16, body: &str) -> Seen {
    let mut seen = dns(Answer::Absent, Answer::Absent);
    seen.https = HttpsEvidence::Answered { status, body: body.into(), address: "canary".to_owned() };
    seen
}

fn attempts(token: &str, other: &str) -> Vec<Attempt> {
    let right = || records(proof::record_value(token));
    let forged = |name, seen| Attempt { name, seen, expired: false, must_pass: false };
    vec![
        forged("the token of another organization", dns(records(proof::record_value(other)), Answer::Absent)),
        forged(
            "a shortened token",
            dns(records(proof::record_value(&token[..token.len() - 1])), Answer::Absent),
        ),
        forged(
            "a token with more behind it",
            dns(records(format!("{}0", proof::record_value(token))), Answer::Absent),
        ),
        forged("a wildcard record", dns(right(), right())),
        forged("an unanswered question", dns(Answer::Unanswered("canary".to_owned()), Answer::Absent)),
        forged("the file of another organization", https(200, other)),
        forged("a file with more around the token", https(200, &format!("<p>{token}</p>"))),
        forged("a redirect", https(302, token)),
        Attempt {
            name: "an expired token",
            seen: dns(right(), Answer::Absent),
            expired: true,
            must_pass: false,
        },
        Attempt {
            name: "the right record",
            seen: dns(right(), Answer::Absent),
            expired: false,
            must_pass: true,
        },
        Attempt { name: "the right file", seen: https(200, token), expired: false, must_pass: true },
    ]
}

/// Runs the drill and records how it ended.
pub async fn run(app: &App, ctx: &Ctx) -> Result<DrillReport, DbError> {
    let Some(provider) = app.db().read(principals::provider).await? else {
        let detail = "this installation is not set up".to_owned();
        return Ok(DrillReport { passed: false, detail });
    };
    let (token, other) = (new_token(ctx), new_token(ctx));
    let canary = format!("drill-{}.example", &new_token(ctx)[..16]);
    let mut wrong = Vec::new();
    let attempts = attempts(&token, &other);
    let count = attempts.len();
    for attempt in attempts {
        let (app_in, at, name, token) = (app.clone(), ctx.clone(), canary.clone(), token.clone());
        let (expired, seen) = (attempt.expired, attempt.seen);
        let tried = app
            .db()
            .write(ctx, move |tx| try_once(&app_in, &at, tx, provider.id, &name, &token, expired, &seen))
            .await?;
        if tried.value != attempt.must_pass {
            let verb = if attempt.must_pass { "was refused" } else { "got through" };
            wrong.push(format!("{} {verb}", attempt.name));
        }
    }
    let outcome = DrillReport {
        passed: wrong.is_empty(),
        detail: if wrong.is_empty() {
            format!("{} forged proofs were refused and the right ones accepted", count - 2)
        } else {
            wrong.join("; ")
        },
    };
    let recorded = outcome.clone();
    app.db()
        .write(ctx, move |tx| {
            let action = if recorded.passed { "drill.passed" } else { "drill.failed" };
            let event = Event::new(provider.id, action).target("row", ROW);
            let token =
                tx.record(event.with("row", ROW).with("drill", NAME).with("detail", &recorded.detail));
            Ok::<_, DbError>(Commit::changed((), token))
        })
        .await?;
    Ok(outcome)
}

/// A domain that `organization` has proved with the right record, for canaries of other drills: by the rules, and gone with
/// the transaction, which the caller rolls back.
pub(crate) fn canary_domain(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    organization: OrganizationId,
) -> Result<Option<String>, DbError> {
    let token = new_token(ctx);
    let name = format!("drill-{}.example", &new_token(ctx)[..16]);
    let seen = dns(records(proof::record_value(&token)), Answer::Absent);
    let tried = try_once(app, ctx, tx, organization, &name, &token, false, &seen)?;
    Ok(tried.value().then_some(name))
}

/// Whether the rules accept `seen` for the canary. Always rolled back.
#[expect(
    clippy::too_many_arguments,
    reason = "an attempt in full; two callers would be one too many for a struct"
)]
fn try_once(
    app: &App,
    ctx: &Ctx,
    tx: &mut Tx,
    provider: OrganizationId,
    name: &str,
    token: &str,
    expired: bool,
    seen: &Seen,
) -> Result<Commit<bool>, DbError> {
    let id: DomainId = ctx.id();
    let expires = if expired { ctx.now } else { ctx.now.plus(TOKEN_LIFE) };
    tx.execute(&sql::INSERT, params![provider, id, name, ctx.now, token, expires])?;
    let done = checks::apply(app, ctx, tx, provider, id, token, seen)?;
    Ok(Commit::unchanged(matches!(done.value(), Checked::Verified(_))))
}
