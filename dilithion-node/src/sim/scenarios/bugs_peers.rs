//! Bugs of the C++ node around peers that come and go, by number (spec: lessons §4).

use crate::sim::{BlockManners, HeaderManners, Manners, Recipe, SECOND, Scenario, Step};

const HONEST: Manners = Manners::HONEST;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("bug_068", "the download was not told that a peer had gone", |plan| {
        let chain = plan.chain(300);
        let (one, two, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        let at = plan.time(SECOND..5 * SECOND);
        plan.at(at, Step::Disconnect(fresh, one));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_069_094_156", "a node without peers took itself for synced", |plan| {
        let chain = plan.chain(80);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        let at = plan.time(20 * SECOND..60 * SECOND);
        plan.connect_at(at, fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("bug_105", "peers that say nothing took all the node's attention", |plan| {
        let chain = plan.chain(100);
        let fresh = plan.node();
        for _ in 0..20 {
            let manners = Manners { headers: HeaderManners::Silent, claims_height: Some(10_000), ..HONEST };
            let zombie = plan.peer_with(&chain, manners);
            plan.connect(zombie, fresh);
        }
        let full = plan.peer(&chain);
        plan.connect(full, fresh);
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_124", "inbound peers were not used for downloads", |plan| {
        let chain = plan.chain(150);
        let fresh = plan.node();
        for _ in 0..3 {
            let full = plan.node_with(&chain);
            plan.connect(full, fresh);
        }
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_153", "a peer went while its headers were being hashed", |plan| {
        plan.profile().time_per_hash = SECOND / 4;
        plan.profile().threads = 1;
        let chain = plan.chain(60);
        let (goes, stays, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, goes);
        for _ in 0..5 {
            let at = plan.time(SECOND..8 * SECOND);
            plan.at(at, Step::Disconnect(fresh, goes));
        }
        let at = plan.time(SECOND..12 * SECOND);
        plan.connect_at(at, fresh, stays);
        plan.within(90 * SECOND);
    }),
    Scenario::new(
        "forgotten_with_a_false_branch",
        "who had shown headers under a false one was never asked again",
        |plan| {
            let chain = plan.chain(200);
            let longer = plan.extend(&chain, 50);
            let (fresh, honest) = (plan.node(), plan.node_with(&chain));
            let withholder = Manners { blocks: BlockManners::StallAfter(10), ..HONEST };
            let liar = Manners { headers: HeaderManners::FalseClaim(150), ..HONEST };
            for attacker in [plan.peer_with(&chain, withholder), plan.peer_with(&longer, liar)] {
                plan.connect(fresh, attacker);
            }
            plan.connect(fresh, honest);
            plan.within(200 * SECOND);
        },
    ),
    Scenario::new("all_peers_lost", "all peers go in the middle; others come later", |plan| {
        let chain = plan.chain(300);
        let (one, two, three, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        let at = plan.time(2 * SECOND..6 * SECOND);
        plan.at(at, Step::Partition(vec![fresh, three]));
        plan.at(at, Step::Disconnect(fresh, one));
        plan.at(at, Step::Disconnect(fresh, two));
        plan.connect_at(at + 20 * SECOND, fresh, three);
        plan.honest_may_be_dropped();
        plan.within(200 * SECOND);
    }),
    Scenario::new("alone_then_many", "a node mines alone, and meets a longer chain", |plan| {
        let chain = plan.chain(60);
        let (loner, full) = (plan.node(), plan.node_with(&chain));
        for block in 0..plan.number(1..10) {
            plan.at((1 + block) * SECOND, Step::Mine(loner, Recipe::default()));
        }
        plan.connect_at(30 * SECOND, loner, full);
        plan.within(90 * SECOND);
    }),
];
