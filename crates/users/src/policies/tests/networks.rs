//! Lists of networks against a naive oracle.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::super::networks::{Cidr, CidrError, Networks};

fn read(text: &str) -> Networks {
    Networks::parse_list(text).unwrap()
}

#[test]
fn one_spelling_and_a_cure_for_the_others() {
    for (text, shown) in [
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("::1", "::1/128"),
        ("::ffff:203.0.113.7", "203.0.113.7/32"),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string(), shown);
    }
    for text in
        ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/+8", "10.0.0.0/", "010.0.0.1", "::/129", "a", "1.2.3.4/8/8"]
    {
        assert!(matches!(text.parse::<Cidr>(), Err(CidrError::Form(_))), "{text}");
    }
    assert_eq!(
        "10.0.0.1/8".parse::<Cidr>().unwrap_err().to_string(),
        "`10.0.0.1/8` has bits behind its prefix: write `10.0.0.0/8`"
    );
    assert!(matches!("0.0.0.0/0".parse::<Cidr>(), Err(CidrError::Everything(_))));
    assert!(matches!("::/0".parse::<Cidr>(), Err(CidrError::Everything(_))));
}

#[test]
fn a_wrapped_address_is_no_way_around() {
    let list = read("203.0.113.0/24 # the office\n2001:db8::/32, 198.51.100.4");
    for inside in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8::5", "198.51.100.4"] {
        assert!(list.allow(inside.parse().unwrap()), "{inside}");
    }
    for outside in ["203.0.114.9", "::ffff:203.0.114.9", "2001:db9::5", "198.51.100.5", "::203.0.113.9"] {
        assert!(!list.allow(outside.parse().unwrap()), "{outside}");
    }
    // An IPv6 block does not open IPv4 by being short.
    assert!(!read("2000::/3").allow("8.8.8.8".parse().unwrap()));
}

fn address() -> impl Strategy<Value = IpAddr> {
    // Few values, so that blocks and addresses meet.
    let near = prop_oneof![
        Just(0_u32),
        Just(1),
        Just(0x0a00_0000),
        Just(0x0a80_0001),
        Just(0xcb00_7107),
        any::<u32>()
    ];
    let far =
        prop_oneof![Just(0_u128), Just(1), Just(0xffff_0a00_0000), Just(0x2001_0db8 << 96), any::<u128>()];
    prop_oneof![
        near.prop_map(|v| IpAddr::V4(Ipv4Addr::from(v))),
        far.prop_map(|v| IpAddr::V6(Ipv6Addr::from(v)))
    ]
}

/// A block as the oracle sees it: an address and how many leading bits count.
fn block() -> impl Strategy<Value = (IpAddr, u32)> {
    address().prop_flat_map(|ip| (Just(ip), 1..=if ip.is_ipv4() { 32_u32 } else { 128 }))
}

fn binary(ip: IpAddr) -> (bool, String) {
    match ip {
        IpAddr::V4(ip) => (true, format!("{:032b}", u32::from(ip))),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(v4) => (true, format!("{:032b}", u32::from(v4))),
            None => (false, format!("{:0128b}", u128::from(ip))),
        },
    }
}

fn naive((block, prefix): (IpAddr, u32), ip: IpAddr) -> bool {
    let (wrapped, prefix) = (block.is_ipv6() && binary(block).0, prefix as usize);
    if wrapped {
        // `::ffff:a.b.c.d/104` is an IPv4 block of eight bits; a shorter one reaches beyond IPv4.
        let bits = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => format!("{:0128b}", u128::from(ip.to_ipv6_mapped())),
            IpAddr::V6(ip) => format!("{:0128b}", u128::from(ip)),
        };
        return bits(block)[..prefix] == bits(ip)[..prefix];
    }
    let ((four, own), (other_four, other)) = (binary(block), binary(ip));
    if four != other_four {
        // An IPv6 block that is short enough holds the wrapped ones too.
        let IpAddr::V4(ip) = ip else {
            let IpAddr::V6(ip) = ip else { return false };
            return !four && own[..prefix] == format!("{:0128b}", u128::from(ip))[..prefix];
        };
        return !four && own[..prefix] == format!("{:0128b}", u128::from(ip.to_ipv6_mapped()))[..prefix];
    }
    own[..prefix] == other[..prefix]
}

fn cidr((ip, prefix): (IpAddr, u32)) -> Cidr {
    let text = match ip {
        IpAddr::V4(ip) => format!(
            "{}/{prefix}",
            Ipv4Addr::from(u32::from(ip) & u32::MAX.checked_shl(32 - prefix).unwrap_or(0))
        ),
        IpAddr::V6(ip) => format!(
            "{}/{prefix}",
            Ipv6Addr::from(u128::from(ip) & u128::MAX.checked_shl(128 - prefix).unwrap_or(0))
        ),
    };
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

proptest! {
    #[test]
    fn allowing_and_the_common_part_agree_with_the_oracle(
        one in proptest::collection::vec(block(), 0..5),
        two in proptest::collection::vec(block(), 0..5),
        ip in address(),
    ) {
        let list = |blocks: &[(IpAddr, u32)]| Networks::from(blocks.iter().copied().map(cidr).collect::<Vec<_>>());
        let by_hand = |blocks: &[(IpAddr, u32)]| blocks.iter().any(|block| naive(*block, ip));
        let (first, second) = (list(&one), list(&two));
        prop_assert_eq!(first.allow(ip), by_hand(&one));
        let common = first.common(&second);
        prop_assert_eq!(common.allow(ip), by_hand(&one) && by_hand(&two));
        prop_assert_eq!(&common, &second.common(&first));
        prop_assert_eq!(first.common(&first), first.clone());
        // What is shown is read back as the same.
        prop_assert_eq!(Networks::parse_list(&first.to_string()).unwrap(), first);
    }
}
