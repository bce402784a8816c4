//! Messages for blocks.

use dilithion_chain::{MessageError, StoreError};
use dilithion_wire::{DataMessage, DataMessageError, MessageId};
use thiserror::Error;

use super::{Node, NodeHandle};
use crate::random::random_u64;

/// Why a message does not wait for a block.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It is too long.
    #[error(transparent)]
    Message(#[from] DataMessageError),
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] MessageError),
    /// The store failed.
    #[error("the store: {0}")]
    Store(Box<StoreError>),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

impl Node {
    /// Takes in a message that is to wait for a block of this node, and returns its id. It is on disk then. Messages are not
    /// passed on to peers: only blocks are.
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub async fn submit_message(&self, message: DataMessage) -> Result<MessageId, SubmitError> {
        self.handle.submit_message(message).await
    }

    /// The same for a message of now, with a nonce that nobody has used.
    ///
    /// # Errors
    ///
    /// As [`submit_message`](Self::submit_message).
    pub async fn submit_text(
        &self,
        sender: impl Into<String>,
        content: impl Into<String>,
    ) -> Result<MessageId, SubmitError> {
        self.handle.submit_text(sender, content).await
    }
}

impl NodeHandle {
    /// As [`Node::submit_message`].
    ///
    /// # Errors
    ///
    /// [`SubmitError`].
    pub async fn submit_message(&self, message: DataMessage) -> Result<MessageId, SubmitError> {
        let pool = self.messages().clone();
        // A commit takes milliseconds, and more while blocks are connected: not on a network thread.
        let submitted = tokio::task::spawn_blocking(move || pool.submit(&message)).await;
        let submitted = submitted.map_err(|_| SubmitError::Stopping)?;
        Ok(submitted.map_err(|error| SubmitError::Store(Box::new(error)))??)
    }

    /// As [`Node::submit_text`].
    ///
    /// # Errors
    ///
    /// As [`submit_message`](Self::submit_message).
    pub async fn submit_text(
        &self,
        sender: impl Into<String>,
        content: impl Into<String>,
    ) -> Result<MessageId, SubmitError> {
        let message = DataMessage::new(sender, content, self.now().unix, random_u64())?;
        self.submit_message(message).await
    }
}
