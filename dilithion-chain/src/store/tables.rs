//! The named databases and their keys. Keys are big-endian, so that their order is the order of the numbers.

use std::convert::Infallible;
use std::ops::Bound;

use dilithion_wire::{Height, OutPoint};
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, Env, MdbError, PutFlags, RoIter, RoRange, RoTxn, WithoutTls};

use super::txn::RwTxn;
use crate::error::StoreError;

/// One named database: byte strings to byte strings. Nothing is changed but through [`Self::put`], [`Self::append`],
/// [`Self::delete`] and [`Self::clear`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table {
    name: &'static str,
    database: Database<'static, Bytes, Bytes>,
}

/// Some records of a table in the order of their keys.
pub(crate) type Records<'txn> = RoRange<'txn, Bytes, Bytes>;
/// A key and its value.
pub(crate) type Record<'txn> = (&'txn [u8], &'txn [u8]);

impl Table {
    /// The record under a key; the bytes are those of the map.
    pub(crate) fn get<'txn>(self, txn: &'txn RoTxn, key: &[u8]) -> Result<Option<&'txn [u8]>, StoreError> {
        Ok(self.database.get(txn, key)?)
    }

    /// The last record and its key.
    pub(crate) fn last<'txn>(self, txn: &'txn RoTxn) -> Result<Option<Record<'txn>>, StoreError> {
        Ok(self.database.last(txn)?)
    }

    /// All records in the order of their keys.
    pub(crate) fn all<'txn>(self, txn: &'txn RoTxn) -> Result<RoIter<'txn, Bytes, Bytes>, StoreError> {
        Ok(self.database.iter(txn)?)
    }

    /// All records from a key on.
    pub(crate) fn from<'txn>(self, txn: &'txn RoTxn, key: &[u8]) -> Result<Records<'txn>, StoreError> {
        Ok(self.database.range(txn, &(Bound::Included(key), Bound::Unbounded))?)
    }

    /// Number of records.
    pub(crate) fn len(self, txn: &RoTxn) -> Result<u64, StoreError> {
        Ok(self.database.len(txn)?)
    }

    /// Stores a record, in place of what is there.
    pub(crate) fn put(self, txn: &mut RwTxn, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        Ok(self.database.put(txn.change(self.name)?, key, value)?)
    }

    /// Stores a record whose key should be the highest of the table: that is several times cheaper, and leaves the
    /// pages full.
    fn append(self, txn: &mut RwTxn, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let change = txn.change(self.name)?;
        match self.database.put_with_flags(change, PutFlags::APPEND, key, value) {
            Err(heed::Error::Mdb(MdbError::KeyExist)) => Ok(self.database.put(change, key, value)?),
            result => Ok(result?),
        }
    }

    /// Deletes all records.
    pub(crate) fn clear(self, txn: &mut RwTxn) -> Result<(), StoreError> {
        Ok(self.database.clear(txn.change(self.name)?)?)
    }

    /// Deletes all records from a key on, up to another that stays.
    pub(crate) fn delete_range(self, txn: &mut RwTxn, from: &[u8], to: &[u8]) -> Result<(), StoreError> {
        let range = (Bound::Included(from), Bound::Excluded(to));
        Ok(self.database.delete_range(txn.change(self.name)?, &range).map(drop)?)
    }

    /// Deletes a record; says whether there was one.
    pub(crate) fn delete(self, txn: &mut RwTxn, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.database.delete(txn.change(self.name)?, key)?)
    }
}

/// Names of the databases, in the order of the fields of [`Tables`].
const NAMES: [&str; 12] = [
    "blocks",
    "heights",
    "headers",
    "undo",
    "utxo",
    "index",
    "metadata",
    "messages",
    "pending",
    "identities",
    "miners",
    "revoked",
];
/// How many named databases the environment has room for.
pub(crate) const TABLES: u32 = 12;
/// What stands in for a database that a store lacks which is only read. It is never looked at: such a store says that it
/// knows no miners, or by its version that nothing is revoked.
const STAND_IN: &str = "metadata";
/// Databases that stores of older layouts lack.
const LATER: [&str; 3] = ["identities", "miners", "revoked"];

/// Handles of the named databases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tables {
    /// Insertion number → payload of a `block` message.
    pub(crate) blocks: Table,
    /// Height → number, hash and chain work of the active chain's block.
    pub(crate) heights: Table,
    /// Insertion number → hash, height, proof flag and header.
    pub(crate) headers: Table,
    /// Insertion number → outputs that the block removed, with a checksum.
    pub(crate) undo: Table,
    /// Output → unspent coin.
    pub(crate) utxo: Table,
    /// Block hash → insertion number: the only table with random keys.
    pub(crate) index: Table,
    /// Facts about the whole store.
    pub(crate) metadata: Table,
    /// Message id → height and message, of the active chain.
    pub(crate) messages: Table,
    /// What waits for a block: transactions and messages.
    pub(crate) pending: Table,
    /// Miner → first and last height, key.
    pub(crate) identities: Table,
    /// Height → who made the active chain's block, and what undoing it takes.
    pub(crate) miners: Table,
    /// Hash of a block that the operator refuses → nothing.
    pub(crate) revoked: Table,
}

impl Tables {
    /// Creates the databases that are missing.
    pub(crate) fn create(env: &Env<WithoutTls>) -> Result<Self, StoreError> {
        let txn = env.write_txn()?;
        let tables = env.create_databases_and_commit(txn, |opener, txn| -> Result<_, heed::Error> {
            let mut tables = Vec::with_capacity(NAMES.len());
            for name in NAMES {
                tables.push(opener.create_database(txn, Some(name))?);
            }
            let tables = <[_; NAMES.len()]>::try_from(tables).map_err(|_| MdbError::DbsFull)?;
            Ok(CommitOrAbort::<_, Infallible>::Commit(tables))
        })?;
        Ok(Self::from_handles(committed(tables)))
    }

    /// Opens the databases of an existing store; none may be missing but those that older layouts lack.
    pub(crate) fn open(env: &Env<WithoutTls>) -> Result<Self, StoreError> {
        let txn = env.read_txn()?;
        let tables = env.open_databases_and_commit(txn, |opener, txn| -> Result<_, StoreError> {
            let mut tables = Vec::with_capacity(NAMES.len());
            for name in NAMES {
                let mut database = opener.open_database(txn, Some(name))?;
                if database.is_none() && LATER.contains(&name) {
                    database = opener.open_database(txn, Some(STAND_IN))?;
                }
                let database = database.ok_or(StoreError::MissingTable { table: name })?;
                tables.push(database);
            }
            let tables =
                <[_; NAMES.len()]>::try_from(tables).map_err(|_| heed::Error::from(MdbError::DbsFull))?;
            Ok(CommitOrAbort::<_, Infallible>::Commit(tables))
        })?;
        Ok(Self::from_handles(committed(tables)))
    }

    fn from_handles(handles: [Database<'static, Bytes, Bytes>; NAMES.len()]) -> Self {
        let mut names = NAMES.into_iter();
        let handles = handles.map(|database| Table { name: names.next().unwrap_or_default(), database });
        let [
            blocks,
            heights,
            headers,
            undo,
            utxo,
            index,
            metadata,
            messages,
            pending,
            identities,
            miners,
            revoked,
        ] = handles;
        Self {
            blocks,
            heights,
            headers,
            undo,
            utxo,
            index,
            metadata,
            messages,
            pending,
            identities,
            miners,
            revoked,
        }
    }
}

fn committed<T>(outcome: CommitOrAbort<T, Infallible>) -> T {
    match outcome {
        CommitOrAbort::Commit(value) => value,
        CommitOrAbort::Abort(never) => match never {},
    }
}

/// Key of an insertion number.
pub(crate) const fn number_key(number: u64) -> [u8; 8] {
    number.to_be_bytes()
}

/// Key of a height.
pub(crate) const fn height_key(height: Height) -> [u8; 4] {
    height.0.to_be_bytes()
}

/// Key of an output: txid, then the index big-endian. Its order is the order of the UTXO digest.
pub(crate) type CoinKey = [u8; 36];

/// The key of an output.
pub(crate) fn coin_key(outpoint: &OutPoint) -> CoinKey {
    let mut key = [0; 36];
    let (txid, index) = key.split_at_mut(32);
    txid.copy_from_slice(outpoint.txid.as_bytes());
    index.copy_from_slice(&outpoint.index.to_be_bytes());
    key
}

/// Stores a value under an insertion number, which should be the highest of the table.
pub(crate) fn put_numbered(
    table: Table,
    txn: &mut RwTxn,
    number: u64,
    value: &[u8],
) -> Result<(), StoreError> {
    table.append(txn, &number_key(number), value)
}

/// The value stored under an insertion number.
pub(crate) fn get_numbered<'txn>(
    table: Table,
    txn: &'txn RoTxn,
    number: u64,
) -> Result<Option<&'txn [u8]>, StoreError> {
    table.get(txn, &number_key(number))
}
