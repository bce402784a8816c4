//! What a received block was to the window.

/// The outcome of [`BlockWindow::on_block_received`](crate::BlockWindow::on_block_received).
///
/// The first three are accepted: the height is received now, and the caller keeps the body. The others leave the window
/// as it was, so a caller that drops their bodies loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "it says whether the block's body is to be kept"]
pub enum Delivery<P> {
    /// The peer was asked for it and delivered.
    InFlight,
    /// It was asked for, and its request had been given up (timed out, or returned to pending). The block counts all
    /// the same: the sender is late, not guilty.
    Late {
        /// How many times the height had been requested.
        attempts: u32,
    },
    /// Another peer is asked for it at present. What that peer sends will be a [`Delivery::Duplicate`], which is no
    /// fault of its own.
    FromOther {
        /// The peer whose request is open no more.
        asked: P,
    },
    /// The height is pending and nobody was ever asked for it. It stays pending: a peer cannot fill the memory with
    /// blocks of its own choice.
    Unrequested,
    /// The height was received before and waits to be connected.
    Duplicate,
    /// The height is not tracked: connected already, reset away, or never wanted.
    Unknown,
}

impl<P> Delivery<P> {
    /// Whether the height is received by this, and the body is to be kept.
    pub fn is_accepted(&self) -> bool {
        match self {
            Self::InFlight | Self::Late { .. } | Self::FromOther { .. } => true,
            Self::Unrequested | Self::Duplicate | Self::Unknown => false,
        }
    }
}
