//! The options of commands that read: bytes, and the store.

use clap::{Args, Subcommand};
use dilithion_wire::{Height, MessageId};

/// What `inspect` decodes.
#[derive(Debug, Subcommand)]
pub enum InspectWhat {
    /// An 80-byte block header
    Header {
        /// The bytes
        hex: String,
    },
    /// A transaction
    Tx {
        /// The bytes
        hex: String,
    },
    /// A block, as in a `block` message
    Block {
        /// The bytes
        hex: String,
    },
    /// A whole message with its 24-byte header
    Message {
        /// The bytes
        hex: String,
    },
}

/// What `query` reads.
#[derive(Debug, Subcommand)]
pub enum QueryWhat {
    /// The height of the tip
    Height,
    /// The id of the block at a height [default: of the tip]
    Hash {
        #[command(flatten)]
        /// The height.
        at: AtHeight,
    },
    /// The block at a height, as JSON [default: the tip]
    Block {
        #[command(flatten)]
        /// The height.
        at: AtHeight,
    },
    /// The block at the tip, as JSON
    Latest,
    /// A message by its id, as JSON, with the height of its block unless it still waits for one
    Message {
        /// The id
        id: MessageId,
    },
    /// Number, sum and SHA3-256 digest of all unspent outputs
    UtxoDigest,
}

/// A height, by itself or after `--height`.
#[derive(Args, Clone, Copy, Debug)]
pub struct AtHeight {
    /// The height
    #[arg(value_name = "HEIGHT")]
    pub height: Option<u32>,
    /// The height
    #[arg(id = "at_height", long = "height", value_name = "HEIGHT", conflicts_with = "height")]
    pub flag: Option<u32>,
}

impl AtHeight {
    /// The height that was given, if one was.
    #[must_use]
    pub fn get(self) -> Option<Height> {
        self.height.or(self.flag).map(Height)
    }
}
