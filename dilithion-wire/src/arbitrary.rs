//! Random values for properties, with smaller ones to try when a property fails.
//!
//! All are valid on networks with the limits of [`Limits::MAINNET`]: what is generated can be encoded and decoded again.

use bytes::Bytes;
use quickcheck::{Arbitrary, Gen, empty_shrinker};

use crate::{
    Address, Amount, Block, BlockHash, BlockHeader, BlockTxn, Command, CompactBlock, ExtendedHeader,
    GetBlockTxn, GetBlocks, GetHeaders, Hash256, Height, Inventory, InventoryKind, Limits,
    MAX_BLOCK_TRANSACTIONS, MAX_REJECT_REASON_BYTES, MAX_USER_AGENT_BYTES, MerkleRoot, Message, OutPoint,
    PeerId, PrefilledTransaction, Reject, RejectCode, SendCompact, Services, ShortId, TimedAddress,
    Transaction, TxIn, TxOut, Txid, VdfProof, VersionMessage,
};

type Shrinker<T> = Box<dyn Iterator<Item = T>>;

/// Generates a struct field by field, and shrinks one field at a time. Each field says how.
macro_rules! arbitrary_structs {
    ($($name:ident { $($field:ident: $how:ident),+ $(,)? })+) => {$(
        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self { $($field: $how::arbitrary(g)),+ }
            }

            fn shrink(&self) -> Shrinker<Self> {
                let mut all: Shrinker<Self> = empty_shrinker();
                $({
                    let whole = self.clone();
                    let smaller = $how::shrink(&self.$field);
                    all = Box::new(all.chain(smaller.map(move |$field| Self { $field, ..whole.clone() })));
                })+
                all
            }
        }
    )+};
}

arbitrary_structs! {
    OutPoint { txid: plain, index: plain }
    TxIn { previous_output: plain, script_sig: script, sequence: plain }
    TxOut { value: plain, script_pubkey: script }
    Transaction { version: plain, inputs: few, outputs: few, lock_time: plain }
    Address { services: plain, ip: fixed, port: plain }
    TimedAddress { time: plain, address: plain }
    Inventory { kind: plain, hash: plain }
    PrefilledTransaction { position: position, transaction: plain }
    VdfProof { output: fixed, proof_hash: fixed }
    GetHeaders { locator: few, stop: plain }
    GetBlocks { version: plain, locator: few, stop: plain }
    SendCompact { high_bandwidth: plain, version: plain }
    GetBlockTxn { block: plain, positions: positions }
    BlockTxn { block: plain, transactions: few }
    Reject { command: command_text, code: plain, reason: reason }
    BlockHeader { version: header_version, prev_hash: plain, merkle_root: plain, time: plain, bits: plain, nonce: plain }
    VersionMessage {
        version: plain, services: plain, time: plain, receiver: plain, sender: plain, nonce: plain,
        user_agent: user_agent, start_height: plain, relay: plain, genesis: plain,
    }
}

/// Generates tuple structs by what is inside.
macro_rules! arbitrary_newtypes {
    ($($name:ident($inner:ty);)+) => {$(
        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self(<$inner>::arbitrary(g))
            }

            fn shrink(&self) -> Shrinker<Self> {
                Box::new(self.0.shrink().map(Self))
            }
        }
    )+};
}

arbitrary_newtypes! {
    Amount(u64);
    Height(u32);
    PeerId(u64);
    RejectCode(u8);
    Services(u64);
}

macro_rules! arbitrary_hashes {
    ($($name:ident),+) => {$(
        /// Mostly random, now and then all zeros or all ones.
        impl Arbitrary for $name {
            fn arbitrary(g: &mut Gen) -> Self {
                Self::from_bytes(match u8::arbitrary(g) % 8 {
                    0 => [0; 32],
                    1 => [0xff; 32],
                    _ => fixed::arbitrary(g),
                })
            }

            fn shrink(&self) -> Shrinker<Self> {
                Box::new(fixed::shrink(self.as_bytes()).map(Self::from_bytes))
            }
        }
    )+};
}

arbitrary_hashes!(Hash256, BlockHash, Txid, MerkleRoot);

impl Arbitrary for ShortId {
    fn arbitrary(g: &mut Gen) -> Self {
        Self(fixed::arbitrary(g))
    }
}

/// Known kinds, and a few that are not.
impl Arbitrary for InventoryKind {
    fn arbitrary(g: &mut Gen) -> Self {
        Self::from_u32(u32::arbitrary(g) % 8)
    }
}

/// One in eight with a proof.
impl Arbitrary for ExtendedHeader {
    fn arbitrary(g: &mut Gen) -> Self {
        let mut header = BlockHeader::arbitrary(g);
        let vdf = (u8::arbitrary(g) % 8 == 0).then(|| VdfProof::arbitrary(g));
        if vdf.is_some() {
            header.version =
                Limits::MAINNET.vdf_header_version.saturating_add(header.version.saturating_abs());
        }
        Self { header, vdf }
    }

    fn shrink(&self) -> Shrinker<Self> {
        let Self { header, vdf } = *self;
        if vdf.is_none() {
            return Box::new(header.shrink().map(Self::from));
        }
        // The version says that there is a proof, so it stays.
        let rest = BlockHeader { version: 0, ..header };
        let version = header.version;
        Box::new(rest.shrink().map(move |rest| Self { header: BlockHeader { version, ..rest }, vdf }))
    }
}

impl Arbitrary for Block {
    fn arbitrary(g: &mut Gen) -> Self {
        let ExtendedHeader { header, vdf } = ExtendedHeader::arbitrary(g);
        let mut transactions: Vec<Transaction> = few::arbitrary(g);
        transactions.push(Transaction::arbitrary(g));
        Self { header, vdf, transactions }
    }

    fn shrink(&self) -> Shrinker<Self> {
        let whole = self.clone();
        let headers = self.extended_header().shrink();
        let bodies = self.transactions.shrink().filter(|transactions| !transactions.is_empty());
        let same_body = self.transactions.clone();
        let headers = headers.map(move |ExtendedHeader { header, vdf }| Self {
            header,
            vdf,
            transactions: same_body.clone(),
        });
        Box::new(bodies.map(move |transactions| Self { transactions, ..whole.clone() }).chain(headers))
    }
}

impl Arbitrary for CompactBlock {
    fn arbitrary(g: &mut Gen) -> Self {
        let ExtendedHeader { header, vdf } = ExtendedHeader::arbitrary(g);
        let (nonce, prefilled, short_ids) = (u64::arbitrary(g), few::arbitrary(g), few::arbitrary(g));
        Self { header, vdf, nonce, prefilled, short_ids }
    }

    fn shrink(&self) -> Shrinker<Self> {
        let (one, other) = (self.clone(), self.clone());
        let prefilled = self.prefilled.shrink().map(move |prefilled| Self { prefilled, ..one.clone() });
        let short_ids = self.short_ids.shrink().map(move |short_ids| Self { short_ids, ..other.clone() });
        Box::new(prefilled.chain(short_ids))
    }
}

/// Every kind of message, each as likely.
impl Arbitrary for Message {
    fn arbitrary(g: &mut Gen) -> Self {
        match u8::arbitrary(g) % 23 {
            0 => Self::Version(VersionMessage::arbitrary(g)),
            1 => Self::Verack,
            2 => Self::Ping(u64::arbitrary(g)),
            3 => Self::Pong(u64::arbitrary(g)),
            4 => Self::GetAddr,
            5 => Self::Addr(few::arbitrary(g)),
            6 => Self::Inv(few::arbitrary(g)),
            7 => Self::GetData(few::arbitrary(g)),
            8 => Self::GetHeaders(GetHeaders::arbitrary(g)),
            9 => Self::Headers(few::arbitrary(g)),
            10 => Self::GetBlocks(GetBlocks::arbitrary(g)),
            11 => Self::Block(Block::arbitrary(g)),
            12 => Self::Tx(relayed_transaction(g)),
            13 => Self::Mempool,
            14 => Self::Reject(Reject::arbitrary(g)),
            15 => Self::SendHeaders,
            16 => Self::SendCompact(SendCompact::arbitrary(g)),
            17 => Self::CompactBlock(CompactBlock::arbitrary(g)),
            18 => Self::GetBlockTxn(GetBlockTxn::arbitrary(g)),
            19 => Self::BlockTxn(BlockTxn::arbitrary(g)),
            20 => Self::VdfHeaders(vdf_headers(g)),
            21 => {
                Self::Dna { command: Command::DNABWRES, payload: (0..24).map(|_| u8::arbitrary(g)).collect() }
            }
            _ => Self::Unknown { command: Command::from_static("notfound"), payload: script::arbitrary(g) },
        }
    }

    fn shrink(&self) -> Shrinker<Self> {
        let smaller: Shrinker<Self> = match self.clone() {
            Self::Version(version) => Box::new(version.shrink().map(Self::Version)),
            Self::Ping(nonce) => Box::new(nonce.shrink().map(Self::Ping)),
            Self::Pong(nonce) => Box::new(nonce.shrink().map(Self::Pong)),
            Self::Addr(addresses) => Box::new(addresses.shrink().map(Self::Addr)),
            Self::Inv(items) => Box::new(items.shrink().map(Self::Inv)),
            Self::GetData(items) => Box::new(items.shrink().map(Self::GetData)),
            Self::GetHeaders(request) => Box::new(request.shrink().map(Self::GetHeaders)),
            Self::Headers(headers) => Box::new(headers.shrink().map(Self::Headers)),
            Self::VdfHeaders(headers) => {
                let with_proof =
                    |headers: &Vec<ExtendedHeader>| headers.iter().any(|header| header.vdf.is_some());
                Box::new(headers.shrink().filter(with_proof).map(Self::VdfHeaders))
            }
            Self::GetBlocks(request) => Box::new(request.shrink().map(Self::GetBlocks)),
            Self::Block(block) => Box::new(block.shrink().map(Self::Block)),
            Self::Tx(transaction) => Box::new(transaction.shrink().map(Self::Tx)),
            Self::Reject(reject) => Box::new(reject.shrink().map(Self::Reject)),
            Self::SendCompact(request) => Box::new(request.shrink().map(Self::SendCompact)),
            Self::CompactBlock(block) => Box::new(block.shrink().map(Self::CompactBlock)),
            Self::GetBlockTxn(request) => Box::new(request.shrink().map(Self::GetBlockTxn)),
            Self::BlockTxn(transactions) => Box::new(transactions.shrink().map(Self::BlockTxn)),
            Self::Unknown { command, payload } => {
                Box::new(script::shrink(&payload).map(move |payload| Self::Unknown { command, payload }))
            }
            Self::Dna { .. } | Self::Verack | Self::GetAddr | Self::Mempool | Self::SendHeaders => {
                empty_shrinker()
            }
        };
        // Some would be too short to be sent.
        Box::new(smaller.filter(|message| message.to_raw().check_size(&Limits::MAINNET).is_ok()))
    }
}

/// Long enough for the window of sizes.
fn relayed_transaction(g: &mut Gen) -> Transaction {
    let mut transaction = Transaction::arbitrary(g);
    transaction.inputs.extend([TxIn::arbitrary(g), TxIn::arbitrary(g)]);
    transaction
}

/// At least one of 144 bytes.
fn vdf_headers(g: &mut Gen) -> Vec<ExtendedHeader> {
    let mut headers: Vec<ExtendedHeader> = few::arbitrary(g);
    let header = BlockHeader { version: Limits::MAINNET.vdf_header_version, ..BlockHeader::arbitrary(g) };
    headers.push(ExtendedHeader { header, vdf: Some(VdfProof::arbitrary(g)) });
    headers
}

/// A field of a type that knows how.
mod plain {
    use super::{Arbitrary, Gen, Shrinker};

    pub(super) fn arbitrary<T: Arbitrary>(g: &mut Gen) -> T {
        T::arbitrary(g)
    }

    pub(super) fn shrink<T: Arbitrary>(value: &T) -> Shrinker<T> {
        value.shrink()
    }
}

/// Up to five elements.
mod few {
    use super::{Arbitrary, Gen, Shrinker};

    pub(super) fn arbitrary<T: Arbitrary>(g: &mut Gen) -> Vec<T> {
        (0..usize::arbitrary(g) % 6).map(|_| T::arbitrary(g)).collect()
    }

    pub(super) fn shrink<T: Arbitrary>(value: &Vec<T>) -> Shrinker<Vec<T>> {
        value.shrink()
    }
}

/// Bytes of a fixed number. Smaller are all zeros.
mod fixed {
    use super::{Arbitrary, Gen, Shrinker};

    pub(super) fn arbitrary<const N: usize>(g: &mut Gen) -> [u8; N] {
        std::array::from_fn(|_| u8::arbitrary(g))
    }

    pub(super) fn shrink<const N: usize>(value: &[u8; N]) -> Shrinker<[u8; N]> {
        Box::new((*value != [0; N]).then_some([0; N]).into_iter())
    }
}

/// A few bytes, now and then more than a one-byte length can say.
mod script {
    use super::{Arbitrary, Bytes, Gen, Shrinker};

    pub(super) fn arbitrary(g: &mut Gen) -> Bytes {
        let len = if u8::arbitrary(g) % 8 == 0 { 300 } else { usize::arbitrary(g) % 40 };
        (0..len).map(|_| u8::arbitrary(g)).collect()
    }

    pub(super) fn shrink(value: &Bytes) -> Shrinker<Bytes> {
        Box::new(value.to_vec().shrink().map(Bytes::from))
    }
}

/// A version whose headers have 80 bytes everywhere.
mod header_version {
    use super::{Arbitrary, Gen, Limits, Shrinker};

    pub(super) fn arbitrary(g: &mut Gen) -> i32 {
        let version = i32::arbitrary(g);
        if Limits::MAINNET.has_vdf(version) { version % Limits::MAINNET.vdf_header_version } else { version }
    }

    pub(super) fn shrink(value: &i32) -> Shrinker<i32> {
        Box::new(value.shrink().filter(|version| !Limits::MAINNET.has_vdf(*version)))
    }
}

/// A position in a block.
mod position {
    use super::{Arbitrary, Gen, MAX_BLOCK_TRANSACTIONS, Shrinker};

    pub(super) fn arbitrary(g: &mut Gen) -> u32 {
        let max = u32::try_from(MAX_BLOCK_TRANSACTIONS).unwrap_or(u32::MAX);
        // Small ones, as in most blocks, as often as any.
        if bool::arbitrary(g) { u32::arbitrary(g) % 8 } else { u32::arbitrary(g) % max }
    }

    pub(super) fn shrink(value: &u32) -> Shrinker<u32> {
        value.shrink()
    }
}

/// Up to five positions.
mod positions {
    use super::{Arbitrary, Gen, Shrinker, position};

    pub(super) fn arbitrary(g: &mut Gen) -> Vec<u32> {
        (0..usize::arbitrary(g) % 6).map(|_| position::arbitrary(g)).collect()
    }

    pub(super) fn shrink(value: &Vec<u32>) -> Shrinker<Vec<u32>> {
        value.shrink()
    }
}

/// Texts of bounded length, as modules of this name.
macro_rules! texts {
    ($($name:ident: $max:expr;)+) => {$(
        mod $name {
            use super::{Arbitrary, Gen, Shrinker};

            pub(super) fn arbitrary(g: &mut Gen) -> String {
                crate::text::head(&String::arbitrary(g), $max).to_owned()
            }

            pub(super) fn shrink(value: &String) -> Shrinker<String> {
                Box::new(value.shrink().filter(|text| text.len() <= $max))
            }
        }
    )+};
}

texts! {
    command_text: 12;
    reason: super::MAX_REJECT_REASON_BYTES;
    user_agent: super::MAX_USER_AGENT_BYTES;
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        fn smaller_messages_can_be_sent_too(message: Message) -> bool {
            message.shrink().take(20).all(|smaller| smaller.to_raw().decode(&Limits::MAINNET) == Ok(smaller))
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "many random values, and nothing of them is decoded")]
    fn all_kinds_of_messages_come_up() {
        let mut g = Gen::new(10);
        let mut commands: Vec<Command> = (0..1000).map(|_| Message::arbitrary(&mut g).command()).collect();
        commands.sort_unstable();
        commands.dedup();
        // All but nine of the advisory ones, and one that is unknown.
        assert_eq!(commands.len(), Command::KNOWN.len() - 9 + 1);
    }

    #[test]
    #[cfg_attr(miri, ignore = "many random values, and nothing of them is decoded")]
    fn shrinking_ends_with_little() {
        let mut g = Gen::new(10);
        for _ in 0..50 {
            let mut block = Block::arbitrary(&mut g);
            while let Some(smaller) = block.shrink().next() {
                assert_ne!(smaller, block);
                block = smaller;
            }
            assert_eq!(block.transactions.len(), 1);
            assert!(block.transactions[0].inputs.is_empty());
        }
    }
}
