use super::*;

mod evaluate;
mod history;
mod joint;
mod summary;

pub(super) fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(super) fn cell(basis: Basis, since: i64) -> Cell {
    Cell {
        basis,
        since: at(since),
        evaluated_at: at(1_000),
        reason: basis.as_str().to_owned(),
        facts: Vec::new(),
        action: None,
        stale_at: None,
        beneath: None,
        changed_by: None,
    }
}

pub(super) fn step(effort_minutes: u16) -> NextAction {
    NextAction {
        label: format!("{effort_minutes} minutes"),
        href: "/o/harbor/domains".into(),
        effort_minutes,
    }
}

#[test]
fn codes_round_trip_through_text_and_json() {
    for state in CellState::ALL {
        assert_eq!(CellState::parse(state.as_str()), Some(state));
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        assert_eq!(platform::web::ui::State::from(state).code(), state.as_str());
    }
    for basis in Basis::ALL {
        assert_eq!(Basis::parse(basis.as_str()), Some(basis));
        assert_eq!(serde_json::to_value(basis).unwrap(), basis.as_str());
    }
    for who in MustAct::ALL {
        assert_eq!(serde_json::to_value(who).unwrap(), who.as_str());
    }
    assert_eq!(CellState::parse("Held"), None);
}

#[test]
fn ranks_order_the_list_and_only_proof_counts() {
    let ranks: Vec<u8> = CellState::ALL.iter().map(|state| state.rank()).collect();
    assert_eq!(ranks, [0, 1, 2, 3, 4, 5, 6, 7]);
    let held: Vec<CellState> = CellState::ALL.into_iter().filter(|state| state.counts_as_held()).collect();
    assert_eq!(held, [CellState::Held]);
    let grounds: Vec<Basis> =
        Basis::ALL.into_iter().filter(|basis| basis.state() == CellState::Held).collect();
    assert_eq!(grounds, [Basis::Met]);
}

#[test]
fn declarations_name_a_person_a_reason_and_an_end() {
    let (from, until) = (at(0), at(0).plus(DAY));
    let make = |by, reason, from, until| Declaration::new(by, reason, from, until).map(|_| ());
    assert_eq!(make(" ", "trained in March", from, until), Err(DeclarationError::Nobody));
    assert_eq!(make("M. Lind", " ", from, until), Err(DeclarationError::NoReason));
    assert_eq!(make("M. Lind", "trained", from, from), Err(DeclarationError::EndsFirst));
    let far = from.plus(DAY * DECLARATION_DAYS_MAX);
    assert_eq!(make("M. Lind", "trained", from, far), Ok(()));
    assert_eq!(make("M. Lind", "trained", from, far.plus(DAY)), Err(DeclarationError::TooLong));
    let word = Declaration::new(" M. Lind ", "trained", from, until).unwrap();
    assert_eq!(word.by(), "M. Lind");
    assert!(word.in_force(from) && !word.in_force(until));
}

#[test]
fn cells_survive_storage() {
    let mut stored = cell(Basis::Accepted, 7);
    stored.facts.push(RecordedFact {
        name: "domains_verified".into(),
        value: FactValue::Share { part: 1, whole: 2 },
        sentence: "1 of 2 domains is verified".into(),
    });
    stored.action = Some(step(3));
    stored.beneath = Some(Beneath { basis: Basis::Unmet, reason: "one domain is not verified".into() });
    let text = serde_json::to_string(&stored).unwrap();
    assert_eq!(serde_json::from_str::<Cell>(&text).unwrap(), stored);
}

#[test]
fn a_change_is_told_by_its_size() {
    let before = cell(Basis::EvidenceOld, 5);
    assert_eq!(before.change_from(None), Change::State { from: None });
    let mut after = before.clone();
    after.evaluated_at = at(2_000);
    after.stale_at = Some(at(3_000));
    assert_eq!(after.change_from(Some(&before)), Change::Nothing);
    after.basis = Basis::DrillOld;
    assert_eq!(after.change_from(Some(&before)), Change::Details, "stale on other grounds is still stale");
    after.basis = Basis::Unmet;
    assert_eq!(after.change_from(Some(&before)), Change::State { from: Some(CellState::Stale) });
}
