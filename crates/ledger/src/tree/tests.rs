use proptest::prelude::*;

use super::*;

/// The eight leaves that the certificate-transparency test data use.
pub(crate) const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// Roots of the trees of 0 to 8 of these leaves, from the same data.
pub(crate) const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn hash(text: &str) -> Hash {
    unhex(text).try_into().unwrap()
}

/// MTH of RFC 6962 §2.1, written as the RFC defines it.
pub(crate) fn oracle(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&oracle(left), &oracle(right))
        }
    }
}

pub(crate) fn numbered(count: u64) -> Vec<Hash> {
    (0..count).map(|number| leaf_hash(&number.to_be_bytes())).collect()
}

pub(crate) fn grown(leaves: &[Hash]) -> Frontier {
    let mut frontier = Frontier::new();
    leaves.iter().for_each(|leaf| frontier.append(*leaf));
    frontier
}

#[test]
fn roots_are_those_of_certificate_transparency() {
    let mut frontier = Frontier::new();
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    for (leaf, root) in LEAVES.iter().zip(&ROOTS[1..]) {
        frontier.append(leaf_hash(&unhex(leaf)));
        assert_eq!(frontier.root(), hash(root));
    }
}

#[test]
fn every_size_has_the_root_of_the_definition_and_survives_storage() {
    let leaves = numbered(130);
    let mut frontier = Frontier::new();
    for size in 0..=leaves.len() {
        assert_eq!(frontier.size(), size as u64);
        assert_eq!(frontier.root(), oracle(&leaves[..size]), "size {size}");
        assert_eq!(Frontier::from_bytes(&frontier.to_bytes()).unwrap(), frontier);
        leaves.get(size).into_iter().for_each(|leaf| frontier.append(*leaf));
    }
}

#[test]
fn completed_nodes_are_each_told_once_with_their_place() {
    let leaves = numbered(130);
    let mut told = Vec::new();
    let mut frontier = Frontier::new();
    for leaf in &leaves {
        frontier.append_with(*leaf, &mut |level, position, hash| told.push((level, position, hash)));
    }
    let mut wanted = Vec::new();
    for level in 1..8_u8 {
        for (position, subtree) in leaves.chunks_exact(1 << level).enumerate() {
            wanted.push((level, position as u64, oracle(subtree)));
        }
    }
    told.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(told, wanted);
}

#[test]
fn damaged_frontiers_are_refused() {
    let bytes = grown(&numbered(5)).to_bytes();
    assert_eq!(Frontier::from_bytes(&bytes[..7]), Err(FrontierError::Short { found: 7 }));
    for length in [8, 39, 40, 71] {
        let wrong = FrontierError::Length { size: 5, needed: 72, found: length };
        assert_eq!(Frontier::from_bytes(&bytes[..length]), Err(wrong));
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert!(Frontier::from_bytes(&longer).is_err());
    let mut huge = bytes;
    huge[..8].copy_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(Frontier::from_bytes(&huge), Err(FrontierError::Size { size: u64::MAX }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn larger_trees_have_the_root_of_the_definition(size in 131_u64..5000, cut in 0_u64..5000) {
        let leaves = numbered(size);
        prop_assert_eq!(grown(&leaves).root(), oracle(&leaves));
        // Stored and read back midway.
        let (before, after) = leaves.split_at(cut.min(size) as usize);
        let mut resumed = Frontier::from_bytes(&grown(before).to_bytes()).unwrap();
        after.iter().for_each(|leaf| resumed.append(*leaf));
        prop_assert_eq!(resumed.root(), oracle(&leaves));
    }
}
