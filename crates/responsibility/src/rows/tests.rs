use std::collections::BTreeSet;
use std::path::Path;

use super::*;

#[test]
fn ids_and_their_order_never_change() {
    let pinned: Vec<&str> = include_str!("ids.txt").lines().collect();
    let table: Vec<&str> = all().map(|row| row.id).collect();
    for id in &pinned {
        assert!(table.contains(id), "`{id}` was removed or renamed: an id is stable for ever");
    }
    assert_eq!(table, pinned, "a new row must also be pinned at its place in rows/ids.txt");
}

#[test]
fn the_counts_are_the_papers() {
    let count = |prefix: &str| all().filter(|row| row.id.starts_with(prefix)).count();
    let counts = ["POL-P", "POL-C", "USR-P", "USR-C", "INF-P", "INF-C", "APP-P", "APP-C", "THR-"].map(count);
    assert_eq!(counts, [7, 7, 6, 9, 3, 2, 5, 2, 6]);
    assert_eq!((all().count(), all_cells().count()), (47, 53));
    assert_eq!(all().map(|row| row.id).collect::<BTreeSet<_>>().len(), 47);
}

#[test]
fn an_id_says_area_and_side() {
    for row in all() {
        let (area, rest) = row.id.split_once('-').expect("an id has a hyphen");
        let expected = match row.area {
            RowArea::PolicyAndCompliance => "POL",
            RowArea::Users => "USR",
            RowArea::Information => "INF",
            RowArea::MarketplaceApps => "APP",
            RowArea::Threats => "THR",
        };
        assert_eq!(area, expected, "{}", row.id);
        let sides = match rest.as_bytes()[0] {
            b'P' => Sides::Provider,
            b'C' => Sides::Customer,
            _ => Sides::Both,
        };
        assert_eq!(row.sides(), sides, "{}", row.id);
    }
}

#[test]
fn words_fit_their_places() {
    for row in all() {
        for title in Side::BOTH.map(|side| row.title_of(side)).into_iter().chain([row.title]) {
            assert!((3..=45).contains(&title.chars().count()), "{}: `{title}`", row.id);
            assert!(!title.ends_with('.'), "{}: `{title}`", row.id);
        }
        assert!(row.duty.ends_with('.') && row.duty.matches(". ").count() == 0, "{}: one sentence", row.id);
        for (side, half) in row.cells() {
            let wording = half.wording;
            assert!(wording.control.ends_with('.'), "{} {side}", row.id);
            for clause in [wording.met_when, wording.break_hint] {
                assert!(!clause.is_empty() && !clause.ends_with('.'), "{} {side}: `{clause}`", row.id);
            }
            assert!(half.time_to_live > Duration::ZERO, "{} {side}", row.id);
        }
    }
}

#[test]
fn threats_name_both_halves() {
    for row in all().filter(|row| row.area == RowArea::Threats) {
        assert_eq!(row.cells().count(), 2, "{}", row.id);
        let titles = Side::BOTH.map(|side| row.title_of(side));
        assert!(titles.iter().all(|title| *title != row.title) && titles[0] != titles[1], "{}", row.id);
    }
}

#[test]
fn pages_lie_in_the_console_of_their_side() {
    for (row, side, half) in all_cells() {
        let Some(page) = half.page() else { continue };
        match side {
            Side::Provider => assert!(page.0.starts_with("/provider/"), "{}: {}", row.id, page.0),
            Side::Customer => {
                assert!(page.0.starts_with("/o/{organization}/"), "{}: {}", row.id, page.0);
                assert!(page.href("harbor").starts_with("/o/harbor/"));
            }
        }
        assert!(!page.href("harbor").contains(['{', '}']), "{}", row.id);
    }
}

#[test]
fn the_controls_of_the_foundation_are_built() {
    let built: Vec<&str> =
        all_cells().filter(|(_, _, half)| half.is_built()).map(|(row, _, _)| row.id).collect();
    assert_eq!(
        built,
        [
            "POL-C4", "USR-P1", "USR-P2", "USR-P3", "USR-P4", "USR-P5", "USR-P6", "USR-C1", "USR-C2",
            "USR-C3", "USR-C4", "USR-C5", "USR-C6", "USR-C7", "USR-C8", "USR-C9"
        ]
    );
}

#[test]
fn only_customers_wait_and_only_for_a_providers_half() {
    for (row, side, half) in all_cells() {
        let Some(other) = half.waits_for else { continue };
        assert_eq!(side, Side::Customer, "{}", row.id);
        let other = find(other).unwrap_or_else(|| panic!("{} waits for a row that is not there", row.id));
        assert!(other.half(Side::Provider).is_some(), "{} waits for {}", row.id, other.id);
    }
}

#[test]
fn drills_have_own_names_and_forgive_one_missed_run() {
    let drills: Vec<DrillSpec> = all_cells().filter_map(|(_, _, half)| half.drill).collect();
    let names: BTreeSet<&str> = drills.iter().map(|drill| drill.id).collect();
    assert_eq!(names.len(), drills.len());
    for drill in drills {
        assert!(drill.every * 2 <= drill.time_to_live, "{}", drill.id);
        assert!(drill.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", drill.id);
    }
}

/// The five live sources as they must be registered.
fn live() -> Vec<(&'static str, Side)> {
    all_cells().filter(|(_, _, half)| half.is_built()).map(|(row, side, _)| (row.id, side)).collect()
}

#[test]
fn evidence_must_fit_the_table() {
    assert_eq!(check_sources(&live()), Ok(()));
    let mut facts_only = live();
    facts_only.push(("THR-1", Side::Customer));
    assert_eq!(check_sources(&facts_only), Ok(()), "facts about a control that is not built are welcome");

    let mut sources = live();
    sources.retain(|(row, _)| *row != "USR-C1");
    sources.extend([("USR-C2", Side::Customer), ("USR-P3", Side::Customer), ("USR-C99", Side::Customer)]);
    let named = |row: &str, side| (row.to_owned(), side);
    let (c2, p3) = (named("USR-C2", Side::Customer), named("USR-P3", Side::Customer));
    let (c99, c1) = (named("USR-C99", Side::Customer), named("USR-C1", Side::Customer));
    assert_eq!(
        check_sources(&sources),
        Err(vec![
            SourceError::Twice { row: c2.0, side: c2.1 },
            SourceError::NoSuchCell { row: p3.0, side: p3.1 },
            SourceError::NoSuchCell { row: c99.0, side: c99.1 },
            SourceError::Missing { row: c1.0, side: c1.1 },
        ])
    );
}

#[test]
fn a_fact_that_cannot_be_read_never_frees_from_a_duty() {
    let values = [None, Some(false), Some(true)];
    for (domain, outside) in values.iter().flat_map(|a| values.iter().map(move |b| (*a, *b))) {
        let facts = OrganizationFacts { has_verified_domain: domain, has_outside_users: outside };
        assert_eq!(Applies::Always.decide(&facts), Applicability::Applies);
        let verified = Applies::HasVerifiedDomain.decide(&facts);
        assert_eq!(verified == Applicability::Applies, domain == Some(true));
        assert_eq!(matches!(verified, Applicability::DoesNotApply(_)), domain == Some(false));
        let open = Applies::UnverifiedOrOutsiders.decide(&facts);
        assert_eq!(open == Applicability::Applies, domain == Some(false) || outside == Some(true));
        assert_eq!(
            matches!(open, Applicability::DoesNotApply(_)),
            domain == Some(true) && outside == Some(false)
        );
    }
}

#[test]
fn the_reference_page_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/rows.md");
    let now = reference::markdown();
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &now).expect("the reference page can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == now,
        "docs/reference/rows.md is out of date: UPDATE_REFERENCE=1 cargo test -p bailiwick-responsibility reference"
    );
}
