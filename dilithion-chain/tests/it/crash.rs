//! A process killed at any instant leaves a store that opens at a committed tip.
//!
//! `DILITHION_KILLS=500` makes it so many kills instead of a few.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::{env, iter};

use dilithion_chain::{Candidate, Chainstate, Depth, MIN_PRUNE, StoreOptions};
use dilithion_wire::{BlockHash, Height};

use crate::branches::branch;
use crate::model::Model;
use crate::{digest, open, processes, recorded, small};

/// What the process does when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    /// Imports several blocks a transaction, and goes far back at the end.
    Import,
    /// Connects block after block.
    Tip,
    /// Changes between two branches.
    Reorg,
    /// Fills a new store whose map starts small.
    Growth,
    /// Fills a new store that is pruned as it goes.
    Pruning,
}

const SCENARIOS: [(Scenario, &str); 5] = [
    (Scenario::Import, "crash::import_until_killed"),
    (Scenario::Tip, "crash::follow_the_tip_until_killed"),
    (Scenario::Reorg, "crash::reorganise_until_killed"),
    (Scenario::Growth, "crash::grow_until_killed"),
    (Scenario::Pruning, "crash::prune_until_killed"),
];
/// How often a process is killed, unless the environment says otherwise.
const KILLS: u32 = 15;
/// Where the two branches fork.
const FORK: usize = 480;

/// The second branch: it has less work than the first, but more than the first without its last blocks.
fn other_branch(blocks: &[Candidate]) -> Vec<Candidate> {
    branch(blocks[FORK - 1].hash, 18, 4000)
}

/// Digests of the UTXO set by tip, for all tips there can be.
fn expected() -> BTreeMap<String, String> {
    let (params, blocks) = recorded::first_500();
    let genesis = params.genesis_block();
    let mut digests = BTreeMap::new();
    let mut record = |hash: BlockHash, model: &Model| digests.insert(hash.to_string(), model.digest());
    let mut model = Model::of(iter::once(&genesis));
    record(params.genesis.hash, &model);
    let mut forked = model.clone();
    for (height, candidate) in (1..).zip(&blocks) {
        model.connect(height, &candidate.block);
        record(candidate.hash, &model);
        if candidate.hash == blocks[FORK - 1].hash {
            forked = model.clone();
        }
    }
    for (height, candidate) in (u32::try_from(FORK).unwrap() + 1..).zip(&other_branch(&blocks)) {
        forked.connect(height, &candidate.block);
        record(candidate.hash, &forked);
    }
    digests
}

#[test]
fn killed_at_any_instant_the_store_is_whole() {
    let kills = env::var("DILITHION_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let digests = expected();
    let mut random = 0x9e37_79b9_u32;
    let (mut in_between, mut unreported) = (0, 0);
    for (scenario, child) in SCENARIOS {
        let mut dir = tempfile::tempdir().unwrap();
        for kill in 0..kills.div_ceil(5) {
            if matches!(scenario, Scenario::Growth | Scenario::Pruning) {
                dir = tempfile::tempdir().unwrap();
            }
            // An LCG decides after how many commits, and how far into the next transaction, the process dies.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (tip, next) = run_and_kill(child, dir.path(), (random >> 16) % 60, random % 2_000_000);
            let (params, _) = recorded::first_500();
            let chain = open(dir.path(), &params); // walks the whole chain
            let found = chain.tip().hash.to_string();
            assert_eq!(digest(&chain), digests[&found], "{scenario:?}, kill {kill}");
            // Nothing that was reported as done is lost, and at most one commit was not reported any more.
            assert!(
                found == tip || Some(&found) == next.as_ref(),
                "{scenario:?}, kill {kill}: at {found}, reported {tip}, then wanted {next:?}"
            );
            in_between += u32::from(next.is_some());
            unreported += u32::from(found != tip);
        }
    }
    let total = kills.div_ceil(5) * 5;
    println!(
        "{total} kills, {in_between} within a transaction, {unreported} after a commit that was not yet reported: \
         0 lost, 0 corrupt"
    );
}

/// Kills a process after it reported so many commits, a little later. Returns the last tip it reported, and the tip that
/// it was going for, if it had begun.
pub(crate) fn run_and_kill(name: &str, dir: &Path, commits: u32, spins: u32) -> (String, Option<String>) {
    let mut child = processes::spawn(name, dir);
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (mut tip, mut next) = (None, None);
    let mut note = |line: String| {
        if let Some(hash) = line.strip_prefix("tip ") {
            (tip, next) = (Some(hash.to_owned()), None);
            true
        } else if let Some(hash) = line.strip_prefix("next ") {
            next = Some(hash.to_owned());
            false
        } else {
            false
        }
    };
    let mut seen = 0;
    while seen <= commits {
        seen += u32::from(note(lines.next().expect("the child works until it is killed")));
    }
    for _ in 0..spins {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // It may have been far ahead of what was read.
    for line in lines {
        note(line);
    }
    (tip.unwrap(), next)
}

/// In the child: does something that ends at a known tip, and says so before and after.
fn announced(chain: &mut Chainstate, target: BlockHash, work: impl FnOnce(&mut Chainstate)) {
    processes::say(&format!("next {target}"));
    work(chain);
    assert_eq!(chain.tip().hash, target);
    processes::say(&format!("tip {target}"));
}

pub(crate) fn connect(chain: &mut Chainstate, blocks: &[Candidate], batch: usize) {
    let from = usize::try_from(chain.tip().height.0).unwrap();
    for slice in blocks[from..].chunks(batch) {
        announced(chain, slice.last().unwrap().hash, |chain| {
            assert_eq!(chain.connect(slice).unwrap().failure, None);
        });
    }
}

pub(crate) fn back_to(chain: &mut Chainstate, blocks: &[Candidate], height: usize) {
    let target = height.checked_sub(1).map_or(chain.params().genesis.hash, |last| blocks[last].hash);
    announced(chain, target, |chain| {
        chain.disconnect_to(Height(height.try_into().unwrap())).unwrap();
    });
}

/// In the child: opens the store, and says where it is.
fn begin(prune: Option<u32>) -> Option<(Chainstate, Vec<Candidate>)> {
    let dir = processes::given_dir()?;
    let (params, blocks) = recorded::first_500();
    let options = StoreOptions { check: Depth::Last(1), prune, ..small() };
    let chain = Chainstate::open(&dir, params, options).unwrap();
    processes::say(&format!("tip {}", chain.tip().hash));
    Some((chain, blocks))
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn import_until_killed() {
    let Some((mut chain, blocks)) = begin(None) else { return };
    for height in [400, 100, 0].into_iter().cycle() {
        connect(&mut chain, &blocks, 3);
        back_to(&mut chain, &blocks, height);
    }
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn follow_the_tip_until_killed() {
    let Some((mut chain, blocks)) = begin(None) else { return };
    loop {
        connect(&mut chain, &blocks, 1);
        back_to(&mut chain, &blocks, 498);
    }
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn reorganise_until_killed() {
    let Some((mut chain, blocks)) = begin(None) else { return };
    let other = other_branch(&blocks);
    let fork = Height(FORK.try_into().unwrap());
    if chain.tip().height < fork {
        connect(&mut chain, &blocks[..FORK], 100);
    }
    if other.iter().any(|block| block.hash == chain.tip().hash) {
        back_to(&mut chain, &blocks, FORK);
    }
    loop {
        connect(&mut chain, &blocks, 20);
        back_to(&mut chain, &blocks, 495);
        announced(&mut chain, other[17].hash, |chain| {
            chain.reorg(fork, &other).unwrap();
        });
        announced(&mut chain, blocks[499].hash, |chain| {
            chain.reorg(fork, &blocks[FORK..]).unwrap();
        });
    }
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn grow_until_killed() {
    let Some((mut chain, blocks)) = begin(None) else { return };
    loop {
        connect(&mut chain, &blocks, 7);
        back_to(&mut chain, &blocks, 0);
    }
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn prune_until_killed() {
    let Some((mut chain, blocks)) = begin(Some(MIN_PRUNE)) else { return };
    connect(&mut chain, &blocks[..280], 280);
    loop {
        connect(&mut chain, &blocks, 4);
        back_to(&mut chain, &blocks, 450);
    }
}
