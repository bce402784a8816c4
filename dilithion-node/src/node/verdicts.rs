//! What the operator says against blocks.

use dilithion_chain::{ChainReader, StoreError};
use dilithion_wire::{BlockHash, Height};
use tokio::sync::oneshot;

use super::NodeHandle;
use crate::stage::{EngineEvent, Judgement, Verdict};
use crate::sync::VerdictError;

impl NodeHandle {
    /// Declares a block invalid, and with it all that build on it, until [`reconsider_block`](Self::reconsider_block): the
    /// chain goes back to the block below it if it was connected, and follows the best other branch. Its body stays stored,
    /// and restarts remember it. When the call returns it is done, except for blocks of the other branch that have to be
    /// fetched.
    ///
    /// # Errors
    /// [`VerdictError`]; nothing has changed then, unless the node failed or stops.
    #[doc(alias = "invalidateblock")]
    pub async fn invalidate_block(&self, hash: BlockHash) -> Result<(), VerdictError> {
        let store = self.store().clone();
        let pruned = tokio::task::spawn_blocking(move || pruned(&store, &hash)).await;
        match pruned.map_err(|_| VerdictError::Stopping)? {
            Err(error) => Err(VerdictError::Failed { reason: error.to_string() }),
            Ok(Some((height, lowest))) => Err(VerdictError::Pruned { height, lowest }),
            Ok(None) => self.judge(hash, Verdict::Revoked).await,
        }
    }

    /// Takes back what was said against a block, against those that it builds on and those that build on it, by
    /// [`invalidate_block`](Self::invalidate_block); the best chain is followed again. When the call returns the blocks of
    /// which the store has the bodies are connected. What breaks a rule stays invalid.
    ///
    /// # Errors
    /// [`VerdictError::Unknown`]; [`VerdictError::Failed`] or [`VerdictError::Stopping`] before it was done.
    #[doc(alias = "reconsiderblock")]
    pub async fn reconsider_block(&self, hash: BlockHash) -> Result<(), VerdictError> {
        self.judge(hash, Verdict::Reinstated).await
    }

    async fn judge(&self, hash: BlockHash, verdict: Verdict) -> Result<(), VerdictError> {
        let (reply, outcome) = oneshot::channel();
        self.tell_engine(EngineEvent::Judge(Judgement { hash, verdict, reply }));
        outcome.await.unwrap_or(Err(VerdictError::Stopping))
    }
}

/// The height of a connected block that cannot be disconnected any more, and the lowest one that can be.
fn pruned(store: &ChainReader, hash: &BlockHash) -> Result<Option<(Height, Height)>, StoreError> {
    let Some(stored) = store.header(hash)? else { return Ok(None) };
    let (height, lowest) = (stored.height, store.lowest_body()?);
    let connected = store.hash_at(height)? == Some(*hash);
    Ok((connected && height < lowest && height != Height::GENESIS).then_some((height, lowest)))
}
