//! The map and the file grow, or cannot, while the store is used.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use dilithion_chain::{Candidate, ChainReader, Chainstate, Depth, StoreError};
use dilithion_wire::{Amount, ChainParams, Height, TxOut};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::builder::{coinbase, seal};
use crate::recorded::{self, digest_at};
use crate::{digest, import, open, processes};

/// A chain of blocks that take about 50 kB of the store.
fn fat_blocks(params: &ChainParams, count: u32) -> Vec<Candidate> {
    let mut blocks: Vec<Candidate> = Vec::new();
    for tag in 0..count {
        let prev = blocks.last().map_or(params.genesis.hash, |block| block.hash);
        let mut fat = coinbase(tag, params.subsidy(Height(1)));
        fat.outputs.push(TxOut { value: Amount(0), script_pubkey: Bytes::from(vec![0x51; 25_000]) });
        blocks.push(seal(prev, vec![fat], tag));
    }
    blocks
}

/// Connects block after block until the store refuses, then finds it as the last success left it.
fn fill(dir: &Path, limit: impl FnOnce(&Path)) -> StoreError {
    let (params, _) = recorded::first_500();
    let mut chain = open(dir, &params);
    let blocks = fat_blocks(&params, 150);
    import(&mut chain, &blocks[..1], 1);
    limit(dir);
    let mut before = chain.tip();
    let mut failure = None;
    for block in &blocks[1..] {
        match chain.connect(std::slice::from_ref(block)) {
            Ok(outcome) => assert_eq!(outcome.failure, None),
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
        before = chain.tip();
    }
    let failure = failure.expect("a limit that is never reached");
    assert_eq!((chain.tip(), chain.reader().tip().unwrap()), (before, before));
    chain.reader().check_integrity(Depth::Full).unwrap();
    // Asked again, the store says the same again.
    let at = usize::try_from(before.height.0).unwrap();
    assert!(at > 1, "full from the beginning");
    chain.connect(&blocks[at..=at]).unwrap_err();
    assert_eq!(chain.tip(), before);
    drop(chain);
    assert_eq!(open(dir, &params).tip(), before);
    failure
}

fn limit(resource: Resource, bytes: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: Some(bytes), maximum }).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_the_tip_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = processes::spawn_with_file_limit("growth::fill_the_disk", dir.path());
    assert!(child.wait().unwrap().success());
    // With room again, it goes on.
    let (params, _) = recorded::first_500();
    let mut chain = open(dir.path(), &params);
    let from = usize::try_from(chain.tip().height.0).unwrap();
    import(&mut chain, &fat_blocks(&params, 150)[from..from + 20], 20);
}

/// With a file that may not grow by more than some blocks.
#[test]
#[ignore = "child process of `a_full_disk_is_an_error_and_the_tip_stays`"]
fn fill_the_disk() {
    let Some(dir) = processes::given_dir() else { return };
    let error = fill(&dir, |dir| {
        let len = fs::metadata(dir.join("data.mdb")).unwrap().len();
        limit(Resource::Fsize, len + (1 << 20));
    });
    // A write that is cut short says that it failed, not why.
    let cut_short = matches!(&error, StoreError::Lmdb(source) if source.to_string().contains("os error 5"));
    assert!(cut_short || matches!(error, StoreError::DiskFull(_)), "{error}");
}

#[test]
fn no_room_for_a_bigger_map_is_an_error_and_the_tip_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = processes::spawn("growth::fill_the_address_space", dir.path());
    let output = BufReader::new(child.stdout.take().unwrap());
    output.lines().for_each(drop);
    assert!(child.wait().unwrap().success());
}

/// With address space for little more than there is in use.
#[test]
#[ignore = "child process of `no_room_for_a_bigger_map_is_an_error_and_the_tip_stays`"]
fn fill_the_address_space() {
    let Some(dir) = processes::given_dir() else { return };
    let error = fill(&dir, |_| {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        let kib: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
        limit(Resource::As, (kib << 10) + (70 << 20));
    });
    assert!(matches!(error, StoreError::MapLimit), "{error}");
}

#[test]
fn a_reader_can_be_opened_at_any_moment_of_growth() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    let mut child = processes::spawn("growth::open_again_and_again", dir.path());
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "opened"));
    for batch in blocks.chunks(5) {
        import(&mut chain, batch, 5);
    }
    assert!(chain.reader().map_size() > 1 << 20);
    drop(child.stdin.take());
    let seen = lines.filter(|line| line.starts_with("seen ")).last();
    assert_eq!(seen.as_deref(), Some("seen 500"));
    assert!(child.wait().unwrap().success());
}

/// Opens a reader, looks at the tip and closes it, until the input ends.
#[test]
#[ignore = "child process of `a_reader_can_be_opened_at_any_moment_of_growth`"]
fn open_again_and_again() {
    let Some(dir) = processes::given_dir() else { return };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::io::stdin().lines().for_each(drop);
            done.store(true, Ordering::Release);
        });
        let mut last = false;
        while !last {
            last = done.load(Ordering::Acquire);
            let reader = ChainReader::open(&dir).unwrap();
            let tip = reader.tip().unwrap();
            assert!(reader.block(&tip.hash).unwrap().is_some());
            println!("\nopened\nseen {}", tip.height);
        }
    });
}

/// A reader that is killed in the middle of a read must not keep freed pages from being used again.
#[test]
fn killed_readers_do_not_make_the_file_grow() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain = open(dir.path(), &params);
    import(&mut chain, &blocks, 100);
    let mut churn = |times: u32| {
        for _ in 0..times {
            chain.disconnect_to(Height(480)).unwrap();
            import(&mut chain, &blocks[480..], 20);
        }
        fs::metadata(dir.path().join("data.mdb")).unwrap().len()
    };
    let before = churn(10);
    for _ in 0..4 {
        let mut child = processes::spawn("growth::read_all_the_time", dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(lines.by_ref().filter(|line| line == "read").nth(3).is_some());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let after = churn(40);
    assert!(after <= before + (before / 4), "{before} grew to {after}");
    assert_eq!(digest(&chain), digest_at(500));
}

/// Is nearly always in the middle of a read.
#[test]
#[ignore = "child process of `killed_readers_do_not_make_the_file_grow`"]
fn read_all_the_time() {
    let Some(dir) = processes::given_dir() else { return };
    let reader = ChainReader::open(&dir).unwrap();
    while reader.utxo_stats().is_ok() {
        println!("\nread");
    }
}

/// Long reads of this process delay growth, short ones do not notice: all see whole states, and nothing deadlocks.
#[test]
fn scans_and_growth_take_turns() {
    let (params, blocks) = recorded::first_500();
    let dir = tempfile::tempdir().unwrap();
    let mut chain: Chainstate = open(dir.path(), &params);
    let reader = chain.reader();
    let done = AtomicBool::new(false);
    let (reader, done) = (&reader, &done);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Ordering::Acquire) {
                    reader.check_integrity(Depth::Full).unwrap();
                }
            });
        }
        import(&mut chain, &blocks, 50);
        done.store(true, Ordering::Release);
    });
    assert!(reader.map_size() > 1 << 20);
    assert_eq!(digest(&chain), digest_at(500));
}
