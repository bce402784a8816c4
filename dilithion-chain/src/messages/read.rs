//! Reading messages, from any thread and from other processes.

use dilithion_wire::{DataMessage, MessageId};

use super::MessageRoom;
use crate::error::StoreError;
use crate::reader::ChainReader;
use crate::store::messages::{self, ChainMessage};
use crate::store::pending_messages::{self, MessageStats};

impl ChainReader {
    /// A message of the active chain.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn message(&self, id: &MessageId) -> Result<Option<ChainMessage>, StoreError> {
        self.store.read(|txn| messages::get(self.store.tables.messages, txn, id))
    }

    /// A message that waits for a block.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending_message(&self, id: &MessageId) -> Result<Option<DataMessage>, StoreError> {
        self.store.read(|txn| pending_messages::find(self.store.tables.pending, txn, id))
    }

    /// The messages that waited longest, in their order, until one does not fit: what the next block should carry.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending_messages(&self, mut room: MessageRoom) -> Result<Vec<DataMessage>, StoreError> {
        self.store.read(|txn| {
            let mut found = Vec::new();
            for entry in pending_messages::all(self.store.tables.pending, txn)? {
                let (_, message) = entry?;
                if !room.take(&message) {
                    break;
                }
                found.push(message);
            }
            Ok(found)
        })
    }

    /// How many messages wait for a block, and how many bytes they will take.
    ///
    /// # Errors
    /// Failures of the store.
    pub fn pending_message_stats(&self) -> Result<MessageStats, StoreError> {
        self.store.read(|txn| pending_messages::stats(self.store.tables.pending, txn))
    }
}
