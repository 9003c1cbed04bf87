//! A log-linear histogram of durations: 128 equal steps inside every power of two of nanoseconds, so that a percentile
//! is never more than 1/128 (0.8 %) above the truth, at a fixed 57 KiB, without a sort.

use std::time::Duration;

const STEP_BITS: u32 = 7;
const STEPS: u64 = 1 << STEP_BITS;
/// Values below `STEPS` have a bucket each; then every power of two up to 2^63 has `STEPS` of them.
const BUCKETS: usize = ((64 - STEP_BITS as usize) + 1) * STEPS as usize;

#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    nanos_max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0, nanos_max: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
        self.nanos_max = self.nanos_max.max(nanos);
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.nanos_max = self.nanos_max.max(other.nanos_max);
    }

    pub fn count(&self) -> u64 {
        self.total
    }

    /// The nearest-rank percentile (`share` 0.99 is p99), rounded up to its bucket's end; zero when empty.
    pub fn percentile(&self, share: f64) -> Duration {
        let rank = ((share * self.total as f64).ceil() as u64).clamp(1, self.total.max(1));
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(bucket_end(index).min(self.nanos_max));
            }
        }
        Duration::ZERO
    }

    pub fn percentile_ms(&self, share: f64) -> f64 {
        self.percentile(share).as_secs_f64() * 1e3
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let power = 63 - nanos.leading_zeros();
    let shift = power - STEP_BITS;
    let step = (nanos >> shift) - STEPS;
    (u64::from(shift + 1) * STEPS + step) as usize
}

/// The largest value that falls into the bucket.
fn bucket_end(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS {
        return index;
    }
    let shift = index / STEPS - 1;
    let step = index % STEPS;
    let start = (STEPS + step) << shift;
    start + ((1 << shift) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_less_than_one_step_above_it() {
        for power in 0..64 {
            for offset in [0, 1, 3, 77, 1_000, 123_457] {
                let value = (1u64 << power).saturating_add(offset);
                let end = bucket_end(bucket(value));
                assert!(end >= value, "{value} ends at {end}");
                assert!((end - value) as f64 <= value as f64 / STEPS as f64, "{value} ends at {end}");
            }
        }
        assert_eq!(bucket_end(bucket(u64::MAX)), u64::MAX);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_agree_with_a_sorted_list() {
        let mut histogram = Histogram::default();
        let mut values: Vec<u64> = (0..10_000u64).map(|n| 1_000 + n * n % 7_919_000).collect();
        for value in &values {
            histogram.record(Duration::from_nanos(*value));
        }
        values.sort_unstable();
        for share in [0.01, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let exact = values[((share * 10_000.0) as usize).max(1) - 1];
            let got = histogram.percentile(share).as_nanos() as u64;
            assert!(got >= exact && got - exact <= exact / 100, "p{share}: {got} beside {exact}");
        }
        assert_eq!(histogram.count(), 10_000);
    }

    #[test]
    fn merging_is_recording_into_one() {
        let (mut left, mut right, mut both) =
            (Histogram::default(), Histogram::default(), Histogram::default());
        for n in 0..500 {
            let value = Duration::from_micros(n * 37 % 991);
            if n % 3 == 0 {
                left.record(value)
            } else {
                right.record(value)
            }
            both.record(value);
        }
        left.merge(&right);
        for share in [0.1, 0.5, 0.99, 1.0] {
            assert_eq!(left.percentile(share), both.percentile(share));
        }
    }

    #[test]
    fn an_empty_histogram_says_zero() {
        assert_eq!(Histogram::default().percentile(0.99), Duration::ZERO);
    }
}
