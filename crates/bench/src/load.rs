//! Makes load: a closed loop (each worker sends the next when the last is answered) for rates, an open loop (arrivals at
//! fixed times, whatever the server does) for delays. The open loop counts a delay from when the request was due, so a
//! stalled server cannot hide its stall.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::error::Result;
use crate::histogram::Histogram;

/// What a worker does once; the number is unique in the run and counts from 0.
pub type Step<'a> = Box<dyn FnMut(u64) -> Result<()> + Send + 'a>;

#[derive(Debug)]
pub struct Outcome {
    pub delays: Histogram,
    pub elapsed: Duration,
}

impl Outcome {
    pub fn per_second(&self) -> f64 {
        self.delays.count() as f64 / self.elapsed.as_secs_f64()
    }
}

/// Runs `workers` closed loops for `lasting`; the first error ends the run and is its result.
pub fn closed<'a>(workers: usize, lasting: Duration, make: impl Fn(usize) -> Step<'a>) -> Result<Outcome> {
    let next = AtomicU64::new(0);
    let began = Instant::now();
    run(workers, make, |step, delays| {
        while began.elapsed() < lasting {
            let started = Instant::now();
            step(next.fetch_add(1, Ordering::Relaxed))?;
            delays.record(started.elapsed());
        }
        Ok(())
    })
}

/// Does the steps 0 to `count`, each by whichever of `workers` is free; the first error ends its worker and is the result.
pub fn each<'a>(workers: usize, count: u64, make: impl Fn(usize) -> Step<'a>) -> Result<Outcome> {
    let next = AtomicU64::new(0);
    run(workers, make, |step, delays| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                return Ok(());
            }
            let started = Instant::now();
            step(number)?;
            delays.record(started.elapsed());
        }
    })
}

/// Sends `per_second` requests a second for `lasting`, each by whichever of `workers` is free.
pub fn open<'a>(
    per_second: f64,
    workers: usize,
    lasting: Duration,
    make: impl Fn(usize) -> Step<'a>,
) -> Result<Outcome> {
    let next = AtomicU64::new(0);
    let began = Instant::now();
    run(workers, make, |step, delays| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = Duration::from_secs_f64(number as f64 / per_second);
            if due >= lasting {
                return Ok(());
            }
            wait_until(began + due);
            step(number)?;
            delays.record(began.elapsed().saturating_sub(due));
        }
    })
}

fn run<'a>(
    workers: usize,
    make: impl Fn(usize) -> Step<'a>,
    work: impl Fn(&mut Step<'a>, &mut Histogram) -> Result<()> + Sync,
) -> Result<Outcome> {
    let began = Instant::now();
    let steps: Vec<_> = (0..workers).map(make).collect();
    let work = &work;
    let results: Vec<Result<Histogram>> = std::thread::scope(|scope| {
        let threads: Vec<_> = steps
            .into_iter()
            .map(|mut step| {
                scope.spawn(move || {
                    let mut delays = Histogram::default();
                    work(&mut step, &mut delays).map(|()| delays)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let elapsed = began.elapsed();
    let mut delays = Histogram::default();
    for result in results {
        delays.merge(&result?);
    }
    Ok(Outcome { delays, elapsed })
}

fn wait_until(due: Instant) {
    let now = Instant::now();
    if due > now {
        pause(due - now);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a load driver lives in real time: its arrivals have real due times"
)]
pub fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::BenchError;

    #[test]
    fn a_closed_loop_does_each_number_once_and_counts_all() {
        let seen = std::sync::Mutex::new(Vec::new());
        let seen = &seen;
        let outcome = closed(4, Duration::from_millis(30), |_| {
            Box::new(move |number| {
                seen.lock().unwrap().push(number);
                pause(Duration::from_millis(1));
                Ok(())
            })
        });
        let outcome = outcome.unwrap();
        let mut numbers = seen.lock().unwrap().clone();
        numbers.sort_unstable();
        assert!(numbers.len() >= 4);
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>());
        assert_eq!(outcome.delays.count(), numbers.len() as u64);
    }

    #[test]
    fn a_count_is_done_once_each() {
        let sum = AtomicU64::new(0);
        let sum = &sum;
        let outcome = each(3, 100, |_| {
            Box::new(move |number| {
                sum.fetch_add(number, Ordering::Relaxed);
                Ok(())
            })
        });
        assert_eq!((outcome.unwrap().delays.count(), sum.load(Ordering::Relaxed)), (100, 4950));
    }

    #[test]
    fn an_open_loop_counts_the_wait_behind_a_stall() {
        // One worker, 100/s, the first request takes 50 ms: the next four were due meanwhile.
        let outcome = open(100.0, 1, Duration::from_millis(100), |_| {
            Box::new(|number| {
                if number == 0 {
                    pause(Duration::from_millis(50));
                }
                Ok(())
            })
        });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.delays.count(), 10);
        let waited = outcome.delays.percentile(0.8);
        assert!(waited >= Duration::from_millis(25), "the third worst of ten waited {waited:?}");
    }

    #[test]
    fn an_error_is_the_result() {
        let outcome = closed(2, Duration::from_secs(5), |_| {
            Box::new(|_| Err(BenchError::NotMeasured("broken".to_owned())))
        });
        assert!(outcome.is_err());
    }
}
