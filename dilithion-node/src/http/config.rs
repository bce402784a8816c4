//! Where the server listens, whom it answers, and by what it knows the operator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

use super::HttpError;

/// How the server is set up.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// The address to listen on; port 0 for any free one.
    pub bind: SocketAddr,
    /// Who may ask, beside this machine. Without it the server listens on loopback only.
    pub allow: Vec<Allowed>,
    /// A name and a password that open what the cookie opens.
    pub user: Option<(String, String)>,
    /// Where the file `.cookie` is written.
    pub datadir: PathBuf,
}

/// Who may ask, beside this machine: addresses of clients, or a name by which they call the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// Clients of a network.
    Network {
        /// Its address.
        address: IpAddr,
        /// Leading bits that count.
        prefix: u8,
    },
    /// Requests whose `Host` header has this name. What is no address could be a name of somebody else's, made to
    /// point here so that a browser takes us for his server (DNS rebinding); so names are listed.
    Name(String),
}

/// Text that is neither an address, a network nor a name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("'{0}' is no address, no network like 10.0.0.0/8, and no host name")]
pub struct BadAllowed(String);

impl HttpConfig {
    /// A server on loopback.
    #[must_use]
    pub fn new(port: u16, datadir: impl Into<PathBuf>) -> Self {
        let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self { bind, allow: Vec::new(), user: None, datadir: datadir.into() }
    }

    /// Whether it can be meant so.
    ///
    /// # Errors
    /// [`HttpError::Open`] if it would listen to others without anybody having been allowed to ask.
    pub fn check(&self) -> Result<(), HttpError> {
        let closed = self.bind.ip().is_loopback() || !self.allow.is_empty();
        if closed { Ok(()) } else { Err(HttpError::Open(self.bind.ip())) }
    }

    /// Whether a client at this address is answered.
    #[must_use]
    pub fn allows_client(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        client.is_loopback() || self.allow.iter().any(|allowed| allowed.has_client(client))
    }

    /// Whether a `Host` header is ours: an address of this machine's loopback; elsewhere any address, as only names
    /// can be made to point at us, or a name that was allowed.
    #[must_use]
    pub fn allows_host(&self, host: &str) -> bool {
        let name = without_port(host);
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return address.is_loopback() || !self.allow.is_empty();
        }
        self.allow
            .iter()
            .any(|allowed| matches!(allowed, Allowed::Name(own) if own.eq_ignore_ascii_case(name)))
    }
}

impl Allowed {
    fn has_client(&self, client: IpAddr) -> bool {
        match (self, client) {
            (Self::Network { address: IpAddr::V4(network), prefix }, IpAddr::V4(client)) => {
                same_bits(u32::from(*network).into(), u32::from(client).into(), *prefix, 32)
            }
            (Self::Network { address: IpAddr::V6(network), prefix }, IpAddr::V6(client)) => {
                same_bits((*network).into(), client.into(), *prefix, 128)
            }
            _ => false,
        }
    }
}

/// Whether two addresses of `width` bits begin with the same `prefix` bits.
fn same_bits(a: u128, b: u128, prefix: u8, width: u32) -> bool {
    let rest = width.saturating_sub(prefix.into());
    (a ^ b).checked_shr(rest).unwrap_or(0) == 0
}

impl FromStr for Allowed {
    type Err = BadAllowed;

    fn from_str(text: &str) -> Result<Self, BadAllowed> {
        let bad = || BadAllowed(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| bad())?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            let width = if address.is_ipv4() { 32 } else { 128 };
            let prefix = prefix.unwrap_or(width);
            return if prefix <= width { Ok(Self::Network { address, prefix }) } else { Err(bad()) };
        }
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let is_name = prefix.is_none() && !text.is_empty() && text.bytes().all(letter);
        if is_name { Ok(Self::Name(text.to_owned())) } else { Err(bad()) }
    }
}

/// The name or address of a `Host` header.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address stand within brackets.
        Some((name, port)) if !port.contains(']') && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(allow: &[&str]) -> HttpConfig {
        let allow = allow.iter().map(|text| text.parse().unwrap()).collect();
        HttpConfig { allow, ..HttpConfig::new(0, "/nowhere") }
    }

    #[test]
    fn only_loopback_is_answered_unless_more_is_allowed() {
        let own = config(&[]);
        for host in
            ["127.0.0.1", "127.0.0.1:8332", "127.1.2.3:1", "localhost", "LOCALHOST:80", "[::1]:8332", "[::1]"]
        {
            assert!(own.allows_host(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "[::2]:1",
            "::1:x",
        ] {
            assert!(!own.allows_host(host), "{host}");
        }
        assert!(own.allows_client("::ffff:127.0.0.1".parse().unwrap()));
        assert!(!own.allows_client("10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn networks_and_names_can_be_allowed() {
        let wide = config(&["10.1.0.0/16", "fd00::/8", "192.0.2.7", "node.example"]);
        for client in ["10.1.255.255", "fd12::1", "192.0.2.7", "127.0.0.1"] {
            assert!(wide.allows_client(client.parse().unwrap()), "{client}");
        }
        for client in ["10.2.0.0", "fe80::1", "192.0.2.8"] {
            assert!(!wide.allows_client(client.parse().unwrap()), "{client}");
        }
        assert!(wide.allows_host("10.1.0.5:8332") && wide.allows_host("Node.Example:8332"));
        assert!(!wide.allows_host("other.example"));
        assert!(config(&["0.0.0.0/0"]).allows_client("198.51.100.1".parse().unwrap()));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "10.0.0.0/33", "::/129", "10.0.0.0/x", "a b", "name/8", "http://x"] {
            assert!(text.parse::<Allowed>().is_err(), "{text:?}");
        }
    }
}
