//! What the operator says against blocks, and takes back.

use dilithion_headers::{HeadersError, HeadersManager, StoredHeader};
use dilithion_wire::{BlockHash, BlockHeader, Height};
use quickcheck::QuickCheck;

use crate::common::*;

/// Everything that can be asked about a tree.
fn seen(manager: &HeadersManager, headers: &[BlockHeader]) -> (BlockHash, Height, Vec<bool>, Vec<bool>) {
    let flags = |is: &dyn Fn(&BlockHash) -> bool| headers.iter().map(|header| is(&id(header))).collect();
    let invalid = flags(&|hash| manager.is_invalid(hash));
    let best = flags(&|hash| manager.contains_in_best_chain(hash));
    (manager.best_hash(), manager.ready_height(), invalid, best)
}

#[test]
fn the_best_other_branch_takes_over_and_the_verdict_can_be_taken_back() {
    let trunk = chain(20, 1);
    let side = branch(&trunk[9], 5, 2);
    let all = [&trunk[..], &side].concat();
    let mut manager = manager();
    feed(&mut manager, ALICE, &trunk);
    feed(&mut manager, BOB, &side);
    let before = seen(&manager, &all);

    let effects = manager.revoke(&id(&trunk[12]));
    assert_eq!(effects.best_changed.unwrap().fork, Height(10));
    assert_eq!((manager.best_hash(), manager.ready_height()), (id(&side[4]), Height(15)));
    assert_eq!(manager.last_valid(&id(&trunk[19])), Some((Height(12), id(&trunk[11]))));
    assert_eq!(manager.last_valid(&id(&side[4])), Some((Height(15), id(&side[4]))));
    let _changed = manager.revoke(&id(&side[0]));
    assert_eq!(manager.best_hash(), id(&trunk[11]), "the parent, as no branch is left");
    assert_eq!(manager.revoked_in_line_with(&id(&trunk[19])), [id(&trunk[12])]);
    assert_eq!(manager.revoked_in_line_with(&id(&trunk[2])), [id(&side[0]), id(&trunk[12])]);
    let _changed = manager.reinstate(&[id(&side[0])]);
    let effects = manager.reinstate(&[id(&trunk[12])]);
    assert_eq!(effects.best_changed.unwrap().fork, Height(10));
    assert_eq!(effects.ready.unwrap(), Height(11)..=Height(20));
    assert_eq!(seen(&manager, &all), before);
    assert!(manager.reinstate(&[id(&trunk[12])]).is_empty(), "there is nothing to take back");
}

#[test]
fn a_block_that_breaks_a_rule_stays_invalid() {
    let trunk = chain(10, 1);
    let mut manager = manager();
    feed(&mut manager, ALICE, &trunk);
    let _changed = manager.invalidate(&id(&trunk[7]));
    let _changed = manager.revoke(&id(&trunk[4]));
    let _changed = manager.reinstate(&[id(&trunk[4]), id(&trunk[7])]);
    assert_eq!(manager.best_height(), Height(7));
    assert!(!manager.is_invalid(&id(&trunk[6])) && manager.is_invalid(&id(&trunk[9])));
}

#[test]
fn what_is_refused_before_it_is_known_is_refused_when_it_comes() {
    let trunk = chain(6, 1);
    let stored = |header: &BlockHeader| StoredHeader { header: *header, hash: id(header), verified: true };
    let mut manager = manager();
    assert!(manager.revoke(&id(&trunk[3])).is_empty());
    assert!(manager.revoke(&id(&genesis())).is_empty(), "genesis is always valid");
    trunk[..3].iter().for_each(|header| manager.restore(stored(header)).unwrap());
    let refused = manager.add_proved(&trunk[3], id(&trunk[3]), NOW).unwrap_err();
    assert_eq!(refused, HeadersError::InvalidAncestor { hash: id(&trunk[3]) });
    trunk[3..].iter().for_each(|header| manager.restore(stored(header)).unwrap());
    assert_eq!(manager.best_height(), Height(3));
    for header in &trunk[3..] {
        let refused = manager.add_proved(header, id(header), NOW).unwrap_err();
        assert_eq!(refused, HeadersError::InvalidAncestor { hash: id(header) });
        assert_eq!(refused.misbehaviour(), None, "a peer cannot know what the operator thinks");
    }
    let _changed = manager.reinstate(&[id(&trunk[3])]);
    assert_eq!((manager.best_height(), manager.ready_height()), (Height(6), Height(6)));
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of a property")]
fn comes_back(said: Vec<u8>, broken: Vec<u8>) -> bool {
    let trunk = chain(16, 1);
    let all = [&trunk[..], &branch(&trunk[4], 8, 2), &branch(&trunk[8], 8, 3)].concat();
    let pick = |number: u8| id(&all[usize::from(number) % all.len()]);
    let mut manager = manager();
    feed(&mut manager, ALICE, &all[..16]);
    feed(&mut manager, BOB, &all[16..24]);
    feed(&mut manager, CAROL, &all[24..]);
    for number in broken.into_iter().take(2) {
        let _changed = manager.invalidate(&pick(number));
    }
    let before = seen(&manager, &all);
    for number in &said {
        let _changed = manager.revoke(&pick(*number));
        assert!(manager.is_invalid(&pick(*number)) && !manager.is_invalid(&manager.best_hash()));
    }
    let mut back: Vec<BlockHash> = said.iter().map(|number| pick(*number)).collect();
    back.sort_unstable();
    for hash in back {
        let _changed = manager.reinstate(&[hash]);
    }
    seen(&manager, &all) == before
}

/// Taking back all that was said leaves no trace, whatever was said and in whatever order it is taken back.
#[test]
fn taking_everything_back_is_the_identity() {
    QuickCheck::new().quickcheck(comes_back as fn(Vec<u8>, Vec<u8>) -> bool);
}
