//! What is written is read back: each format against a reader of its own, over any text.

use std::collections::BTreeMap;

use platform::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::api::{EventView, Party};
use super::super::formats::{Format, Source, line};
use super::{AREAS, AUDIT};

fn source() -> Source {
    Source { organization: "o-1".into(), slug: "harbor".into(), host: "bailiwick.example".into() }
}

/// Any text, more often of the characters that formats treat specially.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ =|\\\\\"',\r\n\t+@;-]{0,8}",
        "(?s).{0,12}",
        "[a-z =\\\\n]{0,12}",
        Just("cs1=forged act=x".to_owned()),
    ]
}

prop_compose! {
    fn event()(
        sequence in any::<u32>(),
        at in 0_i64..4_000_000_000_000_000,
        action in prop_oneof!["[a-z_]{1,9}\\.[a-z_]{1,9}", text()],
        actor in (text(), text()),
        target in (text(), text()),
        details in prop::collection::btree_map(text(), text(), 0..3),
        personal in prop::collection::btree_map(text(), prop::option::of(text()), 0..3),
        leaf_hash in "[0-9a-f]{64}",
    ) -> EventView {
        EventView {
            sequence: sequence.into(),
            at: Timestamp::from_micros(at),
            action,
            actor: Party { kind: actor.0, id: actor.1 },
            target: Party { kind: target.0, id: target.1 },
            details,
            personal,
            leaf_hash,
        }
    }
}

/// A reader of CEF after its specification: seven bars, then pairs; `\` keeps what follows.
fn read_cef(text: &str) -> (Vec<String>, BTreeMap<String, String>) {
    let (mut fields, mut field, mut escaped) = (Vec::new(), String::new(), false);
    let mut rest = "";
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => {
                field.push(c);
                escaped = false;
            }
            '\\' => escaped = true,
            '|' => {
                fields.push(std::mem::take(&mut field));
                if fields.len() == 7 {
                    rest = &text[at + 1..];
                    break;
                }
            }
            c => field.push(c),
        }
    }
    let bytes = rest.as_bytes();
    let (mut equals, mut escaped) = (Vec::new(), false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'=' => equals.push(at),
            _ => {}
        }
    }
    let start = |equal: usize| rest[..equal].rfind(' ').map_or(0, |space| space + 1);
    let mut pairs = BTreeMap::new();
    for (number, equal) in equals.iter().enumerate() {
        let end = equals.get(number + 1).map_or(rest.len(), |next| start(*next) - 1);
        let (mut value, mut chars) = (String::new(), rest[equal + 1..end].chars());
        while let Some(c) = chars.next() {
            match c {
                '\\' => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    Some(other) => value.push(other),
                    None => panic!("a lone backslash at the end"),
                },
                c => value.push(c),
            }
        }
        assert_eq!(pairs.insert(rest[start(*equal)..*equal].to_owned(), value), None, "a key twice");
    }
    (fields, pairs)
}

proptest! {
    #[test]
    fn cef_is_read_back(event in event()) {
        let text = line(Format::Cef, &source(), &event);
        let text = text.strip_suffix('\n').unwrap();
        prop_assert!(!text.contains(['\n', '\r']));
        let (header, pairs) = read_cef(text);
        let plain = |text: &str| text.replace(['\r', '\n'], " ");
        prop_assert_eq!(&header[..3], ["CEF:0", "Bailiwick", "Bailiwick"]);
        prop_assert_eq!(&header[4], &plain(&event.action));
        let get = |key: &str| pairs.get(key).map_or("", String::as_str);
        prop_assert_eq!(get("act"), &event.action);
        prop_assert_eq!(get("suid"), &event.actor.id);
        prop_assert_eq!(get("duid"), &event.target.id);
        prop_assert_eq!(get("cs2"), &event.actor.kind);
        prop_assert_eq!(get("cs3"), &event.target.kind);
        prop_assert_eq!(get("cn1"), event.sequence.to_string());
        let details: BTreeMap<String, String> = serde_json::from_str(get("cs4")).unwrap();
        prop_assert_eq!(&details, &event.details);
        let personal: BTreeMap<String, Option<String>> = serde_json::from_str(get("cs5")).unwrap();
        prop_assert_eq!(&personal, &event.personal);
        prop_assert_eq!(get("cs6Label"), "leafHash");
    }

    #[test]
    fn csv_is_read_back_and_runs_nothing(event in event()) {
        let text = Format::Csv.head().to_owned() + &line(Format::Csv, &source(), &event);
        prop_assert_eq!(text.matches("\r\n").count(), 2);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        prop_assert_eq!(records.len(), 1);
        let record = &records[0];
        prop_assert_eq!(record.len(), 10);
        let same = |at: usize, wanted: &str| {
            let got = record.get(at).unwrap();
            let plain = wanted.replace(['\r', '\n'], " ");
            got == plain || got.strip_prefix('\'') == Some(plain.as_str())
        };
        for (at, wanted) in [(2, &event.action), (3, &event.actor.kind), (4, &event.actor.id), (5, &event.target.kind), (6, &event.target.id)] {
            prop_assert!(same(at, wanted), "{:?} is not {:?}", record.get(at), wanted);
        }
        for cell in record {
            prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '\0']), "{cell:?}");
        }
        let details: BTreeMap<String, String> = serde_json::from_str(record.get(7).unwrap()).unwrap();
        prop_assert_eq!(details, event.details);
    }

    #[test]
    fn json_lines_are_read_back(event in event()) {
        for format in [Format::Jsonl, Format::Ocsf] {
            let text = line(format, &source(), &event);
            prop_assert_eq!(text.find('\n'), Some(text.len() - 1));
            let read: Value = serde_json::from_str(&text).unwrap();
            let own = if format == Format::Ocsf { &read["unmapped"] } else { &read };
            prop_assert_eq!(&own["details"], &json!(event.details));
            prop_assert_eq!(&own["personal"], &json!(event.personal));
            prop_assert_eq!(&own["actor"]["id"], &json!(event.actor.id));
            prop_assert_eq!(&own["organization"], "harbor");
        }
    }

    /// What the schema calls required, of each class that is used.
    #[test]
    fn ocsf_has_what_its_classes_require(event in event(), action in prop_oneof![
        Just("session.started"), Just("sign_in.failed"), Just("account.created"), Just("factor.removed"),
        Just("group.created"), Just("policy.decided"), Just("member.left"), Just("domain.verified"),
    ]) {
        let event = EventView { action: action.to_owned(), ..event };
        let read: Value = serde_json::from_str(&line(Format::Ocsf, &source(), &event)).unwrap();
        let number = |name: &str| read[name].as_u64().unwrap();
        let (class, activity) = (number("class_uid"), number("activity_id"));
        prop_assert_eq!(number("type_uid"), class * 100 + activity);
        prop_assert_eq!(number("category_uid"), class / 1000);
        prop_assert!((1..=6).contains(&number("severity_id")) && number("time") > 0 || event.at.micros() < 1000);
        prop_assert!(read["metadata"]["version"].is_string());
        prop_assert!(read["metadata"]["product"]["vendor_name"].is_string());
        prop_assert_eq!(activity == 99, read["activity_name"].is_string());
        let actor = &read["actor"];
        prop_assert!(actor["user"].is_object() || actor["app_name"].is_string());
        if class == 6003 {
            prop_assert!(read["api"]["operation"].is_string());
            prop_assert!(read["src_endpoint"].is_object());
        } else {
            let user = &read["user"];
            prop_assert!(user["uid"].is_string() || user["name"].is_string());
            prop_assert_eq!(class == 3002, read["service"].is_object());
        }
    }
}

#[test]
fn known_events_have_their_class() {
    let of = |action: &str| {
        let event = EventView {
            sequence: 3,
            at: Timestamp::from_micros(1_772_438_400_000_000),
            action: action.to_owned(),
            actor: Party { kind: "account".into(), id: "a-1".into() },
            target: Party { kind: "account".into(), id: "a-2".into() },
            details: BTreeMap::new(),
            personal: BTreeMap::from([("network".to_owned(), Some("203.0.113.7".to_owned()))]),
            leaf_hash: "00".repeat(32),
        };
        let read: Value = serde_json::from_str(&line(Format::Ocsf, &source(), &event)).unwrap();
        (
            read["type_uid"].as_u64().unwrap(),
            read["status_id"].as_u64().unwrap(),
            read["src_endpoint"]["ip"].clone(),
        )
    };
    let ip = json!("203.0.113.7");
    assert_eq!(of("session.started"), (300_201, 1, ip.clone()));
    assert_eq!(of("sign_in.failed"), (300_201, 2, ip.clone()));
    assert_eq!(of("session.revoked"), (300_202, 1, ip.clone()));
    assert_eq!(of("password.changed"), (300_103, 1, ip.clone()));
    assert_eq!(of("factor.reset"), (300_111, 1, ip.clone()));
    assert_eq!(of("group.deleted"), (600_304, 1, ip.clone()));
    assert_eq!(of("member.role_changed"), (600_303, 1, ip.clone()));
    assert_eq!(of("domain.verified"), (600_399, 1, ip));
}

#[tokio::test]
async fn a_download_holds_what_the_list_holds() {
    testkit::both(
        async |kit| {
            let mut owner = super::owner_with_groups(kit, 4).await;
            owner.post("/api/v1/organizations/harbor/groups", json!({"name": "=cmd|x"})).await.expect(201);
            let list = owner.get(&format!("{AUDIT}/events")).await.expect(200).json();
            let lines = owner.get(&format!("{AUDIT}/download")).await.expect(200);
            assert_eq!(
                lines.header("content-disposition"),
                Some("attachment; filename=\"audit-harbor.jsonl\"")
            );
            let read: Vec<Value> =
                lines.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(read.len(), 7);
            for (line, item) in read.iter().zip(list["items"].as_array().unwrap()) {
                assert_eq!(line["organization"], "harbor");
                assert_eq!((&line["leaf_hash"], &line["action"]), (&item["leaf_hash"], &item["action"]));
            }
            let csv = owner.get(&format!("{AUDIT}/download?format=csv&action=group.")).await.expect(200);
            assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
            assert_eq!(csv.text().lines().count(), 6);
            let cef =
                owner.get("/o/harbor/audit-log/download?format=cef&action=group.&actor=").await.expect(200);
            assert!(cef.text().lines().all(|line| line.starts_with("CEF:0|Bailiwick|Bailiwick|")));
            assert_eq!(cef.text().lines().count(), 5);
            owner.get(&format!("{AUDIT}/download?format=xml")).await.expect(422);
            owner.get(&format!("{AUDIT}/download?since=x")).await.expect(422);
            let page = owner.get("/o/harbor/audit-log/export?action=group.").await.expect(200).text();
            assert!(
                page.contains("name=\"action\" value=\"group.\"") && page.contains("fit the filters"),
                "{page}"
            );
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn a_long_log_is_downloaded_page_by_page() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            let harbor = kit.organization("harbor").await;
            let many = move |tx: &mut platform::db::Tx| {
                let mut last = tx.record(platform::events::Event::new(harbor, "test.made"));
                for n in 0..1500 {
                    last = tx.record(platform::events::Event::new(harbor, "test.made").with("n", n));
                }
                Ok::<_, platform::db::DbError>(platform::db::Commit::changed((), last))
            };
            kit.app.db().write(&kit.ctx(), many).await.unwrap();
            let text = owner.get(&format!("{AUDIT}/download?format=ocsf")).await.expect(200).text();
            let sequences: Vec<u64> = text
                .lines()
                .map(|line| {
                    serde_json::from_str::<Value>(line).unwrap()["metadata"]["sequence"].as_u64().unwrap()
                })
                .collect();
            assert_eq!(sequences, (0..1503).rev().collect::<Vec<u64>>());
        },
        AREAS,
    )
    .await;
}
