#![doc = include_str!("../README.md")]
//!
//! # Contents
//!
//! * [`BlockWindow`] is the tracker, set up by a [`WindowConfig`]; [`BlockState`] is where a height is.
//! * [`Request`] is what to ask of whom; [`BlockWindow::request_blocks`] tells how that is decided.
//! * [`Delivery`] is what a received block was to the window.
//! * [`TimedOut`] is a request that failed; [`InFlight`] one that is open.
//! * [`WindowStats`] says in words what the download is waiting for.

mod delivery;
mod report;
mod schedule;
mod table;
mod timeout;
mod window;

pub use delivery::Delivery;
pub use report::WindowStats;
pub use schedule::{Request, Source};
pub use table::BlockState;
pub use timeout::{InFlight, TimedOut};
pub use window::{BLOCK_REQUEST_TIMEOUT, BlockWindow, MAX_BLOCKS_IN_FLIGHT_PER_PEER, WindowConfig};
