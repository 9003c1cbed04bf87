//! Search by address, name and last name, compared with an oracle that looks at everybody.

use platform::access::Role;
use platform::db::{Commit, DbError};
use platform::events::Event;
use platform::ids::OrganizationId;
use platform::principals::{self, Account, AccountState, Membership, MembershipSource, MembershipState};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use testkit::Kit;

use super::super::{Filter, Place, Search};
use super::{AREAS, PEOPLE};

const WORLDS: usize = 8;
const QUESTIONS: usize = 12;

#[derive(Debug, Clone)]
struct Somebody {
    local: String,
    name: String,
    role: Role,
}

fn word() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "Ann",
        "ann",
        "ANNA",
        "Okafor",
        "okafor",
        "Okoro",
        "O'Neil",
        "Özil",
        "özil",
        "de",
        "Smith-Jones",
        "李",
        "a",
    ])
}

fn name() -> impl Strategy<Value = String> {
    let joint = proptest::sample::select(vec![" ", " ", " ", "  ", "\u{3000}"]);
    let end = proptest::sample::select(vec!["", "", "", " "]);
    (proptest::collection::vec((word(), joint), 0..4), end).prop_map(|(words, end)| {
        let all: String = words.iter().map(|(word, joint)| format!("{word}{joint}")).collect();
        format!("{}{end}", all.trim_end())
    })
}

fn somebody() -> impl Strategy<Value = Somebody> {
    let local = proptest::sample::select(vec!["ann", "anna", "okafor", "zed", "o"]);
    let role = proptest::sample::select(vec![Role::Member, Role::Member, Role::Admin]);
    (local, name(), role).prop_map(|(local, name, role)| Somebody { local: local.to_owned(), name, role })
}

#[derive(Debug, Clone)]
struct Question {
    text: String,
    role: Option<Role>,
    limit: u32,
}

fn question() -> impl Strategy<Value = Question> {
    let text = prop_oneof![
        (word(), 0..5_usize).prop_map(|(word, chars)| word.chars().take(chars).collect::<String>()),
        word().prop_map(str::to_uppercase),
        (word(), word()).prop_map(|(one, other)| format!(" {one} {other} ")),
        Just("%".to_owned()),
    ];
    let role = proptest::option::of(Just(Role::Member));
    (text, role, 1..8_u32).prop_map(|(text, role, limit)| Question { text, role, limit })
}

/// Everybody of an organization of their own; the addresses tell them apart.
async fn found(kit: &Kit, slug: &str, people: &[Somebody]) -> (OrganizationId, Vec<Membership>) {
    let organization = kit.organization(slug).await;
    let ctx = kit.ctx();
    let (mut accounts, mut members) = (Vec::new(), Vec::new());
    for (at, one) in people.iter().enumerate() {
        let account = Account {
            id: ctx.id(),
            email: format!("{}{at}@{slug}.example", one.local),
            email_domain: format!("{slug}.example"),
            name: one.name.clone(),
            state: AccountState::Active,
            managed_by: None,
            managed_since: None,
            created_at: ctx.now,
        };
        members.push(Membership {
            organization,
            account: account.id,
            role: one.role,
            state: MembershipState::Active,
            source: MembershipSource::Operator,
            email: account.email.clone(),
            name: one.name.clone(),
            created_at: ctx.now,
        });
        accounts.push(account);
    }
    let inside = members.clone();
    let written = kit.app.db().write(&ctx, move |tx| {
        principals::insert_accounts(tx, &accounts)?;
        principals::insert_memberships(tx, &inside)?;
        let recorded = tx.record(Event::new(organization, "member.added"));
        Ok::<_, DbError>(Commit::changed((), recorded))
    });
    written.await.expect("written");
    (organization, members)
}

/// Who is found, in order, by looking at everybody.
fn by_hand(members: &[Membership], question: &Question) -> Vec<String> {
    let wanted = question.text.trim();
    let small = |text: &str| text.chars().map(|c| c.to_ascii_lowercase()).collect::<String>();
    let begins = |text: &str| small(text).starts_with(&small(wanted));
    let mut found: Vec<(u8, String, String)> = Vec::new();
    for one in members.iter().filter(|one| question.role.is_none_or(|role| role == one.role)) {
        let last = one.name.split(' ').next_back().expect("split gives one");
        let (part, key) = if one.email.starts_with(&wanted.to_lowercase()) {
            (0, String::new())
        } else if begins(&one.name) {
            (1, small(&one.name))
        } else if begins(last) {
            (2, small(last))
        } else {
            continue;
        };
        found.push((part, key, one.email.clone()));
    }
    found.sort();
    found.into_iter().map(|(.., email)| email).collect()
}

#[tokio::test]
async fn pages_hold_whom_an_oracle_finds_once_and_in_order() {
    testkit::both(
        async |kit| {
            let mut runner = TestRunner::deterministic();
            let mut parts = [0; 3];
            for number in 0..WORLDS {
                let drawn = (
                    proptest::collection::vec(somebody(), 1..40),
                    proptest::collection::vec(question(), QUESTIONS),
                );
                let (people, questions) = drawn.new_tree(&mut runner).expect("a world").current();
                let (organization, members) = found(kit, &format!("w{number}"), &people).await;
                for question in questions {
                    let filter =
                        Filter { search: Search::of(&question.text), role: question.role, state: None };
                    let (mut all, mut after) = (Vec::new(), Place::default());
                    loop {
                        let (filter, from, limit) = (filter.clone(), after.clone(), question.limit);
                        let page = kit
                            .app
                            .db()
                            .read(move |tx| super::super::list(tx, organization, &filter, &from, limit))
                            .await
                            .expect("a page");
                        assert!(page.len() <= usize::try_from(limit).unwrap());
                        let Some(last) = page.last() else { break };
                        after = Place::read(&last.place().text());
                        assert_eq!(after, last.place(), "a cursor keeps it");
                        for one in page {
                            parts[one.by as usize] += 1;
                            all.push(one.person.email);
                        }
                    }
                    assert_eq!(all, by_hand(&members, &question), "{question:?} of {people:?}");
                }
            }
            assert!(parts.iter().all(|found| *found > 10), "each way finds somebody: {parts:?}");
        },
        AREAS,
    )
    .await;
}

#[tokio::test]
async fn the_api_the_page_and_the_export_find_by_the_last_name() {
    testkit::both(
        async |kit| {
            let mut owner = kit.owner_of("harbor").await;
            for (email, name) in [
                ("n1@harbor.example", "Ngozi Okafor"),
                ("n2@harbor.example", "Uche okafor"),
                ("okafor@harbor.example", "Ada Lovelace"),
                ("n3@harbor.example", "Okafor Eze"),
                ("n4@harbor.example", "Okafor"),
                ("n5@harbor.example", "Mara Holm"),
            ] {
                let account = kit.member("harbor", email, Role::Member).await;
                let (harbor, ctx) = (kit.organization("harbor").await, kit.ctx());
                let renamed = kit.app.db().write(&ctx, move |tx| {
                    principals::rename_account(tx, account, name)?;
                    let recorded = tx.record(Event::new(harbor, "account.renamed"));
                    Ok::<_, DbError>(Commit::changed((), recorded))
                });
                renamed.await.unwrap();
            }
            let (mut found, mut cursor) = (Vec::new(), String::new());
            loop {
                let path = format!("{PEOPLE}?q=Okafor&limit=2&cursor={cursor}");
                let page = owner.get(&path).await.expect(200).json();
                found.extend(page["items"].as_array().unwrap().iter().map(|one| one["email"].clone()));
                let Some(next) = page["next_cursor"].as_str() else { break };
                cursor = next.to_owned();
            }
            let wanted = ["okafor", "n4", "n3", "n1", "n2"].map(|one| format!("{one}@harbor.example"));
            assert_eq!(found, wanted);
            let page = owner.get("/o/harbor/people?q=okafor").await.expect(200).text();
            assert!(page.contains("Ngozi Okafor") && !page.contains("Mara Holm"), "{page}");
            let export = owner.get("/o/harbor/people.csv?q=okafor").await.expect(200).text();
            assert_eq!(export.lines().count(), 1 + wanted.len(), "{export}");
        },
        AREAS,
    )
    .await;
}
