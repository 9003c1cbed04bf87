//! Line 6: sign-ins by SAML verified in process, wrapping attacks among them, beside the libraries that products use.

use std::cell::RefCell;

use super::{absent, check};
use crate::error::{BenchError, Result};
use crate::peers::{install_saml, make_saml, verify_saml};
use crate::report::{Bound, Figure, Row, ratio};
use crate::round::{Subject, interleave, median};
use crate::saml_verify::{FORGED_ONE_IN, SamlRun};
use crate::setup::Setup;

/// How many forged documents were looked at, and how many let somebody in.
#[derive(Default)]
struct Forged {
    tried: u64,
    accepted: u64,
}

pub fn measure(setup: &Setup) -> Result<Vec<Row>> {
    install_saml(setup)?;
    let folder = setup.work().join("saml");
    std::fs::create_dir_all(&folder).map_err(BenchError::io("making a folder for the documents"))?;
    let made = make_saml(setup, &folder)?;
    let forged: [RefCell<Forged>; 3] = Default::default();
    let judged = |who: usize, run: SamlRun| {
        // Whoever refuses what is genuine is quick at nothing.
        if run.genuine_refused > 0 {
            return Err(BenchError::Answer {
                what: "a genuine sign-in by SAML".to_owned(),
                got: format!("{} of {} refused: {}", run.genuine_refused, run.genuine, run.why),
                expected: "none refused".to_owned(),
            });
        }
        let mut counted = forged[who].borrow_mut();
        counted.tried += run.forged;
        counted.accepted += run.forged_accepted;
        Ok(run.per_second)
    };
    let mut subjects = [
        Subject::new("ours", || judged(0, setup.saml(&folder)?)),
        Subject::new("python3-saml", || judged(1, verify_saml(setup, "python3-saml", &folder)?)),
        Subject::new("samlify", || judged(2, verify_saml(setup, "samlify", &folder)?)),
    ];
    let figures = interleave(setup.rounds, &mut subjects, || setup.look_around());
    drop(subjects);
    let [ours, python, node] = [0, 1, 2].map(|index| median(&figures[index]));
    let let_in = |who: usize| -> Figure {
        let counted = forged[who].borrow();
        if counted.tried == 0 { absent("no forged document was tried") } else { Ok(counted.accepted as f64) }
    };
    let row = |operation: String, peer: &str, theirs: &Figure, bound: f64| Row {
        line: "6",
        operation,
        checks: vec![check(&format!("× {peer}"), ratio(&ours, theirs), Bound::AtLeast(bound))],
        ours: Some(ours.clone()),
        peer: Some((peer.to_owned(), theirs.clone())),
        limit: None,
        unit: "/s",
    };
    let what = format!("SAML response verified in process, {} bytes, RSA-2048", made.bytes);
    let [tried, _, node_tried] = [0, 1, 2].map(|who| forged[who].borrow().tried);
    let node_let_in = forged[2].borrow().accepted;
    let attacks = Row {
        line: "6",
        operation: format!(
            "… forged ones let in, of {tried} (one in {FORGED_ONE_IN}); samlify let in {node_let_in} of {node_tried}"
        ),
        checks: vec![check("let in", let_in(0), Bound::AtMost(0.0))],
        ours: Some(let_in(0)),
        peer: Some(("python3-saml".to_owned(), let_in(1))),
        limit: None,
        unit: "let in",
    };
    Ok(vec![
        row(what, "python3-saml", &python, 10.0),
        row("… beside samlify".to_owned(), "samlify", &node, 3.0),
        attacks,
    ])
}
