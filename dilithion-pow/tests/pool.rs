//! The pool, with a stand-in for RandomX.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use dilithion_pow::{
    HEADER_BYTES, HashResult, HashWorker, Hasher, Job, MockHasher, PoolConfig, PowError, PowHash, PowPool,
    Priority, Queued,
};
use quickcheck::quickcheck;

fn threads(count: usize) -> PoolConfig {
    PoolConfig { threads: NonZeroUsize::new(count), ..PoolConfig::default() }
}

fn header(tag: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..8].copy_from_slice(&tag.to_le_bytes());
    header
}

fn jobs(tags: impl IntoIterator<Item = u64>) -> impl Iterator<Item = Job<u64>> {
    tags.into_iter().map(|tag| Job { tag, header: header(tag) })
}

/// A pool whose answers come out of a channel.
fn pool_with(count: usize, hasher: impl Hasher) -> (PowPool<u64>, Receiver<HashResult<u64>>) {
    let (answer, answers) = mpsc::channel();
    let sink = move |result| answer.send(result).unwrap();
    (PowPool::new(threads(count), Arc::new(hasher), sink).unwrap(), answers)
}

/// The tag of the job that [`gated`] holds up.
const GATE: u64 = u64::MAX;

/// A pool of one thread that is held up by a job until the sender is used, so that a test can fill the queue.
fn gated() -> (PowPool<u64>, Receiver<HashResult<u64>>, Sender<()>) {
    let (open, gate) = mpsc::channel();
    let (arrive, arrived) = mpsc::channel();
    let gate = Mutex::new(gate);
    let (pool, answers) = pool_with(
        1,
        MockHasher::new(move |input| {
            if *input == header(GATE) {
                arrive.send(()).unwrap();
                gate.lock().unwrap().recv().unwrap();
            }
            MockHasher::mix(input)
        }),
    );
    pool.submit(0, Priority::Tip, jobs([GATE]));
    arrived.recv().unwrap();
    (pool, answers, open)
}

fn order(answers: &Receiver<HashResult<u64>>, count: usize) -> Vec<u64> {
    assert_eq!(answers.recv().unwrap().tag, GATE);
    answers.iter().take(count).map(|result| result.tag).collect()
}

quickcheck! {
    fn every_job_is_answered_once_with_its_hash(batches: Vec<(u8, u8, u8)>, threads: u8) -> bool {
        let (pool, answers) = pool_with(usize::from(threads % 4) + 1, MockHasher::default());
        let mut expected = BTreeMap::new();
        for (batch, (source, priority, count)) in (0_u64..).zip(batches) {
            let priority = [Priority::Background, Priority::Claims, Priority::Tip][usize::from(priority % 3)];
            let tags = batch * 256..batch * 256 + u64::from(count);
            expected.extend(tags.clone().map(|tag| (tag, MockHasher::mix(&header(tag)))));
            pool.submit(u64::from(source % 4), priority, jobs(tags));
        }
        let mut answered = BTreeMap::new();
        for result in answers.iter().take(expected.len()) {
            assert!(answered.insert(result.tag, result.hash.unwrap()).is_none(), "answered twice");
        }
        let stats = pool.stats();
        assert_eq!((stats.hashed, stats.queued, stats.panics), (expected.len() as u64, Queued::default(), 0));
        drop(pool);
        answered == expected && answers.try_recv().is_err()
    }

    fn hash_all_keeps_the_order(tags: Vec<u64>, threads: u8) -> bool {
        let (pool, _) = pool_with(usize::from(threads % 4) + 1, MockHasher::default());
        let headers: Vec<_> = tags.into_iter().map(header).collect();
        pool.hash_all(&headers) == Ok(mixed(&headers))
    }
}

fn mixed(headers: &[[u8; HEADER_BYTES]]) -> Vec<PowHash> {
    headers.iter().map(|header| MockHasher::mix(header)).collect()
}

quickcheck! {
    fn a_batch_comes_in_order_and_as_it_finishes(tags: Vec<u64>, threads: u8, taken: usize) -> bool {
        let (pool, _) = pool_with(usize::from(threads % 4) + 1, MockHasher::default());
        let headers: Vec<_> = tags.into_iter().map(header).collect();
        let expected = mixed(&headers);
        let in_order: Vec<_> = pool.hash_batch(1, Priority::Claims, headers.clone()).map(Result::unwrap).collect();
        // Some in order, then the others by their positions.
        let mut batch = pool.hash_batch(1, Priority::Claims, headers);
        let taken = taken % (expected.len() + 1);
        let mut pieces: Vec<_> = batch.by_ref().take(taken).map(Result::unwrap).enumerate().collect();
        pieces.extend(batch.as_they_finish().map(|(position, hash)| (position, hash.unwrap())));
        pieces.sort_unstable();
        in_order == expected && pieces == expected.into_iter().enumerate().collect::<Vec<_>>()
    }
}

#[test]
fn an_abandoned_batch_is_not_hashed() {
    let (pool, answers, open) = gated();
    drop(pool.hash_batch(1, Priority::Tip, (0..1000).map(header)));
    pool.submit(2, Priority::Background, jobs([7]));
    open.send(()).unwrap();
    assert_eq!(order(&answers, 1), [7]);
    assert_eq!(pool.stats().hashed, 2);
}

#[test]
fn the_hasher_hears_what_time_it_is() {
    struct Clocked(Sender<Duration>);

    impl Hasher for Clocked {
        fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
            MockHasher::default().worker()
        }

        fn tick(&self, now: Duration) {
            self.0.send(now).unwrap();
        }
    }

    let (ticked, ticks) = mpsc::channel();
    let (pool, _) = pool_with(1, Clocked(ticked));
    pool.tick(Duration::from_secs(7));
    assert_eq!(ticks.try_iter().collect::<Vec<_>>(), [Duration::from_secs(7)]);
}

#[test]
fn a_cancelled_batch_ends() {
    let (pool, _, open) = gated();
    let batch = pool.hash_batch(1, Priority::Claims, [header(1), header(2)]);
    assert!(pool.cancel(1).is_empty(), "a batch has no tags");
    assert_eq!(batch.count(), 0);
    open.send(()).unwrap();
}

#[test]
fn a_batch_ends_with_its_pool() {
    let (pool, _, open) = gated();
    let batch = pool.hash_batch(1, Priority::Claims, [header(1)]);
    let dropping = thread::spawn(move || drop(pool));
    assert_eq!(batch.count(), 0);
    open.send(()).unwrap();
    dropping.join().unwrap();
}

#[cfg(feature = "tokio")]
#[tokio::test]
async fn tasks_get_hashes_in_order() {
    let (pool, _) = pool_with(3, MockHasher::default());
    let headers: Vec<_> = (0..100).map(header).collect();
    let mut stream = pool.hash_stream(1, Priority::Claims, headers.clone());
    let mut hashes = Vec::new();
    while let Some(hash) = stream.next().await {
        hashes.push(hash.unwrap());
    }
    assert_eq!(hashes, mixed(&headers));
    assert_eq!(stream.next().await, None);
}

#[test]
fn the_most_urgent_goes_first() {
    let (pool, answers, open) = gated();
    pool.submit(1, Priority::Background, jobs([30, 31]));
    pool.submit(1, Priority::Claims, jobs([20, 21]));
    pool.submit(1, Priority::Tip, jobs([10]));
    let stats = pool.stats();
    assert_eq!(stats.queued, Queued { tip: 1, claims: 2, background: 2 });
    assert_eq!((stats.threads, stats.busy), (1, 1));
    open.send(()).unwrap();
    assert_eq!(order(&answers, 5), [10, 20, 21, 30, 31]);
}

#[test]
fn a_flood_of_one_source_delays_another_by_one_job() {
    let (pool, answers, open) = gated();
    pool.submit(1, Priority::Claims, jobs(1000..3000));
    pool.submit(2, Priority::Claims, jobs([1, 2]));
    pool.submit(3, Priority::Claims, jobs([3]));
    open.send(()).unwrap();
    assert_eq!(order(&answers, 6), [1000, 1, 3, 1001, 2, 1002]);
}

#[test]
fn a_cancelled_source_is_not_answered() {
    let (pool, answers, open) = gated();
    pool.submit(1, Priority::Claims, jobs([1, 2]));
    pool.submit(2, Priority::Claims, jobs([3]));
    pool.submit(1, Priority::Tip, jobs([4]));
    assert_eq!(pool.cancel(1), [4, 1, 2]);
    assert!(pool.cancel(1).is_empty());
    open.send(()).unwrap();
    assert_eq!(order(&answers, 1), [3]);
    drop(pool);
    assert_eq!(answers.iter().count(), 0);
}

#[test]
fn dropping_forgets_the_queue_and_waits_for_the_hash_under_way_alone() {
    /// Tells when it is dropped.
    struct Tag(Sender<()>);
    impl Drop for Tag {
        fn drop(&mut self) {
            self.0.send(()).unwrap();
        }
    }

    let (open, gate) = mpsc::channel();
    let (arrive, arrived) = mpsc::channel();
    let gate = Mutex::new(gate);
    let hasher = MockHasher::new(move |_| {
        arrive.send(()).unwrap();
        gate.lock().unwrap().recv().unwrap();
        [0; 32]
    });
    let pool = PowPool::new(threads(1), Arc::new(hasher.clone()), drop).unwrap();
    let (forget, forgotten) = mpsc::channel();
    pool.submit(0, Priority::Tip, (0..100).map(|tag| Job { tag: Tag(forget.clone()), header: header(tag) }));
    arrived.recv().unwrap();

    let dropping = thread::spawn(move || drop(pool));
    assert_eq!(forgotten.iter().take(99).count(), 99);
    open.send(()).unwrap();
    dropping.join().unwrap();
    assert_eq!(hasher.count(), 1);
}

#[test]
fn threads_hash_at_the_same_time() {
    // Nobody passes until four hashes are under way.
    let together = Barrier::new(4);
    let hasher = MockHasher::new(move |input| {
        together.wait();
        MockHasher::mix(input)
    });
    let (pool, answers) = pool_with(4, hasher);
    pool.submit(1, Priority::Claims, jobs(0..400));
    assert_eq!(answers.iter().take(400).count(), 400);
}

#[test]
fn many_threads_may_submit() {
    let (pool, answers) = pool_with(2, MockHasher::default());
    thread::scope(|scope| {
        for source in 0..8 {
            let pool = &pool;
            scope.spawn(move || {
                (0..50).for_each(|tag| pool.submit(source, Priority::Claims, jobs([source * 50 + tag])));
            });
        }
    });
    let mut tags: Vec<_> = answers.iter().take(400).map(|result| result.tag).collect();
    tags.sort_unstable();
    assert_eq!(tags, (0..400).collect::<Vec<_>>());
}

#[test]
fn the_sink_may_use_hash_all_on_the_only_thread() {
    let (answer, answers) = mpsc::channel();
    let slot = Arc::new(Mutex::new(None::<Arc<PowPool<u64>>>));
    let in_sink = Arc::clone(&slot);
    let sink = move |_| {
        let pool = in_sink.lock().unwrap().clone().unwrap();
        answer.send(pool.hash_all(&[header(5)])).unwrap();
    };
    let pool = Arc::new(PowPool::new(threads(1), Arc::new(MockHasher::default()), sink).unwrap());
    *slot.lock().unwrap() = Some(Arc::clone(&pool));
    pool.submit(0, Priority::Tip, jobs([1]));
    assert_eq!(answers.recv().unwrap(), Ok(vec![MockHasher::mix(&header(5))]));
    assert_eq!(pool.stats().hashed, 2);
    *slot.lock().unwrap() = None;
}

#[test]
fn the_sink_may_drop_the_pool() {
    let (answer, answers) = mpsc::channel();
    let slot = Arc::new(Mutex::new(None::<PowPool<u64>>));
    let in_sink = Arc::clone(&slot);
    let sink = move |_| {
        drop(in_sink.lock().unwrap().take());
        answer.send(()).unwrap();
    };
    let pool = PowPool::new(threads(2), Arc::new(MockHasher::default()), sink).unwrap();
    let mut guard = slot.lock().unwrap();
    pool.submit(0, Priority::Tip, jobs([1]));
    *guard = Some(pool);
    drop(guard);
    answers.recv().unwrap();
}

#[test]
fn a_panicking_hash_is_answered_and_counted() {
    let workers = Arc::new(AtomicUsize::new(0));
    let hasher = Fallible { workers: Arc::clone(&workers), fail_from: usize::MAX };
    let (pool, answers) = pool_with(1, hasher);
    pool.submit(0, Priority::Tip, jobs([7, Fallible::PANIC, 8]));
    let fine: Vec<_> = answers.iter().take(3).map(|result| (result.tag, result.hash.is_ok())).collect();
    assert_eq!(fine, [(7, true), (Fallible::PANIC, false), (8, true)]);
    let stats = pool.stats();
    assert_eq!((stats.hashed, stats.panics, stats.last_panic.as_deref()), (2, 1, Some("bad header")));
    assert_eq!(workers.load(Ordering::SeqCst), 2, "another worker took over");

    let panic = pool.hash_all(&[header(Fallible::PANIC)]).unwrap_err();
    assert_eq!(panic.to_string(), "the hasher panicked: bad header");
    assert_eq!(pool.hash_all(&[header(1)]).unwrap(), [[1; 32]]);
}

#[test]
fn a_panicking_sink_is_counted() {
    let (answer, answers) = mpsc::channel();
    let sink = move |result: HashResult<u64>| {
        assert!(result.tag != 7, "bad tag");
        answer.send(result.tag).unwrap();
    };
    let pool = PowPool::new(threads(1), Arc::new(MockHasher::default()), sink).unwrap();
    pool.submit(0, Priority::Tip, jobs([7, 8]));
    assert_eq!(answers.recv().unwrap(), 8);
    let stats = pool.stats();
    assert_eq!((stats.hashed, stats.panics, stats.last_panic.as_deref()), (2, 1, Some("bad tag")));
}

#[test]
fn a_pool_without_its_workers_is_an_error() {
    let new = |fail_from| {
        let hasher = Fallible { workers: Arc::default(), fail_from };
        PowPool::<u64>::new(threads(3), Arc::new(hasher), |_| ())
    };
    assert!(new(3).is_ok());
    assert!(matches!(new(2), Err(PowError::VmCreation { flags: 0 })));
    let panicking = Fallible { workers: Arc::default(), fail_from: Fallible::PANICS };
    let result = PowPool::<u64>::new(threads(1), Arc::new(panicking), |_| ());
    assert!(matches!(result, Err(PowError::WorkerPanic(text)) if text == "bad machine"));
}

#[test]
fn the_hasher_hears_of_the_backlog() {
    struct Listening(Arc<AtomicUsize>);
    impl Hasher for Listening {
        fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
            MockHasher::default().worker()
        }

        fn on_backlog(&self, queued: usize) {
            self.0.fetch_max(queued, Ordering::SeqCst);
        }
    }

    let longest = Arc::new(AtomicUsize::new(0));
    let (pool, answers) = pool_with(1, Listening(Arc::clone(&longest)));
    pool.submit(0, Priority::Background, jobs(0..3000));
    assert_eq!(answers.iter().take(3000).count(), 3000);
    assert_eq!(longest.load(Ordering::SeqCst), 3000);
}

#[test]
#[cfg(target_os = "linux")]
fn hashing_threads_are_as_nice_as_asked() {
    let config = PoolConfig { niceness: Some(19), ..threads(2) };
    let pool = PowPool::<u64>::new(config, Arc::new(MockHasher::default()), |_| ()).unwrap();
    assert_eq!(pool.stats().niceness, Some(19));
}

/// Fails in the ways a hasher can.
struct Fallible {
    workers: Arc<AtomicUsize>,
    fail_from: usize,
}

impl Fallible {
    /// A header whose hash panics.
    const PANIC: u64 = 666;
    /// For `fail_from`: making a worker panics.
    const PANICS: usize = 1_000_000;
}

impl Hasher for Fallible {
    fn worker(&self) -> Result<Box<dyn HashWorker>, PowError> {
        assert!(self.fail_from != Self::PANICS, "bad machine");
        if self.workers.fetch_add(1, Ordering::SeqCst) >= self.fail_from {
            return Err(PowError::VmCreation { flags: 0 });
        }
        Ok(Box::new(FallibleWorker))
    }
}

struct FallibleWorker;

impl HashWorker for FallibleWorker {
    fn hash(&mut self, input: &[u8]) -> PowHash {
        assert!(*input != header(Fallible::PANIC), "bad header");
        [input[0]; 32]
    }
}

/// Nothing is lost between the hashes: 2000 headers of 75 ms on four threads take what four threads need for them. Run it by
/// hand, it takes 38 seconds: `cargo test -p dilithion-pow --test pool -- --ignored`.
#[test]
#[ignore = "measures time"]
fn two_thousand_slow_hashes_take_their_time_and_no_more() {
    const COUNT: usize = 2000;
    const DELAY: Duration = Duration::from_millis(75);
    const THREADS: usize = 4;
    let (pool, _) = pool_with(THREADS, MockHasher::default().with_delay(DELAY));
    let headers: Vec<_> = (0..COUNT as u64).map(header).collect();
    let begun = Instant::now();
    assert_eq!(pool.hash_all(&headers).map(|hashes| hashes.len()), Ok(COUNT));
    let (taken, needed) = (begun.elapsed().as_secs_f64(), (DELAY * 2000 / 4).as_secs_f64());
    assert!((taken / needed - 1.0).abs() < 0.05, "{taken:.2} s instead of {needed:.2} s");
}
