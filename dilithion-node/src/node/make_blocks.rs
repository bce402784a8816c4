//! A node's own blocks.

use tokio::sync::watch;

use super::Node;
use crate::producer::{Payee, ProduceError, Produced, Producer, ProducerStats};

impl Node {
    /// Makes a block on top of the tip now, of what is pending, and waits until it is connected. It pays who is
    /// [configured](super::NodeConfig::producer). Slots are not touched by it.
    ///
    /// # Errors
    ///
    /// [`ProduceError`]; always on networks that are not private.
    pub async fn produce_now(&self) -> Result<Produced, ProduceError> {
        self.handle.produce(None).await
    }

    /// The same, but pays this one.
    ///
    /// # Errors
    ///
    /// As [`produce_now`](Self::produce_now).
    pub async fn produce_for(&self, payee: Payee) -> Result<Produced, ProduceError> {
        self.handle.produce(Some(payee)).await
    }

    /// What the producer has done; changes can be waited for. `None` where no blocks are made.
    #[must_use]
    pub fn producer(&self) -> Option<watch::Receiver<ProducerStats>> {
        self.producer.as_ref().ok().map(Producer::stats)
    }
}
