//! The limits of a window.

use core::time::Duration;

/// How many blocks may be in flight from one peer at a time (`MAX_BLOCKS_IN_TRANSIT_PER_PEER` of Bitcoin Core).
pub const MAX_BLOCKS_IN_FLIGHT_PER_PEER: usize = 16;

/// How long a peer may be silent while a request is open.
pub const BLOCK_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a request may be open, however much else its peer delivers: four times [`BLOCK_REQUEST_TIMEOUT`], so that
/// a full load of 16 blocks has time to trickle in, and a peer that holds back one of them does not do so for long.
pub const MAX_BLOCK_REQUEST_AGE: Duration = Duration::from_secs(120);

/// The limits of a [`BlockWindow`](crate::BlockWindow). There are no others, and no second copy of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowConfig {
    /// How many blocks may be in flight from one peer at a time; 0 requests nothing.
    pub max_in_flight_per_peer: usize,
    /// How long a peer may be silent: a request fails when it is this old and its peer has delivered nothing for so long.
    pub request_timeout: Duration,
    /// How old a request may become, whatever else its peer delivers. Not more than `request_timeout` makes requests
    /// time out by their age alone.
    pub max_request_age: Duration,
    /// Whether a peer that fails is asked for less at a time; see [`BlockWindow::limit_of`](crate::BlockWindow::limit_of).
    pub adaptive_limits: bool,
    /// Whether [`BlockWindow::second_request`](crate::BlockWindow::second_request) ever asks anybody.
    pub second_requests: bool,
}

impl WindowConfig {
    /// The plain window: limits that do not move, time-outs by age alone, never two requests for one block.
    pub fn fixed() -> Self {
        Self {
            max_in_flight_per_peer: MAX_BLOCKS_IN_FLIGHT_PER_PEER,
            request_timeout: BLOCK_REQUEST_TIMEOUT,
            max_request_age: BLOCK_REQUEST_TIMEOUT,
            adaptive_limits: false,
            second_requests: false,
        }
    }
}

impl Default for WindowConfig {
    fn default() -> Self {
        Self {
            max_request_age: MAX_BLOCK_REQUEST_AGE,
            adaptive_limits: true,
            second_requests: true,
            ..Self::fixed()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_the_named_constants() {
        let config = WindowConfig::default();
        assert_eq!((config.max_in_flight_per_peer, config.request_timeout), (16, Duration::from_secs(30)));
        assert_eq!(config.max_request_age, 4 * config.request_timeout);
    }
}
