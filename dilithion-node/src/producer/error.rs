//! Why a node makes no block.

use dilithion_chain::StoreError;
use dilithion_chain::mik::Identity;
use dilithion_chain::mining::KeyError;
use dilithion_pow::PowError;
use dilithion_wire::{BlockHash, ChainParams, Height};
use thiserror::Error;

use super::ProducerConfig;

/// Why a node makes no blocks at all on a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The network is not one's own.
    #[error("refused: nodes make blocks on private networks only, and {network} is public")]
    Public {
        /// Its name.
        network: String,
    },
    /// Coinbases of this network name their miner, and nobody said who that is.
    #[error("refused: blocks of {network} name their miner; --identity-key says who that is")]
    Identity {
        /// Its name.
        network: String,
    },
    /// The node has no chain to build on.
    #[error("refused: a node that fetches headers only makes no blocks")]
    HeadersOnly,
    /// Slots need a length.
    #[error("refused: blocks cannot be made every 0 seconds")]
    NoInterval,
}

impl Refusal {
    /// Why no blocks are made on a network by this configuration, if none are.
    #[must_use]
    pub fn of(params: &ChainParams, config: &ProducerConfig) -> Option<Self> {
        let network = params.name.clone();
        if !params.is_private() {
            Some(Self::Public { network })
        } else if params.mik.is_some() && config.identity_key.is_none() {
            Some(Self::Identity { network })
        } else {
            None
        }
    }
}

/// Why a block was not made.
#[derive(Debug, Error)]
pub enum ProduceError {
    /// This node makes none.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The blocks of a better chain are being fetched: one on top of ours would be in vain.
    #[error("the node is syncing: it has {chain} of {headers} blocks")]
    Syncing {
        /// Height of the connected chain.
        chain: Height,
        /// Height of the best header chain.
        headers: Height,
    },
    /// Nothing can be connected any more.
    #[error("the node has failed: {reason}")]
    Failed {
        /// Why.
        reason: String,
    },
    /// Blocks were made so fast that their times are ahead of the clock by as much as they may be.
    #[error("the next block must not be older than {earliest}, it is {now}")]
    AheadOfTime {
        /// Its earliest time, in seconds since 1970.
        earliest: u64,
        /// The wall clock.
        now: u64,
    },
    /// The miner has to be registered first, and too few keys of the network's seeds are at hand to attest that.
    #[error(
        "{identity} is not registered, which takes attestations of {required} seeds; the key file has keys of {present}"
    )]
    Unattested {
        /// The miner.
        identity: Identity,
        /// Keys of seeds in the key file.
        present: usize,
        /// Attestations needed.
        required: u32,
    },
    /// The registration of the miner was taken back just now; its proof of work has to be found again.
    #[error("{0} is not registered any more")]
    Unregistered(Identity),
    /// The block could not be signed.
    #[error("the identity's key: {0}")]
    Key(#[from] KeyError),
    /// Another block was connected meanwhile.
    #[error("the tip moved while a block was made")]
    TipMoved,
    /// The block did not become part of the chain.
    #[error("block {hash} at height {height} was not connected")]
    NotConnected {
        /// Its height.
        height: Height,
        /// Its id.
        hash: BlockHash,
    },
    /// No nonce meets the target, or the search was ended.
    #[error("no nonce was found")]
    NoNonce,
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
    /// The store failed.
    #[error("the store: {0}")]
    Store(Box<StoreError>),
    /// No hash can be computed.
    #[error("proof of work: {0}")]
    Pow(#[from] PowError),
}

impl From<StoreError> for ProduceError {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}
