//! Why a block is refused for who made it.

use dilithion_pow::Target;

use crate::dfmp::Multiplier;
use crate::mik::Identity;

/// The rule about its miner that a block breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MinerError {
    /// The coinbase names no miner.
    #[error("the coinbase names no miner")]
    Missing,
    /// The miner is not registered on this branch.
    #[error("the miner {identity} is not registered")]
    Unknown {
        /// The miner.
        identity: Identity,
    },
    /// The signature is not the miner's, or about another block or time.
    #[error("the signature of miner {identity} is wrong")]
    Signature {
        /// The miner.
        identity: Identity,
    },
    /// The proof of work of the registration falls short.
    #[error("the registration of {identity} does not show {required} bits of work")]
    RegistrationWork {
        /// The new miner.
        identity: Identity,
        /// Leading zero bits required.
        required: u32,
    },
    /// Too few seeds vouch for the registration.
    #[error("{valid} seeds attest the registration of {identity}, {required} are needed")]
    Attestations {
        /// The new miner.
        identity: Identity,
        /// Different seeds with valid attestations.
        valid: usize,
        /// Needed.
        required: u32,
    },
    /// More transactions than the reference node can look past for the attestations.
    #[error("the block has {count} transactions, at most {max} are allowed")]
    TooManyTransactions {
        /// Transactions of the block.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// The id is not low enough for this miner.
    #[error("the id is not below {target}: for miner {identity} the target is {multiplier} times harder")]
    Target {
        /// The miner.
        identity: Identity,
        /// The miner's handicap.
        multiplier: Multiplier,
        /// What the id has to be below.
        target: Target,
    },
}

impl MinerError {
    /// The word for this rule in reject messages and logs.
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::Missing => "mik-missing",
            Self::Unknown { .. } => "mik-unknown",
            Self::Signature { .. } => "mik-signature",
            Self::RegistrationWork { .. } => "mik-registration-pow",
            Self::Attestations { .. } => "mik-attestations",
            Self::TooManyTransactions { .. } => "mik-tx-count",
            Self::Target { .. } => "high-hash-dfmp",
        }
    }
}
