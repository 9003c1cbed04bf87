//! Filters give exactly the events that fit, in bounded steps, whatever drives the search.

use platform::access::Role;
use platform::ctx::Actor;
use platform::db::{Commit, DbError};
use platform::events::search::{self, Filter, Party};
use platform::events::{self, Event, StoredEvent};
use platform::ids::{AccountId, Id, OrganizationId};
use platform::time::{HOUR, MINUTE, Timestamp};
use serde_json::{Value, json};
use testkit::{Client, Kit};

use super::{AREAS, AUDIT};

const ACTIONS: [&str; 6] = ["test.a", "test.ab", "test_b.a", "tesu.a", "organization.created", "test.z"];

/// `count` events, each by one of three actors about one of four targets, ten minutes apart.
async fn fill(kit: &Kit, organization: OrganizationId, count: usize) {
    for n in 0..count {
        kit.advance(MINUTE * 10);
        let actor = match n % 3 {
            0 => Actor::Operator,
            1 => Actor::System("one"),
            _ => Actor::Account(AccountId::from_uuid(uuid::Uuid::from_u128(7))),
        };
        let ctx = kit.ctx().acting_as(actor);
        let write = move |tx: &mut platform::db::Tx| {
            let event = Event::new(organization, ACTIONS[n % 5]).target("thing", n % 4);
            let recorded = tx.record(event);
            Ok::<_, DbError>(Commit::changed((), recorded))
        };
        kit.app.db().write(&ctx, write).await.unwrap();
    }
}

/// All that fits, page after page.
async fn found(kit: &Kit, organization: OrganizationId, filter: &Filter, limit: u32) -> Vec<StoredEvent> {
    let (mut all, mut below) = (Vec::new(), None);
    loop {
        let wanted = filter.clone();
        let page =
            move |tx: &mut platform::db::ReadTx| search::search(tx, organization, &wanted, below, limit);
        let page = kit.app.db().read::<_, DbError, _>(page).await.unwrap();
        assert!(page.events.len() <= limit as usize);
        all.extend(page.events);
        match page.next {
            Some(next) => below = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_search_gives_what_a_look_at_every_event_gives() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let quay = kit.organization("quay").await;
            fill(kit, harbor, 60).await;
            fill(kit, quay, 10).await;
            let everything = move |tx: &mut platform::db::ReadTx| events::range(tx, harbor, 0, 1000);
            let every = kit.app.db().read::<_, DbError, _>(everything).await.unwrap();
            let party = |kind: Option<&str>, id: &str| {
                Some(Party { kind: kind.map(str::to_owned), id: id.to_owned() })
            };
            let middle = every[30].at;
            let account = uuid::Uuid::from_u128(7).to_string();
            let actors =
                [None, party(Some("operator"), ""), party(None, "one"), party(Some("account"), &account)];
            let targets = [None, party(Some("thing"), "2"), party(None, "0"), party(Some("other"), "2")];
            let times = [
                (None, None),
                (Some(middle), None),
                (None, Some(middle)),
                (Some(every[10].at), Some(middle)),
            ];
            for action in ["", "test", "test.", "test.a", "test_", "organization.", "zzz"] {
                for actor in &actors {
                    for target in &targets {
                        for (since, until) in times {
                            let filter = Filter {
                                action: action.to_owned(),
                                actor: actor.clone(),
                                target: target.clone(),
                                since,
                                until,
                            };
                            let wanted: Vec<u64> = every
                                .iter()
                                .rev()
                                .filter(|event| filter.matches(event))
                                .map(|event| event.sequence)
                                .collect();
                            let got = found(kit, harbor, &filter, 7).await;
                            let got: Vec<u64> = got.iter().map(|event| event.sequence).collect();
                            assert_eq!(got, wanted, "{filter:?}");
                        }
                    }
                }
            }
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_time_long_ago_is_found_without_reading_what_came_since() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            fill(kit, harbor, 12).await;
            let end = kit.now();
            kit.advance(HOUR * 24);
            let ctx = kit.ctx();
            let many = move |tx: &mut platform::db::Tx| {
                let mut last = tx.record(Event::new(harbor, "test.z"));
                for _ in 0..5000 {
                    last = tx.record(Event::new(harbor, "test.z"));
                }
                Ok::<_, DbError>(Commit::changed((), last))
            };
            kit.app.db().write(&ctx, many).await.unwrap();
            let until = Some(end.plus(MINUTE));
            let filter = Filter { until, ..Filter::default() };
            let first = move |tx: &mut platform::db::ReadTx| search::search(tx, harbor, &filter, None, 5);
            let page = kit.app.db().read::<_, DbError, _>(first).await.unwrap();
            assert_eq!(
                page.events.iter().map(|event| event.sequence).collect::<Vec<_>>(),
                [12, 11, 10, 9, 8]
            );
            // Bounded all the same: a filter that nothing decides by an index gives way and says where it stands.
            let nobody = Some(Party { kind: Some("account".to_owned()), id: "operator".to_owned() });
            let system = Some(Party { kind: Some("x".to_owned()), id: String::new() });
            for (actor, ends) in [(nobody, true), (system, false)] {
                let filter = Filter { actor, ..Filter::default() };
                let look = move |tx: &mut platform::db::ReadTx| search::search(tx, harbor, &filter, None, 5);
                let page = kit.app.db().read::<_, DbError, _>(look).await.unwrap();
                assert_eq!((page.events.len(), page.next.is_none()), (0, ends));
            }
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn many_actions_are_not_each_read_whole() {
    testkit::both(
        async |kit| {
            let harbor = kit.organization("harbor").await;
            let letters = "abcdefghijklmnopqrstuvwxyz";
            let actions: Vec<&'static str> = letters
                .chars()
                .flat_map(|one| ['x', 'y'].map(|other| format!("many.{one}{other}")))
                .map(|action| &*Box::leak(action.into_boxed_str()))
                .collect();
            let ctx = kit.ctx();
            let many = move |tx: &mut platform::db::Tx| {
                let mut last = tx.record(Event::new(harbor, "test.z"));
                for n in 0..actions.len() * 30 {
                    last = tx.record(Event::new(harbor, actions[n % actions.len()]));
                }
                Ok::<_, DbError>(Commit::changed((), last))
            };
            kit.app.db().write(&ctx, many).await.unwrap();
            let filter = Filter { action: "many.".to_owned(), ..Filter::default() };
            let first = move |tx: &mut platform::db::ReadTx| search::search(tx, harbor, &filter, None, 25);
            let page = kit.app.db().read::<_, DbError, _>(first).await.unwrap();
            assert_eq!((page.events.len(), page.next.is_some()), (25, true));
            assert!(page.events.windows(2).all(|pair| pair[0].sequence == pair[1].sequence + 1));
            assert!(page.read <= 52 * 4 + 25, "{} events were read", page.read);
        },
        AREAS,
    )
    .await;
}

fn actions(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap()).collect()
}

async fn asked(client: &mut Client, query: &str) -> Value {
    client.get(&format!("{AUDIT}/events?{query}")).await.expect(200).json()
}

#[tokio::test]
async fn events_are_found_by_address_id_and_day() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let ann = kit.member("harbor", "ann@harbor.example", Role::Member).await;
            owner.post("/api/v1/organizations/harbor/groups", json!({"name": "One"})).await.expect(201);
            kit.advance(HOUR * 48);
            let person = format!("/api/v1/organizations/harbor/people/{ann}");
            owner.patch(&person, json!({"role": "auditor"})).await.expect(200);
            let by_owner = asked(&mut owner, "actor=owner@harbor.example").await;
            assert_eq!(actions(&by_owner), ["member.role_changed", "group.created"]);
            assert_eq!(asked(&mut owner, "actor=Owner@Harbor.example&action=group.").await["items"][0]["details"]["name"], "One");
            let about_ann = asked(&mut owner, "target=ann@harbor.example&action=member.role").await;
            assert_eq!(actions(&about_ann), ["member.role_changed"]);
            let by_id = asked(&mut owner, &format!("target=account:{ann}&action=member.role")).await;
            assert_eq!(by_id, about_ann);
            assert_eq!(actions(&asked(&mut owner, &format!("target=group:{ann}")).await).len(), 0);
            assert_eq!(actions(&asked(&mut owner, "actor=nobody@harbor.example").await).len(), 0);
            assert_eq!(actions(&asked(&mut owner, "since=2026-03-04").await), ["member.role_changed"]);
            assert_eq!(actions(&asked(&mut owner, "until=2026-03-02&action=group").await), ["group.created"]);
            let exact = Timestamp::parse_rfc3339("2026-03-04T08:00:00Z").unwrap();
            assert_eq!(exact, kit.now());
            assert_eq!(actions(&asked(&mut owner, "until=2026-03-04T08:00:00Z&action=member.role").await).len(), 0);
            for bad in ["since=yesterday", "until=2026-13-01", "since=2026-03-04&until=2026-03-01", "action=A", "actor=%00"] {
                owner.get(&format!("{AUDIT}/events?{bad}")).await.expect(422);
                let page = owner.get(&format!("/o/harbor/audit-log?{bad}")).await.expect(422).text();
                assert!(page.contains("notice t-bad"), "{page}");
            }
            let page = owner.get("/o/harbor/audit-log?target=ann%40harbor.example&limit=1").await.expect(200).text();
            assert!(page.contains("member.role_changed") && page.contains("target=ann%40harbor.example&#38;cursor="), "{page}");
            assert!(page.contains("/audit-log/export?target=ann%40harbor.example"), "{page}");
        },
        AREAS,
    )
    .await;
}
