//! Network addresses of nodes.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::BitOr;

use bytes::BufMut;

use crate::encode::{Decode, DecodeError, Encode};
use crate::reader::Reader;

/// What a node offers (spec: wire §2). Nodes have [`Services::NETWORK`] and nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Services(pub u64);

impl Services {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The whole chain.
    pub const NETWORK: Self = Self(1);
    /// Filtered blocks.
    pub const BLOOM: Self = Self(4);
    /// Segregated witnesses.
    pub const WITNESS: Self = Self(8);
    /// The latest blocks.
    pub const NETWORK_LIMITED: Self = Self(1024);

    /// Whether all of `other` is offered.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Services {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where a node is (spec: wire §2). IPv4 addresses travel mapped into IPv6. The port is little-endian on the wire,
/// unlike in Bitcoin.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(from = "AddressText", into = "AddressText")
)]
pub struct Address {
    /// What the node offers.
    pub services: Services,
    /// Its IPv6 address.
    pub ip: [u8; 16],
    /// Its TCP port.
    pub port: u16,
}

impl Address {
    /// Bytes of an address.
    pub const SIZE: usize = 26;

    /// The socket address. Some old nodes write IPv4 addresses as `::a.b.c.d`; those stay IPv6, since nothing can be
    /// reached there.
    #[must_use]
    pub fn to_socket_addr(&self) -> SocketAddr {
        SocketAddr::new(self.ip_addr(), self.port)
    }

    /// The IP address.
    #[must_use]
    pub fn ip_addr(&self) -> IpAddr {
        Ipv6Addr::from(self.ip).to_canonical()
    }

    /// Whether nodes keep the address when they hear of it: it can be reached from anywhere (spec: wire §2).
    #[must_use]
    pub fn is_routable(&self) -> bool {
        match self.ip_addr() {
            IpAddr::V4(ip) => is_routable_v4(ip),
            IpAddr::V6(ip) => is_routable_v6(ip),
        }
    }
}

/// How an [`Address`] is written for serde.
#[cfg(feature = "serde")]
#[derive(serde::Serialize, serde::Deserialize)]
struct AddressText {
    services: Services,
    address: SocketAddr,
}

#[cfg(feature = "serde")]
impl From<Address> for AddressText {
    fn from(address: Address) -> Self {
        Self { services: address.services, address: address.to_socket_addr() }
    }
}

#[cfg(feature = "serde")]
impl From<AddressText> for Address {
    fn from(text: AddressText) -> Self {
        Self { services: text.services, ..text.address.into() }
    }
}

fn is_routable_v4(ip: Ipv4Addr) -> bool {
    !(ip.is_unspecified() || ip.is_private() || ip.is_loopback() || ip.is_multicast() || ip.is_broadcast())
}

fn is_routable_v6(ip: Ipv6Addr) -> bool {
    // Covers "any", loopback and the IPv4 addresses of old nodes.
    let compatible = ip.segments().starts_with(&[0; 6]);
    let documentation = ip.segments().starts_with(&[0x2001, 0x0db8]);
    !(compatible || documentation || ip.is_unicast_link_local() || ip.is_unique_local() || ip.is_multicast())
}

/// With [`Services::NETWORK`].
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self { services: Services::NETWORK, ip: ip.octets(), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_socket_addr().fmt(f)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self}, {:?})", self.services)
    }
}

impl Encode for Address {
    fn encode(&self, out: &mut impl BufMut) {
        out.put_u64_le(self.services.0);
        out.put_slice(&self.ip);
        out.put_u16_le(self.port);
    }

    fn encoded_len(&self) -> usize {
        Self::SIZE
    }
}

impl Decode for Address {
    fn decode(reader: &mut Reader) -> Result<Self, DecodeError> {
        Ok(Self {
            services: Services(reader.u64("services")?),
            ip: reader.array("IP address")?,
            port: reader.u16("port")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;
    use crate::limits::Limits;

    fn address(text: &str) -> Address {
        text.parse::<SocketAddr>().unwrap().into()
    }

    #[test]
    fn ipv4_is_mapped_and_the_port_little_endian() {
        let bytes = address("1.2.3.4:18444").encode_to_vec();
        assert_eq!(hex::encode(bytes), "010000000000000000000000000000000000ffff010203040c48");
    }

    #[test]
    fn socket_addresses_come_back() {
        for text in ["1.2.3.4:8444", "[2a00::1]:1", "[::102:304]:5"] {
            assert_eq!(address(text).to_socket_addr(), text.parse().unwrap());
        }
    }

    #[test]
    fn addresses_nobody_else_can_reach_are_not_routable() {
        for text in [
            "0.0.0.0:1",
            "10.1.2.3:1",
            "127.0.0.1:1",
            "172.31.0.1:1",
            "192.168.1.1:1",
            "224.0.0.1:1",
            "255.255.255.255:1",
            "[::]:1",
            "[::1]:1",
            "[::7f00:1]:1",
            "[fe80::1]:1",
            "[fc00::1]:1",
            "[ff02::1]:1",
            "[2001:db8::1]:1",
        ] {
            assert!(!address(text).is_routable(), "{text}");
        }
        for text in ["0.0.0.1:1", "172.32.0.1:1", "138.197.68.128:8444", "[2a00::1]:1"] {
            assert!(address(text).is_routable(), "{text}");
        }
    }

    #[test]
    fn services_are_bits() {
        let both = Services::NETWORK | Services::WITNESS;
        assert!(both.contains(Services::NETWORK) && both.contains(Services::NONE));
        assert!(!both.contains(Services::NETWORK | Services::BLOOM));
    }

    quickcheck! {
        fn round_trip(address: Address) -> bool {
            let bytes = address.encode_to_vec();
            bytes.len() == Address::SIZE && Address::decode_exact(bytes.into(), &Limits::default()) == Ok(address)
        }
    }
}
