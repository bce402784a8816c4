//! Why a transaction is refused, in a block or on its own.

use dilithion_wire::{Amount, Height};

/// The rule that a transaction breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransactionError {
    /// A version that is none.
    #[error("version {version} is not in use")]
    Version {
        /// The version.
        version: i32,
    },
    /// More bytes than a transaction may have.
    #[error("it has {bytes} bytes, at most {max} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// Most allowed.
        max: usize,
    },
    /// More inputs than a transaction may have.
    #[error("it has {count} inputs, at most {max} are allowed")]
    TooManyInputs {
        /// How many it has.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// More outputs than a transaction may have.
    #[error("it has {count} outputs, at most {max} are allowed")]
    TooManyOutputs {
        /// How many it has.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// An output is worth less than the network allows.
    #[error("output {index} is worth {value}, at least {min} is wanted")]
    Dust {
        /// Position of the output.
        index: usize,
        /// Its value.
        value: Amount,
        /// Least allowed.
        min: Amount,
    },
    /// An output that pays to no key hash, on a network that allows no others.
    #[error("output {index} pays to no key hash")]
    OutputScript {
        /// Position of the output.
        index: usize,
    },
    /// The lock time is still ahead.
    #[error("it is locked until {lock_time}; the block has height {height} and time {time}")]
    NotFinal {
        /// A height, or a time from 500,000,000 on.
        lock_time: u32,
        /// Height of the block.
        height: Height,
        /// Time of the block.
        time: u32,
    },
    /// An input is locked for some blocks after what it spends was created.
    #[error("input {input} is locked for {required} blocks, only {age} have passed")]
    RelativeLock {
        /// Position of the input.
        input: usize,
        /// Blocks since the output was created.
        age: u32,
        /// Blocks required.
        required: u32,
    },
    /// It pays too little.
    #[error("it pays {fee}, at least {min} is wanted")]
    FeeTooLow {
        /// What it pays.
        fee: Amount,
        /// What one of its size pays at least.
        min: Amount,
    },
    /// It pays too much.
    #[error("it pays {fee}, at most {max} is allowed")]
    FeeTooHigh {
        /// What it pays.
        fee: Amount,
        /// What any pays at most.
        max: Amount,
    },
    /// An input may not spend its output.
    #[error("input {input}: {error}")]
    Script {
        /// Position of the input.
        input: usize,
        /// Why not.
        error: ScriptError,
    },
}

impl TransactionError {
    /// The word for this rule in reject messages and logs, as in Bitcoin Core where it has the rule.
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::Version { .. } => "bad-txns-version",
            Self::TooLarge { .. } => "bad-txns-oversize",
            Self::TooManyInputs { .. } => "bad-txns-too-many-inputs",
            Self::TooManyOutputs { .. } => "bad-txns-too-many-outputs",
            Self::Dust { .. } => "dust",
            Self::OutputScript { .. } => "scriptpubkey",
            Self::NotFinal { .. } => "bad-txns-nonfinal",
            Self::RelativeLock { .. } => "non-BIP68-final",
            Self::FeeTooLow { .. } => "min-fee-not-met",
            Self::FeeTooHigh { .. } => "absurdly-high-fee",
            Self::Script { error, .. } => error.reject_reason(),
        }
    }
}

/// Why an input may not spend its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptError {
    /// The output pays to no key hash, so nobody can spend it.
    #[error("the output pays to no key hash")]
    OutputScript,
    /// The input script is not a signature and a key.
    #[error("the script of {bytes} bytes is not a signature and a key")]
    Form {
        /// Length of the script.
        bytes: usize,
    },
    /// All bytes of the signature or of the key are 00, or all are ff.
    #[error("the signature or the key is blank")]
    Blank,
    /// The key is not the one that the output pays to.
    #[error("the output pays to another key")]
    KeyHash,
    /// The signature does not fit transaction, input, chain and key.
    #[error("the signature is wrong")]
    Signature,
}

impl ScriptError {
    /// The word for this rule in reject messages and logs.
    pub const fn reject_reason(&self) -> &'static str {
        match self {
            Self::OutputScript | Self::Form { .. } | Self::Blank | Self::KeyHash => "bad-script",
            Self::Signature => "bad-signature",
        }
    }
}
