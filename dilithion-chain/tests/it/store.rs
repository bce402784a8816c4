//! Opening, locking, reading from elsewhere, headers, and finding damage.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;

use dilithion_chain::{
    Candidate, ChainReader, Chainstate, Damage, Depth, IntegrityError, StoreError, StoreOptions, StoredHeader,
};
use dilithion_wire::{BlockHash, ChainParams, Checkpoint, Encode, Height};

use crate::builder::{coinbase, seal, subsidy};
use crate::recorded::{self, digest_at};
use crate::{digest, import, open, processes, small};

fn refused(result: Result<Chainstate, StoreError>) -> StoreError {
    result.map(drop).unwrap_err()
}

fn stored_header(candidate: &Candidate, height: u32, verified: bool) -> StoredHeader {
    StoredHeader { header: candidate.block.header, hash: candidate.hash, height: Height(height), verified }
}

#[test]
fn a_store_is_as_it_was_left() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(&dir.path().join("made/on/demand"), &params);
    import(&mut chain, &blocks[..100], 100);
    let tip = chain.tip();
    drop(chain);
    let chain = open(&dir.path().join("made/on/demand"), &params);
    assert_eq!(chain.tip(), tip);
    assert_eq!(chain.reader().tip().unwrap(), tip);
    assert_eq!(digest(&chain), digest_at(100));
    assert_eq!(chain.reader().utxo_count().unwrap(), 103);
    assert_eq!(chain.reader().network().unwrap(), "private");
    assert_eq!(chain.reader().genesis_hash().unwrap(), params.genesis.hash);
}

#[test]
fn a_second_writer_is_refused_and_told_who_has_it() {
    let (params, _) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let chain = open(dir.path(), &params);
    let error = refused(Chainstate::open(dir.path(), Arc::clone(&params), small()));
    assert!(
        matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == std::process::id()),
        "{error}"
    );
    assert!(error.to_string().ends_with(&format!("is in use by process {}", std::process::id())));
    drop(chain);

    let mut child = processes::spawn("store::hold_the_store", dir.path());
    wait_for(&mut child, "open");
    let error = refused(Chainstate::open(dir.path(), Arc::clone(&params), small()));
    assert!(matches!(error, StoreError::Locked { pid: Some(pid), .. } if pid == child.id()), "{error}");
    // A reader is welcome.
    let reader = ChainReader::open(dir.path()).unwrap();
    assert_eq!(reader.tip().unwrap().height, Height(0));
    drop(reader);
    // The lock dies with its process.
    child.kill().unwrap();
    child.wait().unwrap();
    open(dir.path(), &params);
}

/// Opens the store and keeps it until its input ends.
#[test]
#[ignore = "child process"]
fn hold_the_store() {
    let Some(dir) = processes::given_dir() else { return };
    let (params, _) = recorded::first_500();
    let _chain = open(&dir, &params);
    println!("\nopen");
    std::io::stdin().lines().for_each(drop);
}

/// Reads lines of the child's output up to one.
fn wait_for(child: &mut std::process::Child, line: &str) {
    let stdout = BufReader::new(child.stdout.as_mut().unwrap());
    assert!(stdout.lines().map_while(Result::ok).any(|found| found == line));
}

#[test]
fn a_reader_in_another_process_follows_the_writer() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let mut child = processes::spawn("store::print_digests", dir.path());
    let mut input = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut from = 0;
    // By the end the writer's map has grown several times, so the reader has to follow.
    for height in [0, 1, 100, 500] {
        let to = usize::try_from(height).unwrap();
        import(&mut chain, &blocks[from..to], 50);
        from = to;
        writeln!(input, "again").unwrap();
        let found = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| Some(line.strip_prefix("utxo ")?.to_owned()));
        assert_eq!(found.as_deref(), Some(digest_at(height)));
    }
    assert!(chain.reader().map_size() > 1 << 20);
    drop(input);
    assert!(child.wait().unwrap().success());
}

/// Prints the UTXO digest for each line of its input.
#[test]
#[ignore = "child process"]
fn print_digests() {
    let Some(dir) = processes::given_dir() else { return };
    let reader = ChainReader::open(&dir).unwrap();
    for _ in std::io::stdin().lines() {
        println!("\nutxo {}", reader.utxo_stats().unwrap());
    }
}

#[test]
fn a_reader_creates_nothing() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let error = ChainReader::open(&missing).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::NoStore { .. }), "{error}");
    assert!(!missing.exists());
    let error = ChainReader::open(dir.path()).map(drop).unwrap_err();
    assert!(error.to_string().contains("no chain store here"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

    let mut chain = open(dir.path(), &params);
    let error = ChainReader::open(dir.path()).map(drop).unwrap_err();
    assert!(matches!(error, StoreError::AlreadyOpen { .. }), "{error}");
    import(&mut chain, &blocks[..10], 10);
    drop(chain);
    let before = fs::read(dir.path().join("data.mdb")).unwrap();
    let reader = ChainReader::open(dir.path()).unwrap();
    assert_eq!(reader.tip().unwrap().hash, blocks[9].hash);
    assert_eq!(
        reader.check_integrity(Depth::Full).unwrap().to_string(),
        "Chain integrity verified: 11 blocks"
    );
    drop(reader);
    assert_eq!(fs::read(dir.path().join("data.mdb")).unwrap(), before);
}

#[test]
fn another_chain_is_refused() {
    let (params, _) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), &params));
    let testnet = Arc::new(ChainParams::testnet());
    let error = refused(Chainstate::open(dir.path(), Arc::clone(&testnet), StoreOptions::default()));
    assert!(matches!(&error, StoreError::Genesis { network, found, expected }
        if network == "private" && *found == params.genesis.hash && *expected == testnet.genesis.hash));
}

#[test]
fn headers_ahead_of_the_tip() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let headers: Vec<_> =
        (1..).zip(&blocks).map(|(height, block)| stored_header(block, height, height > 20)).collect();

    let error = chain.store_headers(&headers[1..3]).unwrap_err();
    assert!(matches!(error, StoreError::UnknownParent { hash, .. } if hash == headers[1].hash));
    let wrong = StoredHeader { height: Height(2), ..headers[0] };
    assert!(matches!(
        chain.store_headers(&[wrong]),
        Err(StoreError::HeaderHeight { expected: Height(1), .. })
    ));
    assert_eq!(chain.reader().headers().count(), 1);

    chain.store_headers(&headers[..30]).unwrap();
    chain.store_headers(&headers[10..40]).unwrap();
    assert_eq!(chain.mark_verified(&[headers[4].hash, BlockHash::from_bytes([1; 32])]).unwrap(), 1);
    import(&mut chain, &blocks[..50], 25);
    // A proof is not forgotten, and connecting a verified block is a proof too.
    chain.store_headers(&[StoredHeader { verified: false, ..headers[4] }]).unwrap();
    drop(chain);

    let mut chain = open(dir.path(), &params);
    let stored: Vec<_> = chain.reader().headers().map(Result::unwrap).collect();
    assert_eq!(stored.len(), 51);
    assert_eq!(stored[0].hash, params.genesis.hash);
    for (stored, header) in stored[1..].iter().zip(&headers) {
        assert_eq!(*stored, StoredHeader { verified: true, ..*header });
    }

    // A branch that proves false goes with all that builds on it; what is connected stays.
    let side = seal(headers[47].hash, vec![coinbase(1, dilithion_wire::Amount(1))], 1);
    let child = seal(side.hash, vec![coinbase(2, dilithion_wire::Amount(1))], 2);
    let side = [stored_header(&side, 49, false), stored_header(&child, 50, false)];
    chain.store_headers(&side).unwrap();
    let error = chain.forget_headers(&[side[0].hash, headers[49].hash]).unwrap_err();
    assert!(matches!(error, StoreError::OnActiveChain { height: Height(50), .. }));
    assert_eq!(chain.forget_headers(&[side[0].hash]).unwrap(), 2);
    assert_eq!(chain.reader().header(&side[1].hash).unwrap(), None);
    assert_eq!(chain.reader().headers().count(), 51);

    chain.disconnect_to(Height(45)).unwrap();
    assert_eq!(chain.forget_headers(&[headers[46].hash]).unwrap(), 4);
    assert!(!chain.reader().has_block(&headers[46].hash).unwrap());
    assert!(chain.reader().has_block(&headers[45].hash).unwrap());
    import(&mut chain, &blocks[45..60], 5);
    chain.reader().check_integrity(Depth::Full).unwrap();
}

/// Below a checkpoint a header can be stored that only claims its id. The one that has it takes its place.
#[test]
fn a_false_header_and_its_body_give_way_to_the_true_ones() {
    let (params, blocks) = recorded::first_500();
    let mut params = ChainParams::clone(&params);
    params.checkpoints = vec![Checkpoint { height: Height(3), hash: blocks[2].hash }];
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &Arc::new(params));
    let mut forged = blocks[1].clone();
    forged.block.header.nonce ^= 1;
    forged.verified = false;
    let outcome = chain.connect(&[blocks[0].clone(), forged.clone()]).unwrap();
    assert_eq!(outcome.failure, None);
    chain.disconnect_to(Height(1)).unwrap();

    import(&mut chain, &blocks[1..5], 4);
    let stored = chain.reader().header(&forged.hash).unwrap().unwrap();
    assert_eq!((stored.header, stored.verified), (blocks[1].block.header, true));
    assert_eq!(chain.reader().block(&forged.hash).unwrap().as_ref(), Some(&blocks[1].block));
    chain.reader().check_integrity(Depth::Full).unwrap();
}

/// Changes every occurrence of some bytes in a file, and expects there to be some.
pub(crate) fn damage(file: &Path, find: &[u8], replace: &[u8]) {
    let mut bytes = fs::read(file).unwrap();
    let places: Vec<_> =
        bytes.windows(find.len()).enumerate().filter(|(_, at)| *at == find).map(|(at, _)| at).collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at..at + replace.len()].copy_from_slice(replace);
    }
    fs::write(file, bytes).unwrap();
}

pub(crate) fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn a_flipped_byte_is_found_and_its_height_named() {
    let (params, blocks) = recorded::first_500();
    let victim = &blocks[29];
    let payload = victim.block.encode_to_vec();
    let file = "data.mdb";
    for at in [0, 40, 79, 80, 90, payload.len() - 20, payload.len() - 1] {
        let dir = tempfile::tempdir().unwrap();
        let mut chain = open(dir.path(), &params);
        import(&mut chain, &blocks[..40], 40);
        drop(chain);
        damage(&dir.path().join(file), &payload, &flipped(&payload, at));

        let error = refused(Chainstate::open(dir.path(), Arc::clone(&params), small()));
        let StoreError::Integrity(IntegrityError { height, damage }) = error else { panic!("{error}") };
        assert_eq!(height, Height(30), "byte {at}: {damage}");
        assert!(
            matches!(&damage, Damage::Body { hash, .. } | Damage::Merkle { hash, .. } if *hash == victim.hash)
        );

        // A shallow walk does not get there, but going back does not get past it.
        let options = StoreOptions { check: Depth::Last(10), ..small() };
        let mut chain = Chainstate::open(dir.path(), Arc::clone(&params), options).unwrap();
        if at != 40 {
            continue;
        }
        let tip = chain.tip();
        assert_eq!(chain.reader().check_integrity(Depth::Last(10)).unwrap().blocks, 10);
        assert!(chain.reader().check_integrity(Depth::Last(11)).is_err());
        chain.disconnect_to(Height(30)).unwrap();
        import(&mut chain, &blocks[30..40], 10);
        assert_eq!(chain.tip(), tip);
    }
}

#[test]
fn a_damaged_undo_record_is_found_and_never_applied() {
    let (params, _) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    // The second block overwrites the first one's output, so its undo record holds that.
    let first = seal(params.genesis.hash, vec![subsidy(&params, 1, 1)], 1);
    let second = seal(first.hash, vec![subsidy(&params, 1, 1)], 2);
    import(&mut chain, &[first, second.clone()], 2);
    drop(chain);
    let mut record = second.block.txids()[0].to_bytes().to_vec();
    record.extend_from_slice(&[0; 4]);
    record.extend_from_slice(&second.block.transactions[0].outputs[0].value.0.to_be_bytes());
    damage(&dir.path().join("data.mdb"), &record, &flipped(&record, 43));

    let error = refused(Chainstate::open(dir.path(), Arc::clone(&params), small()));
    let expected = IntegrityError {
        height: Height(2),
        damage: Damage::Undo { hash: second.hash, reason: "wrong checksum" },
    };
    assert!(matches!(&error, StoreError::Integrity(error) if *error == expected), "{error}");
    let options = StoreOptions { check: Depth::Last(0), ..small() };
    let mut chain = Chainstate::open(dir.path(), params, options).unwrap();
    let before = (digest(&chain), chain.tip());
    assert!(matches!(chain.disconnect_tip(), Err(StoreError::Integrity(error)) if error == expected));
    assert_eq!((digest(&chain), chain.tip()), before);
}

#[test]
fn a_damaged_coin_is_found() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..10], 10);
    drop(chain);
    let coinbase = &blocks[4].block.transactions[0];
    let mut coin = coinbase.outputs[0].value.0.to_be_bytes().to_vec();
    coin.extend_from_slice(&5_u32.to_be_bytes());
    coin.push(1);
    coin.extend_from_slice(&coinbase.outputs[0].script_pubkey);
    damage(&dir.path().join("data.mdb"), &coin, &flipped(&coin, 7));
    let error = refused(Chainstate::open(dir.path(), params, small()));
    assert!(matches!(
        error,
        StoreError::Integrity(IntegrityError { height: Height(10), damage: Damage::Utxo { .. } })
    ));
}

#[test]
fn another_tip_is_found() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..10], 10);
    drop(chain);
    let record = [b"last_hash", &blocks[9].hash.as_bytes()[..]].concat();
    damage(&dir.path().join("data.mdb"), &record, &flipped(&record, 9));
    let mut recorded = blocks[9].hash.to_bytes();
    recorded[0] ^= 1;
    let expected = IntegrityError {
        height: Height(10),
        damage: Damage::Tip { recorded: BlockHash::from_bytes(recorded), found: blocks[9].hash },
    };
    let error = refused(Chainstate::open(dir.path(), params, small()));
    assert!(matches!(&error, StoreError::Integrity(error) if *error == expected), "{error}");
}

#[test]
fn another_parent_is_found() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..10], 10);
    drop(chain);
    let victim = &blocks[6];
    let header = victim.block.header.to_bytes();
    let record = [&victim.hash.as_bytes()[..], &7_u32.to_be_bytes(), &[1], &header].concat();
    // The first byte of the parent, after hash, height, flag and the header's version.
    damage(&dir.path().join("data.mdb"), &record, &flipped(&record, 32 + 4 + 1 + 4));
    let mut found = blocks[5].hash.to_bytes();
    found[0] ^= 1;
    let expected = IntegrityError {
        height: Height(7),
        damage: Damage::Link {
            hash: victim.hash,
            expected: blocks[5].hash,
            found: BlockHash::from_bytes(found),
        },
    };
    let error = refused(Chainstate::open(dir.path(), params, small()));
    assert!(matches!(&error, StoreError::Integrity(error) if *error == expected), "{error}");
}

#[test]
fn a_missing_block_is_found() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks[..10], 10);
    drop(chain);
    // In the table of heights, number and hash stand together: another hash is not in the index.
    let record = [&6_u64.to_be_bytes()[..], blocks[5].hash.as_bytes()].concat();
    damage(&dir.path().join("data.mdb"), &record, &flipped(&record, 8));
    let error = refused(Chainstate::open(dir.path(), params, small()));
    assert!(matches!(
        error,
        StoreError::Integrity(IntegrityError { height: Height(6), damage: Damage::Index { .. } })
    ),);
}
