//! What the coordinator is told, and what it asks for.

use bytes::Bytes;
use dilithion_chain::StoredHeader;
use dilithion_headers::{HashJob, HashToken};
use dilithion_wire::{BlockHash, BlockHeader, Height, Message, Misbehaviour, PeerId};

use super::{Body, IbdState, Order};

/// Something that happened outside the coordinator.
#[derive(Clone, Debug)]
pub enum Event {
    /// A handshake completed.
    PeerConnected {
        /// The connection.
        peer: PeerId,
        /// The chain height the peer claimed in its `version`.
        start_height: Height,
    },
    /// A connection ended.
    PeerDisconnected {
        /// The connection.
        peer: PeerId,
    },
    /// A `headers` message arrived.
    Headers {
        /// Who sent it.
        peer: PeerId,
        /// At most 2000 headers.
        headers: Vec<BlockHeader>,
    },
    /// A `block` message arrived.
    Block {
        /// Who sent it.
        peer: PeerId,
        /// The block's header.
        header: BlockHeader,
        /// The whole message payload.
        payload: Bytes,
    },
    /// This node made a block.
    BlockMined {
        /// The block's header.
        header: BlockHeader,
        /// Its id: the header's RandomX hash, which the miner has computed.
        hash: BlockHash,
        /// The block, as the payload of a `block` message.
        payload: Bytes,
    },
    /// Blocks were announced by `inv`.
    Announced {
        /// Who sent it.
        peer: PeerId,
        /// The announced ids.
        blocks: Vec<BlockHash>,
    },
    /// A peer asks for headers.
    GetHeaders {
        /// Who asks.
        peer: PeerId,
        /// Ids the peer has, newest first.
        locator: Vec<BlockHash>,
        /// The last header wanted; zero for as many as fit.
        stop: BlockHash,
    },
    /// A header's RandomX hash was computed.
    HashComputed {
        /// Which job.
        token: HashToken,
        /// The hash, wire order.
        hash: [u8; 32],
    },
    /// Blocks were connected to the tip and are on disk.
    BlocksConnected {
        /// Height and id of each, ascending.
        blocks: Vec<(Height, BlockHash)>,
    },
    /// A block handed out by [`StoreJob::Connect`] was refused.
    BlockRejected {
        /// The `generation` of its [`StoreJob::Connect`].
        generation: u64,
        /// Its height.
        height: Height,
        /// Its id.
        hash: BlockHash,
        /// Who sent its body.
        peer: PeerId,
        /// The reject reason, for example `bad-merkle`.
        reason: String,
        /// Why it is worth trying again, or not.
        fault: BlockFault,
    },
    /// The chain was rewound to a fork point after [`StoreJob::DisconnectTo`].
    Disconnected {
        /// The new tip.
        tip: (Height, BlockHash),
        /// The blocks that were disconnected; the store keeps their bodies.
        blocks: Vec<(Height, BlockHash)>,
    },
    /// The store failed; nothing can be connected any more.
    StoreFailed {
        /// What went wrong.
        reason: String,
    },
    /// A hash could not be computed: the hash function is broken, and the node cannot go on.
    HashFailed {
        /// What went wrong.
        reason: String,
    },
    /// The operator refuses a block, and all that build on it. Nothing happens if
    /// [`Coordinator::may_revoke`](super::Coordinator::may_revoke) says no.
    Revoked {
        /// The block.
        hash: BlockHash,
    },
    /// The operator takes back what he said against a block, against those that it builds on, and against those that build
    /// on it.
    Reinstated {
        /// The block.
        hash: BlockHash,
    },
    /// What [`StoreJob::Revoke`] or [`StoreJob::Reinstate`] handed out is on disk.
    VerdictStored,
    /// The operator wants something.
    Ordered(Order),
    /// Time passed.
    Tick,
}

/// Whose fault a refused block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockFault {
    /// The body does not belong to its header: another peer may have the right one.
    Body,
    /// The block breaks a rule: its header, and all built on it, are worthless.
    Rule,
    /// It breaks a rule about its miner: worthless as well, but nodes of the network may pass it on in good faith, since a
    /// reorganisation does not check these rules there. Nobody is blamed (spec: wire §4, mainnet-node §1).
    MinerRule,
    /// It no longer follows the tip, because an earlier block was refused: nobody's fault.
    Stale,
}

/// Something the coordinator wants done.
#[derive(Clone, Debug)]
pub enum Action {
    /// Send a message to a peer.
    Send {
        /// To whom.
        peer: PeerId,
        /// What.
        message: Message,
    },
    /// Tell a peer about our new tip, in the way it prefers.
    Announce {
        /// To whom.
        peer: PeerId,
        /// The tip.
        block: BlockHash,
        /// Its header, after those before it that the peer lacks.
        headers: Vec<BlockHeader>,
    },
    /// Compute the RandomX hashes of headers; each answered by [`Event::HashComputed`].
    Hash(Vec<HashJob>),
    /// Forget all queued hashes of a peer's headers; those still wanted follow as a new [`Action::Hash`].
    CancelHashes {
        /// Whose.
        peer: PeerId,
    },
    /// Work for the store, to be done in order.
    Store(StoreJob),
    /// A peer broke the protocol.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// How.
        misbehaviour: Misbehaviour,
    },
    /// Close a useless connection, without a penalty.
    Disconnect {
        /// Whose.
        peer: PeerId,
        /// Why, for the log.
        reason: &'static str,
    },
    /// The state changed; for the log.
    StateChanged {
        /// Before.
        from: IbdState,
        /// After.
        to: IbdState,
    },
    /// Our chain and the best header chain part; for the log.
    ForkDetected {
        /// The last height they share.
        height: Height,
    },
}

/// Work for the store; jobs are done in the order in which they are handed out.
#[derive(Clone, Debug)]
pub enum StoreJob {
    /// Validate and connect a block on top of all handed out before it.
    Connect(BlockToConnect),
    /// Disconnect blocks until this height is the tip; answered by [`Event::Disconnected`].
    DisconnectTo(Height),
    /// Forget a stored header that does not have this id, with all that is built on it. Follows the
    /// [`StoreJob::DisconnectTo`] that takes it out of the chain.
    ForgetHeader(BlockHash),
    /// Remember that the operator refuses a block; answered by [`Event::VerdictStored`]. Before the
    /// [`StoreJob::DisconnectTo`] that obeys, so that no restart connects the block again.
    Revoke(BlockHash),
    /// Forget that the operator refuses these blocks; answered by [`Event::VerdictStored`].
    Reinstate(Vec<BlockHash>),
    /// Persist proved headers, parents first.
    StoreHeaders(Vec<StoredHeader>),
}

/// A block whose turn has come.
#[derive(Clone, Debug)]
pub struct BlockToConnect {
    /// Answers that carry an older generation than the coordinator's are void.
    pub generation: u64,
    /// Its height.
    pub height: Height,
    /// Its id.
    pub hash: BlockHash,
    /// Whether the id has been proved by RandomX; `false` only at or below a checkpoint.
    pub verified: bool,
    /// Who sent it; [`OWN_BLOCKS`](super::OWN_BLOCKS) for what came from nobody.
    pub peer: PeerId,
    /// Its transactions.
    pub body: Body,
}
