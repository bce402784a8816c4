//! Hashes of a batch of headers, in order or as they finish.

use std::collections::BTreeMap;
use std::iter::FusedIterator;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use super::HashPanic;
use crate::PowHash;

/// The outcome of one header: its position in the batch, and its hash.
pub(super) type Outcome = (usize, Result<PowHash, HashPanic>);

/// Says that nobody waits for a batch any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Abandoned(Arc<AtomicBool>);

impl Abandoned {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The hashes of [`PowPool::hash_batch`](super::PowPool::hash_batch), in the order of the headers. Each `next` waits until
/// the hash is there.
///
/// Dropping it takes back what has not been begun, so that whoever finds the first bad header pays for little more.
#[derive(Debug)]
pub struct HashBatch {
    answers: mpsc::Receiver<Outcome>,
    order: Order,
    abandoned: Abandoned,
}

impl HashBatch {
    pub(super) fn new(answers: mpsc::Receiver<Outcome>, len: usize, abandoned: Abandoned) -> Self {
        Self { answers, order: Order::new(len), abandoned }
    }

    /// The hashes with their positions in the batch, each as soon as it is there, less those already taken.
    pub fn as_they_finish(mut self) -> impl Iterator<Item = (usize, Result<PowHash, HashPanic>)> {
        std::iter::from_fn(move || self.order.take_any().or_else(|| self.answers.recv().ok()))
    }
}

impl Iterator for HashBatch {
    type Item = Result<PowHash, HashPanic>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.order.next() {
                return Some(next);
            }
            // Ends when the last job is answered, or with the pool.
            self.order.arrived(self.answers.recv().ok()?);
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.order.left()))
    }
}

impl FusedIterator for HashBatch {}

impl Drop for HashBatch {
    fn drop(&mut self) {
        self.abandoned.set();
    }
}

/// The hashes of [`PowPool::hash_stream`](super::PowPool::hash_stream), in the order of the headers, for tasks.
///
/// Dropping it takes back what has not been begun.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub struct HashStream {
    answers: tokio::sync::mpsc::UnboundedReceiver<Outcome>,
    order: Order,
    abandoned: Abandoned,
}

#[cfg(feature = "tokio")]
impl HashStream {
    pub(super) fn new(
        answers: tokio::sync::mpsc::UnboundedReceiver<Outcome>,
        len: usize,
        abandoned: Abandoned,
    ) -> Self {
        Self { answers, order: Order::new(len), abandoned }
    }

    /// Waits for the next hash; `None` after the last, or when the pool is gone. Nothing is lost when the wait is given up.
    pub async fn next(&mut self) -> Option<Result<PowHash, HashPanic>> {
        loop {
            if let Some(next) = self.order.next() {
                return Some(next);
            }
            self.order.arrived(self.answers.recv().await?);
        }
    }
}

#[cfg(feature = "tokio")]
impl Drop for HashStream {
    fn drop(&mut self) {
        self.abandoned.set();
    }
}

/// Puts outcomes into their order.
#[derive(Debug)]
struct Order {
    early: BTreeMap<usize, Result<PowHash, HashPanic>>,
    next: usize,
    len: usize,
}

impl Order {
    fn new(len: usize) -> Self {
        Self { early: BTreeMap::new(), next: 0, len }
    }

    fn arrived(&mut self, (position, outcome): Outcome) {
        self.early.insert(position, outcome);
    }

    fn next(&mut self) -> Option<Result<PowHash, HashPanic>> {
        let outcome = self.early.remove(&self.next)?;
        self.next += 1;
        Some(outcome)
    }

    fn take_any(&mut self) -> Option<Outcome> {
        self.early.pop_first()
    }

    fn left(&self) -> usize {
        self.len - self.next
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        fn outcomes_come_in_order_however_they_arrive(keys: Vec<u16>) -> bool {
            let mut arrivals: Vec<usize> = (0..keys.len()).collect();
            arrivals.sort_by_key(|position| keys[*position]);
            let mut order = Order::new(keys.len());
            let mut taken = Vec::new();
            for position in arrivals {
                order.arrived((position, Ok([u8::try_from(position % 256).unwrap(); 32])));
                taken.extend(std::iter::from_fn(|| order.next()));
            }
            let expected = (0..keys.len()).map(|position| Ok([u8::try_from(position % 256).unwrap(); 32]));
            taken == expected.collect::<Vec<_>>() && order.left() == 0
        }
    }
}
