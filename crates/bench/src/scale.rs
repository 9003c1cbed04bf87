//! A small simulation of an installation far beyond one machine: does the arithmetic of docs/scale.md hold?
//!
//! Organizations get sizes as customers have them (many small, few very large; Pareto), are spread over nodes by rendezvous
//! hashing and over shards by the hash of their id, and one permission index is really built, to weigh it. The store's bytes
//! are weighed on a real, filled installation. Everything is drawn from a fixed seed: two runs print the same, but for the
//! store's.

use crate::error::Result;

mod index;
mod store;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct World {
    pub organizations: usize,
    pub people: u64,
    /// Nobody is larger than this.
    pub largest: u64,
}

/// Random numbers by SplitMix64: good enough to spread, and the same everywhere.
#[derive(Clone, Copy)]
pub struct Mix(pub u64);

impl Mix {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 to below 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// People of each organization: Pareto with the exponent 1.1, cut at the largest, scaled to the whole.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes of a simulation, all far below 2^52"
)]
pub fn sizes(world: World) -> Vec<u64> {
    let mut random = Mix(7);
    let drawn: Vec<f64> = (0..world.organizations).map(|_| (1.0 - random.unit()).powf(-1.0 / 1.1)).collect();
    // Cutting takes away, so the scale is found by a few steps.
    let mut scale = world.people as f64 / drawn.iter().sum::<f64>();
    for _ in 0..20 {
        let whole: f64 = drawn.iter().map(|size| (size * scale).clamp(1.0, world.largest as f64)).sum();
        scale *= world.people as f64 / whole;
    }
    drawn.iter().map(|size| (size * scale).clamp(1.0, world.largest as f64) as u64).collect()
}

/// The node with the highest score for this organization.
pub fn rendezvous(organization: u64, nodes: u64) -> u64 {
    (0..nodes).max_by_key(|node| mix(organization ^ mix(node + 1))).unwrap_or(0)
}

/// How even a spread is: the fullest over the mean.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub organizations: f64,
    pub people: f64,
    /// The people of the fullest.
    pub most: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts of a simulation, all far below 2^52")]
pub fn spread(sizes: &[u64], places: u64, place: impl Fn(u64) -> u64) -> Spread {
    let mut count = vec![0_u64; usize::try_from(places).unwrap_or(0)];
    let mut weight = count.clone();
    for (number, size) in sizes.iter().enumerate() {
        let at = usize::try_from(place(id(number))).unwrap_or(0);
        count[at] += 1;
        weight[at] += size;
    }
    let over_mean = |all: &[u64]| {
        let mean = all.iter().sum::<u64>() as f64 / all.len() as f64;
        all.iter().copied().max().unwrap_or(0) as f64 / mean
    };
    Spread {
        organizations: over_mean(&count),
        people: over_mean(&weight),
        most: weight.iter().copied().max().unwrap_or(0),
    }
}

/// The share of organizations that move when a node joins; and whether any moved elsewhere than to it.
#[expect(clippy::cast_precision_loss, reason = "counts of a simulation")]
pub fn moved(organizations: usize, nodes: u64) -> (f64, bool) {
    let mut moved = 0_usize;
    let mut astray = false;
    for number in 0..organizations {
        let (before, after) = (rendezvous(id(number), nodes), rendezvous(id(number), nodes + 1));
        moved += usize::from(before != after);
        astray |= before != after && after != nodes;
    }
    (moved as f64 / organizations as f64, astray)
}

/// An id, as random as a UUID's last half.
fn id(number: usize) -> u64 {
    mix(number as u64 + 0x5eed)
}

/// Prints the figures that docs/scale.md quotes.
pub fn run(world: World, store: bool) -> Result<()> {
    let sizes = sizes(world);
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let mut sorted = sizes.clone();
    sorted.sort_unstable();
    println!(
        "{} organizations, {} people; median {}, 99 % below {}, largest {largest}",
        sizes.len(),
        sizes.iter().sum::<u64>(),
        sorted[sorted.len() / 2],
        sorted[sorted.len() / 100 * 99]
    );
    for nodes in [8, 32, 128] {
        let even = spread(&sizes, nodes, |organization| rendezvous(organization, nodes));
        println!(
            "{nodes} nodes, rendezvous: fullest over mean {:.3} by organizations, {:.3} by people ({} people)",
            even.organizations, even.people, even.most
        );
    }
    let (share, astray) = moved(sizes.len().min(200_000), 32);
    println!(
        "a 33rd node takes {:.2} % of organizations, {}",
        share * 100.0,
        if astray { "AND OTHERS MOVE" } else { "no other moves" }
    );
    for shards in [32, 128] {
        let even = spread(&sizes, shards, |organization| organization % shards);
        println!(
            "{shards} shards: fullest over mean {:.3} by organizations, {:.3} by people ({} people)",
            even.organizations, even.people, even.most
        );
    }
    for people in [100, 10_000, 1_000_000] {
        let weight = index::weigh(people);
        println!(
            "permission index of {people} people: {} tuples, {} bytes, {:.1} bytes a tuple",
            weight.tuples,
            weight.bytes,
            weight.per_tuple()
        );
    }
    if store {
        store::weigh()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORLD: World = World { organizations: 100_000, people: 100_000_000, largest: 1_000_000 };

    #[test]
    fn sizes_add_up_and_are_as_uneven_as_customers_are() {
        let sizes = sizes(WORLD);
        let whole = sizes.iter().sum::<u64>();
        assert!(whole.abs_diff(WORLD.people) < WORLD.people / 50, "{whole}");
        let mut sorted = sizes;
        sorted.sort_unstable();
        assert!(sorted[50_000] < 1_000, "the median is small: {}", sorted[50_000]);
        assert!(
            sorted[99_999] > 100_000 && sorted[99_999] <= WORLD.largest,
            "and some are large: {}",
            sorted[99_999]
        );
    }

    #[test]
    fn rendezvous_spreads_evenly_and_moves_little() {
        let even = vec![1; 50_000];
        let spread = spread(&even, 16, |organization| rendezvous(organization, 16));
        assert!(spread.organizations < 1.06, "{spread:?}");
        let (share, astray) = moved(50_000, 15);
        assert!((share - 1.0 / 16.0).abs() < 0.005, "{share}");
        assert!(!astray, "only the new node takes over");
    }

    /// What docs/scale.md builds on: whole organizations, unsplit, still fill 32 places within a third of each other.
    #[test]
    fn large_organizations_do_not_tip_a_place_over() {
        let sizes = sizes(WORLD);
        let nodes = spread(&sizes, 32, |organization| rendezvous(organization, 32));
        assert!(nodes.people < 1.6, "{nodes:?}");
    }
}
