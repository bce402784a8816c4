//! Putting a block together again from a compact block and known transactions.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use thiserror::Error;

use crate::block::Block;
use crate::hash::{BlockHash, MerkleRoot, Txid};
use crate::header::BlockHeader;
use crate::limits::MAX_BLOCK_TRANSACTIONS;
use crate::message::{BlockTxn, CompactBlock, GetBlockTxn, ShortId};
use crate::misbehaviour::Misbehaviour;
use crate::transaction::Transaction;
use crate::vdf::VdfProof;

/// A block of which some transactions may still be missing.
///
/// ```
/// use dilithion_wire::{BlockTxn, ChainParams, CompactBlock, PartialBlock, Transaction};
///
/// // A block with a transaction that its receiver does not know.
/// let params = ChainParams::testnet();
/// let mut block = params.genesis_block();
/// block.transactions.push(Transaction { version: 2, inputs: vec![], outputs: vec![], lock_time: 0 });
/// block.header.merkle_root = block.merkle_root();
/// let compact = CompactBlock::new(&block, 1);
///
/// let partial = PartialBlock::new(compact, [])?;
/// let request = partial.request(params.genesis.hash).expect("something is missing");
/// assert_eq!(request.positions, [1]);
///
/// // The sender looks them up, the receiver is done.
/// let answer = BlockTxn::answer(&block, &request)?;
/// assert_eq!(partial.finish(answer.transactions)?, block);
/// # Ok::<(), dilithion_wire::CompactBlockError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PartialBlock {
    header: BlockHeader,
    vdf: Option<VdfProof>,
    slots: Vec<Slot>,
}

/// A place for a transaction.
#[derive(Clone, Debug)]
enum Slot {
    Missing,
    /// Several known transactions have the short id, so none of them is taken.
    Ambiguous,
    Filled(Transaction),
}

impl PartialBlock {
    /// From a compact block and the transactions that a node knows, with their ids.
    ///
    /// # Errors
    ///
    /// [`CompactBlockError`], if the compact block is none, or two of its short ids are the same.
    pub fn new<'a>(
        compact: CompactBlock,
        known: impl IntoIterator<Item = (Txid, &'a Transaction)>,
    ) -> Result<Self, CompactBlockError> {
        let key = compact.short_id_key();
        let count = compact.transaction_count();
        if count == 0 || count > MAX_BLOCK_TRANSACTIONS {
            return Err(CompactBlockError::TransactionCount { count });
        }
        let mut slots = vec![Slot::Missing; count];
        for prefilled in compact.prefilled {
            let position = prefilled.position;
            match usize::try_from(position).ok().and_then(|index| slots.get_mut(index)) {
                Some(slot @ Slot::Missing) => *slot = Slot::Filled(prefilled.transaction),
                Some(_) => return Err(CompactBlockError::RepeatedPosition { position }),
                None => return Err(CompactBlockError::PositionOutOfRange { position, count }),
            }
        }
        let mut partial = Self { header: compact.header, vdf: compact.vdf, slots };
        let wanted = partial.name_slots(&compact.short_ids)?;
        for (txid, transaction) in known {
            if let Some(index) = wanted.get(&key.short_id(&txid)) {
                partial.offer(*index, transaction);
            }
        }
        Ok(partial)
    }

    /// Which slot each short id is about: they name those without a transaction, in their order.
    fn name_slots(&self, short_ids: &[ShortId]) -> Result<HashMap<ShortId, usize>, CompactBlockError> {
        let mut wanted = HashMap::with_capacity(short_ids.len());
        for (index, short_id) in self.missing_indices().zip(short_ids) {
            match wanted.entry(*short_id) {
                Entry::Vacant(entry) => entry.insert(index),
                Entry::Occupied(_) => return Err(CompactBlockError::ShortIdCollision),
            };
        }
        Ok(wanted)
    }

    fn offer(&mut self, index: usize, transaction: &Transaction) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = match slot {
                Slot::Missing => Slot::Filled(transaction.clone()),
                Slot::Filled(_) | Slot::Ambiguous => Slot::Ambiguous,
            };
        }
    }

    fn missing_indices(&self) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| !matches!(slot, Slot::Filled(_))).map(|(index, _)| index)
    }

    /// Header of the block.
    #[must_use]
    pub const fn header(&self) -> &BlockHeader {
        &self.header
    }

    /// Positions of the transactions that are missing, ascending.
    pub fn missing(&self) -> impl Iterator<Item = u32> {
        // There are at most as many as a block may have, which fits.
        self.missing_indices().map(|index| u32::try_from(index).unwrap_or(u32::MAX))
    }

    /// Asks the sender for what is missing of the block with this id, if anything is.
    #[must_use]
    pub fn request(&self, block: BlockHash) -> Option<GetBlockTxn> {
        let positions: Vec<u32> = self.missing().collect();
        (!positions.is_empty()).then_some(GetBlockTxn { block, positions })
    }

    /// The block, with the transactions that were missing, in the order of their positions.
    ///
    /// # Errors
    ///
    /// [`CompactBlockError::WrongNumber`] if they are not as many, and [`CompactBlockError::MerkleRoot`] if the block is
    /// not the one that the header promises. Then the whole block is to be asked for: two transactions may have had the
    /// same short id, which is nobody's fault.
    pub fn finish(
        self,
        transactions: impl IntoIterator<Item = Transaction>,
    ) -> Result<Block, CompactBlockError> {
        let expected = self.missing_indices().count();
        let mut supplied = transactions.into_iter();
        let mut found = 0;
        let mut complete = Vec::with_capacity(self.slots.len());
        for slot in self.slots {
            complete.push(match slot {
                Slot::Filled(transaction) => transaction,
                Slot::Missing | Slot::Ambiguous => {
                    let next = supplied.next().ok_or(CompactBlockError::WrongNumber { expected, found })?;
                    found += 1;
                    next
                }
            });
        }
        let more = supplied.count();
        if more > 0 {
            return Err(CompactBlockError::WrongNumber { expected, found: found + more });
        }
        let block = Block { header: self.header, vdf: self.vdf, transactions: complete };
        let computed = block.merkle_root();
        if computed != block.header.merkle_root {
            return Err(CompactBlockError::MerkleRoot { expected: block.header.merkle_root, computed });
        }
        Ok(block)
    }
}

impl BlockTxn {
    /// The answer of a node that has the block.
    ///
    /// # Errors
    ///
    /// [`CompactBlockError::PositionOutOfRange`].
    pub fn answer(block: &Block, request: &GetBlockTxn) -> Result<Self, CompactBlockError> {
        let transactions = request.positions.iter().map(|position| {
            let index = usize::try_from(*position).ok();
            let count = block.transactions.len();
            index
                .and_then(|index| block.transactions.get(index).cloned())
                .ok_or(CompactBlockError::PositionOutOfRange { position: *position, count })
        });
        Ok(Self { block: request.block, transactions: transactions.collect::<Result<_, _>>()? })
    }
}

/// Why a block cannot be put together, or its parts not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CompactBlockError {
    /// No transaction, or more than a block may have.
    #[error("a compact block of {count} transactions")]
    TransactionCount {
        /// How many it claims.
        count: usize,
    },
    /// A position after the last transaction.
    #[error("position {position} in a block of {count} transactions")]
    PositionOutOfRange {
        /// The position.
        position: u32,
        /// How many transactions the block has.
        count: usize,
    },
    /// Two transactions at one position.
    #[error("two transactions at position {position}")]
    RepeatedPosition {
        /// The position.
        position: u32,
    },
    /// Two short ids of the block are the same, by chance. The whole block is to be asked for.
    #[error("two transactions of the block have the same short id")]
    ShortIdCollision,
    /// Other than as many transactions as were asked for.
    #[error("{found} transactions instead of {expected}")]
    WrongNumber {
        /// How many were asked for.
        expected: usize,
        /// How many came.
        found: usize,
    },
    /// The transactions are not those of the header. The whole block is to be asked for.
    #[error("merkle root {computed} instead of {expected}")]
    MerkleRoot {
        /// In the header.
        expected: MerkleRoot,
        /// Of the transactions.
        computed: MerkleRoot,
    },
}

impl CompactBlockError {
    /// What the peer has done (spec: wire §4, §5.6), or `None` if it may be honest.
    #[must_use]
    pub const fn misbehaviour(&self) -> Option<Misbehaviour> {
        match self {
            Self::TransactionCount { count: 0 }
            | Self::RepeatedPosition { .. }
            | Self::WrongNumber { .. } => Some(Misbehaviour::Malformed),
            Self::TransactionCount { .. } => Some(Misbehaviour::OversizedCompactBlock),
            Self::PositionOutOfRange { .. } => Some(Misbehaviour::PositionOutOfRange),
            Self::ShortIdCollision | Self::MerkleRoot { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;
    use crate::message::PrefilledTransaction;

    /// A block whose transactions are all different.
    fn block(mut block: Block) -> Block {
        for (version, transaction) in (0..).zip(&mut block.transactions) {
            transaction.version = version;
        }
        block.header.merkle_root = block.merkle_root();
        block
    }

    fn with_ids(transactions: &[Transaction]) -> Vec<(Txid, &Transaction)> {
        transactions.iter().map(|transaction| (transaction.txid(), transaction)).collect()
    }

    quickcheck! {
        /// Whatever a node knows, the rest is asked for, and the block comes out.
        fn what_is_known_is_not_asked_for(any: Block, nonce: u64, known: Vec<bool>, strangers: Vec<Transaction>) -> bool {
            let block = block(any);
            let compact = CompactBlock::new(&block, nonce);
            let is_known = |index: usize| index == 0 || known.get(index).copied().unwrap_or(false);
            let indices = 0..block.transactions.len();
            let pool: Vec<Transaction> = indices
                .clone()
                .filter(|index| is_known(*index))
                .map(|index| block.transactions[index].clone())
                .chain(strangers)
                .collect();
            let partial = PartialBlock::new(compact, with_ids(&pool)).unwrap();
            let missing: Vec<usize> = partial.missing().map(|position| position as usize).collect();
            let expected: Vec<usize> = indices.filter(|index| !is_known(*index)).collect();
            let supplied = match partial.request(BlockHash::ZERO) {
                Some(request) => BlockTxn::answer(&block, &request).unwrap().transactions,
                None => Vec::new(),
            };
            missing == expected && partial.finish(supplied) == Ok(block)
        }

        fn no_compact_block_makes_it_panic(compact: CompactBlock, known: Vec<Transaction>, more: Vec<Transaction>) -> bool {
            let finished = PartialBlock::new(compact, with_ids(&known)).and_then(|partial| partial.finish(more));
            match finished {
                Ok(block) => block.merkle_root() == block.header.merkle_root,
                Err(error) => !error.to_string().is_empty(),
            }
        }

        fn a_wrong_transaction_is_noticed(any: Block, wrong: Transaction) -> TestResult {
            let block = block(any);
            let Some(last) = block.transactions.len().checked_sub(1).filter(|last| *last > 0) else {
                return TestResult::discard();
            };
            let partial = PartialBlock::new(CompactBlock::new(&block, 1), []).unwrap();
            let mut supplied = block.transactions[1..].to_vec();
            supplied[last - 1] = Transaction { version: -1, ..wrong };
            let error = partial.finish(supplied).unwrap_err();
            TestResult::from_bool(
                matches!(error, CompactBlockError::MerkleRoot { .. }) && error.misbehaviour().is_none(),
            )
        }
    }

    fn transaction(version: i32) -> Transaction {
        Transaction { version, inputs: Vec::new(), outputs: Vec::new(), lock_time: 0 }
    }

    /// Transactions 0, 1, 2, … in a block.
    fn small(count: i32) -> Block {
        let header = BlockHeader::from_bytes(&[0; BlockHeader::SIZE]);
        block(Block { header, vdf: None, transactions: (0..count).map(transaction).collect() })
    }

    #[test]
    fn positions_have_to_make_sense() {
        let compact = |positions: &[u32]| {
            let mut compact = CompactBlock::new(&small(3), 1);
            let prefilled =
                |position: &u32| PrefilledTransaction { position: *position, transaction: transaction(0) };
            compact.prefilled = positions.iter().map(prefilled).collect();
            PartialBlock::new(compact, []).map(|partial| partial.missing().collect::<Vec<_>>())
        };
        assert_eq!(compact(&[2]), Ok(vec![0, 1]));
        assert_eq!(compact(&[0, 3]), Ok(vec![1, 2]), "one more prefilled is one more transaction");
        assert_eq!(compact(&[3]), Err(CompactBlockError::PositionOutOfRange { position: 3, count: 3 }));
        assert_eq!(compact(&[1, 1]), Err(CompactBlockError::RepeatedPosition { position: 1 }));
    }

    #[test]
    fn a_compact_block_has_transactions_but_not_too_many() {
        let compact = |short_ids: usize| {
            let short_id = |n: usize| ShortId(n.to_le_bytes()[..6].try_into().unwrap());
            let block = CompactBlock {
                prefilled: Vec::new(),
                short_ids: (0..short_ids).map(short_id).collect(),
                ..CompactBlock::new(&small(1), 1)
            };
            PartialBlock::new(block, []).map(|partial| partial.missing().count())
        };
        assert_eq!(compact(0).unwrap_err().misbehaviour(), Some(Misbehaviour::Malformed));
        assert_eq!(compact(100_000), Ok(100_000));
        assert_eq!(compact(100_001).unwrap_err().misbehaviour(), Some(Misbehaviour::OversizedCompactBlock));
    }

    #[test]
    fn transactions_that_cannot_be_told_apart_are_asked_for() {
        let block = small(2);
        let compact = CompactBlock::new(&block, 1);
        // A second one of the same short id is simulated by naming another transaction so.
        let stranger = transaction(77);
        let known = [
            (block.transactions[1].txid(), &block.transactions[1]),
            (block.transactions[1].txid(), &stranger),
        ];
        let partial = PartialBlock::new(compact.clone(), known).unwrap();
        assert_eq!(partial.missing().collect::<Vec<_>>(), [1]);
        assert_eq!(partial.finish([block.transactions[1].clone()]), Ok(block.clone()));

        let mut twins = compact;
        twins.short_ids.push(twins.short_ids[0]);
        let error = PartialBlock::new(twins, []).unwrap_err();
        assert_eq!((error, error.misbehaviour()), (CompactBlockError::ShortIdCollision, None));
    }

    #[test]
    fn an_answer_has_to_be_complete() {
        let block = small(3);
        let partial = PartialBlock::new(CompactBlock::new(&block, 1), []).unwrap();
        for found in [0, 1, 3] {
            let supplied = (0..found).map(|version| transaction(i32::try_from(version).unwrap()));
            let error = partial.clone().finish(supplied).unwrap_err();
            assert_eq!(error, CompactBlockError::WrongNumber { expected: 2, found });
        }
        let request = GetBlockTxn { block: BlockHash::ZERO, positions: vec![2, 3] };
        let error = BlockTxn::answer(&block, &request).unwrap_err();
        assert_eq!(error.misbehaviour(), Some(Misbehaviour::PositionOutOfRange));
    }
}
