//! Who gets an inbound slot. No IO.

use dilithion_wire::PeerId;
use thiserror::Error;

use super::eviction::{Candidate, choose};
use super::{MAX_CONNECTIONS_PER_HOST, MAX_INBOUND_CONNECTIONS};

/// How many may connect to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLimits {
    /// Inbound connections.
    pub inbound: usize,
    /// Connections with one host, whoever opened them. Does not hold for this machine.
    pub per_host: usize,
}

impl Default for SlotLimits {
    fn default() -> Self {
        Self { inbound: MAX_INBOUND_CONNECTIONS, per_host: MAX_CONNECTIONS_PER_HOST }
    }
}

/// Connections that may be on their way out beside those that have slots; a burst of newcomers waits for them.
pub(super) const MAX_CLOSING: usize = 8;

/// What happens to a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// There is room.
    Free,
    /// This connection is closed for it.
    InPlaceOf(PeerId),
}

/// Why a newcomer is turned away.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its host has as many connections as it may have.
    #[error("its host has {0} connections already")]
    HostLimit(usize),
    /// All slots are taken by connections that are worth more.
    #[error("all inbound slots are taken")]
    Full,
    /// Those that gave way for others are not gone yet: each still holds a file.
    #[error("{0} connections are being closed")]
    Closing(usize),
}

impl SlotLimits {
    /// Decides about a newcomer. `of_its_host` connections with its host exist, 0 for this machine; `inbound` are all
    /// inbound connections that are not being closed.
    ///
    /// # Errors
    ///
    /// [`Refusal`].
    pub(crate) fn admit(
        &self,
        of_its_host: usize,
        inbound: &[Candidate],
        secret: u64,
    ) -> Result<Admission, Refusal> {
        if of_its_host >= self.per_host {
            return Err(Refusal::HostLimit(of_its_host));
        }
        if inbound.len() < self.inbound {
            return Ok(Admission::Free);
        }
        choose(inbound, secret).map(Admission::InPlaceOf).ok_or(Refusal::Full)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::Duration;

    use super::*;
    use crate::net::Host;

    #[test]
    fn a_host_has_its_limit_and_a_silent_connection_gives_way() {
        let limits = SlotLimits { inbound: 2, per_host: 2 };
        let silent = |id| Candidate {
            id: PeerId(id),
            group: Host::of(IpAddr::from([192, 0, 2, 1])).group(),
            connected: Duration::from_secs(id),
            handshake_complete: false,
            min_rtt: None,
            last_block: None,
        };
        assert_eq!(limits.admit(2, &[], 0), Err(Refusal::HostLimit(2)));
        assert_eq!(limits.admit(1, &[silent(1)], 0), Ok(Admission::Free));
        assert_eq!(limits.admit(0, &[silent(1), silent(2)], 0), Ok(Admission::InPlaceOf(PeerId(1))));
        let busy = |id| Candidate { handshake_complete: true, ..silent(id) };
        assert_eq!(limits.admit(0, &[busy(1), busy(2)], 0), Err(Refusal::Full));
    }
}
