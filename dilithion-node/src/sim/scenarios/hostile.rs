//! Peers that do what they should not, beside an honest one.

use std::time::Duration;

use crate::sim::blocks::HARD_BITS;
use crate::sim::{
    BlockManners, Chatter, HeaderManners, MILLISECOND, Manners, Plan, Quality, Recipe, SECOND, Scenario, Step,
};

const HONEST: Manners = Manners::HONEST;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("silent_peers", "peers that shake hands and say nothing more", |plan| {
        besides(plan, 5, &Manners { headers: HeaderManners::Silent, ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("dead_peers", "peers that do not even answer pings", |plan| {
        besides(plan, 3, &Manners { headers: HeaderManners::Silent, pongs: false, ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("stallers", "peers that serve some blocks and then none", |plan| {
        let served = plan.number(0..50);
        besides(plan, 2, &Manners { blocks: BlockManners::StallAfter(served), ..HONEST });
        plan.within(75 * SECOND);
    }),
    Scenario::new("height_liars", "peers that claim to be far ahead", |plan| {
        besides(plan, 2, &Manners { claims_height: Some(1_000_000), ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("height_misers", "a peer that claims to have nothing, and has everything", |plan| {
        let chain = plan.chain(200);
        let (miser, fresh) =
            (plan.peer_with(&chain, Manners { claims_height: Some(0), ..HONEST }), plan.node());
        let more = plan.extend(&chain, 1);
        plan.connect(fresh, miser);
        plan.at(20 * SECOND, Step::Extend(miser, more));
        plan.within(60 * SECOND);
    }),
    Scenario::new("wrong_bodies", "bodies that do not belong to their headers", |plan| {
        besides(plan, 2, &Manners { blocks: BlockManners::WrongBodies, ..HONEST });
        plan.within(90 * SECOND);
    }),
    Scenario::new("false_claims", "a header that does not have the id that its child names", |plan| {
        let height = plan.number(1..300);
        besides(plan, 1, &Manners { headers: HeaderManners::FalseClaim(height), ..HONEST });
        plan.within(90 * SECOND);
    }),
    Scenario::new(
        "false_claims_below_a_checkpoint",
        "the same, where blocks are connected unproved",
        |plan| {
            let chain = plan.chain(300);
            plan.checkpoint(&chain, 250);
            let height = plan.number(1..250);
            let liar =
                plan.peer_with(&chain, Manners { headers: HeaderManners::FalseClaim(height), ..HONEST });
            let (full, fresh) = (plan.peer(&chain), plan.node());
            plan.connect(fresh, liar);
            plan.connect_at(10 * SECOND, fresh, full);
            plan.within(180 * SECOND);
        },
    ),
    Scenario::new("worthless_headers", "headers whose ids miss their targets", |plan| {
        let chain = plan.chain(300);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        let start = chain.up_to(plan.number(0..300));
        let made_up = plan.extend_by(&start, 350, Recipe { worthless: true, ..Recipe::default() });
        let forger = plan.peer_with(&made_up, Manners { chatter: None, claims_height: Some(1000), ..HONEST });
        plan.connect(fresh, forger);
        plan.connect(fresh, full);
        plan.within(90 * SECOND);
    }),
    Scenario::new("worthless_chain", "thousands of headers, of less work than the network's chain", |plan| {
        plan.profile().time_per_hash = 5 * MILLISECOND;
        let genesis = plan.chain(0);
        let chain = plan.extend_by(&genesis, 200, Recipe { bits: HARD_BITS, ..Recipe::default() });
        plan.minimum_work(&chain);
        // A block of the network has 64 times the work of one of these.
        let manners =
            Manners { headers: HeaderManners::Worthless(12_000), claims_height: Some(12_000), ..HONEST };
        let flooder = plan.peer_with(&genesis, manners);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, flooder);
        plan.connect_at(3 * SECOND, fresh, full);
        plan.expect(|world| match world.counts().requested {
            200 => Ok(()),
            other => Err(format!("{other} blocks were asked for, of a chain of 200")),
        });
        plan.within(60 * SECOND);
    }),
    Scenario::new("endless_headers", "headers that never end stay within the bounds of memory", |plan| {
        plan.profile().time_per_hash = 20 * MILLISECOND;
        let genesis = plan.chain(0);
        let manners = Manners {
            headers: HeaderManners::Worthless(u32::MAX),
            blocks: BlockManners::Withhold,
            claims_height: Some(1_000_000),
            ..HONEST
        };
        let (flooder, fresh) = (plan.peer_with(&genesis, manners), plan.node());
        plan.connect(fresh, flooder);
        plan.exempt(fresh);
        plan.lasts(30 * SECOND);
    })
    .weighing(20),
    Scenario::new("duplicate_blocks", "a peer that sends every block four times", |plan| {
        besides(plan, 1, &Manners { blocks: BlockManners::Copies(4), ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("unsolicited_blocks", "a peer that sends blocks that nobody asked for", |plan| {
        let often = Some((Chatter::Blocks, 20 * MILLISECOND));
        besides(plan, 1, &Manners { chatter: often, ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("repeated_headers", "a peer that answers all requests with its first headers", |plan| {
        let chain = plan.chain(2100);
        let repeater = plan.peer_with(&chain, Manners { headers: HeaderManners::Repeat, ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, repeater);
        plan.connect_at(5 * SECOND, fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("empty_answers", "a peer that claims blocks and answers with no headers", |plan| {
        let manners = Manners { headers: HeaderManners::Empty, claims_height: Some(10_000), ..HONEST };
        besides(plan, 3, &manners);
        plan.within(60 * SECOND);
    }),
    Scenario::new("inventory_flood", "ids of blocks that do not exist", |plan| {
        besides(plan, 2, &Manners { chatter: Some((Chatter::Inventory, 25 * MILLISECOND)), ..HONEST });
        plan.within(60 * SECOND);
    }),
    Scenario::new("invalid_block", "a heavier chain whose block claims too much subsidy", |plan| {
        let chain = plan.chain(200);
        let start = chain.up_to(plan.number(0..199));
        let bad = plan.extend_by(&start, 1, Recipe { invalid: true, ..Recipe::default() });
        let heavier = plan.extend(&bad, 250);
        let cheat = plan.peer_with(&heavier, Manners { claims_height: Some(heavier.height().0), ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, cheat);
        plan.connect(fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("trickle", "a peer that needs a second for each block, beside a fast one", |plan| {
        let chain = plan.chain(200);
        let slow = plan.peer_with(&chain, Manners { blocks: BlockManners::Late(SECOND), ..HONEST });
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.quality(
            fresh,
            slow,
            Quality { latency: 50 * MILLISECOND, jitter: Duration::ZERO, bandwidth: 1_000 },
        );
        plan.connect(fresh, slow);
        plan.connect(fresh, full);
        plan.within(120 * SECOND);
    }),
    Scenario::new("turncoat", "a peer that serves well, then lies, then serves again", |plan| {
        let chain = plan.chain(300);
        let (turncoat, full, fresh) = (plan.peer_with(&chain, HONEST), plan.peer(&chain), plan.node());
        plan.connect(fresh, turncoat);
        plan.connect(fresh, full);
        let wrong = Manners { blocks: BlockManners::WrongBodies, claims_height: Some(1), ..HONEST };
        let again = Manners { claims_height: Some(1), ..HONEST };
        let at = plan.time(SECOND..4 * SECOND);
        plan.at(at, Step::Become(turncoat, wrong));
        plan.at(at + 5 * SECOND, Step::Become(turncoat, again));
        plan.within(120 * SECOND);
    }),
];

/// An honest peer and some with these manners, all with the same 300 blocks, and a fresh node connected to all.
fn besides(plan: &mut Plan, count: usize, manners: &Manners) {
    let chain = plan.chain(300);
    let (full, fresh) = (plan.peer(&chain), plan.node());
    for _ in 0..count {
        let other = plan.peer_with(&chain, manners.clone());
        plan.connect(fresh, other);
    }
    plan.connect(fresh, full);
}
