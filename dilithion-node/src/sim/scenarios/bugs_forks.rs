//! Bugs of the C++ node around forks, by number (spec: lessons §4).

use crate::sim::{HeaderManners, MILLISECOND, Manners, Recipe, SECOND, Scenario, Step, World};

const HONEST: Manners = Manners::HONEST;

/// The run left no chain more often than this.
fn at_most_forks(limit: u64) -> impl Fn(&World) -> Result<(), String> {
    move |world| match world.counts().forks {
        forks if forks <= limit => Ok(()),
        forks => Err(format!("{forks} forks were left, {limit} would do")),
    }
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("bug_158", "a chain of one's own stalled the sync for ever", |plan| {
        let common = plan.chain(80);
        let (ours, theirs) = (plan.extend(&common, 10), plan.extend(&common, 60));
        let (private, full) = (plan.node_with(&ours), plan.node_with(&theirs));
        plan.connect(private, full);
        plan.expect(at_most_forks(1));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_159", "a crash in the middle of a reorganisation was the end", |plan| {
        let common = plan.chain(100);
        let (ours, theirs) = (plan.extend(&common, 30), plan.extend(&common, 80));
        plan.profile().time_per_commit = 300 * MILLISECOND;
        let (private, full) = (plan.node_with(&ours), plan.peer(&theirs));
        plan.connect(private, full);
        for round in 0..5_u32 {
            let at = plan.time((1 + round * 4) * SECOND..(4 + round * 4) * SECOND);
            plan.restart_at(at, private);
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new("bug_178", "a batch that began with known headers was thrown away whole", |plan| {
        plan.profile().time_per_hash = MILLISECOND;
        let common = plan.chain(2010);
        let (ours, theirs) = (plan.extend(&common, 60), plan.extend(&common, 91));
        let (private, full) = (plan.node_with(&ours), plan.peer(&theirs));
        plan.connect(private, full);
        plan.expect(at_most_forks(1));
        plan.within(60 * SECOND);
    }),
    Scenario::new(
        "bug_179",
        "a branch with less work at first, and more later, was never followed",
        |plan| {
            let common = plan.chain(100);
            let ours = plan.extend(&common, 30);
            let mut theirs = plan.extend(&common, 10);
            let (full, grows, fresh) = (plan.peer(&ours), plan.peer(&theirs), plan.node());
            plan.connect(fresh, full);
            plan.connect(fresh, grows);
            for round in 0..4_u32 {
                theirs = plan.extend(&theirs, 10);
                plan.at((20 + round * 3) * SECOND, Step::Extend(grows, theirs.clone()));
            }
            plan.expect(at_most_forks(2));
            plan.within(90 * SECOND);
        },
    ),
    Scenario::new("bug_180", "headers that both branches share were hashed again", |plan| {
        plan.profile().time_per_hash = 30 * MILLISECOND;
        plan.profile().threads = 2;
        let common = plan.chain(900);
        let (ours, theirs) = (plan.extend(&common, 20), plan.extend(&common, 60));
        let (private, full) = (plan.node_with(&ours), plan.peer(&theirs));
        plan.connect(private, full);
        // 60 hashes take a second, 960 would take fifteen.
        plan.within(12 * SECOND);
    }),
    Scenario::new("bug_182", "of two blocks on one parent only the first was seen", |plan| {
        let common = plan.chain(50);
        let (one, two) = (plan.extend(&common, 1), plan.extend(&common, 1));
        let (first, second, fresh) = (plan.peer(&one), plan.peer(&two), plan.node());
        plan.connect(fresh, first);
        plan.connect(fresh, second);
        let longer = plan.extend(&two, 1);
        plan.at(20 * SECOND, Step::Extend(second, longer));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_187", "forks deeper than the search were not found", |plan| {
        plan.profile().time_per_hash = MILLISECOND;
        let common = plan.chain(50);
        let (ours, theirs) = (plan.extend(&common, 1300), plan.extend(&common, 1500));
        let (private, full) = (plan.node_with(&ours), plan.peer(&theirs));
        plan.connect(private, full);
        plan.expect(at_most_forks(1));
        plan.within(90 * SECOND);
    }),
    Scenario::new(
        "bug_187_running",
        "a running node does not go back further than the limit by itself",
        |plan| {
            let common = plan.chain(50);
            let (ours, theirs) = (plan.extend(&common, 150), plan.extend(&common, 200));
            let (private, same, full) = (plan.node_with(&ours), plan.peer(&ours), plan.peer(&theirs));
            plan.connect(private, same);
            plan.connect_at(15 * SECOND, private, full);
            // It stops, says why, and a restart is all it takes.
            plan.restart_at(40 * SECOND, private);
            plan.expect(at_most_forks(2));
            plan.within(90 * SECOND);
        },
    ),
    Scenario::new("bug_189", "a fork right at the tip was refused", |plan| {
        let chain = plan.chain(40);
        let (one, two) = (plan.extend(&chain, 1), plan.extend(&chain, 2));
        let (first, second, fresh) = (plan.peer(&one), plan.peer(&chain), plan.node());
        plan.connect(fresh, first);
        plan.connect(fresh, second);
        let at = plan.time(SECOND..8 * SECOND);
        plan.at(at, Step::Extend(second, two));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_192_193", "a resync went back to genesis, and forgot all headers", |plan| {
        let common = plan.chain(400);
        let (ours, theirs) = (plan.extend(&common, 150), plan.extend(&common, 200));
        let (private, full) = (plan.node_with(&ours), plan.peer(&theirs));
        plan.connect(private, full);
        plan.expect(at_most_forks(1));
        plan.expect(|world: &World| match world.counts().connected {
            200 => Ok(()),
            other => Err(format!("{other} blocks connected to follow a branch of 200")),
        });
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_194", "gaps between headers were taken for common ancestors", |plan| {
        let common = plan.chain(60);
        let (a, b, c) = (plan.extend(&common, 20), plan.extend(&common, 35), plan.extend(&common, 50));
        let (private, second, third) = (plan.node_with(&a), plan.peer(&b), plan.peer(&c));
        plan.connect(private, second);
        let at = plan.time(SECOND..10 * SECOND);
        plan.connect_at(at, private, third);
        plan.expect(at_most_forks(2));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_200", "a reorganisation of one block locked up the node", |plan| {
        let nodes: Vec<_> = (0..2).map(|_| plan.node()).collect();
        plan.connect(nodes[0], nodes[1]);
        for round in 0..6_u32 {
            let at = (5 + round * 6) * SECOND;
            plan.at(at, Step::Mine(nodes[0], Recipe::default()));
            plan.at(at, Step::Mine(nodes[1], Recipe::default()));
            plan.at(at + 3 * SECOND, Step::Mine(nodes[round as usize % 2], Recipe::default()));
        }
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_270s_flip_flop", "chains that overtake each other need no second download", |plan| {
        let common = plan.chain(40);
        let (mut a, mut b) = (plan.extend(&common, 2), plan.extend(&common, 3));
        let (one, two, fresh) = (plan.peer(&a), plan.peer(&b), plan.node());
        plan.connect(fresh, one);
        plan.connect(fresh, two);
        for round in 0..6_u32 {
            a = plan.extend(&a, 2);
            plan.at((20 + round * 8) * SECOND, Step::Extend(one, a.clone()));
            b = plan.extend(&b, 2);
            plan.at((24 + round * 8) * SECOND, Step::Extend(two, b.clone()));
        }
        plan.within(120 * SECOND);
    }),
    Scenario::new("bug_272_273", "a sync peer on the wrong fork was asked for ever", |plan| {
        let common = plan.chain(60);
        let (theirs, wrong) = (plan.extend(&common, 60), plan.extend(&common, 20));
        let manners = Manners { claims_height: Some(5000), ..HONEST };
        let (astray, full, fresh) = (plan.peer_with(&wrong, manners), plan.peer(&theirs), plan.node());
        plan.connect(fresh, astray);
        let at = plan.time(SECOND..20 * SECOND);
        plan.connect_at(at, fresh, full);
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_278", "a heavier branch with a bad block was tried for ever", |plan| {
        let common = plan.chain(60);
        let ours = plan.extend(&common, 20);
        let good_part = plan.extend(&common, 25);
        let bad = plan.extend_by(&good_part, 1, Recipe { invalid: true, ..Recipe::default() });
        let heavier = plan.extend(&bad, 30);
        let (private, full) = (plan.node_with(&ours), plan.peer(&ours));
        let cheat = plan.peer_with(&heavier, Manners { claims_height: Some(116), ..HONEST });
        plan.connect(private, full);
        plan.connect(private, cheat);
        // To the branch and, as its sound part weighs more than ours, no further.
        plan.expect(at_most_forks(2));
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_282", "forks were seen where a sync merely was under way", |plan| {
        plan.profile().time_per_hash = 20 * MILLISECOND;
        let chain = plan.chain(300);
        let (full, late, fresh) = (
            plan.peer(&chain),
            plan.peer_with(&chain, Manners { headers: HeaderManners::Late(SECOND), ..HONEST }),
            plan.node(),
        );
        plan.connect(fresh, full);
        plan.connect(fresh, late);
        plan.expect(at_most_forks(0));
        plan.within(60 * SECOND);
    }),
    Scenario::new("heavier_is_not_longer", "work decides, and not length", |plan| {
        let common = plan.chain(30);
        let long = plan.extend(&common, 40);
        let recipe = Recipe { bits: crate::sim::blocks::HARD_BITS, ..Recipe::default() };
        let heavy = plan.extend_by(&common, 30, recipe);
        let (one, two, fresh) = (plan.peer(&long), plan.peer(&heavy), plan.node());
        plan.connect(fresh, one);
        let at = plan.time(SECOND..20 * SECOND);
        plan.connect_at(at, fresh, two);
        plan.within(60 * SECOND);
    }),
];
