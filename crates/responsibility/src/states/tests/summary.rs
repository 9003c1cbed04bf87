use super::super::joint::RowCells;
use super::super::summary::{moved, summarize};
use super::super::*;
use super::{at, cell};
use crate::rows::{self, RowArea};

#[test]
fn an_unseen_matrix_is_unknown_throughout() {
    let matrix = rows::all().map(|row| RowCells { row, provider: None, customer: None });
    let summary = summarize(matrix);
    assert_eq!((summary.rows.total(), summary.rows.held()), (47, 0));
    assert_eq!(summary.rows.of(CellState::Unknown), 47);
    assert_eq!((summary.provider.total(), summary.customer.total()), (27, 26));
    assert_eq!(summary.must_act(Side::Customer).rows, 0);
    assert_eq!(summary.must_act(Side::Provider).rows, 16, "the built controls wait for their first check");
    let areas: Vec<u32> = summary.areas.iter().map(|area| area.rows.total()).collect();
    assert_eq!(areas, [14, 15, 5, 7, 6]);
}

#[test]
fn figures_are_counted_per_side_and_area() {
    let (p3, c1) = (cell(Basis::Met, 10), cell(Basis::Unmet, 30));
    let (c2, c7) = (cell(Basis::WaitsForOther, 20), cell(Basis::DoesNotApply, 5));
    let one = |id, provider, customer| RowCells { row: rows::find(id).unwrap(), provider, customer };
    let (guard, mine) = (cell(Basis::Attested, 1), cell(Basis::Unmet, 40));
    let summary = summarize([
        one("USR-P3", Some(&p3), None),
        one("USR-C1", None, Some(&c1)),
        one("USR-C2", None, Some(&c2)),
        one("USR-C7", None, Some(&c7)),
        one("THR-1", Some(&guard), Some(&mine)),
    ]);
    assert_eq!((summary.rows.held(), summary.rows.applicable(), summary.rows.of(CellState::Gap)), (1, 4, 2));
    assert_eq!(summary.provider.of(CellState::Attested), 1);
    assert_eq!(summary.customer.of(CellState::Gap), 2);
    let (you, they) = (summary.must_act(Side::Customer), summary.must_act(Side::Provider));
    assert_eq!((you.rows, you.oldest_since), (2, Some(at(30))));
    assert_eq!((they.rows, they.oldest_since), (1, Some(at(20))), "USR-C2 waits for the provider");
    let users = summary.areas.iter().find(|area| area.area == RowArea::Users).unwrap();
    assert_eq!((users.rows.held(), users.rows.applicable()), (1, 3));
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["rows"]["gap"], 2);
    assert_eq!(json["areas"][4]["rows"]["gap"], 1);
}

#[test]
fn what_moved_counts_only_proof_won_or_lost() {
    use CellState::{Accepted, Attested, Gap, Held, NotApplicable, Stale, Unknown};
    let pairs = [
        (None, Held),
        (Some(Gap), Held),
        (Some(Attested), Held),
        (Some(Held), Stale),
        (Some(Held), Accepted),
        (Some(Held), NotApplicable),
        (Some(Held), Held),
        (Some(Gap), Attested),
        (None, Unknown),
    ];
    let figures = moved(pairs);
    assert_eq!((figures.gained, figures.lost), (3, 2));
}
