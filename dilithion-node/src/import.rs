//! Imports a file of block records, with the same checks that blocks from the network meet.

use std::io::Read;
use std::sync::Arc;

use dilithion_chain::{BlockError, Candidate, Chainstate, StoreError};
use dilithion_headers::{Effects, HashToken, HeadersError, HeadersManager};
use dilithion_pow::{HashPanic, Hasher, PoolConfig, PowHash, PowPool};
use dilithion_wire::{Block, BlockHash, BlockHeader, DecodeError, Height, Limits, PeerId};
use thiserror::Error;

use crate::node::{NodeConfig, NodeError, load_headers, open_chainstate};
use crate::records::{Record, RecordError, RecordReader};

/// Records hashed and connected together: enough to keep every core busy, few enough to show progress.
const CHUNK_RECORDS: usize = 256;
/// Payload bytes in a chunk beyond which no further record is added to it.
const CHUNK_BYTES: usize = 32 << 20;
/// A record is only connected when this many behind it have been hashed: they tell which of two records that do not
/// link is the damaged one.
const LOOK_AHEAD: usize = 2;
/// Headers of a file have no peer; the header chain wants a name for their source.
const FILE: PeerId = PeerId(0);

/// Why an import stopped. Everything before the record named is connected and on disk.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A record's header does not belong where it stands.
    #[error("record {height} is damaged: its header hashes to {hash}, which its neighbours do not link to")]
    Unlinked {
        /// Its height.
        height: Height,
        /// The RandomX hash of its header.
        hash: BlockHash,
    },
    /// A record differs from the block that the store has at its height.
    #[error("record {height} is not the block that the store has at this height")]
    OtherChain {
        /// Its height.
        height: Height,
    },
    /// A header breaks a rule.
    #[error("record {height} has a bad header: {source}")]
    Header {
        /// Its height.
        height: Height,
        /// The rule.
        source: HeadersError,
    },
    /// A header's RandomX hash does not meet its target.
    #[error("record {height} has no valid proof of work: {hash}")]
    Pow {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
    },
    /// A body is no block.
    #[error("record {height} cannot be decoded: {source}")]
    Decode {
        /// Its height.
        height: Height,
        /// The cause.
        source: DecodeError,
    },
    /// A block breaks a rule.
    #[error("record {height} is refused ({}): {source}", source.reject_reason())]
    Block {
        /// Its height.
        height: Height,
        /// The rule.
        source: BlockError,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An id cannot be computed.
    #[error(transparent)]
    Hash(#[from] HashPanic),
    /// The store or the hash pool cannot be had.
    #[error(transparent)]
    Node(#[from] NodeError),
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Blocks connected.
    pub connected: usize,
    /// Records that were in the store already.
    pub known: usize,
}

/// Imports all records of `input` into a node's store, which no node may be using; `progress` is told after each chunk.
///
/// # Errors
///
/// [`ImportError`] names the first record that is not part of the chain. The blocks before it stay connected.
pub fn import(
    config: &NodeConfig,
    hasher: Arc<dyn Hasher>,
    unix_time: u64,
    input: impl Read,
    progress: impl FnMut(ImportReport),
) -> Result<ImportReport, ImportError> {
    let chain = open_chainstate(config)?;
    let headers = load_headers(&config.params, &chain.reader())?;
    let pool = PowPool::new(PoolConfig { threads: config.threads, niceness: None }, hasher, |_| {})
        .map_err(NodeError::from)?;
    let limits = config.params.limits;
    Importer { chain, headers, pool, limits, unix_time }.import(input, progress)
}

/// What an import writes to and computes with.
struct Importer {
    chain: Chainstate,
    headers: HeadersManager,
    pool: PowPool<()>,
    limits: Limits,
    unix_time: u64,
}

/// A record and the RandomX hash of its header.
#[derive(Debug)]
struct Hashed {
    record: Record,
    hash: PowHash,
}

impl Importer {
    fn import(
        mut self,
        input: impl Read,
        mut progress: impl FnMut(ImportReport),
    ) -> Result<ImportReport, ImportError> {
        let mut report = ImportReport::default();
        let mut records = RecordReader::new(input);
        let mut waiting: Vec<Hashed> = Vec::new();
        loop {
            let (fresh, end) = self.next_chunk(&mut records, &mut report)?;
            waiting.extend(self.hash(fresh)?);
            let unreadable = end.as_ref().is_some_and(Result::is_err);
            let ready = if end.is_some() { waiting.len() } else { waiting.len().saturating_sub(LOOK_AHEAD) };
            let (linked, broken) = self.linked(&waiting, ready);
            let chunk: Vec<Hashed> = waiting.drain(..linked).collect();
            report.connected += self.connect(chunk)?;
            progress(report);
            match (broken, end) {
                // A record cut short may be what breaks the link before it; the cut is the better story.
                (Some(broken), _) if !unreadable => return Err(broken),
                (_, Some(result)) => return result.map(|()| report).map_err(ImportError::from),
                (_, None) => {}
            }
        }
    }

    /// Reads the next records that the store lacks; the second value tells how the file ended, if it did.
    #[expect(clippy::type_complexity, reason = "two results of one read, used in one place")]
    fn next_chunk(
        &self,
        records: &mut RecordReader<impl Read>,
        report: &mut ImportReport,
    ) -> Result<(Vec<Record>, Option<Result<(), RecordError>>), ImportError> {
        let mut chunk = Vec::new();
        let mut bytes = 0;
        let tip = self.chain.tip().height;
        while chunk.len() < CHUNK_RECORDS && bytes < CHUNK_BYTES {
            let record = match records.next() {
                None => return Ok((chunk, Some(Ok(())))),
                Some(Err(error)) => return Ok((chunk, Some(Err(error)))),
                Some(Ok(record)) => record,
            };
            if record.height > tip {
                bytes += record.payload.len();
                chunk.push(record);
            } else if self.chain.reader().header_at(record.height)? == Some(record.header) {
                report.known += 1;
            } else {
                return Err(ImportError::OtherChain { height: record.height });
            }
        }
        Ok((chunk, None))
    }

    fn hash(&self, records: Vec<Record>) -> Result<Vec<Hashed>, HashPanic> {
        let headers: Vec<_> = records.iter().map(|record| record.header.to_bytes()).collect();
        let hashes = self.pool.hash_all(&headers)?;
        Ok(records.into_iter().zip(hashes).map(|(record, hash)| Hashed { record, hash }).collect())
    }

    /// How many of the first `ready` records are good, and what is wrong with the next. A record is good if it links
    /// to the one before it and the one behind it links to it.
    fn linked(&self, waiting: &[Hashed], ready: usize) -> (usize, Option<ImportError>) {
        let mut parent = self.chain.tip().hash;
        let mut before = None;
        for (position, current) in waiting.iter().enumerate().take(ready + 1) {
            if current.record.header.prev_hash != parent {
                let is_good = confirms(waiting.get(position + 1), &current.hash);
                let (damaged, Hashed { record, hash }) =
                    before.filter(|_| is_good).unwrap_or((position, current));
                let (height, hash) = (record.height, BlockHash::from_bytes(*hash));
                // A damaged record that is not ready yet comes round again.
                let error = (damaged < ready).then_some(ImportError::Unlinked { height, hash });
                return (damaged.min(ready), error);
            }
            parent = BlockHash::from_bytes(current.hash);
            before = Some((position, current));
        }
        (ready, None)
    }

    fn connect(&mut self, chunk: Vec<Hashed>) -> Result<usize, ImportError> {
        let mut candidates = Vec::with_capacity(chunk.len());
        let mut bad = None;
        for Hashed { record, hash } in chunk {
            match self.prepare(record, hash) {
                Ok(candidate) => candidates.push(candidate),
                Err(error) => {
                    bad = Some(error);
                    break;
                }
            }
        }
        let outcome = self.chain.connect(&candidates)?;
        if let Some(failure) = outcome.failure {
            return Err(ImportError::Block { height: failure.height, source: failure.error });
        }
        bad.map_or(Ok(outcome.connected.len()), Err)
    }

    /// Checks a header in its place in the header chain and decodes the body.
    fn prepare(&mut self, record: Record, hash: PowHash) -> Result<Candidate, ImportError> {
        let Record { height, header, payload } = record;
        let hash = prove(&mut self.headers, header, hash, height, self.unix_time)?;
        let block = Block::decode_payload(payload, &self.limits)
            .map_err(|source| ImportError::Decode { height, source })?;
        Ok(Candidate { hash, verified: true, block })
    }
}

/// Whether the record after one with this hash links to it: then of two records that do not link, the first is damaged.
fn confirms(next: Option<&Hashed>, hash: &PowHash) -> bool {
    next.is_some_and(|next| next.record.header.prev_hash.as_bytes() == hash)
}

/// Takes a header whose hash is known into the header chain.
fn prove(
    headers: &mut HeadersManager,
    header: BlockHeader,
    hash: PowHash,
    height: Height,
    unix_time: u64,
) -> Result<BlockHash, ImportError> {
    let id = BlockHash::from_bytes(hash);
    let queued = headers
        .queue_headers(FILE, &[header], unix_time)
        .map_err(|source| ImportError::Header { height, source })?;
    let mut tokens: Vec<HashToken> = queued.jobs.iter().map(|job| job.token).collect();
    while let Some(token) = tokens.pop() {
        let Effects { jobs, false_claims, .. } = headers.on_hash(token, hash);
        if !false_claims.is_empty() {
            return Err(ImportError::Pow { height, hash: id });
        }
        tokens.extend(jobs.iter().map(|job| job.token));
    }
    Ok(id)
}
