//! A permission index as docs/scale.md counts it: interned ids, and every tuple in a forward and a backward row.

use super::Mix;

/// Tuples of a person: memberships of groups, grants of their own, and a share of what groups and folders have.
pub const TUPLES_OF_A_PERSON: u64 = 12;

pub struct Weight {
    pub tuples: u64,
    pub bytes: u64,
}

impl Weight {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_tuple(&self) -> f64 {
        self.bytes as f64 / self.tuples as f64
    }
}

/// Compressed sparse rows: where each row starts, then all of them one after the other.
struct Rows {
    starts: Vec<u32>,
    entries: Vec<u32>,
}

impl Rows {
    fn build(rows: usize, pairs: &[(u32, u32)]) -> Self {
        let mut starts = vec![0_u32; rows + 1];
        for (row, _) in pairs {
            starts[*row as usize + 1] += 1;
        }
        for row in 0..rows {
            starts[row + 1] += starts[row];
        }
        let mut next = starts.clone();
        let mut entries = vec![0; pairs.len()];
        for (row, entry) in pairs {
            entries[next[*row as usize] as usize] = *entry;
            next[*row as usize] += 1;
        }
        Self { starts, entries }
    }

    fn row(&self, row: u32) -> &[u32] {
        let (from, to) = (self.starts[row as usize], self.starts[row as usize + 1]);
        &self.entries[from as usize..to as usize]
    }

    fn bytes(&self) -> u64 {
        ((self.starts.capacity() + self.entries.capacity()) * size_of::<u32>()) as u64
    }
}

/// Builds the index of an organization of so many people, checks it against its tuples, and weighs it.
pub fn weigh(people: u64) -> Weight {
    let mut random = Mix(people);
    let objects = people * 3;
    let tuples = people * TUPLES_OF_A_PERSON;
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let pairs: Vec<(u32, u32)> =
        (0..tuples).map(|tuple| (small(tuple % people), small(random.next() % objects))).collect();
    let back: Vec<(u32, u32)> = pairs.iter().map(|(person, object)| (*object, *person)).collect();
    let forward = Rows::build(usize::try_from(people).unwrap_or(0), &pairs);
    let reverse = Rows::build(usize::try_from(objects).unwrap_or(0), &back);
    for (person, object) in pairs.iter().step_by(997) {
        debug_assert!(forward.row(*person).contains(object) && reverse.row(*object).contains(person));
    }
    // An id is a UUID; its number is found by a table of them, in order, with an index of the same length.
    let ids = (people + objects) * (16 + 4);
    Weight { tuples, bytes: forward.bytes() + reverse.bytes() + ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tuple_is_in_both_directions() {
        let pairs = [(0, 5), (2, 1), (0, 1), (2, 5)];
        let forward = Rows::build(3, &pairs);
        assert_eq!(forward.row(0), [5, 1]);
        assert_eq!(forward.row(1), [0_u32; 0]);
        let back = pairs.map(|(a, b)| (b, a));
        let reverse = Rows::build(6, &back);
        assert_eq!((reverse.row(5), reverse.row(1)), (&[0, 2][..], &[2, 0][..]));
    }

    #[test]
    fn a_tuple_costs_what_the_page_says() {
        let weight = weigh(10_000);
        assert_eq!(weight.tuples, 120_000);
        assert!((14.0..18.0).contains(&weight.per_tuple()), "{}", weight.per_tuple());
    }
}
