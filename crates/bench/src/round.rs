//! Takes turns: A-B-A-B, as often as asked, so that a slow minute of the machine falls on everybody; then the median.

use crate::error::{BenchError, Result};

/// One thing measured in a run. Its figure of one round, in its own unit.
pub struct Subject<'a> {
    pub name: String,
    pub measure: Box<dyn FnMut() -> Result<f64> + 'a>,
}

impl<'a> Subject<'a> {
    pub fn new(name: impl Into<String>, measure: impl FnMut() -> Result<f64> + 'a) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }
}

/// The figures of one subject over all rounds, or why there are none.
pub type Figures = Result<Vec<f64>>;

/// A subject that fails once is not asked again; the others go on. `before` runs before each measurement.
pub fn interleave(
    rounds: usize,
    subjects: &mut [Subject<'_>],
    before: impl Fn() -> Result<()>,
) -> Vec<Figures> {
    let mut figures: Vec<Figures> = subjects.iter().map(|_| Ok(Vec::new())).collect();
    for round in 1..=rounds {
        for (subject, figures) in subjects.iter_mut().zip(&mut figures) {
            let Ok(taken) = figures else { continue };
            match before().and_then(|()| (subject.measure)()) {
                Ok(figure) => {
                    eprintln!("  round {round}/{rounds} {}: {}", subject.name, crate::report::number(figure));
                    taken.push(figure);
                }
                Err(error) => {
                    eprintln!("  round {round}/{rounds} {}: {error}", subject.name);
                    *figures = Err(error);
                }
            }
        }
    }
    figures
}

/// The middle figure (of an even number, the mean of the two in the middle).
pub fn median(figures: &Figures) -> std::result::Result<f64, String> {
    let mut sorted = match figures {
        Ok(figures) => figures.clone(),
        Err(BenchError::NotMeasured(why)) => return Err(why.clone()),
        Err(error) => return Err(error.to_string()),
    };
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => Err("no round was run".to_owned()),
        length if length % 2 == 0 => Ok((sorted[middle - 1] + sorted[middle]) / 2.0),
        _ => Ok(sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[test]
    fn subjects_take_turns_and_a_failed_one_stops_alone() {
        let order = RefCell::new(String::new());
        let mut calls = 0;
        let mut subjects = [
            Subject::new("a", || {
                order.borrow_mut().push('a');
                Ok(1.0)
            }),
            Subject::new("b", || {
                order.borrow_mut().push('b');
                calls += 1;
                if calls == 2 { Err(BenchError::NotMeasured("gone".to_owned())) } else { Ok(2.0) }
            }),
        ];
        let figures = interleave(3, &mut subjects, || Ok(()));
        drop(subjects);
        assert_eq!(*order.borrow(), "ababa");
        assert_eq!(median(&figures[0]), Ok(1.0));
        assert_eq!(median(&figures[1]), Err("gone".to_owned()));
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&Ok(vec![9.0, 1.0, 5.0])), Ok(5.0));
        assert_eq!(median(&Ok(vec![9.0, 1.0, 5.0, 3.0])), Ok(4.0));
        assert!(median(&Ok(vec![])).is_err());
    }
}
