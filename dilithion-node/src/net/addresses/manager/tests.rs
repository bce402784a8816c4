use quickcheck::quickcheck;

use super::*;

const NOW: u64 = 1_700_000_000;

/// Repeatable, and good enough.
fn random() -> impl FnMut() -> u64 {
    let mut state = 1_u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

fn book() -> AddressManager {
    AddressManager::new([3; 32], false)
}

fn address(n: u32) -> SocketAddr {
    let [_, a, b, c] = n.to_be_bytes();
    SocketAddr::from(([20 + a, b, c, 1], 8444))
}

fn told(address: SocketAddr) -> TimedAddress {
    TimedAddress { time: u32::try_from(NOW).unwrap() - 60, address: address.into() }
}

fn source(n: u8) -> Host {
    Host::of([n, n, 1, 1].into())
}

#[test]
fn bug_145_an_empty_or_filtered_book_gives_nothing_and_at_once() {
    let mut book = book();
    assert_eq!(book.pick(&BTreeSet::new(), NOW, &mut random()), None);
    assert_eq!(book.pick_to_test(|_| false, NOW, &mut random()), None);
    book.add_trusted(address(1), NOW);
    let taken = [NetGroup::of(address(1))].into();
    assert_eq!((book.pick(&taken, NOW, &mut random()), book.next_retry(&taken)), (None, None));
    assert_eq!(book.pick(&BTreeSet::new(), NOW, &mut random()), Some(address(1)));
}

#[test]
fn bug_136_our_own_address_is_never_taken_again() {
    let mut book = book();
    book.add_trusted(address(1), NOW);
    book.is_own(address(1));
    assert!(book.len() == 0 && !book.add_trusted(address(1), NOW));
    assert_eq!(book.pick(&BTreeSet::new(), NOW, &mut random()), None);
}

#[test]
fn only_addresses_that_anybody_can_reach_are_kept() {
    let mut book = book();
    for text in ["10.0.0.1:1", "127.0.0.1:1", "192.168.0.1:1", "[::1]:1", "1.2.3.4:0", "[fe80::1]:1"] {
        assert_eq!(book.add(&[told(text.parse().unwrap())], source(1), NOW), 0, "{text}");
    }
    let useless = Address { services: Services::NONE, ..address(1).into() };
    assert_eq!(book.add(&[TimedAddress { address: useless, ..told(address(1)) }], source(1), NOW), 0);
    let local = "127.0.0.1:1".parse().unwrap();
    assert!(AddressManager::new([3; 32], true).add_trusted(local, NOW));
}

#[test]
fn a_liar_fills_its_few_buckets_and_is_seldom_picked() {
    let mut book = book();
    for n in 0..200 {
        book.add(&[told(address(n << 8))], source(u8::try_from(n).unwrap() + 20), NOW);
    }
    let honest = book.len();
    let lies: Vec<_> = (0..50_000).map(|n| told(address(0x40_0000 + (n << 4)))).collect();
    let believed = book.add(&lies, source(9), NOW);
    assert!(believed <= 64 * 64, "{believed}");
    assert!(honest > 190);
    let mut random = random();
    let picks = (0..1000).filter_map(|_| book.pick(&BTreeSet::new(), NOW, &mut random));
    let lied = picks.filter(|picked| lies.iter().any(|lie| lie.address.to_socket_addr() == *picked)).count();
    assert!(lied < 500, "{lied} of 1000 picks although 20 times as many addresses");
}

#[test]
fn what_works_is_kept_apart_and_gives_way_only_when_it_fails() {
    let mut book = book();
    book.add_trusted(address(0), NOW);
    book.good(address(0), NOW);
    assert!(book.get(&address(0)).unwrap().tried);
    let slot = book.key.tried_slot(address(0));
    let rival = (1..).map(address).find(|rival| book.key.tried_slot(*rival) == slot).unwrap();
    book.add_trusted(rival, NOW);
    book.good(rival, NOW);
    assert!(!book.get(&rival).unwrap().tried);
    let test = |in_use: &[SocketAddr]| book.pick_to_test(|one| in_use.contains(&one), NOW, &mut random());
    assert_eq!(test(&[]), Some(address(0)));
    assert_eq!(test(&[address(0)]), Some(rival), "another, while it is in use");
    assert_eq!(test(&[address(0), rival]), None);
    book.good(address(0), NOW + 1);
    assert!(book.contested.is_empty() && !book.get(&rival).unwrap().tried, "it passed the test");

    book.good(rival, NOW + 2);
    book.attempt(address(0), NOW + 3);
    book.failed(address(0), NOW + 3);
    assert!(book.get(&rival).unwrap().tried, "it failed the test");
    assert!(book.get(&address(0)).is_none_or(|known| !known.tried));
}

#[test]
fn failures_are_waited_out() {
    let mut book = book();
    book.add_trusted(address(1), NOW);
    book.attempt(address(1), NOW);
    assert_eq!(book.pick(&BTreeSet::new(), NOW + 1, &mut random()), None);
    let next = book.next_retry(&BTreeSet::new()).unwrap();
    assert!((NOW + 7..=NOW + 22).contains(&next));
    assert_eq!(book.pick(&BTreeSet::new(), next, &mut random()), Some(address(1)));
}

#[test]
fn a_part_of_the_book_is_told() {
    let mut book = book();
    for n in 0..100 {
        book.add_trusted(address(n << 8), NOW);
    }
    assert_eq!(book.sample(NOW, &mut random()).len(), 23);
    let later = NOW + 31 * 24 * 60 * 60;
    assert_eq!(book.sample(later, &mut random()), []);
}

#[test]
fn the_book_survives_as_json() {
    let mut book = book();
    for n in 0..50 {
        book.add_trusted(address(n << 8), NOW);
    }
    book.good(address(0), NOW);
    let json = serde_json::to_string(&book.to_saved(vec![address(0)])).unwrap();
    let saved: SavedAddresses = serde_json::from_str(&json).unwrap();
    let again = AddressManager::from_saved(&saved, false);
    assert_eq!((again.entries, again.slots), (book.entries, book.slots));
    assert_eq!(saved.anchors, [address(0)]);
}

quickcheck! {
    /// Whatever happens, each address lies in the one slot that is its own.
    fn tables_agree(steps: Vec<(u8, u8)>) -> bool {
        let mut book = book();
        let mut now = NOW;
        steps.into_iter().all(|(what, n)| {
            let address = address(u32::from(n) << 6);
            now += u64::from(n);
            match what % 6 {
                0 | 1 => { book.add(&[told(address)], source(n / 8), now); }
                2 => book.attempt(address, now),
                3 => book.good(address, now),
                4 => book.failed(address, now),
                _ => if n.is_multiple_of(16) { book.is_own(address) },
            }
            book.entries.len() == book.slots.len()
                && book.entries.values().all(|known| book.slots.get(&book.slot_of(known)) == Some(&known.address))
        })
    }
}
