//! A sync as Entra does it: everybody by create, groups with their members by patches, then changes; broken off in the
//! middle and started again; afterwards both sides are compared whole. `SYNC_PEOPLE` and `SYNC_GROUPS` make it larger.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Idp, on_both, verify};

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// What the identity provider holds.
struct Source {
    people: BTreeMap<String, Value>,
    groups: BTreeMap<String, BTreeSet<String>>,
}

fn source(people: usize, groups: usize, round: usize) -> Source {
    let person = |index: usize| {
        let key = format!("e-{index:06}");
        let body = json!({
            "externalId": key,
            "userName": format!("person{index}@harbor.example"),
            "displayName": format!("Person {index} of round {}", if index.is_multiple_of(7) { round } else { 0 }),
            "active": !(round > 0 && index.is_multiple_of(11)),
            "emails": [{ "value": format!("person{index}@harbor.example"), "type": "work", "primary": true }],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": { "department": format!("D{}", index % 5) },
        });
        (key, body)
    };
    // In a later round one in thirteen has left.
    let here = |index: &usize| round == 0 || !index.is_multiple_of(13);
    let group = |index: usize| {
        // Each person is in one group, and in the next one a round later.
        let members = (0..people).filter(|one| (one + round) % groups == index);
        (format!("Group {index}"), members.filter(here).map(|one| format!("e-{one:06}")).collect())
    };
    Source {
        people: (0..people).filter(here).map(person).collect(),
        groups: (0..groups).map(group).collect(),
    }
}

/// One run: finds out by itself how far things are. `budget` requests at most; gives whether it came to its end.
async fn sync(idp: &mut Idp, source: &Source, mut budget: usize) -> bool {
    let mut spend = || {
        budget = budget.saturating_sub(1);
        budget > 0
    };
    let mut ids = BTreeMap::new();
    for (key, wanted) in &source.people {
        if !spend() {
            return false;
        }
        let found = idp.find("Users", &format!("externalId eq \"{key}\"")).await;
        let id = match found.first() {
            None => idp.user(wanted["userName"].as_str().unwrap(), wanted.clone()).await["id"].clone(),
            Some(have) => {
                for name in ["displayName", "active"] {
                    if have[name] != wanted[name] {
                        let operations = json!([{ "op": "Replace", "path": name, "value": wanted[name] }]);
                        idp.patch("Users", have, operations).await.expect(200);
                    }
                }
                have["id"].clone()
            }
        };
        ids.insert(key.clone(), id);
    }
    for (name, members) in &source.groups {
        if !spend() {
            return false;
        }
        let found = idp.find("Groups", &format!("displayName eq \"{name}\"")).await;
        let group = match found.into_iter().next() {
            Some(group) => group,
            None => idp.group(name, &[]).await,
        };
        let have: BTreeSet<String> = group["members"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|member| member["value"].as_str().map(str::to_owned))
            .collect();
        let wanted: BTreeSet<String> =
            members.iter().filter_map(|key| ids[key].as_str().map(str::to_owned)).collect();
        let named = |ids: Vec<&String>| ids.into_iter().map(|id| json!({ "value": id })).collect::<Vec<_>>();
        for (op, changed) in [
            ("Add", wanted.difference(&have).collect::<Vec<_>>()),
            ("Remove", have.difference(&wanted).collect()),
        ] {
            for some in changed.chunks(100) {
                let operations = json!([{ "op": op, "path": "members", "value": named(some.to_vec()) }]);
                let done = idp.patch("Groups", &group, operations).await.status.as_u16();
                assert!([200, 204].contains(&done));
            }
        }
    }
    leave(idp, source).await;
    true
}

/// Who is here and not there has left.
async fn leave(idp: &mut Idp, source: &Source) {
    for have in all(idp, "Users").await {
        let key = have["externalId"].as_str().unwrap();
        if !source.people.contains_key(key) {
            idp.delete("Users", &have).await.expect(204);
        }
    }
}

async fn all(idp: &mut Idp, kind: &str) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    loop {
        let page = idp.get(&format!("/{kind}?startIndex={}&count=500", out.len() + 1)).await;
        out.extend(page["Resources"].as_array().unwrap().clone());
        if u64::try_from(out.len()).unwrap() >= page["totalResults"].as_u64().unwrap() {
            return out;
        }
    }
}

async fn compare(idp: &mut Idp, source: &Source) {
    let (people, groups) = (all(idp, "Users").await, all(idp, "Groups").await);
    assert_eq!(people.len(), source.people.len());
    let mut keys = BTreeMap::new();
    for have in &people {
        let key = have["externalId"].as_str().unwrap();
        let wanted = &source.people[key];
        for (name, value) in wanted.as_object().unwrap() {
            assert_eq!(&have[name], value, "{key} {name}");
        }
        keys.insert(have["id"].as_str().unwrap().to_owned(), key.to_owned());
    }
    assert_eq!(groups.len(), source.groups.len());
    for have in &groups {
        let members: BTreeSet<String> = have["members"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|member| keys[member["value"].as_str().unwrap()].clone())
            .collect();
        assert_eq!(members, source.groups[have["displayName"].as_str().unwrap()], "{}", have["displayName"]);
    }
}

#[tokio::test]
async fn a_sync_that_breaks_off_goes_on_and_leaves_no_drift() {
    let (people, groups) = (number("SYNC_PEOPLE", 300), number("SYNC_GROUPS", 20));
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let mut idp = Idp::of(kit, "harbor").await;
        for round in 0..2 {
            let source = source(people, groups, round);
            // The first try breaks off a third of the way.
            assert!(!sync(&mut idp, &source, people / 3).await);
            assert!(sync(&mut idp, &source, usize::MAX).await);
            compare(&mut idp, &source).await;
        }
        // And the accounts are as the records say.
        let harbor = kit.organization("harbor").await;
        let members =
            kit.app.db().read(move |tx| platform::principals::count_members(tx, harbor)).await.unwrap();
        let wanted = source(people, groups, 1).people.len() + 1;
        assert_eq!(usize::try_from(members).unwrap(), wanted, "everybody, and the owner");
    })
    .await;
}

#[tokio::test]
async fn an_import_leaves_the_groups_of_a_directory_alone() {
    on_both(async |kit| {
        verify(kit, "harbor", "harbor.example").await;
        let mut idp = Idp::of(kit, "harbor").await;
        let ann = idp.user("ann@harbor.example", json!({})).await;
        idp.group("Crew", &[&ann]).await;
        let harbor = kit.organization("harbor").await;
        let before = super::group_members(kit, harbor, "Crew").await;
        assert_eq!(before.as_ref().map(Vec::len), Some(1));
        let mut owner = kit.owner_of("harbor").await;
        let csv = "email,name,groups\nbob@harbor.example,Bob,crew;Deck\nann@harbor.example,Ann,Crew\n";
        for dry_run in [true, false] {
            let body = json!({ "csv": csv, "dry_run": dry_run, "send_mail": false });
            let path = "/api/v1/organizations/harbor/people/imports";
            let told = owner.post(path, body).await.expect(200).json();
            assert_eq!(
                (&told["new_accounts"], &told["groups_created"], &told["group_memberships"]),
                (&json!(1), &json!(1), &json!(1)),
                "{told}"
            );
            let conflicts = told["conflicts"].as_array().unwrap();
            assert_eq!((conflicts.len(), &conflicts[0]["line"]), (1, &json!(2)), "{told}");
            assert_eq!(conflicts[0]["column"], "groups");
            assert!(conflicts[0]["detail"].as_str().unwrap().contains("identity provider"), "{told}");
        }
        assert_eq!(super::group_members(kit, harbor, "Crew").await, before);
        assert_eq!(super::group_members(kit, harbor, "Deck").await.as_ref().map(Vec::len), Some(1));
    })
    .await;
}
