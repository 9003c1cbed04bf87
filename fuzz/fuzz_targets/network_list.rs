//! Lists of networks: nothing makes the parser panic, a list has one spelling, and what two lists have in common is in
//! both.
//!
//! Compiled from the one source file: the crate around it brings a database and TLS, minutes to build for the fuzzer.
#![no_main]

use std::net::{IpAddr, Ipv6Addr};

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/users/src/policies/networks.rs"]
#[expect(dead_code, reason = "the fuzzer uses a part of it")]
mod networks;

use networks::Networks;

fuzz_target!(|input: (&str, &str, u128)| {
    let (one, two, bits) = input;
    let (Ok(one), Ok(two)) = (Networks::parse_list(one), Networks::parse_list(two)) else { return };
    assert_eq!(Networks::parse_list(&one.to_string()).as_ref(), Ok(&one));
    let common = one.common(&two);
    assert_eq!(common, two.common(&one));
    assert_eq!(one.common(&one), one);
    let v6 = Ipv6Addr::from(bits);
    let mut tried = vec![IpAddr::V6(v6)];
    tried.extend(v6.to_ipv4().map(IpAddr::V4));
    for ip in tried {
        assert_eq!(common.allow(ip), one.allow(ip) && two.allow(ip));
        if let IpAddr::V4(v4) = ip {
            assert_eq!(one.allow(ip), one.allow(IpAddr::V6(v4.to_ipv6_mapped())));
        }
    }
});
