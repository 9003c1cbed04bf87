//! The drill of USR-P4, with the check of signatures as it is and taken away.

use std::sync::atomic::Ordering;

use platform::App;
use platform::evidence::Verdict;
use platform::time::{HOUR, MINUTE, Timestamp};
use serde_json::{Map, Value};

use super::super::arrival::Identity;
use super::super::saml::{Accepted, NAME_ID};
use super::super::{Saml, State, drill, evidence};
use super::options;

/// Whether this test has taken the check of signatures away.
pub(crate) fn unchecked(app: &App) -> bool {
    app.find_service::<State>().is_some_and(|state| state.unchecked.load(Ordering::Relaxed))
}

/// Reads a name out of a message without asking who wrote it.
pub(crate) fn believe(settings: &Saml, xml: &[u8], now: Timestamp) -> Accepted {
    let text = String::from_utf8_lossy(xml);
    let name = text.split("<saml:NameID").nth(1).and_then(|rest| rest.split('>').nth(1)).unwrap_or_default();
    let name = name.split('<').next().unwrap_or_default().to_owned();
    let mut claims = Map::new();
    claims.insert(NAME_ID.to_owned(), Value::from(name.as_str()));
    Accepted {
        identity: Identity {
            issuer: settings.entity_id.clone(),
            subject: name,
            name: None,
            session: None,
            proved_at: Some(now),
            two_proofs: false,
            claims,
        },
        message: xml.to_vec(),
        until: now.plus(MINUTE),
    }
}

#[tokio::test]
async fn the_drill_sees_that_signatures_are_not_checked() {
    testkit::both_with(
        async |kit| {
            let northwind = kit.organization("northwind").await;
            let judge = async || {
                let (now, evaluate) = (kit.now(), evidence::FEDERATION.evaluate);
                kit.app.db().read(move |tx| evaluate(tx, northwind, now)).await.unwrap()
            };
            let run = async || (drill::FEDERATION.run)(kit.app.clone()).await.unwrap();
            assert_eq!(judge().await.state, Verdict::Unknown);
            let held = run().await;
            assert!(held.passed, "{held:?}");
            let met = judge().await;
            assert_eq!((met.state, met.facts.len()), (Verdict::Met, drill::PARTS.len() + 1), "{met:?}");
            kit.advance(HOUR);
            kit.app.find_service::<State>().unwrap().unchecked.store(true, Ordering::Relaxed);
            let broken = run().await;
            assert!(!broken.passed);
            assert!(broken.detail.contains("unsigned SAML assertion: accepted"), "{broken:?}");
            let judged = judge().await;
            assert_eq!(judged.state, Verdict::NotMet);
            assert!(judged.facts.iter().any(|fact| fact.sentence == "SAML sign-on: accepted"), "{judged:?}");
            kit.advance(HOUR);
            kit.app.find_service::<State>().unwrap().unchecked.store(false, Ordering::Relaxed);
            assert!(run().await.passed);
            assert_eq!(judge().await.state, Verdict::Met);
            // Nothing of the canary stays.
            let left =
                kit.app.db().read(|tx| platform::principals::organizations(tx, "", 100)).await.unwrap();
            assert_eq!(left.len(), 1);
            assert_eq!(kit.actions(northwind).await.len(), 4);
        },
        options,
    )
    .await;
}
