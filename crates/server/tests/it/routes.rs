//! What every recorded route must say of itself.

use std::collections::{BTreeMap, BTreeSet};

use bailiwick::demo::prover::Script;
use platform::web::routes::{Events, Limit, Method, Openness, RouteKind};

use crate::shared::{all_routes, name_of, only, whole_program};

fn reads(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

#[test]
fn a_changing_route_says_what_it_records() {
    let mut silent = Vec::new();
    for route in all_routes() {
        match route.events {
            Events::Read => assert!(reads(&route.method), "{} changes, so it records", name_of(&route)),
            Events::Records("") => silent.push(name_of(&route)),
            Events::Records(prefix) => {
                assert!(!reads(&route.method), "{} reads, so it records nothing", name_of(&route));
                assert!(prefix.chars().all(|c| c.is_ascii_lowercase() || c == '.' || c == '_'), "{prefix}");
            }
            Events::None(reason) => {
                assert!(reason.len() > 10, "{}: why does it record nothing?", name_of(&route))
            }
        }
    }
    only("changing routes that do not say what they record", silent, &[]);
}

#[test]
fn actions_and_paths_are_unique() {
    let (mut actions, mut places) = (BTreeSet::new(), BTreeSet::new());
    for route in all_routes() {
        assert!(actions.insert(route.action), "two routes are called `{}`", route.action);
        assert!(places.insert(name_of(&route)), "{} twice", name_of(&route));
    }
}

/// The guard finds the organization by this name in the path.
#[test]
fn openness_fits_the_path() {
    for route in all_routes() {
        let named = route.path.contains("{organization}");
        let asks = matches!(route.openness, Openness::Organization(_) | Openness::Member);
        assert_eq!(named, asks, "{} is {:?}", name_of(&route), route.openness);
    }
}

#[test]
fn what_tries_a_secret_is_limited_as_such() {
    for route in all_routes() {
        if route.openness == Openness::Public && route.path.contains("{token}") {
            assert_eq!(route.limit, Limit::Credential, "{}", name_of(&route));
        }
    }
}

#[test]
fn only_routes_without_a_caller_are_plain_and_unlimited() {
    for route in all_routes() {
        if route.kind == RouteKind::Plain {
            assert_eq!(route.openness, Openness::Public, "{}", name_of(&route));
        } else {
            assert_ne!(route.limit, Limit::None, "{} can be asked for ever", name_of(&route));
        }
    }
}

#[tokio::test]
async fn the_api_describes_all_of_itself() {
    testkit::sqlite_only(
        &async |kit: &testkit::Kit| {
            let document = kit.nobody().get("/openapi.json").await.expect(200).json();
            assert_eq!(document["openapi"], "3.1.0");
            let mut operations = BTreeSet::new();
            let mut described = 0;
            for route in all_routes().into_iter().filter(|route| route.kind == RouteKind::Api) {
                let name = name_of(&route);
                let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
                assert!(operation.is_object(), "{name} is not in openapi.json");
                assert!(route.summary.len() > 3, "{name} has no summary");
                assert!(!route.summary.ends_with('.'), "{name}: a summary is a heading");
                assert!(!route.responses.is_empty(), "{name} does not say what it gives");
                let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
                assert!(!id.is_empty() && operations.insert(id.clone()), "{name}: operationId `{id}`");
                described += 1;
            }
            let paths = document["paths"].as_object().expect("paths");
            let written: usize =
                paths.values().map(|path| path.as_object().map_or(0, serde_json::Map::len)).sum();
            assert_eq!(written, described);
            assert_references(&document);
        },
        whole_program(&Script::default()),
    )
    .await;
}

/// Two types of one name would overwrite each other in the document.
#[test]
fn schemas_of_one_name_are_one_schema() {
    let mut seen: BTreeMap<String, serde_json::Value> = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for route in all_routes() {
        let given = route.responses.iter().filter_map(|(_, document)| document.as_ref());
        for document in given.chain(&route.request) {
            let own = (document.name.clone(), document.schema.clone());
            for (name, schema) in document.others.iter().cloned().chain([own]) {
                let schema = serde_json::to_value(schema).expect("a schema");
                let first = seen.entry(name.clone()).or_insert_with(|| schema.clone());
                if *first != schema {
                    twice.insert(format!("`{name}` in {}", name_of(&route)));
                }
            }
        }
    }
    assert!(twice.is_empty(), "give these another name with #[schema(as = …)]: {twice:#?}");
}

/// Every `$ref` points to something.
fn assert_references(document: &serde_json::Value) {
    let mut waiting = vec![document];
    while let Some(value) = waiting.pop() {
        match value {
            serde_json::Value::Object(members) => {
                if let Some(target) = members.get("$ref").and_then(|target| target.as_str()) {
                    let pointer = target.strip_prefix('#').expect("a place in this document");
                    assert!(document.pointer(pointer).is_some(), "{target} is nowhere");
                }
                waiting.extend(members.values());
            }
            serde_json::Value::Array(items) => waiting.extend(items),
            _ => {}
        }
    }
}

/// Every entry of the side navigation leads to a route that whoever sees the entry may open.
#[test]
fn navigation_leads_somewhere() {
    let routes = all_routes();
    for area in bailiwick::AREAS {
        for entry in area.navigation {
            let route = routes.iter().find(|route| route.path == entry.href && route.method == Method::GET);
            let route = route
                .unwrap_or_else(|| panic!("`{}` leads to {}, which is nowhere", entry.label, entry.href));
            if let Openness::Organization(needed) | Openness::Provider(needed) = route.openness {
                assert_eq!(
                    entry.permission,
                    Some(needed),
                    "`{}` is shown to others than may open it",
                    entry.label
                );
            }
        }
    }
}

/// Every row of evidence, every job of a schedule: known and named once.
#[test]
fn schedules_start_jobs_that_exist() {
    let kinds: Vec<&str> = bailiwick::AREAS.iter().flat_map(|area| area.jobs).map(|kind| kind.name).collect();
    let unique: BTreeSet<&&str> = kinds.iter().collect();
    assert_eq!(unique.len(), kinds.len(), "two kinds of job with one name: {kinds:?}");
    for area in bailiwick::AREAS {
        for schedule in area.schedules {
            assert!(kinds.contains(&schedule.kind), "`{}` is started but nowhere done", schedule.kind);
        }
    }
}
