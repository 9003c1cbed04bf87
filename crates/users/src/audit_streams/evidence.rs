//! USR-C6: a stream to the organization's own monitoring is live.

use platform::db::{DbError, ReadTx};
use platform::evidence::{EvidenceSource, Fact, Finding, Side};
use platform::ids::OrganizationId;
use platform::principals;
use platform::time::Timestamp;

use super::{LIVE_WITHIN, State, Stream, list};

pub(crate) const STREAMED: EvidenceSource =
    EvidenceSource { row: "USR-C6", side: Side::Customer, depends_on: &["audit_stream."], evaluate };

fn evaluate(tx: &mut ReadTx, organization: OrganizationId, now: Timestamp) -> Result<Finding, DbError> {
    let slug = principals::organization(tx, organization)?.map(|found| found.slug).unwrap_or_default();
    let page = format!("/o/{slug}/audit-streams");
    let streams = list(tx, organization)?;
    let live = streams.iter().filter(|stream| stream.is_live(now)).count() as u64;
    let all = streams.len() as u64;
    let fact = Fact::share("streams_live", live, all, format!("{live} of {all} streams are live"));
    let last = streams.iter().filter_map(|stream| stream.acknowledged_at).max();
    let finding = match last.filter(|_| live > 0) {
        Some(_) => {
            let met = Finding::met("a stream to your own monitoring acknowledged what it received");
            let ends = streams.iter().filter(|stream| stream.is_live(now));
            let ends = ends.filter_map(|stream| stream.acknowledged_at).max().map(|at| at.plus(LIVE_WITHIN));
            ends.map_or(met.clone(), |end| met.with_valid_until(end))
        }
        None => missing(&streams, &page),
    };
    Ok(match last {
        Some(at) => finding.with_fact(fact).with_fact(Fact::time(
            "acknowledged_at",
            at,
            format!("a receiver acknowledged last on {}", at.minute_words()),
        )),
        None => finding.with_fact(fact),
    })
}

/// No stream is live: what is the matter, and what to do about it.
fn missing(streams: &[Stream], page: &str) -> Finding {
    let of = |stream: &Stream| format!("{page}/{}", stream.id);
    if let Some(stream) = streams.iter().find(|stream| stream.state == State::Halted) {
        let why = format!("the stream `{}` is halted: {}", stream.name, stream.failure);
        return Finding::not_met(why).with_action("Mend its receiver and resume it", of(stream), 15);
    }
    if let Some(stream) = streams.iter().find(|stream| stream.is_failing()) {
        let why = format!("the stream `{}` fails: {}", stream.name, stream.failure);
        return Finding::not_met(why).with_action("Mend its receiver", of(stream), 15);
    }
    if let Some(stream) = streams.iter().find(|stream| stream.state == State::Active) {
        let why = format!("the receiver of `{}` acknowledged nothing in the last 24 hours", stream.name);
        return Finding::not_met(why).with_action("Test the stream", of(stream), 5);
    }
    match streams.first() {
        Some(stream) => Finding::not_met(format!("the stream `{}` is paused", stream.name)).with_action(
            "Resume the stream",
            of(stream),
            1,
        ),
        None => Finding::not_met("the audit log is not streamed to your own monitoring").with_action(
            "Add a stream",
            format!("{page}/new"),
            10,
        ),
    }
}
