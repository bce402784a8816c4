//! A whole attack in twenty lines: who is there, what the bad ones do, what must hold at the end. Runs in virtual time.
#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::time::Duration;

use dilithion_node::sim::{self, BlockManners, HeaderManners, Manners, Plan, Scenario};

/// Two of three peers say that they have more than the honest one; one hands out no blocks, one wrong headers.
fn attack(plan: &mut Plan) {
    let chain = plan.chain(200);
    let longer = plan.extend(&chain, 50);
    let (victim, honest) = (plan.node(), plan.node_with(&chain));
    let withholder =
        Manners { claims_height: Some(1_000_000), blocks: BlockManners::StallAfter(10), ..Manners::HONEST };
    let liar = Manners { headers: HeaderManners::FalseClaim(150), ..Manners::HONEST };
    for attacker in [plan.peer_with(&chain, withholder), plan.peer_with(&longer, liar)] {
        plan.connect(victim, attacker);
    }
    plan.connect(victim, honest);
    // The nodes must be in sync by then; every invariant is checked after each step anyway.
    plan.within(Duration::from_secs(900));
}

fn main() {
    let scenario = Scenario::new("outnumbered", "one honest peer among liars", attack);
    for seed in 0..20 {
        let outcome = sim::run(&scenario, seed);
        assert!(outcome.violation.is_none(), "{outcome}");
        println!(
            "{outcome}: {} events, {:.0} s of the network's time",
            outcome.events,
            outcome.virtual_time.as_secs_f64()
        );
    }
}
