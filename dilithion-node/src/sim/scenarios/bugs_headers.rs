//! Bugs of the C++ node's header sync, by number (spec: lessons §4).

use crate::sim::{Announcement, Chatter, HeaderManners, MILLISECOND, Manners, SECOND, Scenario, Step, World};

const HONEST: Manners = Manners::HONEST;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::new("bug_062", "a peer with a higher tip was not asked for headers", |plan| {
        let chain = plan.chain(100);
        let longer = plan.extend(&chain, 50);
        let (first, second, fresh) = (plan.peer(&chain), plan.peer(&longer), plan.node());
        plan.connect(fresh, first);
        let at = plan.time(5 * SECOND..20 * SECOND);
        plan.connect_at(at, fresh, second);
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_067", "a longer chain that appeared after the sync was not followed", |plan| {
        let chain = plan.chain(80);
        let added = plan.number(1..40);
        let longer = plan.extend(&chain, added);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.at(25 * SECOND, Step::Extend(full, longer));
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_147", "no follow-up to a full batch of 2000 headers", |plan| {
        plan.profile().time_per_hash = 2 * MILLISECOND;
        let length = 1999 + plan.number(0..3);
        let chain = plan.chain(length);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_147_twice", "the same for two full batches", |plan| {
        plan.profile().time_per_hash = MILLISECOND;
        let chain = plan.chain(4000);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_149", "requests with unknown locators were held against the sender", |plan| {
        let chain = plan.chain(100);
        let theirs = plan.chain(40);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        let manners = Manners { chatter: Some((Chatter::GetHeaders, 500 * MILLISECOND)), ..HONEST };
        let asker = plan.peer_with(&theirs, manners);
        plan.connect(fresh, full);
        plan.connect(asker, full);
        plan.connect(asker, fresh);
        plan.expect(|world: &World| match world.counts().bans {
            0 => Ok(()),
            bans => Err(format!("{bans} bans for asking")),
        });
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_151_152", "another hash as identity below the checkpoint broke the links", |plan| {
        let chain = plan.chain(300);
        plan.checkpoint(&chain, 200);
        let (full, fresh) = (plan.node_with(&chain), plan.node());
        plan.connect(fresh, full);
        let at = plan.time(SECOND..6 * SECOND);
        plan.restart_at(at, fresh);
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_164", "headers that came again were hashed again", |plan| {
        let chain = plan.chain(300);
        plan.profile().time_per_hash = 20 * MILLISECOND;
        let manners = Manners { chatter: Some((Chatter::SameHeaders, 200 * MILLISECOND)), ..HONEST };
        let (repeater, fresh) = (plan.peer_with(&chain, manners), plan.node());
        plan.connect(fresh, repeater);
        plan.within(40 * SECOND);
    }),
    Scenario::new("bug_167", "a full message of headers held up everything else", |plan| {
        plan.profile().time_per_hash = 75 * MILLISECOND;
        plan.profile().threads = 4;
        let chain = plan.chain(2000);
        let (full, other, fresh) = (plan.peer(&chain), plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.connect(fresh, other);
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_168", "a peer's height was frozen at its handshake", |plan| {
        let mut chain = plan.chain(50);
        let announces = if plan.number(0..2) == 0 { Announcement::Inv } else { Announcement::Headers };
        let (miner, fresh) = (plan.peer_with(&chain, Manners { announces, ..HONEST }), plan.node());
        plan.connect(fresh, miner);
        for round in 0..10_u32 {
            chain = plan.extend(&chain, 1);
            plan.at((15 + round * 2) * SECOND, Step::Extend(miner, chain.clone()));
        }
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_181", "the same getheaders was sent again and again", |plan| {
        let chain = plan.chain(100);
        let fresh = plan.node();
        for _ in 0..4 {
            let full = plan.peer(&chain);
            plan.connect(fresh, full);
        }
        plan.lasts(60 * SECOND);
        plan.expect(|world: &World| match world.counts().getheaders {
            0..=20 => Ok(()),
            many => Err(format!("{many} getheaders for 100 headers of four peers")),
        });
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_183_184", "the next request went out before the batch was understood", |plan| {
        plan.profile().time_per_hash = 20 * MILLISECOND;
        plan.profile().threads = 8;
        let chain = plan.chain(4100);
        let (full, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, full);
        plan.expect(|world: &World| match world.counts().getheaders {
            0..=8 => Ok(()),
            many => Err(format!("{many} getheaders for three batches")),
        });
        plan.within(90 * SECOND);
    }),
    Scenario::new("bug_185", "peers were punished for many headers messages", |plan| {
        let mut chain = plan.chain(20);
        let (miner, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, miner);
        for round in 0..100_u32 {
            chain = plan.extend(&chain, 1);
            plan.at(10 * SECOND + round * 50 * MILLISECOND, Step::Extend(miner, chain.clone()));
        }
        plan.within(60 * SECOND);
    }),
    Scenario::new("bug_186", "every orphan triggered a getheaders", |plan| {
        let chain = plan.chain(50);
        let manners = Manners { chatter: Some((Chatter::Orphans, 50 * MILLISECOND)), ..HONEST };
        let (orphanage, fresh) = (plan.peer_with(&chain, manners), plan.node());
        plan.connect(fresh, orphanage);
        plan.lasts(20 * SECOND);
        plan.expect(|world: &World| match world.counts().getheaders {
            // 400 orphans in 20 s, and one request a second at most.
            0..=25 => Ok(()),
            many => Err(format!("{many} getheaders for 400 orphans")),
        });
        plan.within(60 * SECOND);
    }),
    Scenario::new(
        "bug_195",
        "a request that was under way when its peer went blocked all later ones",
        |plan| {
            plan.profile().time_per_hash = 2 * MILLISECOND;
            let chain = plan.chain(2500);
            let late = plan.time(SECOND..5 * SECOND);
            let dies = plan.peer_with(&chain, Manners { headers: HeaderManners::Late(late), ..HONEST });
            let (full, fresh) = (plan.peer(&chain), plan.node());
            plan.connect(fresh, dies);
            plan.connect(fresh, full);
            let at = plan.time(SECOND..6 * SECOND);
            plan.at(at, Step::Crash(dies));
            plan.within(90 * SECOND);
        },
    ),
    Scenario::new("bug_279", "a block on unknown parents did not make the node ask for them", |plan| {
        let chain = plan.chain(60);
        let added = plan.number(2..30);
        let (one, fresh) = (plan.peer(&chain), plan.node());
        plan.connect(fresh, one);
        // Only the tip is announced.
        let longer = plan.extend(&chain, added);
        plan.at(20 * SECOND, Step::Extend(one, longer));
        plan.within(50 * SECOND);
    }),
];
