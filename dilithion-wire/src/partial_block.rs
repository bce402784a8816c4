//! Putting a block together again from a compact block and known transactions.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::block::Block;
use crate::compact_error::CompactBlockError;
use crate::encode::Encode;
use crate::hash::{BlockHash, Txid};
use crate::header::BlockHeader;
use crate::limits::{Limits, MAX_BLOCK_TRANSACTIONS, MAX_REQUEST_BYTES, MAX_REQUESTED_TRANSACTIONS};
use crate::merkle::merkle_root;
use crate::message::{BlockTxn, CompactBlock, GetBlockTxn, ShortId};
use crate::transaction::Transaction;
use crate::vdf::VdfProof;

/// A block of which some transactions may still be missing.
///
/// Until it is finished it takes up to 90 bytes for each short id of six: 9 MB for the most that a message may have.
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
/// let request = partial.request(params.genesis.hash)?.expect("something is missing");
/// assert_eq!(request.positions, [1]);
///
/// // The sender looks them up, the receiver is done.
/// let answer = BlockTxn::answer(&block, &request)?;
/// assert_eq!(partial.finish(answer.transactions, &params.limits)?, block);
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
    /// Known by its short id.
    Known(Txid, Transaction),
    Prefilled(Transaction),
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
                Some(slot @ Slot::Missing) => *slot = Slot::Prefilled(prefilled.transaction),
                Some(_) => return Err(CompactBlockError::RepeatedPosition { position }),
                None => return Err(CompactBlockError::PositionOutOfRange { position, count }),
            }
        }
        let mut partial = Self { header: compact.header, vdf: compact.vdf, slots };
        let wanted = partial.name_slots(&compact.short_ids)?;
        for (txid, transaction) in known {
            if let Some(index) = wanted.get(&key.short_id(&txid)) {
                partial.offer(*index, txid, transaction);
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

    /// A known transaction has the short id of a slot.
    fn offer(&mut self, index: usize, txid: Txid, transaction: &Transaction) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        match slot {
            Slot::Missing => *slot = Slot::Known(txid, transaction.clone()),
            Slot::Known(taken, _) if *taken != txid => *slot = Slot::Ambiguous,
            Slot::Known(..) | Slot::Ambiguous | Slot::Prefilled(_) => {}
        }
    }

    fn missing_indices(&self) -> impl Iterator<Item = usize> {
        let slots = self.slots.iter().enumerate();
        slots.filter(|(_, slot)| matches!(slot, Slot::Missing | Slot::Ambiguous)).map(|(index, _)| index)
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
    ///
    /// # Errors
    ///
    /// [`CompactBlockError::TooManyMissing`] if no node would accept the request: the whole block is to be asked for.
    pub fn request(&self, block: BlockHash) -> Result<Option<GetBlockTxn>, CompactBlockError> {
        let request = GetBlockTxn { block, positions: self.missing().collect() };
        let count = request.positions.len();
        if count > MAX_REQUESTED_TRANSACTIONS || request.encoded_len() > MAX_REQUEST_BYTES {
            return Err(CompactBlockError::TooManyMissing { count });
        }
        Ok((count > 0).then_some(request))
    }

    /// The block, with the transactions that were missing, in the order of their positions.
    ///
    /// # Errors
    ///
    /// [`CompactBlockError::WrongNumber`] if they are not as many, [`CompactBlockError::RepeatedTransaction`] if one occurs
    /// twice, [`CompactBlockError::Oversized`] if no node would accept the block, and [`CompactBlockError::MerkleRoot`] if it
    /// is not the one that the header promises. Then the whole block is to be asked for: two transactions may have had the
    /// same short id, which is nobody's fault.
    pub fn finish(
        self,
        transactions: impl IntoIterator<Item = Transaction>,
        limits: &Limits,
    ) -> Result<Block, CompactBlockError> {
        let expected = self.missing_indices().count();
        let mut supplied = transactions.into_iter();
        let mut found = 0;
        let mut complete = Vec::with_capacity(self.slots.len());
        for slot in self.slots {
            complete.push(match slot {
                Slot::Known(_, transaction) | Slot::Prefilled(transaction) => transaction,
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
        check(&block, limits).map(|()| block)
    }
}

/// That the block can travel, and is the one that its header promises.
fn check(block: &Block, limits: &Limits) -> Result<(), CompactBlockError> {
    let (bytes, max) = (block.blob_len(), limits.max_blob_bytes);
    if bytes > max {
        return Err(CompactBlockError::Oversized { bytes, max });
    }
    let txids = block.txids();
    let (expected, computed) = (block.header.merkle_root, merkle_root(&txids));
    if computed != expected {
        return Err(CompactBlockError::MerkleRoot { expected, computed });
    }
    // Repeating the last transactions can leave the root unchanged (CVE-2012-2459), and no block has one twice.
    let mut seen = HashSet::with_capacity(txids.len());
    match txids.into_iter().find(|txid| !seen.insert(*txid)) {
        Some(txid) => Err(CompactBlockError::RepeatedTransaction { txid }),
        None => Ok(()),
    }
}

impl BlockTxn {
    /// The answer of a node that has the block. It is never more than the block: each position may be asked for once, so
    /// that a small request cannot make a large answer.
    ///
    /// # Errors
    ///
    /// [`CompactBlockError::PositionOutOfRange`], [`CompactBlockError::RepeatedPosition`].
    pub fn answer(block: &Block, request: &GetBlockTxn) -> Result<Self, CompactBlockError> {
        let count = block.transactions.len();
        let mut left: Vec<Option<&Transaction>> = block.transactions.iter().map(Some).collect();
        let mut take = |position: u32| {
            let slot = usize::try_from(position).ok().and_then(|index| left.get_mut(index));
            let slot = slot.ok_or(CompactBlockError::PositionOutOfRange { position, count })?;
            slot.take().cloned().ok_or(CompactBlockError::RepeatedPosition { position })
        };
        let transactions =
            request.positions.iter().map(|position| take(*position)).collect::<Result<_, _>>()?;
        Ok(Self { block: request.block, transactions })
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{TestResult, quickcheck};

    use super::*;
    use crate::compact_block::ShortIdKey;
    use crate::message::PrefilledTransaction;
    use crate::misbehaviour::Misbehaviour;

    const LIMITS: Limits = Limits::MAINNET;

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
            let supplied = match partial.request(BlockHash::ZERO).unwrap() {
                Some(request) => BlockTxn::answer(&block, &request).unwrap().transactions,
                None => Vec::new(),
            };
            missing == expected && partial.finish(supplied, &LIMITS) == Ok(block)
        }

        /// Some of what it names is known, twice even, and the root may be right.
        fn no_compact_block_makes_it_panic(
            compact: CompactBlock,
            known: Vec<Transaction>,
            named: Vec<bool>,
            more: Vec<Transaction>,
            honest: bool
        ) -> bool {
            let mut compact = compact;
            if honest {
                let all = compact.prefilled.iter().map(|prefilled| prefilled.transaction.txid()).chain(
                    known.iter().chain(&more).map(Transaction::txid)).collect::<Vec<_>>();
                compact.header.merkle_root = merkle_root(&all);
            }
            let key = ShortIdKey::new(&compact.header, compact.nonce);
            let ids = known.iter().zip(named).filter(|(_, named)| *named);
            compact.short_ids.extend(ids.map(|(transaction, _)| key.short_id(&transaction.txid())));
            let twice = with_ids(&known).into_iter().chain(with_ids(&known));
            let finished = PartialBlock::new(compact, twice).and_then(|partial| partial.finish(more, &LIMITS));
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
            let error = partial.finish(supplied, &LIMITS).unwrap_err();
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

    /// As many transactions as `prefilled`, and behind them short ids of as many as `missing`.
    fn unknown(prefilled: u32, missing: usize) -> CompactBlock {
        let prefill = |position| PrefilledTransaction { position, transaction: transaction(0) };
        let short_id = |n: usize| ShortId(n.to_le_bytes()[..6].try_into().unwrap());
        CompactBlock {
            prefilled: (0..prefilled).map(prefill).collect(),
            short_ids: (0..missing).map(short_id).collect(),
            ..CompactBlock::new(&small(1), 1)
        }
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
    #[cfg_attr(miri, ignore = "as many transactions as there may be take minutes")]
    fn a_compact_block_has_transactions_but_not_too_many() {
        let compact = |short_ids: usize| {
            PartialBlock::new(unknown(0, short_ids), []).map(|partial| partial.missing().count())
        };
        assert_eq!(compact(0).unwrap_err().misbehaviour(), Some(Misbehaviour::Malformed));
        assert_eq!(compact(100_000), Ok(100_000));
        assert_eq!(compact(100_001).unwrap_err().misbehaviour(), Some(Misbehaviour::OversizedCompactBlock));
    }

    #[test]
    fn transactions_that_cannot_be_told_apart_are_asked_for() {
        let block = small(2);
        let (first, stranger) = (&block.transactions[1], transaction(77));
        let mut partial = PartialBlock::new(CompactBlock::new(&block, 1), []).unwrap();
        // Two of the same short id cannot be found here, so they are offered as if they were.
        partial.offer(1, first.txid(), first);
        partial.offer(1, first.txid(), first);
        assert_eq!(partial.missing().count(), 0, "the same one twice is no question");
        partial.offer(1, stranger.txid(), &stranger);
        partial.offer(1, first.txid(), first);
        assert_eq!(partial.missing().collect::<Vec<_>>(), [1]);
        assert_eq!(partial.finish([first.clone()], &LIMITS), Ok(block.clone()));

        let mut twins = CompactBlock::new(&block, 1);
        twins.short_ids.push(twins.short_ids[0]);
        let error = PartialBlock::new(twins, []).unwrap_err();
        assert_eq!((error, error.misbehaviour()), (CompactBlockError::ShortIdCollision, None));
    }

    /// Asks for as many as `missing` that follow as many as `prefilled`.
    fn request(prefilled: u32, missing: usize) -> Result<Option<GetBlockTxn>, CompactBlockError> {
        PartialBlock::new(unknown(prefilled, missing), [])?.request(BlockHash::ZERO)
    }

    #[test]
    #[cfg_attr(miri, ignore = "50,000 short ids take minutes")]
    fn no_more_is_asked_for_than_a_node_accepts() {
        let largest = crate::Message::GetBlockTxn(request(1, 50_000).unwrap().unwrap()).to_raw();
        assert!(largest.decode(&LIMITS).is_ok());
        assert_eq!(request(1, 50_001), Err(CompactBlockError::TooManyMissing { count: 50_001 }));
    }

    #[test]
    #[cfg_attr(miri, ignore = "50,000 short ids take minutes")]
    fn a_request_of_far_positions_is_bounded_by_its_bytes() {
        let largest = request(40_535, 50_000).unwrap().unwrap();
        assert_eq!(largest.encoded_len(), MAX_REQUEST_BYTES);
        assert!(crate::Message::GetBlockTxn(largest).to_raw().decode(&LIMITS).is_ok());
        // The next position is in five bytes in place of three.
        assert_eq!(request(40_536, 50_000), Err(CompactBlockError::TooManyMissing { count: 50_000 }));
    }

    #[test]
    fn a_small_request_gets_no_large_answer() {
        let request = GetBlockTxn { block: BlockHash::ZERO, positions: vec![0; 50_000] };
        let error = BlockTxn::answer(&small(3), &request).unwrap_err();
        assert_eq!(error, CompactBlockError::RepeatedPosition { position: 0 });
        let request = GetBlockTxn { positions: vec![2, 0], ..request };
        let answer = BlockTxn::answer(&small(3), &request).unwrap();
        assert_eq!(answer.transactions, [transaction(2), transaction(0)]);
    }

    #[test]
    fn repeated_transactions_with_the_same_root_are_refused() {
        let block = small(3);
        let mut compact = CompactBlock::new(&block, 1);
        let prefilled =
            |(position, version)| PrefilledTransaction { position, transaction: transaction(version) };
        compact.prefilled = [(0, 0), (1, 1), (2, 2), (3, 2)].map(prefilled).to_vec();
        compact.short_ids.clear();
        let error = PartialBlock::new(compact, []).unwrap().finish([], &LIMITS).unwrap_err();
        assert_eq!(error, CompactBlockError::RepeatedTransaction { txid: transaction(2).txid() });
    }

    #[test]
    fn a_block_that_cannot_travel_is_refused() {
        let block = small(3);
        let limits = Limits { max_blob_bytes: block.blob_len(), ..LIMITS };
        let finish = |limits: &Limits| {
            let partial = PartialBlock::new(CompactBlock::new(&block, 1), []).unwrap();
            partial.finish(block.transactions[1..].to_vec(), limits)
        };
        assert!(finish(&limits).is_ok());
        let error = finish(&Limits { max_blob_bytes: limits.max_blob_bytes - 1, ..limits }).unwrap_err();
        assert_eq!(error, CompactBlockError::Oversized { bytes: 31, max: 30 });
    }

    #[test]
    fn an_answer_has_to_be_complete() {
        let block = small(3);
        let partial = PartialBlock::new(CompactBlock::new(&block, 1), []).unwrap();
        for found in [0, 1, 3] {
            let supplied = (0..found).map(|version| transaction(i32::try_from(version).unwrap()));
            let error = partial.clone().finish(supplied, &LIMITS).unwrap_err();
            assert_eq!(error, CompactBlockError::WrongNumber { expected: 2, found });
        }
        let request = GetBlockTxn { block: BlockHash::ZERO, positions: vec![2, 3] };
        let error = BlockTxn::answer(&block, &request).unwrap_err();
        assert_eq!(error.misbehaviour(), Some(Misbehaviour::PositionOutOfRange));
    }
}
