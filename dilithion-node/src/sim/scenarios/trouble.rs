//! Networks with trouble that is nobody's fault: crashes, partitions, dead lines, clocks that step.

use std::time::Duration;

use crate::sim::{BlockManners, Manners, Recipe, SECOND, Scenario, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("restarts", "a node is killed again and again while it syncs", |plan| {
        let chain = plan.chain(300);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        for round in 0..6_u32 {
            let at = plan.time(round * 4 * SECOND..(round + 1) * 4 * SECOND);
            plan.restart_at(at + round * SECOND, fresh);
        }
        plan.within(180 * SECOND);
    }),
    Scenario::new("restart_of_the_server", "the only other node is killed while it serves", |plan| {
        let chain = plan.chain(300);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        for round in 0..3_u32 {
            let at = plan.time(round * 9 * SECOND..round * 9 * SECOND + 5 * SECOND);
            plan.restart_at(at, full);
        }
        plan.within(180 * SECOND);
    }),
    Scenario::new("partition", "a network falls apart, mines on both sides, and meets again", |plan| {
        let chain = plan.chain(20);
        let nodes: Vec<_> = (0..4).map(|_| plan.node_with(&chain)).collect();
        for position in 0..nodes.len() {
            plan.connect(nodes[position], nodes[(position + 1) % nodes.len()]);
        }
        plan.at(10 * SECOND, Step::Partition(nodes[..2].to_vec()));
        for block in 0..plan.number(1..12) {
            plan.at((11 + block) * SECOND, Step::Mine(nodes[0], Recipe::default()));
        }
        for block in 0..12 {
            plan.at((11 + block) * SECOND, Step::Mine(nodes[3], Recipe::default()));
        }
        plan.at(40 * SECOND, Step::Heal);
        plan.honest_may_be_dropped();
        plan.within(240 * SECOND);
    }),
    Scenario::new("half_open", "a connection dies without a word; another peer is there", |plan| {
        let chain = plan.chain(300);
        let (dies, lives, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, dies);
        plan.connect(fresh, lives);
        let at = plan.time(SECOND..5 * SECOND);
        plan.at(at, Step::Cut(fresh, dies));
        plan.honest_may_be_dropped();
        plan.within(120 * SECOND);
    }),
    Scenario::new(
        "half_open_alone",
        "the only connection dies without a word, and is dialled again",
        |plan| {
            let chain = plan.chain(300);
            let (full, fresh) = (plan.peer(&chain), plan.node());
            plan.connect(fresh, full);
            let at = plan.time(SECOND..5 * SECOND);
            plan.at(at, Step::Cut(fresh, full));
            plan.honest_may_be_dropped();
            plan.within(240 * SECOND);
        },
    ),
    Scenario::new("flapping_link", "connections that do not last", |plan| {
        let chain = plan.chain(400);
        let (one, two, fresh) = (plan.node_with(&chain), plan.node_with(&chain), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        for round in 0..12_u32 {
            let at = plan.time(round * 2 * SECOND..(round + 1) * 2 * SECOND);
            let other = if round % 2 == 0 { one } else { two };
            plan.at(at, Step::Disconnect(other, fresh));
        }
        plan.within(180 * SECOND);
    }),
    Scenario::new("clock_steps", "the wall clock of a syncing node steps back and forth", |plan| {
        let chain = plan.chain(300);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        for round in 0..6_u32 {
            let at = plan.time(round * SECOND..(round + 1) * SECOND);
            let seconds = i64::from(plan.number(0..7200)) - 3600;
            plan.at(at, Step::StepClock(fresh, seconds));
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new(
        "clock_far_behind",
        "a clock that lags by days refuses all headers, until it is set",
        |plan| {
            // The chain reaches up to two days before the true time; the node's clock is before its genesis block.
            let chain = plan.chain(120);
            let (full, fresh) = (plan.node_with(&chain), plan.node());
            plan.connect(fresh, full);
            plan.at(Duration::ZERO, Step::StepClock(fresh, -24_000_000));
            plan.at(40 * SECOND, Step::StepClock(fresh, 24_000_000));
            plan.within(160 * SECOND);
        },
    ),
    Scenario::new("soup", "crashes, cuts, stallers and miners, all by chance", |plan| {
        let chain = plan.chain(200);
        let full = plan.node_with(&chain);
        let mut nodes = vec![full];
        for _ in 0..3 {
            let fresh = plan.node();
            nodes.iter().for_each(|other| plan.connect(fresh, *other));
            nodes.push(fresh);
        }
        let served = plan.number(0..100);
        let staller =
            plan.peer_with(&chain, Manners { blocks: BlockManners::StallAfter(served), ..Manners::HONEST });
        nodes.iter().for_each(|node| plan.connect(*node, staller));
        for _ in 0..8 {
            let at = plan.time(SECOND..60 * SECOND);
            let (one, two) = (plan.number(0..4) as usize, plan.number(0..4) as usize);
            match plan.number(0..4) {
                0 => plan.restart_at(at, nodes[one]),
                1 => plan.at(at, Step::Cut(nodes[one], nodes[two])),
                2 => plan.at(at, Step::Mine(nodes[one], Recipe::default())),
                _ => plan.at(at, Step::Disconnect(nodes[one], nodes[two])),
            }
        }
        plan.honest_may_be_dropped();
        plan.within(400 * SECOND);
    }),
];
