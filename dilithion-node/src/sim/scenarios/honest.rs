//! Networks in which everybody does what they should.

use std::time::Duration;

use dilithion_wire::Height;

use crate::sim::{ActorId, MILLISECOND, Plan, Quality, Recipe, SECOND, Scenario, Step};
use crate::sync::SyncMode;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("two_nodes", "a fresh node syncs from another", |plan| {
        let length = plan.number(1..400);
        let chain = plan.chain(length);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        plan.within(60 * SECOND);
    }),
    Scenario::new("ten_nodes", "nine fresh nodes sync from one, each connected to some others", |plan| {
        let chain = plan.chain(150);
        mesh(plan, &chain, 9);
        plan.within(240 * SECOND);
    }),
    Scenario::new(
        "ibd",
        "the documents' sync: ten nodes, 5000 blocks, 75 ms a hash on two threads",
        |plan| {
            plan.profile().threads = 2;
            plan.profile().time_per_hash = 75 * MILLISECOND;
            let chain = plan.chain(5000);
            mesh(plan, &chain, 9);
            plan.within(600 * SECOND);
        },
    )
    .weighing(40),
    Scenario::new("mining_network", "four nodes mine blocks in turn; all follow", |plan| {
        let nodes = ring(plan, 4);
        for round in 0..20_u32 {
            let at = 10 * SECOND + round * 2 * SECOND;
            plan.at(at, Step::Mine(nodes[round as usize % nodes.len()], Recipe::default()));
        }
        plan.within(90 * SECOND);
    }),
    Scenario::new("competing_miners", "two nodes mine at once; the next block decides", |plan| {
        let nodes = ring(plan, 4);
        for round in 0..8_u32 {
            let at = 10 * SECOND + round * 8 * SECOND;
            let first = round as usize % nodes.len();
            plan.at(at, Step::Mine(nodes[first], Recipe::default()));
            plan.at(at, Step::Mine(nodes[(first + 2) % nodes.len()], Recipe::default()));
            plan.at(at + 4 * SECOND, Step::Mine(nodes[first], Recipe::default()));
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new("late_joiners", "nodes join while others sync", |plan| {
        let chain = plan.chain(300);
        let full = plan.node_with(&chain);
        let mut last = full;
        for joined in 0..4_u32 {
            let fresh = plan.late_node();
            let at = plan.time(joined * 2 * SECOND..joined * 2 * SECOND + 5 * SECOND);
            plan.at(at, Step::Start(fresh));
            plan.connect_at(at, fresh, last);
            last = fresh;
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new("checkpointed", "blocks below a checkpoint are connected before they are proved", |plan| {
        let chain = plan.chain(500);
        plan.checkpoint(&chain, 400);
        plan.profile().time_per_hash = 200 * MILLISECOND;
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("one_slow_peer", "a single peer on a slow and distant link is enough", |plan| {
        let chain = plan.chain(120);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        let quality = Quality { latency: 900 * MILLISECOND, jitter: 500 * MILLISECOND, bandwidth: 4_000 };
        plan.quality(fresh, full, quality);
        plan.connect(fresh, full);
        plan.within(200 * SECOND);
    }),
    Scenario::new(
        "headers_only",
        "a node that fetches headers only follows a network, restarts, and asks for no block",
        |plan| {
            let chain = plan.chain(300);
            let full = plan.node_with(&chain);
            plan.profile().mode = SyncMode::Headers;
            let collector = plan.node();
            plan.connect(collector, full);
            let at = plan.time(SECOND..20 * SECOND);
            plan.restart_at(at, collector);
            for round in 0..5 {
                plan.at((30 + 2 * round) * SECOND, Step::Mine(full, Recipe::default()));
            }
            plan.expect(|world| {
                match world.nodes().find(|(_, node)| node.profile.mode == SyncMode::Headers) {
                    Some((_, node)) if node.downloads.blocks == 0 && node.tip().0 == Height::GENESIS => {
                        Ok(())
                    }
                    _ => Err("blocks were fetched".to_owned()),
                }
            });
            plan.within(120 * SECOND);
        },
    ),
    Scenario::new("big_blocks", "blocks of 60 kB from two peers, one of them slow", |plan| {
        let genesis = plan.chain(0);
        let chain = plan.extend_by(&genesis, 60, Recipe { padding: 9_000, ..Recipe::default() });
        let (near, far, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        let slow = Quality { latency: 200 * MILLISECOND, jitter: Duration::ZERO, bandwidth: 30_000 };
        plan.quality(fresh, far, slow);
        plan.connect(fresh, near);
        plan.connect(fresh, far);
        plan.within(120 * SECOND);
    }),
    Scenario::new("slow_hashers", "nodes of very different speed sync from each other", |plan| {
        let chain = plan.chain(200);
        let mut last = plan.node_with(&chain);
        for milliseconds in [400, 1, 100] {
            plan.profile().time_per_hash = milliseconds * MILLISECOND;
            let fresh = plan.node();
            plan.connect(fresh, last);
            last = fresh;
        }
        plan.within(240 * SECOND);
    }),
    Scenario::new("slow_validation", "a second for each block is our own fault, and no peer's", |plan| {
        let chain = plan.chain(60);
        plan.profile().time_per_block = SECOND;
        let (one, two, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        plan.within(180 * SECOND);
    }),
];

/// A full node and fresh ones, each connected to two of those before it.
fn mesh(plan: &mut Plan, chain: &crate::sim::Chain, fresh: usize) {
    let mut nodes = vec![plan.node_with(chain)];
    for _ in 0..fresh {
        let node = plan.node();
        let others = u32::try_from(nodes.len()).unwrap_or(1);
        let (first, second) = (plan.number(0..others), plan.number(0..others));
        plan.connect(node, nodes[first as usize]);
        if second != first {
            plan.connect(node, nodes[second as usize]);
        }
        nodes.push(node);
    }
}

/// Fresh nodes, each connected to the next.
fn ring(plan: &mut Plan, count: usize) -> Vec<ActorId> {
    let nodes: Vec<ActorId> = (0..count).map(|_| plan.node()).collect();
    for position in 0..count {
        plan.connect(nodes[position], nodes[(position + 1) % count]);
    }
    nodes
}
