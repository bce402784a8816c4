//! Bugs of the C++ node's block download, by number (spec: lessons §4).

use std::time::Duration;

use crate::sim::{BlockManners, Chatter, MILLISECOND, Manners, Quality, Recipe, SECOND, Scenario, Step};

const HONEST: Manners = Manners::HONEST;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("bug_054", "a loop that waited for headers kept blocks from being downloaded", |plan| {
        plan.profile().time_per_hash = 300 * MILLISECOND;
        plan.profile().threads = 2;
        let chain = plan.chain(100);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        // Proofs alone take 15 s; blocks have to be there when they are done.
        plan.within(25 * SECOND);
    }),
    Scenario::new(
        "bug_086_088",
        "a block in the store that was not in the chain was taken for done",
        |plan| {
            let chain = plan.chain(250);
            plan.profile().time_per_commit = 200 * MILLISECOND;
            let (full, fresh) = (plan.peer(&chain), plan.node());
            plan.connect(fresh, full);
            for round in 0..4_u32 {
                let at = plan.time((2 + round * 6) * SECOND..(4 + round * 6) * SECOND);
                plan.restart_at(at, fresh);
            }
            plan.within(120 * SECOND);
        },
    ),
    Scenario::new("bug_146", "two limits per peer disagreed: chains around multiples of the limit", |plan| {
        let length = plan.number(0..5) * 16 + plan.number(0..3) + 15;
        let chain = plan.chain(length);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.within(40 * SECOND);
    }),
    Scenario::new("bug_148", "in-flight counters leaked when blocks came unasked or were orphans", |plan| {
        let chain = plan.chain(300);
        let manners = Manners { chatter: Some((Chatter::Blocks, 30 * MILLISECOND)), ..HONEST };
        let (pusher, fresh) = (plan.peer_with(&chain, manners), plan.node());
        plan.connect(pusher, fresh);
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_150", "a block with a body that was not connected was skipped for ever", |plan| {
        let common = plan.chain(100);
        let (ours, theirs) = (plan.extend(&common, 5), plan.extend(&common, 60));
        let (fresh, one, two) = (plan.node_with(&ours), plan.peer(&theirs), plan.peer(&theirs));
        plan.profile().time_per_commit = 100 * MILLISECOND;
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        for round in 0..3_u32 {
            let at = plan.time((1 + round * 5) * SECOND..(3 + round * 5) * SECOND);
            plan.restart_at(at, fresh);
        }
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_154", "requests that were never sent counted as in flight", |plan| {
        let chain = plan.chain(200);
        let (vanishes, full, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, vanishes);
        plan.connect(fresh, full);
        for _ in 0..4 {
            let at = plan.time(SECOND..6 * SECOND);
            plan.at(at, Step::Disconnect(vanishes, fresh));
        }
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_155", "the stall timer was not restarted by a request: a very distant peer", |plan| {
        let chain = plan.chain(100);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        let quality = Quality { latency: 4 * SECOND, jitter: SECOND, bandwidth: 1_000_000 };
        plan.quality(fresh, full, quality);
        plan.connect(fresh, full);
        plan.within(240 * SECOND);
    }),
    Scenario::new("bug_156_late", "blocks that came after their time-out were thrown away", |plan| {
        let chain = plan.chain(32);
        let late = plan.time(28 * SECOND..45 * SECOND);
        let (slow, fresh) =
            (plan.peer_with(&chain, Manners { blocks: BlockManners::Late(late), ..HONEST }), plan.node());
        plan.connect(fresh, slow);
        plan.honest_may_be_dropped();
        plan.within(300 * SECOND);
    }),
    Scenario::new("bug_157", "a block of one's own did not advance the window", |plan| {
        let chain = plan.chain(120);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        for _ in 0..4 {
            let at = plan.time(SECOND..10 * SECOND);
            plan.at(at, Step::Mine(fresh, Recipe::default()));
            let at = plan.time(SECOND..20 * SECOND);
            plan.at(at, Step::Mine(full, Recipe::default()));
        }
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_160", "headers without bodies were taken for blocks", |plan| {
        let chain = plan.chain(150);
        let headers_only = plan.peer_with(&chain, Manners { blocks: BlockManners::Withhold, ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, headers_only);
        let at = plan.time(5 * SECOND..60 * SECOND);
        plan.connect_at(at, fresh, full);
        plan.within(150 * SECOND);
    }),
    Scenario::new("bug_161_163", "answers with other blocks left requests behind, 16 at a time", |plan| {
        let chain = plan.chain(200);
        let confused = plan.peer_with(&chain, Manners { blocks: BlockManners::OtherBlocks, ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, confused);
        plan.connect(fresh, full);
        plan.within(100 * SECOND);
    }),
    Scenario::new("bug_162", "the window advanced over a hole", |plan| {
        let every = plan.number(2..20);
        let chain = plan.chain(200);
        let holey = plan.peer_with(&chain, Manners { blocks: BlockManners::Skip(every), ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, holey);
        plan.connect(fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("bug_165", "a peer that was given up kept its requests", |plan| {
        let chain = plan.chain(150);
        let dead = plan.peer_with(&chain, Manners { blocks: BlockManners::Withhold, ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, dead);
        plan.connect_at(5 * SECOND, fresh, full);
        plan.within(75 * SECOND);
    }),
    Scenario::new("bug_166", "a stalled peer held its blocks for ever", |plan| {
        let chain = plan.chain(64);
        let served = plan.number(0..30);
        let staller = plan.peer_with(&chain, Manners { blocks: BlockManners::StallAfter(served), ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, staller);
        plan.connect(fresh, full);
        // One time-out, and no second for the same blocks.
        plan.within(50 * SECOND);
    }),
    Scenario::new("bug_166_forgiven", "a peer that recovers after minutes is used again", |plan| {
        let chain = plan.chain(100);
        let (moody, fresh) =
            (plan.peer_with(&chain, Manners { blocks: BlockManners::Withhold, ..HONEST }), plan.node());
        plan.connect(fresh, moody);
        plan.at(400 * SECOND, Step::Become(moody, HONEST));
        plan.within(520 * SECOND);
    }),
    Scenario::new("bug_reversed", "blocks that come in any order are connected in theirs", |plan| {
        let chain = plan.chain(200);
        let backwards = plan.peer_with(&chain, Manners { blocks: BlockManners::Reversed, ..HONEST });
        let fresh = plan.node();
        plan.connect(fresh, backwards);
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_261_262", "in-flight entries leaked when peers came and went", |plan| {
        let chain = plan.chain(200);
        let (one, two, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        for round in 0..30_u32 {
            let at = plan.time(round * SECOND / 2..round * SECOND / 2 + Duration::from_millis(400));
            plan.at(at, Step::Disconnect(if round % 2 == 0 { one } else { two }, fresh));
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new("bug_275", "queues without bounds ate all memory: fast peers, slow validation", |plan| {
        let genesis = plan.chain(0);
        let chain = plan.extend_by(&genesis, 100, Recipe { padding: 9_900, ..Recipe::default() });
        plan.profile().time_per_block = 500 * MILLISECOND;
        let fresh = plan.node();
        for _ in 0..6 {
            let full = plan.peer(&chain);
            plan.connect(fresh, full);
        }
        plan.within(180 * SECOND);
    }),
];
