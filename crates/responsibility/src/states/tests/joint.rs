//! Every pair of grounds, against tables written out by hand.

use super::super::joint::{RowCells, SideAction, joint};
use super::super::*;
use super::{at, cell, step};
use crate::rows;

/// Joint state of (row: provider's half, column: customer's half), both in the order of `ORDER`.
const ORDER: [CellState; 8] = [
    CellState::Held,
    CellState::Gap,
    CellState::Stale,
    CellState::Blocked,
    CellState::Accepted,
    CellState::Attested,
    CellState::NotApplicable,
    CellState::Unknown,
];
const TABLE: [&str; 8] = [
    "held      gap  stale    blocked  accepted  attested  held            unknown",
    "gap       gap  gap      gap      gap       gap       gap             gap",
    "stale     gap  stale    blocked  stale     stale     stale           stale",
    "blocked   gap  blocked  blocked  blocked   blocked   blocked         blocked",
    "accepted  gap  stale    blocked  accepted  accepted  accepted        unknown",
    "attested  gap  stale    blocked  accepted  attested  attested        unknown",
    "held      gap  stale    blocked  accepted  attested  not_applicable  unknown",
    "unknown   gap  stale    blocked  unknown   unknown   unknown         unknown",
];

/// Ground, who must act on the provider's cell, who on the customer's, without and with a next step.
const ACTS: [(Basis, &str, &str); 16] = [
    (Basis::Met, "nobody nobody", "nobody nobody"),
    (Basis::Attested, "nobody nobody", "nobody nobody"),
    (Basis::Accepted, "nobody nobody", "nobody nobody"),
    (Basis::DoesNotApply, "nobody nobody", "nobody nobody"),
    (Basis::NotBuilt, "nobody nobody", "nobody nobody"),
    (Basis::Unmet, "provider provider", "customer customer"),
    (Basis::DrillFailed, "provider provider", "customer customer"),
    (Basis::WaitsForOther, "customer customer", "provider provider"),
    (Basis::ValidityEnded, "provider provider", "customer customer"),
    (Basis::EvidenceOld, "provider provider", "provider provider"),
    (Basis::DrillOld, "provider provider", "provider provider"),
    (Basis::DrillNeverRun, "provider provider", "provider provider"),
    (Basis::NeverChecked, "provider provider", "provider provider"),
    (Basis::CheckFailed, "provider provider", "provider provider"),
    (Basis::Inconclusive, "provider provider", "provider customer"),
    (Basis::ApplicabilityUnknown, "provider provider", "provider provider"),
];

fn threat() -> &'static rows::Row {
    rows::find("THR-1").unwrap()
}

fn place(state: CellState) -> usize {
    ORDER.iter().position(|one| *one == state).unwrap()
}

fn expected_acts(basis: Basis, side: Side, has_action: bool) -> MustAct {
    let (_, provider, customer) = ACTS.into_iter().find(|(one, _, _)| *one == basis).unwrap();
    let words = if side == Side::Provider { provider } else { customer };
    let word = words.split(' ').nth(usize::from(has_action)).unwrap();
    MustAct::ALL.into_iter().find(|who| who.as_str() == word).unwrap()
}

#[test]
fn every_pair_of_halves_has_the_tabled_state_actor_and_time() {
    for (provider_basis, customer_basis) in Basis::ALL.iter().flat_map(|a| Basis::ALL.map(|b| (*a, b))) {
        for (provider_acts, customer_acts) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut provider = cell(provider_basis, 10);
            let mut customer = cell(customer_basis, 20);
            provider.action = provider_acts.then(|| step(5));
            customer.action = customer_acts.then(|| step(3));
            let whole =
                joint(&RowCells { row: threat(), provider: Some(&provider), customer: Some(&customer) });
            let names = format!("{provider_basis:?} {customer_basis:?} {provider_acts} {customer_acts}");

            let line = TABLE[place(provider.state())].split_whitespace().collect::<Vec<_>>();
            assert_eq!(whole.state.as_str(), line[place(customer.state())], "{names}");

            let first = expected_acts(provider_basis, Side::Provider, provider_acts);
            let second = expected_acts(customer_basis, Side::Customer, customer_acts);
            assert_eq!(whole.must_act, first.and(second), "{names}");

            let since = match (first, second) {
                (MustAct::Nobody, MustAct::Nobody) if provider.state() == customer.state() => {
                    let whole_since_last = matches!(whole.state, CellState::Held | CellState::NotApplicable);
                    if whole_since_last { 20 } else { 10 }
                }
                (MustAct::Nobody, MustAct::Nobody) if whole.state == provider.state() => 10,
                (MustAct::Nobody, _) => 20,
                _ => 10,
            };
            assert_eq!(whole.since, Some(at(since)), "{names}");

            let own = [(first, Side::Provider, provider_acts, 5), (second, Side::Customer, customer_acts, 3)];
            let steps = own.into_iter().filter(|(who, side, has, _)| who.includes(*side) && *has);
            let least = steps.min_by_key(|(_, _, _, effort)| *effort);
            let expected = least.map(|(_, side, _, effort)| SideAction { side, step: step(effort) });
            assert_eq!(whole.action, expected, "{names}");
        }
    }
}

#[test]
fn the_halves_of_who_must_act_add_up() {
    for (a, b) in MustAct::ALL.iter().flat_map(|a| MustAct::ALL.map(|b| (*a, b))) {
        for side in Side::BOTH {
            assert_eq!(a.and(b).includes(side), a.includes(side) || b.includes(side));
        }
    }
}

#[test]
fn a_row_of_one_side_stands_as_its_only_cell() {
    let row = rows::find("USR-C1").unwrap();
    for basis in Basis::ALL {
        let customer = cell(basis, 20);
        let stray = cell(Basis::DrillFailed, 1);
        let whole = joint(&RowCells { row, provider: Some(&stray), customer: Some(&customer) });
        assert_eq!(whole.state, basis.state());
        assert_eq!(whole.must_act, basis.must_act(Side::Customer, false));
    }
}

#[test]
fn a_half_nobody_looked_at_is_unknown() {
    let not_built = joint(&RowCells { row: threat(), provider: None, customer: None });
    assert_eq!((not_built.state, not_built.must_act), (CellState::Unknown, MustAct::Nobody));
    let row = rows::find("USR-C1").unwrap();
    let unseen = joint(&RowCells { row, provider: None, customer: None });
    assert_eq!((unseen.state, unseen.must_act, unseen.since), (CellState::Unknown, MustAct::Provider, None));
}
