//! What waits to be hashed, and in which order.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::ops::Bound::{Excluded, Unbounded};

/// How urgent a job is. The greater goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Can wait for everything else: proofs below a checkpoint, for instance.
    Background,
    /// Claimed block ids to prove.
    Claims,
    /// Something waits for this very hash: a new block, the last header of a batch.
    Tip,
}

impl Priority {
    /// All priorities, the most urgent first.
    const MOST_URGENT_FIRST: [Self; 3] = [Self::Tip, Self::Claims, Self::Background];
}

/// How many jobs wait, by priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Queued {
    /// Jobs of [`Priority::Tip`].
    pub tip: usize,
    /// Jobs of [`Priority::Claims`].
    pub claims: usize,
    /// Jobs of [`Priority::Background`].
    pub background: usize,
}

impl Queued {
    /// All of them.
    #[must_use]
    pub const fn total(self) -> usize {
        self.tip + self.claims + self.background
    }
}

impl fmt::Display for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tip, claims, background } = self;
        write!(f, "{tip} tip, {claims} claims, {background} background")
    }
}

/// The jobs that wait: by priority, within a priority one of each source `S` in turn, within a source in
/// order. The schedule of [`PowPool`](crate::PowPool), for whoever has other threads to feed, or none.
#[derive(Debug)]
pub struct JobQueue<S, J> {
    tip: Lane<S, J>,
    claims: Lane<S, J>,
    background: Lane<S, J>,
}

impl<S: Copy + Ord, J> Default for JobQueue<S, J> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Copy + Ord, J> JobQueue<S, J> {
    /// An empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { tip: Lane::new(), claims: Lane::new(), background: Lane::new() }
    }

    /// Queues jobs of one source.
    pub fn extend(&mut self, source: S, priority: Priority, jobs: Vec<J>) {
        self.lane_mut(priority).extend(source, jobs);
    }

    /// The job that is due.
    pub fn pop(&mut self) -> Option<J> {
        Priority::MOST_URGENT_FIRST.into_iter().find_map(|priority| self.lane_mut(priority).pop())
    }

    /// Takes out all jobs of a source.
    pub fn remove(&mut self, source: S) -> Vec<J> {
        Priority::MOST_URGENT_FIRST
            .into_iter()
            .flat_map(|priority| self.lane_mut(priority).remove(source))
            .collect()
    }

    /// How many wait.
    #[must_use]
    pub const fn queued(&self) -> Queued {
        Queued { tip: self.tip.len, claims: self.claims.len, background: self.background.len }
    }

    const fn lane_mut(&mut self, priority: Priority) -> &mut Lane<S, J> {
        match priority {
            Priority::Tip => &mut self.tip,
            Priority::Claims => &mut self.claims,
            Priority::Background => &mut self.background,
        }
    }
}

/// The jobs of one priority. A source without jobs takes no room.
#[derive(Debug)]
struct Lane<S, J> {
    sources: BTreeMap<S, VecDeque<J>>,
    /// The source served last: the next one in order is due.
    last: Option<S>,
    len: usize,
}

impl<S: Copy + Ord, J> Lane<S, J> {
    const fn new() -> Self {
        Self { sources: BTreeMap::new(), last: None, len: 0 }
    }

    fn extend(&mut self, source: S, jobs: Vec<J>) {
        if !jobs.is_empty() {
            self.len += jobs.len();
            self.sources.entry(source).or_default().extend(jobs);
        }
    }

    fn pop(&mut self) -> Option<J> {
        let after_last = self.last.and_then(|last| self.sources.range((Excluded(last), Unbounded)).next());
        let source = *after_last.or_else(|| self.sources.first_key_value())?.0;
        let queue = self.sources.get_mut(&source)?;
        let job = queue.pop_front()?;
        if queue.is_empty() {
            self.sources.remove(&source);
        }
        self.last = Some(source);
        self.len -= 1;
        Some(job)
    }

    fn remove(&mut self, source: S) -> VecDeque<J> {
        let jobs = self.sources.remove(&source).unwrap_or_default();
        self.len -= jobs.len();
        jobs
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::{Arbitrary, Gen, quickcheck};

    use super::*;

    fn drain(queue: &mut JobQueue<u64, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_most_urgent_goes_first() {
        let mut queue = JobQueue::new();
        queue.extend(1, Priority::Background, vec![1]);
        queue.extend(1, Priority::Claims, vec![2, 3]);
        queue.extend(1, Priority::Tip, vec![4]);
        assert_eq!(queue.queued(), Queued { tip: 1, claims: 2, background: 1 });
        assert_eq!(drain(&mut queue), [4, 2, 3, 1]);
        assert_eq!(queue.queued().total(), 0);
    }

    #[test]
    fn sources_take_turns_and_late_ones_wait_for_nobody() {
        let mut queue = JobQueue::new();
        queue.extend(1, Priority::Claims, vec![10, 11, 12, 13]);
        queue.extend(2, Priority::Claims, vec![20]);
        queue.extend(3, Priority::Claims, vec![30, 31]);
        assert_eq!((queue.pop(), queue.pop()), (Some(10), Some(20)));
        queue.extend(2, Priority::Claims, vec![21]);
        assert_eq!(drain(&mut queue), [30, 11, 21, 31, 12, 13]);
    }

    #[test]
    fn a_removed_source_leaves_nothing() {
        let mut queue = JobQueue::new();
        queue.extend(1, Priority::Claims, vec![1, 2]);
        queue.extend(2, Priority::Claims, vec![3]);
        queue.extend(1, Priority::Tip, vec![4]);
        assert_eq!(queue.remove(1), [4, 1, 2]);
        assert_eq!(queue.remove(1), []);
        assert_eq!(drain(&mut queue), [3]);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Add { source: u64, priority: Priority, jobs: u8 },
        Pop,
        Remove { source: u64 },
    }

    impl Arbitrary for Step {
        fn arbitrary(g: &mut Gen) -> Self {
            let source = u64::arbitrary(g) % 4;
            match u8::arbitrary(g) % 8 {
                0 => Self::Remove { source },
                1..=3 => Self::Add {
                    source,
                    priority: *g.choose(&Priority::MOST_URGENT_FIRST).unwrap(),
                    jobs: u8::arbitrary(g) % 4,
                },
                _ => Self::Pop,
            }
        }
    }

    quickcheck! {
        // Against a plain list: every job comes out once, none is overtaken by a less urgent one, or by a
        // later one of its own source and priority; the counts are right after every step.
        fn agrees_with_a_list(steps: Vec<Step>) -> bool {
            let (mut queue, mut list, mut next) = (JobQueue::new(), Vec::new(), 0_u32);
            for step in steps {
                match step {
                    Step::Add { source, priority, jobs } => {
                        let jobs: Vec<u32> = (next..next + u32::from(jobs)).collect();
                        next += 4;
                        list.extend(jobs.iter().map(|job| (priority, source, *job)));
                        queue.extend(source, priority, jobs);
                    }
                    Step::Pop => {
                        let Some(job) = queue.pop() else {
                            assert!(list.is_empty());
                            continue;
                        };
                        let at = list.iter().position(|waiting| waiting.2 == job).unwrap();
                        let (priority, source, _) = list.remove(at);
                        assert!(list.iter().all(|waiting| waiting.0 <= priority));
                        assert!(!list[..at].iter().any(|waiting| (waiting.0, waiting.1) == (priority, source)));
                    }
                    Step::Remove { source } => {
                        let removed = queue.remove(source).len();
                        let before = list.len();
                        list.retain(|waiting| waiting.1 != source);
                        assert_eq!(removed, before - list.len());
                    }
                }
                let count = |priority| list.iter().filter(|waiting| waiting.0 == priority).count();
                let queued = Queued {
                    tip: count(Priority::Tip),
                    claims: count(Priority::Claims),
                    background: count(Priority::Background),
                };
                assert_eq!(queue.queued(), queued);
            }
            true
        }
    }
}
