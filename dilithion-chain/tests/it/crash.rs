//! A process killed while it imports or reorganises leaves a store that opens at a committed tip.

use std::io::{BufRead, BufReader};
use std::iter;

use dilithion_chain::{Chainstate, Depth, StoreOptions};
use dilithion_wire::Height;

use crate::model::Model;
use crate::{digest, import, open, processes, recorded, small};

/// How often the process is killed.
const KILLS: u32 = 20;
/// Blocks per transaction in the process that is killed.
const BATCH: usize = 3;

#[test]
fn killed_at_any_instant_the_store_is_whole() {
    let (params, blocks) = recorded::first_500();
    let genesis = params.genesis_block();
    let mut digests = Vec::new();
    let mut model = Model::default();
    for (height, block) in (0..).zip(iter::once(&genesis).chain(blocks.iter().map(|block| &block.block))) {
        model.connect(height, block);
        digests.push(model.digest());
    }

    let dir = tempfile::tempdir().unwrap();
    let mut random = 0x9e37_79b9_u32;
    for kill in 0..KILLS {
        let mut child = processes::spawn("crash::import_until_killed", dir.path());
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut tips = lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("tip ")?.parse().ok());
        // An LCG decides after how many commits, and how far into the next transaction, the process dies.
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let commits = (random >> 16) % 40;
        let mut seen: usize = 0;
        for _ in 0..=commits {
            seen = tips.next().expect("the child imports until it is killed");
        }
        for _ in 0..random % 2_000_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // It may have been far ahead of what was read.
        seen = tips.last().unwrap_or(seen);

        let chain = open(dir.path(), &params); // walks the whole chain
        let height = usize::try_from(chain.tip().height.0).unwrap();
        assert_eq!(digest(&chain), digests[height], "kill {kill}");
        // Nothing that was reported as done is lost, and at most one commit was not reported any more: a batch, or the way
        // back from the end.
        let went_on = (seen..=seen + BATCH).contains(&height);
        let went_back = seen == blocks.len() && height % 100 == 0;
        assert!(went_on || went_back, "kill {kill}: at {height}, was at {seen}");
        if let Some(last) = height.checked_sub(1) {
            assert_eq!(chain.tip().hash, blocks[last].hash);
        }
    }
}

/// Imports in small batches, goes back some hundred blocks at the end, and so on.
#[test]
#[ignore = "child process of `killed_at_any_instant_the_store_is_whole`"]
fn import_until_killed() {
    let Some(dir) = processes::given_dir() else { return };
    let (params, blocks) = recorded::first_500();
    let options = StoreOptions { check: Depth::Last(1), ..small() };
    let mut chain = Chainstate::open(&dir, params, options).unwrap();
    for back_to in [400, 100, 0].into_iter().cycle() {
        let from = usize::try_from(chain.tip().height.0).unwrap();
        for batch in blocks[from..].chunks(BATCH) {
            import(&mut chain, batch, BATCH);
            println!("\ntip {}", chain.tip().height);
        }
        chain.disconnect_to(Height(back_to)).unwrap();
        println!("\ntip {}", chain.tip().height);
    }
}
