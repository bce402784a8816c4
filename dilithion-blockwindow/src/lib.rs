#![doc = include_str!("../README.md")]
//!
//! # Contents
//!
//! * [`BlockWindow`] is the tracker, set up by a [`WindowConfig`]; [`BlockState`] is where a height is.
//! * [`Request`] is what to ask of whom; [`BlockWindow::request_blocks`] tells how that is decided, and
//!   [`BlockWindow::second_request`] when a block is asked of a second peer.
//! * [`Delivery`] is what a received block was to the window.
//! * [`TimedOut`] is a request that failed, and [`BlockWindow::timeout_check`] tells when; [`InFlight`] is one that is open.
//! * [`WindowStats`] says in words what the download is waiting for.
#![cfg_attr(not(test), no_std)]
// No input panics, nor does any other mistake of a caller.
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::unreachable)]

extern crate alloc;

mod clock;
mod config;
mod delivery;
mod pending;
mod place;
mod record;
mod report;
mod schedule;
mod second;
mod table;
mod timeout;
mod window;

pub use config::{BLOCK_REQUEST_TIMEOUT, MAX_BLOCK_REQUEST_AGE, MAX_BLOCKS_IN_FLIGHT_PER_PEER, WindowConfig};
pub use delivery::Delivery;
pub use place::{BlockState, SecondAsked};
pub use report::{Totals, WindowStats};
pub use schedule::{Request, Source};
pub use second::{INITIAL_PACE, MIN_SECOND_REQUEST_DELAY, SECOND_REQUEST_PACES};
pub use timeout::{InFlight, TimedOut};
pub use window::BlockWindow;
