//! The n-th change to the store fails, for n = 1, 2, 3 … until an operation passes: each failure leaves what was there,
//! and the store goes on working.

use std::path::Path;

use dilithion_chain::{Candidate, Chainstate, StoreError, StoredHeader};
use dilithion_wire::Height;

use crate::recorded::{self, digest_at};
use crate::{import, open};

/// Everything in the files that can be read through a handle: what an operation that failed must not change.
fn state(chain: &Chainstate) -> String {
    let reader = chain.reader();
    let mut state = format!("{:?} {}", reader.tip().unwrap(), reader.utxo_stats().unwrap());
    for header in reader.headers() {
        let header = header.unwrap();
        let body = reader.block_payload(&header.hash).unwrap();
        let active = reader.hash_at(header.height).unwrap();
        state.push_str(&format!("\n{header:?} {:?} {active:?}", body.map(|body| body.len())));
    }
    state
}

/// Runs `operation` with the n-th change failing until it passes, and returns how often it failed.
fn every_change_fails_once(
    chain: &mut Chainstate,
    mut operation: impl FnMut(&mut Chainstate) -> Result<(), StoreError>,
) -> u64 {
    let before = (chain.tip(), state(chain));
    for nth in 1.. {
        chain.fail_at_change(nth);
        let result = operation(chain);
        chain.fail_at_change(0);
        match result {
            Ok(()) => return nth - 1,
            Err(error) => {
                assert!(error.to_string().contains("injected"), "{error}");
                assert!((chain.tip(), state(chain)) == before, "change {nth} left a trace");
            }
        }
    }
    unreachable!("an operation makes a finite number of changes")
}

fn prepared(dir: &Path, height: usize) -> (Chainstate, Vec<Candidate>) {
    let (params, blocks) = recorded::first_500();
    let mut chain = open(dir, &params);
    import(&mut chain, &blocks[..height], 100);
    (chain, blocks)
}

#[test]
fn connecting_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 480);
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.connect(&blocks[480..]).map(|outcome| assert_eq!(outcome.failure, None))
    });
    // Per block: number, header, index, body, undo record, height; and the coins.
    assert!(failures > 20 * 6, "only {failures}");
    assert_eq!(chain.reader().utxo_stats().unwrap().to_string(), digest_at(500));
}

#[test]
fn disconnecting_is_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 500);
    let failures = every_change_fails_once(&mut chain, |chain| chain.disconnect_to(Height(480)).map(drop));
    assert!(failures > 20 * 2, "only {failures}");
    import(&mut chain, &blocks[480..], 20);
    assert_eq!(chain.reader().utxo_stats().unwrap().to_string(), digest_at(500));
}

#[test]
fn headers_are_stored_and_forgotten_all_or_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut chain, blocks) = prepared(dir.path(), 10);
    let headers: Vec<_> = (1..)
        .map(Height)
        .zip(&blocks[..20])
        .map(|(height, block)| StoredHeader {
            header: block.block.header,
            hash: block.hash,
            height,
            verified: false,
        })
        .collect();
    let failures = every_change_fails_once(&mut chain, |chain| chain.store_headers(&headers));
    assert!(failures >= 10 * 3, "only {failures}");
    let hashes: Vec<_> = headers.iter().map(|header| header.hash).collect();
    let failures = every_change_fails_once(&mut chain, |chain| chain.mark_verified(&hashes).map(drop));
    assert_eq!(failures, 10 + 1);
    let failures = every_change_fails_once(&mut chain, |chain| {
        chain.forget_headers(&hashes[15..16]).map(|gone| assert_eq!(gone, 5))
    });
    assert_eq!(failures, 5 * 3 + 1);
}
