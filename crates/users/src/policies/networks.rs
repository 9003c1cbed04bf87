//! Networks: lists of CIDR blocks, read in one spelling, and what two lists have in common.
//!
//! Pure, so that it can be fuzzed and compared with a naive oracle. An IPv4 address that arrives wrapped in IPv6
//! (`::ffff:203.0.113.7`) is the IPv4 address: a dual-stack socket must not be a way around a list.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Blocks that one list may hold.
pub const BLOCKS_MAX: usize = 200;
const TEXT_BYTES_MAX: usize = 64;

/// A block of addresses, e.g. `203.0.113.0/24` or `2001:db8::/32`. Bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    /// As IPv6; IPv4 stands under `::ffff:0:0/96`, so that one comparison serves both.
    bits: u128,
    /// Of those 128 bits.
    prefix: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    #[error("`{0}` is no network: write `203.0.113.0/24` or `2001:db8::/32`")]
    Form(String),
    #[error("`{text}` has bits behind its prefix: write `{meant}`")]
    HostBits { text: String, meant: String },
    #[error("`{0}` is every address: leave the list out to allow any network")]
    Everything(String),
}

const V4_OFFSET: u8 = 96;
const V4_MAPPED: u128 = 0xffff_0000_0000;

/// The address as 128 bits, unwrapped: IPv4 and IPv4-mapped IPv6 are one.
fn bits_of(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => V4_MAPPED | u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

fn mask(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(prefix))).unwrap_or(0)
}

impl Cidr {
    pub fn contains(&self, ip: IpAddr) -> bool {
        bits_of(ip) & mask(self.prefix) == self.bits
    }

    /// Whether every address of `other` is in this one.
    fn covers(&self, other: &Cidr) -> bool {
        self.prefix <= other.prefix && other.bits & mask(self.prefix) == self.bits
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let text = text.trim();
        let shown = || text.chars().take(TEXT_BYTES_MAX).collect::<String>();
        let form = || CidrError::Form(shown());
        if text.len() > TEXT_BYTES_MAX {
            return Err(form());
        }
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| form())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix: u8 = match prefix {
            None => width,
            // `u8::from_str` takes `+24`; one spelling only.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| form())?
            }
            Some(_) => return Err(form()),
        };
        if prefix > width {
            return Err(form());
        }
        if prefix == 0 {
            return Err(CidrError::Everything(shown()));
        }
        let prefix = if address.is_ipv4() { prefix + V4_OFFSET } else { prefix };
        let bits = bits_of(address);
        let meant = Self { bits: bits & mask(prefix), prefix };
        if meant.bits != bits {
            return Err(CidrError::HostBits { text: shown(), meant: meant.to_string() });
        }
        Ok(meant)
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All of IPv4 stays in IPv6's spelling: `0.0.0.0/0` is refused.
        if self.prefix > V4_OFFSET && self.bits & mask(V4_OFFSET) == V4_MAPPED {
            let low = u32::try_from(self.bits & u128::from(u32::MAX)).unwrap_or_default();
            return write!(f, "{}/{}", Ipv4Addr::from(low), self.prefix - V4_OFFSET);
        }
        write!(f, "{}/{}", Ipv6Addr::from(self.bits), self.prefix)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;
    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

/// A list in its one form: sorted, and nothing in it that another block covers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Vec<Cidr>", into = "Vec<Cidr>")]
pub struct Networks(Vec<Cidr>);

impl From<Vec<Cidr>> for Networks {
    fn from(mut blocks: Vec<Cidr>) -> Self {
        blocks.sort_unstable();
        blocks.dedup();
        let mut kept: Vec<Cidr> = Vec::with_capacity(blocks.len());
        // Sorted, a block that covers others stands before them.
        for block in blocks {
            if !kept.last().is_some_and(|last| last.covers(&block)) {
                kept.push(block);
            }
        }
        Self(kept)
    }
}

impl From<Networks> for Vec<Cidr> {
    fn from(networks: Networks) -> Self {
        networks.0
    }
}

impl Networks {
    /// Blocks separated by line ends, commas or spaces, as a form sends them; what stands behind `#` is a remark.
    pub fn parse_list(text: &str) -> Result<Self, CidrError> {
        let words = text
            .lines()
            .map(|line| line.split('#').next().unwrap_or_default())
            .flat_map(|line| line.split([',', ' ', '\t', ';']))
            .filter(|word| !word.trim().is_empty());
        words.map(Cidr::from_str).collect::<Result<Vec<_>, _>>().map(Self::from)
    }

    pub fn allow(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|block| block.contains(ip))
    }

    pub fn blocks(&self) -> &[Cidr] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in both lists. Two blocks are apart, or one covers the other.
    #[must_use]
    pub fn common(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        for one in &self.0 {
            for another in &other.0 {
                if one.covers(another) {
                    both.push(*another);
                } else if another.covers(one) {
                    both.push(*one);
                }
            }
        }
        Self::from(both)
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, block) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{block}")?;
        }
        Ok(())
    }
}
