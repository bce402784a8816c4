//! How much of a block messages may take.

use dilithion_wire::{ChainParams, DataMessage};

use crate::validate::{MAX_TRANSACTION_BYTES, MAX_TRANSACTION_OUTPUTS};

/// Bytes of a block that are kept for the rest of its coinbase: the counts, the input, the outputs that pay somebody.
const KEPT_BYTES: usize = 1000;
/// Outputs of a coinbase that are kept for those that pay somebody.
const KEPT_OUTPUTS: usize = 10;

/// Room for messages in a coinbase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageRoom {
    /// Bytes of outputs.
    pub bytes: usize,
    /// Outputs.
    pub outputs: usize,
}

impl MessageRoom {
    /// For everything.
    pub const UNBOUNDED: Self = Self { bytes: usize::MAX, outputs: usize::MAX };

    /// What a block of this network has, if it carries nothing else: the rest of the coinbase needs little.
    #[must_use]
    pub fn of_block(params: &ChainParams) -> Self {
        let block = usize::try_from(params.consensus.max_block_bytes).unwrap_or(usize::MAX);
        let bytes = block.min(params.limits.max_blob_bytes).min(MAX_TRANSACTION_BYTES);
        Self {
            bytes: bytes.saturating_sub(KEPT_BYTES),
            outputs: MAX_TRANSACTION_OUTPUTS.saturating_sub(KEPT_OUTPUTS),
        }
    }

    /// Takes the room for a message, if there is enough.
    #[must_use]
    pub fn take(&mut self, message: &DataMessage) -> bool {
        let left = self.bytes.checked_sub(message.outputs_len());
        let (Some(bytes), Some(outputs)) = (left, self.outputs.checked_sub(message.output_count())) else {
            return false;
        };
        *self = Self { bytes, outputs };
        true
    }
}
