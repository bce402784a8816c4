//! What the relay is told, and what it asks for.

use dilithion_wire::{Misbehaviour, PeerId, Transaction, Txid};

/// Something that concerns transactions.
#[derive(Clone, Debug)]
pub enum RelayEvent {
    /// A handshake completed.
    PeerConnected {
        /// The connection.
        peer: PeerId,
        /// Whether it wants to hear of transactions: the `relay` flag of its `version`.
        wants: bool,
        /// Whether it dialled us.
        inbound: bool,
    },
    /// A connection ended.
    PeerDisconnected {
        /// The connection.
        peer: PeerId,
    },
    /// A peer announced transactions by `inv`.
    Announced {
        /// Who sent it.
        peer: PeerId,
        /// Their ids.
        txids: Vec<Txid>,
    },
    /// A `tx` message arrived.
    Received {
        /// Who sent it.
        peer: PeerId,
        /// Its id.
        txid: Txid,
        /// The transaction.
        transaction: Transaction,
    },
    /// A transaction that somebody submitted is pending now.
    Accepted {
        /// Its id.
        txid: Txid,
        /// What is not pending any more, because it took their room.
        evicted: Vec<Txid>,
    },
    /// A submitted transaction is not pending.
    Refused {
        /// Its id.
        txid: Txid,
        /// Why.
        refusal: Refusal,
    },
    /// Blocks were connected: what was refused before may be welcome now.
    Connected {
        /// Ids of their transactions, if they are few: in a long sync nobody announces any.
        txids: Vec<Txid>,
    },
    /// Blocks were disconnected: what was pending may be so no more, and what they had brought is.
    Disconnected {
        /// What is pending now, those that others build on first.
        pending: Vec<Txid>,
    },
    /// Whether the node follows the tip of the network. Until it does, it cannot judge transactions and asks for none.
    FollowsTip(bool),
    /// Time passed.
    Tick,
}

/// Why a transaction is not pending, as far as it matters to whom it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It spends an output of a transaction that is neither pending nor in the chain, or no longer there.
    MissingParent(Txid),
    /// It is pending already.
    Known,
    /// It may become valid, or it is not worth its fee to us: nobody's fault.
    Unwelcome,
    /// It breaks a rule that it breaks for everybody.
    Invalid(Misbehaviour),
}

/// Something the relay wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayAction {
    /// Ask a peer for transactions by `getdata`.
    Request {
        /// Whom.
        peer: PeerId,
        /// Which.
        txids: Vec<Txid>,
    },
    /// Announce pending transactions to a peer by `inv`, those that others build on first.
    Announce {
        /// To whom.
        peer: PeerId,
        /// Which.
        txids: Vec<Txid>,
    },
    /// Make a transaction pending; answered by [`RelayEvent::Accepted`] or [`RelayEvent::Refused`].
    Submit {
        /// Its id.
        txid: Txid,
        /// The transaction.
        transaction: Transaction,
    },
    /// A peer sent what nobody should.
    Misbehaved {
        /// Who.
        peer: PeerId,
        /// How.
        misbehaviour: Misbehaviour,
    },
}
