//! A process killed at any instant leaves what is known about miners in step with the chain.
//!
//! `DILITHION_KILLS=500` makes it so many kills instead of a few.

use std::env;

use dilithion_chain::{Candidate, Chainstate, Depth, StoreOptions};

use crate::crash::{back_to, connect, run_and_kill};
use crate::{mainnet, open, processes, small};

/// How often the process is killed, unless the environment says otherwise.
const KILLS: u32 = 4;

#[test]
fn killed_at_any_instant_the_miners_are_those_of_the_chain() {
    let kills = env::var("DILITHION_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut random = 0x85eb_ca6b_u32;
    for kill in 0..kills {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let child = "miner_crash::follow_until_killed";
        let (tip, next) = run_and_kill(child, dir.path(), (random >> 16) % 30, random % 2_000_000);
        // This walks the whole chain: every record of a miner is compared with what the blocks say.
        let chain = open(dir.path(), &mainnet::params());
        let found = chain.tip().hash.to_string();
        assert!(found == tip || Some(&found) == next.as_ref(), "kill {kill}: {found}, {tip}, {next:?}");
    }
}

#[test]
#[ignore = "child process of `killed_at_any_instant_the_miners_are_those_of_the_chain`"]
fn follow_until_killed() {
    let Some(dir) = processes::given_dir() else { return };
    let options = StoreOptions { check: Depth::Last(1), ..small() };
    let mut chain = Chainstate::open(&dir, mainnet::params(), options).unwrap();
    processes::say(&format!("tip {}", chain.tip().hash));
    let blocks: Vec<Candidate> =
        mainnet::recorded()[1..=110].iter().map(|(block, _)| block.clone()).collect();
    for height in [95, 60, 0].into_iter().cycle() {
        connect(&mut chain, &blocks, 3);
        back_to(&mut chain, &blocks, height);
    }
}
