//! What a peer can do wrong, and what it costs.

use std::fmt;

/// Score at which a peer is disconnected and banned (spec: wire §4).
pub const BAN_SCORE: u32 = 100;

macro_rules! misbehaviours {
    ($($(#[$doc:meta])* $name:ident = $score:literal, $text:literal;)+) => {
        /// Something a peer did against the protocol. The scores are those of the network (spec: wire §4), of mainnet where
        /// the testnet is milder: it takes 50 for an obsolete version, and counts other messages as too many. At
        /// [`BAN_SCORE`] a peer is banned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Misbehaviour {
            $($(#[$doc])* #[doc = concat!(" Costs ", stringify!($score), ".")] $name,)+
        }

        impl Misbehaviour {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// What it adds to the score of the peer.
            #[must_use]
            pub const fn score(self) -> u32 {
                match self {
                    $(Self::$name => $score,)+
                }
            }
        }

        impl fmt::Display for Misbehaviour {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

misbehaviours! {
    /// A payload shorter or longer than its command allows.
    PayloadSize = 20, "payload size out of range";
    /// A payload that cannot be decoded.
    Malformed = 10, "malformed message";
    /// A message that no node reads, and that makes no sense: nobody minds.
    Unread = 0, "senseless message that nobody reads";
    /// A payload that does not match its checksum; the connection ends.
    BadChecksum = 50, "invalid checksum";
    /// More `inv` messages than are tolerated.
    InvRate = 10, "too many inv messages";
    /// More `getdata` messages than are tolerated.
    GetDataRate = 2, "too many getdata messages";
    /// More `headers` messages than are tolerated.
    HeadersRate = 10, "too many headers messages";
    /// More than one `addr` message in ten seconds.
    AddrRate = 10, "too many addr messages";
    /// A `getdata` for a block that was served on this connection.
    RepeatedGetData = 5, "block requested again";
    /// An inventory item of unknown kind, for each.
    BadInventoryKind = 10, "unknown inventory kind";
    /// More items in an inventory than allowed; the message is dropped, as the reference nodes do.
    TooManyInventoryItems = 0, "too many inventory items";
    /// More entries in `addr` than allowed.
    TooManyAddresses = 20, "too many addresses";
    /// More headers in a message than allowed.
    TooManyHeaders = 20, "too many headers";
    /// A header in `headers` that claims to have transactions.
    HeaderWithTransactions = 20, "header with transactions";
    /// More hashes in a locator than allowed.
    LocatorTooLong = 20, "locator too long";
    /// Headers that break a rule of the chain, or that claim ids which are not theirs.
    InvalidHeaders = 100, "invalid headers";
    /// A block that breaks a rule of the chain, or whose body does not belong to its header.
    InvalidBlock = 100, "invalid block";
    /// A block with a time outside the allowed window.
    BlockTime = 20, "invalid block time";
    /// Many blocks of abandoned branches.
    ForkBlocks = 20, "too many fork blocks";
    /// A block with more bytes of transactions than may travel.
    OversizedBlock = 100, "oversized block";
    /// A transaction with more inputs or outputs than may travel.
    OversizedTransaction = 100, "oversized transaction";
    /// A compact block with more entries than allowed.
    OversizedCompactBlock = 100, "oversized compact block";
    /// A position in `getblocktxn` or `cmpctblock` beyond the end of the block.
    PositionOutOfRange = 10, "transaction position out of range";
    /// A transaction that breaks a rule.
    InvalidTransaction = 10, "invalid transaction";
    /// A transaction with a bad signature, or that spends what is spent.
    ForgedTransaction = 50, "forged transaction";
    /// A protocol version below the minimum of the network.
    ObsoleteVersion = 100, "obsolete protocol version";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_the_network() {
        for (misbehaviour, score) in [
            (Misbehaviour::PayloadSize, 20),
            (Misbehaviour::Malformed, 10),
            (Misbehaviour::BadChecksum, 50),
            (Misbehaviour::InvRate, 10),
            (Misbehaviour::GetDataRate, 2),
            (Misbehaviour::AddrRate, 10),
            (Misbehaviour::BadInventoryKind, 10),
            (Misbehaviour::TooManyHeaders, 20),
            (Misbehaviour::HeaderWithTransactions, 20),
            (Misbehaviour::LocatorTooLong, 20),
        ] {
            assert_eq!(misbehaviour.score(), score, "{misbehaviour}");
        }
    }

    #[test]
    fn nothing_costs_more_than_a_ban_and_all_have_a_name() {
        let mut names: Vec<_> = Misbehaviour::ALL.iter().map(ToString::to_string).collect();
        assert!(Misbehaviour::ALL.iter().all(|one| one.score() <= BAN_SCORE));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Misbehaviour::ALL.len());
    }
}
