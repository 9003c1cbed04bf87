use std::net::IpAddr;

use super::super::address::{is_global, is_loopback};

fn global(text: &str) -> bool {
    is_global(text.parse::<IpAddr>().unwrap())
}

#[test]
fn every_special_block_is_refused_from_its_first_to_its_last_address() {
    for (first, last) in [
        ("0.0.0.0", "0.255.255.255"),
        ("10.0.0.0", "10.255.255.255"),
        ("100.64.0.0", "100.127.255.255"),
        ("127.0.0.0", "127.255.255.255"),
        ("169.254.0.0", "169.254.255.255"),
        ("172.16.0.0", "172.31.255.255"),
        ("192.0.0.0", "192.0.0.255"),
        ("192.0.2.0", "192.0.2.255"),
        ("192.88.99.0", "192.88.99.255"),
        ("192.168.0.0", "192.168.255.255"),
        ("198.18.0.0", "198.19.255.255"),
        ("198.51.100.0", "198.51.100.255"),
        ("203.0.113.0", "203.0.113.255"),
        ("224.0.0.0", "239.255.255.255"),
        ("240.0.0.0", "255.255.255.255"),
        ("::", "::ffff"),
        ("::1", "::7f00:1"),
        ("64:ff9b:1::", "64:ff9b:1:ffff::"),
        ("100::", "100::1:0:0:1"),
        ("2001::", "2001:1ff:ffff::"),
        ("2001:db8::", "2001:db8:ffff::"),
        ("2002::", "2002:ffff::"),
        ("3fff::", "3fff:fff:ffff::"),
        ("5f00::", "5f00:ffff::"),
        ("fc00::", "fdff:ffff::"),
        ("fe80::", "febf:ffff::"),
        ("fec0::", "feff:ffff::"),
        ("ff00::", "ffff:ffff::"),
    ] {
        assert!(!global(first), "{first}");
        assert!(!global(last), "{last}");
    }
}

#[test]
fn the_neighbours_of_special_blocks_are_public() {
    for text in [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "203.0.114.0",
        "223.255.255.255",
        "8.8.8.8",
        "2000::1",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2003::1",
        "2606:4700::1111",
        "3ffe::1",
        "3fff:1000::1",
    ] {
        assert!(global(text), "{text}");
    }
}

#[test]
fn wrapped_addresses_are_judged_by_what_is_inside() {
    for (text, expected) in [
        ("::ffff:8.8.8.8", true),
        ("::ffff:127.0.0.1", false),
        ("::ffff:169.254.169.254", false),
        ("64:ff9b::8.8.8.8", true),
        ("64:ff9b::10.0.0.1", false),
        ("64:ff9b::127.0.0.1", false),
        // Obsolete wrappings are refused whatever is inside.
        ("::8.8.8.8", false),
        ("2002:808:808::", false),
        ("2001:0:808:808::", false),
        ("64:ff9b:1::8.8.8.8", false),
    ] {
        assert_eq!(global(text), expected, "{text}");
    }
}

#[test]
fn loopback_is_seen_through_its_mapping() {
    for (text, expected) in [
        ("127.8.9.1", true),
        ("::1", true),
        ("::ffff:127.0.0.1", true),
        ("::ffff:8.8.8.8", false),
        ("10.0.0.1", false),
    ] {
        assert_eq!(is_loopback(text.parse().unwrap()), expected, "{text}");
    }
}
