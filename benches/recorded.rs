//! Recorded chains, as blocks to connect.

use std::io::Read;

use dilithion_chain::{Candidate, Chainstate};
use dilithion_node::records::RecordReader;
use dilithion_wire::{Block, ChainParams};

/// The blocks of a recording but genesis and the last, whose id no other names.
pub(crate) fn candidates(records: impl Read, params: &ChainParams) -> Vec<Candidate> {
    let records: Vec<_> =
        RecordReader::new(records).collect::<Result<_, _>>().expect("the recording is whole");
    let pairs = records.windows(2).skip(1);
    pairs
        .map(|pair| {
            let block =
                Block::decode_payload(pair[0].payload.clone(), &params.limits).expect("recorded blocks");
            Candidate { hash: pair[1].header.prev_hash, verified: true, block }
        })
        .collect()
}

/// Connects all of them in batches.
pub(crate) fn connect(chain: &mut Chainstate, blocks: &[Candidate], batch: usize) {
    for batch in blocks.chunks(batch) {
        assert!(chain.connect(batch).expect("a sound store").failure.is_none());
    }
}
