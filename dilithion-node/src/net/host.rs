//! Who is behind an address: what bans, limits and buckets count by.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Bits of an IPv6 address that its holder chooses freely: a customer is given at least a /64.
const IPV6_HOST_BITS: u32 = 64;

/// One host, whatever its port: an IPv4 address, or the /64 of an IPv6 address, whose lower half costs nothing to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "IpAddr", into = "IpAddr")]
pub struct Host(IpAddr);

impl Host {
    /// The host of an address; an IPv4 address is the same in its mapped form.
    #[must_use]
    pub fn of(ip: IpAddr) -> Self {
        Self(match ip.to_canonical() {
            IpAddr::V6(ip) if !ip.is_loopback() => {
                Ipv6Addr::from_bits(ip.to_bits() >> IPV6_HOST_BITS << IPV6_HOST_BITS).into()
            }
            other => other,
        })
    }

    /// Whether it is this machine.
    #[must_use]
    pub fn is_local(self) -> bool {
        self.0.is_loopback()
    }

    /// The part of the network it belongs to.
    #[must_use]
    pub(crate) fn group(self) -> NetGroup {
        match self.0 {
            // Every address of this machine for itself, or tests would have one group only.
            ip if ip.is_loopback() => NetGroup::Host(ip),
            IpAddr::V4(ip) => {
                let [a, b, ..] = ip.octets();
                NetGroup::V4([a, b])
            }
            IpAddr::V6(ip) => {
                let [a, b, c, d, ..] = ip.octets();
                NetGroup::V6([a, b, c, d])
            }
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::of(ip)
    }
}

impl From<Host> for IpAddr {
    fn from(host: Host) -> Self {
        host.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(ip) if !ip.is_loopback() => write!(f, "{ip}/{IPV6_HOST_BITS}"),
            ip => ip.fmt(f),
        }
    }
}

/// Addresses that are likely to be in one hand: an IPv4 /16 or an IPv6 /32, as in Bitcoin Core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum NetGroup {
    /// A /16.
    V4([u8; 2]),
    /// A /32.
    V6([u8; 4]),
    /// An address for itself.
    Host(IpAddr),
}

impl NetGroup {
    /// That of an address, whatever its port.
    #[must_use]
    pub(crate) fn of(address: SocketAddr) -> Self {
        Host::of(address.ip()).group()
    }

    /// Bytes that tell it from all others.
    #[must_use]
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::V4(prefix) => prefix.to_vec(),
            Self::V6(prefix) => prefix.to_vec(),
            Self::Host(IpAddr::V4(ip)) => ip.to_ipv6_mapped().octets().to_vec(),
            Self::Host(IpAddr::V6(ip)) => ip.octets().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::of(text.parse().unwrap())
    }

    #[test]
    fn a_host_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("2a00:1:2:3::1"), host("2a00:1:2:3:ffff::9"));
        assert_ne!(host("2a00:1:2:3::1"), host("2a00:1:2:4::1"));
        assert_eq!(host("2a00:1:2:3::1").to_string(), "2a00:1:2:3::/64");
        assert_eq!(host("::1").to_string(), "::1");
    }

    #[test]
    fn groups_are_wide_except_on_this_machine() {
        assert_eq!(host("192.0.2.1").group(), host("192.0.9.9").group());
        assert_ne!(host("192.0.2.1").group(), host("192.1.2.1").group());
        assert_eq!(host("2a00:1:2:3::1").group(), host("2a00:1:9::").group());
        assert_ne!(host("127.0.0.1").group(), host("127.0.0.2").group());
        assert!(host("127.0.0.2").is_local() && host("::1").is_local() && !host("10.0.0.1").is_local());
    }
}
