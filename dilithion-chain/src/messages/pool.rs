//! Taking in messages.

use std::sync::Arc;

use dilithion_wire::{ChainParams, DataMessage, MessageId};

use super::{MessageError, MessageRoom};
use crate::chainstate::Chainstate;
use crate::error::StoreError;
use crate::store::env::Environment;
use crate::store::lock::DirLock;
use crate::store::txn::RwTxn;
use crate::store::{messages, pending_messages};

/// Bytes of messages that may wait unless it is told otherwise: what fills some 30 blocks.
pub const DEFAULT_MAX_PENDING_MESSAGE_BYTES: u64 = 32 << 20;

/// Takes in messages that are to wait for a block, from any thread, while another one connects blocks. Clones share the store
/// and keep its directory locked.
#[derive(Debug, Clone)]
pub struct MessagePool {
    store: Arc<Environment>,
    params: Arc<ChainParams>,
    max_bytes: u64,
    _lock: Arc<DirLock>,
}

impl Chainstate {
    /// A handle for taking in messages, to clone and to send anywhere.
    pub fn message_pool(&self) -> MessagePool {
        MessagePool {
            store: Arc::clone(&self.store),
            params: Arc::clone(&self.params),
            max_bytes: self.max_pending_message_bytes,
            _lock: Arc::clone(&self.lock),
        }
    }
}

impl MessagePool {
    /// Takes in a message, in one durable transaction: see [`submit_all`](Self::submit_all).
    ///
    /// # Errors
    /// Only failures of the store; a refused message is part of the result.
    pub fn submit(&self, message: &DataMessage) -> Result<Result<MessageId, MessageError>, StoreError> {
        self.store.write(|txn| self.admit(txn, message))
    }

    /// Takes in messages, in order, in one durable transaction: one commit costs the same for one as for many. A refused
    /// one does not stop those after it. They wait in the order in which they came, behind what disconnected blocks give
    /// back, until a block brings a message with the same id.
    ///
    /// A message is refused if its id waits already or is in the chain, if no block of the network has room for it, or if
    /// more than [`StoreOptions::max_pending_message_bytes`](crate::StoreOptions::max_pending_message_bytes) would wait;
    /// and always on networks that are not [private](ChainParams::is_private).
    ///
    /// # Errors
    /// Only failures of the store; nothing is taken in then.
    pub fn submit_all(
        &self,
        messages: &[DataMessage],
    ) -> Result<Vec<Result<MessageId, MessageError>>, StoreError> {
        self.store.write(|txn| messages.iter().map(|message| self.admit(txn, message)).collect())
    }

    fn admit(
        &self,
        txn: &mut RwTxn,
        message: &DataMessage,
    ) -> Result<Result<MessageId, MessageError>, StoreError> {
        if !self.params.is_private() {
            return Ok(Err(MessageError::NotCarried { network: self.params.name.clone() }));
        }
        let (tables, id) = (self.store.tables, message.id());
        let room = MessageRoom::of_block(&self.params);
        let bytes = message.outputs_len();
        if !{ room }.take(message) {
            return Ok(Err(MessageError::TooLarge { id, bytes, max: room.bytes }));
        }
        if pending_messages::contains(tables.pending, txn, &id)? {
            return Ok(Err(MessageError::Known { id }));
        }
        if let Some(height) = messages::height_of(tables.messages, txn, &id)? {
            return Ok(Err(MessageError::InChain { id, height }));
        }
        let waiting = pending_messages::stats(tables.pending, txn)?.bytes;
        if waiting.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX)) > self.max_bytes {
            return Ok(Err(MessageError::Full { bytes: waiting, max: self.max_bytes }));
        }
        pending_messages::push_back(tables.pending, txn, &id, message)?;
        Ok(Ok(id))
    }
}
