use super::*;

const NOW: u64 = 1_700_000_000;

fn address(n: u8) -> SocketAddr {
    SocketAddr::from(([20 + n, 1, 1, 1], 8444))
}

fn known(addresses: impl IntoIterator<Item = SocketAddr>) -> AddressBook {
    let book = AddressBook::load(None, false);
    addresses.into_iter().for_each(|address| book.add_trusted(address, NOW));
    book
}

#[test]
fn only_a_dial_is_an_attempt_and_both_are_waited_for() {
    let book = known([address(1)]);
    let attempts = || book.lock().book.get(&address(1)).unwrap().attempts;
    let mut now = NOW;
    for _ in 0..20 {
        assert_eq!(book.take(now), Some(address(1)));
        book.release(address(1), true, now);
        assert_eq!((attempts(), book.take(now + 1)), (0, None));
        now += 60;
    }
    assert_eq!(book.take(now), Some(address(1)));
    book.attempt(address(1), now);
    book.release(address(1), false, now);
    assert_eq!(attempts(), 1);
}

#[test]
fn everybody_is_told_the_same_for_a_day_or_until_the_book_has_doubled() {
    let book = known((0..50).map(address));
    let told = book.sample(NOW);
    assert_eq!(told.len(), 12);
    (50..90).for_each(|n| book.add_trusted(address(n), NOW));
    assert!(book.len() < 100);
    assert_eq!(book.sample(NOW + 1000), told);
    (90..150).for_each(|n| book.add_trusted(address(n), NOW));
    assert!(book.len() >= 100);
    let more = book.sample(NOW + 1000);
    assert!(more.len() >= 23);
    assert_eq!(book.sample(NOW + ANSWER_LIFETIME + 999), more);
    assert_ne!(book.sample(NOW + ANSWER_LIFETIME + 1000), more);
}

#[test]
fn who_is_connected_is_not_tested_and_holds_up_no_test() {
    let book = known([address(1), address(2)]);
    let connected = BTreeSet::from([Host::of(address(1).ip())]);
    assert_eq!(book.take_to_test(&connected, NOW), Some(address(2)));
    assert_eq!(book.take_to_test(&connected, NOW + 3600), None, "both are in use");
    assert_eq!(book.take_to_test(&BTreeSet::new(), NOW), Some(address(1)));
}

#[tokio::test]
async fn anchors_that_a_run_does_not_use_are_those_of_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let load = || AddressBook::load(Some(dir.path().join(ADDRESS_FILE)), false);
    load().save(vec![address(1), address(2)]).await;
    // Of a run that dials only whom the operator names.
    load().save(Vec::new()).await;
    let book = load();
    assert_eq!(book.take(NOW), Some(address(2)));
    book.save(vec![address(3)]).await;
    let book = load();
    assert_eq!((book.take(NOW), book.take(NOW), book.take(NOW)), (Some(address(1)), Some(address(3)), None));
}
