//! Hashing on its own thread pool, the most urgent first.

mod batch;
mod handoff;
mod queue;
mod stats;
mod worker;

use std::any::Any;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rayon::{ThreadPool, ThreadPoolBuilder};
use thiserror::Error;

pub use self::batch::HashBatch;
#[cfg(feature = "tokio")]
pub use self::batch::HashStream;
pub use self::queue::{JobQueue, Priority, Queued};
pub use self::stats::PowStats;

use self::batch::{Abandoned, Outcome};
use self::handoff::Handoff;
use crate::thread::{available_threads, set_niceness};
use crate::{HEADER_BYTES, Hasher, PowError, PowHash};

/// How to set up a [`PowPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct PoolConfig {
    /// Hashing threads; `None`: one per core.
    pub threads: Option<NonZeroUsize>,
    /// Niceness of the hashing threads (1 to 19 is polite), so that they never delay others; `None`: as the
    /// process.
    pub niceness: Option<i32>,
}

/// A header to hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job<T> {
    /// Comes back with the hash.
    pub tag: T,
    /// The header as it is hashed.
    pub header: [u8; HEADER_BYTES],
}

/// A job's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashResult<T> {
    /// The tag of the job.
    pub tag: T,
    /// The hash of its header.
    pub hash: Result<PowHash, HashPanic>,
}

/// The hasher panicked over a header. RandomX does not; a machine out of memory may.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the hasher panicked: {message}")]
pub struct HashPanic {
    /// What it said.
    pub message: String,
}

/// A pool of hashing threads with a queue in front.
///
/// The most urgent job goes first; among equals the sources (peers, say) take turns, so none can make another
/// wait for long. Each job not cancelled is answered once, by a call of the sink on a hashing thread. The
/// queue has no bound of its own: who submits bounds what it has under way.
///
/// Dropping the pool forgets what waits, lets each thread finish the hash it is at, and joins the threads.
pub struct PowPool<T: Send + 'static> {
    shared: Arc<Shared<T>>,
    // Dropped in this order: rayon tells its threads to end, then they are waited for.
    workers: ThreadPool,
    _threads: JoinOnDrop,
}

impl<T: Send + 'static> PowPool<T> {
    /// Starts the threads and makes the hasher's worker on each of them.
    ///
    /// `sink` gets each answer, on the hashing thread: it should hand it over and return.
    ///
    /// # Errors
    /// When a thread or its worker cannot be had.
    pub fn new(
        config: PoolConfig,
        hasher: Arc<dyn Hasher>,
        sink: impl Fn(HashResult<T>) + Send + Sync + 'static,
    ) -> Result<Self, PowError> {
        let count = config.threads.map_or_else(available_threads, NonZeroUsize::get);
        let mut threads = JoinOnDrop(Vec::new());
        let workers = ThreadPoolBuilder::new()
            .num_threads(count)
            .spawn_handler(|thread| {
                let name = format!("pow-{}", thread.index());
                threads.0.push(thread::Builder::new().name(name).spawn(|| thread.run())?);
                Ok(())
            })
            .build()
            .map_err(PowError::Pool)?;
        let prepared = workers.broadcast(|_| {
            let niceness = config.niceness.and_then(set_niceness);
            worker::prepare(&*hasher).map(|()| niceness)
        });
        let niceness = prepared.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().next().flatten();
        let shared = Arc::new(Shared {
            hasher,
            sink: Box::new(sink),
            niceness,
            tasks: Handoff::new(workers.current_num_threads()),
            done: Mutex::default(),
        });
        Ok(Self { shared, workers, _threads: threads })
    }

    /// Queues jobs of one source; never waits. The answers may come in any order.
    pub fn submit(&self, source: u64, priority: Priority, jobs: impl IntoIterator<Item = Job<T>>) {
        let tasks = jobs.into_iter().map(|Job { tag, header }| Task { header, answer: Answer::Sink(tag) });
        self.enqueue(Some(source), priority, tasks.collect());
    }

    /// Forgets the jobs of one source that wait, in all priorities, and gives back their tags: they are not answered. A job
    /// at work still is.
    pub fn cancel(&self, source: u64) -> Vec<T> {
        let dropped = self.shared.tasks.take_back(Some(source));
        let tag = |task: Task<T>| match task.answer {
            Answer::Sink(tag) => Some(tag),
            // Its channel closes: whoever waits for the batch is told so.
            Answer::Batch { .. } => None,
        };
        dropped.into_iter().filter_map(tag).collect()
    }

    /// Queues headers of one source, and gives their hashes in order. For threads; tasks have `hash_stream`, behind the
    /// feature `tokio`.
    ///
    /// Do not wait for them on a thread of this pool, in its sink for instance: it could wait for itself.
    pub fn hash_batch(
        &self,
        source: u64,
        priority: Priority,
        headers: impl IntoIterator<Item = [u8; HEADER_BYTES]>,
    ) -> HashBatch {
        let (reply, answers) = mpsc::channel();
        let abandoned = Abandoned::default();
        let len = self.enqueue_batch(Some(source), priority, headers, &Reply::Thread(reply), &abandoned);
        HashBatch::new(answers, len, abandoned)
    }

    /// Queues headers of one source, and gives their hashes in order, to a task of any runtime.
    #[cfg(feature = "tokio")]
    pub fn hash_stream(
        &self,
        source: u64,
        priority: Priority,
        headers: impl IntoIterator<Item = [u8; HEADER_BYTES]>,
    ) -> HashStream {
        // Bounded by the batch itself.
        let (reply, answers) = tokio::sync::mpsc::unbounded_channel();
        let abandoned = Abandoned::default();
        let len = self.enqueue_batch(Some(source), priority, headers, &Reply::Task(reply), &abandoned);
        HashStream::new(answers, len, abandoned)
    }

    /// Hashes headers as one source of [`Priority::Tip`], waits, and gives the hashes in the order of the
    /// headers. May be called from the sink too; it hashes on the calling thread then.
    ///
    /// # Errors
    /// When the hasher panics.
    pub fn hash_all(&self, headers: &[[u8; HEADER_BYTES]]) -> Result<Vec<PowHash>, HashPanic> {
        if self.workers.current_thread_index().is_some() {
            // Waiting here for other threads could be waiting for itself.
            return headers.iter().map(|header| self.shared.hash(header)).collect();
        }
        let (reply, answers) = mpsc::channel();
        let abandoned = Abandoned::default();
        let headers = headers.iter().copied();
        let len = self.enqueue_batch(None, Priority::Tip, headers, &Reply::Thread(reply), &abandoned);
        HashBatch::new(answers, len, abandoned).collect()
    }

    /// Lets the hasher know what time it is (monotonic, since any start), so that it gives back what it has not needed for
    /// long. Once a second is enough.
    pub fn tick(&self, now: Duration) {
        self.shared.hasher.tick(now);
    }

    /// The pool at this moment.
    #[must_use]
    pub fn stats(&self) -> PowStats {
        let hasher = self.shared.hasher.stats();
        let (busy, queued) = self.shared.tasks.load();
        let done = self.shared.done();
        PowStats {
            threads: self.workers.current_num_threads(),
            niceness: self.shared.niceness,
            busy,
            queued,
            hashed: done.hashed,
            panics: done.panics,
            last_panic: done.last_panic.clone(),
            hasher,
        }
    }

    /// Gives the number of headers.
    fn enqueue_batch(
        &self,
        source: Source,
        priority: Priority,
        headers: impl IntoIterator<Item = [u8; HEADER_BYTES]>,
        reply: &Reply,
        abandoned: &Abandoned,
    ) -> usize {
        let tasks: Vec<_> = headers
            .into_iter()
            .enumerate()
            .map(|(index, header)| {
                let answer = Answer::Batch { index, reply: reply.clone(), abandoned: abandoned.clone() };
                Task { header, answer }
            })
            .collect();
        let len = tasks.len();
        self.enqueue(source, priority, tasks);
        len
    }

    fn enqueue(&self, source: Source, priority: Priority, tasks: Vec<Task<T>>) {
        for _ in 0..self.shared.tasks.put(source, priority, tasks) {
            let shared = Arc::clone(&self.shared);
            self.workers.spawn(move || shared.work());
        }
    }
}

impl<T: Send + 'static> Drop for PowPool<T> {
    fn drop(&mut self) {
        drop(self.shared.tasks.take_back_all());
    }
}

impl<T: Send + 'static> fmt::Debug for PowPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PowPool").field(&self.stats()).finish()
    }
}

/// Who takes turns: the sources of [`PowPool::submit`], and the callers of [`PowPool::hash_all`] together
/// (`None`).
type Source = Option<u64>;

struct Task<T> {
    header: [u8; HEADER_BYTES],
    answer: Answer<T>,
}

enum Answer<T> {
    Sink(T),
    Batch { index: usize, reply: Reply, abandoned: Abandoned },
}

impl<T> Answer<T> {
    /// Whether nobody waits for it.
    fn is_abandoned(&self) -> bool {
        matches!(self, Self::Batch { abandoned, .. } if abandoned.is_set())
    }
}

/// Where the outcomes of a batch go.
#[derive(Clone)]
enum Reply {
    Thread(Sender<Outcome>),
    #[cfg(feature = "tokio")]
    Task(tokio::sync::mpsc::UnboundedSender<Outcome>),
}

impl Reply {
    fn send(&self, outcome: Outcome) {
        // Whoever is gone does not miss the answer.
        match self {
            Self::Thread(reply) => drop(reply.send(outcome)),
            #[cfg(feature = "tokio")]
            Self::Task(reply) => drop(reply.send(outcome)),
        }
    }
}

struct Shared<T> {
    hasher: Arc<dyn Hasher>,
    sink: Box<dyn Fn(HashResult<T>) + Send + Sync>,
    niceness: Option<i32>,
    tasks: Handoff<Source, Task<T>>,
    done: Mutex<Done>,
}

/// What the threads have done so far.
#[derive(Default)]
struct Done {
    hashed: u64,
    panics: u64,
    last_panic: Option<String>,
}

impl<T> Shared<T> {
    /// The lock is held for moments only, and never while a hasher or a sink runs.
    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does from being woken until nothing waits. A sink may panic, and so may the drop of a tag.
    fn work(&self) {
        self.tasks.work(|task, waiting| self.run(task, waiting), |panic| drop(self.count_panic(panic)));
    }

    fn count_panic(&self, panic: &(dyn Any + Send)) -> HashPanic {
        let message = worker::text(panic);
        let mut done = self.done();
        done.panics += 1;
        done.last_panic = Some(message.clone());
        HashPanic { message }
    }

    fn run(&self, task: Task<T>, waiting: usize) {
        if task.answer.is_abandoned() {
            return;
        }
        self.hasher.on_backlog(waiting);
        let hash = self.hash(&task.header);
        match task.answer {
            Answer::Sink(tag) => (self.sink)(HashResult { tag, hash }),
            Answer::Batch { index, reply, .. } => reply.send((index, hash)),
        }
    }

    /// Hashes with the worker of the calling thread.
    fn hash(&self, header: &[u8; HEADER_BYTES]) -> Result<PowHash, HashPanic> {
        let hash = worker::hash(&*self.hasher, header).map_err(|panic| self.count_panic(&*panic))?;
        self.done().hashed += 1;
        Ok(hash)
    }
}

/// Threads to wait for. Rayon ends its threads but does not wait for them.
struct JoinOnDrop(Vec<JoinHandle<()>>);

impl Drop for JoinOnDrop {
    fn drop(&mut self) {
        // The last owner of a pool may be its own sink. The threads end after the sink then, unattended.
        let this_thread = thread::current().id();
        if self.0.iter().any(|thread| thread.thread().id() == this_thread) {
            return;
        }
        for thread in self.0.drain(..) {
            let _ = thread.join();
        }
    }
}
