//! How many bytes of peers' messages wait for the engine.

use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

use super::{OWN_RECEIVE_BUDGET, RECEIVE_BUDGET, SHARED_RECEIVE_BUDGET};

/// What all connections may have waiting beyond what each has for itself.
#[derive(Clone, Debug)]
pub(super) struct SharedReceiveBudget(Arc<Semaphore>);

impl Default for SharedReceiveBudget {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(SHARED_RECEIVE_BUDGET)))
    }
}

/// What one connection may have waiting: [`OWN_RECEIVE_BUDGET`] whatever others do, and up to [`RECEIVE_BUDGET`] of what all
/// share. So ordinary messages go on while others hold all there is; who sends large ones waits for the engine with them.
#[derive(Debug)]
pub(super) struct ReceiveBudget {
    own: Arc<Semaphore>,
    most: Arc<Semaphore>,
    shared: SharedReceiveBudget,
}

/// Bytes that wait; given back when dropped.
#[derive(Debug)]
pub(crate) struct WaitingBytes {
    _own_or_most: OwnedSemaphorePermit,
    _shared: Option<OwnedSemaphorePermit>,
}

impl ReceiveBudget {
    pub(super) fn new(shared: SharedReceiveBudget) -> Self {
        let of = |bytes| Arc::new(Semaphore::new(bytes));
        Self { own: of(OWN_RECEIVE_BUDGET), most: of(RECEIVE_BUDGET), shared }
    }

    /// Takes so many bytes, when there are so many. A message that is longer than what there can be takes all of it.
    pub(super) async fn take(&self, bytes: usize) -> Result<WaitingBytes, AcquireError> {
        let bytes = u32::try_from(bytes.min(RECEIVE_BUDGET)).unwrap_or(u32::MAX);
        if let Ok(own) = Arc::clone(&self.own).try_acquire_many_owned(bytes) {
            return Ok(WaitingBytes { _own_or_most: own, _shared: None });
        }
        let most = Arc::clone(&self.most).acquire_many_owned(bytes).await?;
        let shared = Arc::clone(&self.shared.0).acquire_many_owned(bytes).await?;
        Ok(WaitingBytes { _own_or_most: most, _shared: Some(shared) })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    type Taken = Result<WaitingBytes, AcquireError>;

    fn poll(taking: Pin<&mut impl Future<Output = Taken>>) -> Option<WaitingBytes> {
        match taking.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(taken) => taken.ok(),
            Poll::Pending => None,
        }
    }

    /// Takes as often as there is enough.
    fn take_all(budget: &ReceiveBudget, bytes: usize) -> Vec<WaitingBytes> {
        std::iter::from_fn(|| poll(pin!(budget.take(bytes)))).collect()
    }

    #[test]
    fn one_connection_has_its_own_and_so_much_of_what_all_share() {
        let budget = ReceiveBudget::new(SharedReceiveBudget::default());
        let taken = take_all(&budget, OWN_RECEIVE_BUDGET);
        assert_eq!(taken.len(), 1 + RECEIVE_BUDGET / OWN_RECEIVE_BUDGET);
        drop(taken);
        assert_eq!(take_all(&budget, usize::MAX).len(), 1, "the longest message fits");
    }

    #[test]
    fn all_connections_together_are_bounded_and_none_is_left_without() {
        let shared = SharedReceiveBudget::default();
        let hostile: Vec<_> = (0..100).map(|_| ReceiveBudget::new(shared.clone())).collect();
        let mut held: Vec<_> = hostile.iter().map(|budget| take_all(budget, 1 << 20)).collect();
        assert_eq!(held.iter().map(Vec::len).sum::<usize>(), SHARED_RECEIVE_BUDGET >> 20);
        let good = ReceiveBudget::new(shared);
        let small = take_all(&good, 1 << 10);
        assert_eq!(small.len(), OWN_RECEIVE_BUDGET >> 10);
        let mut large = pin!(good.take(1 << 20));
        assert!(poll(large.as_mut()).is_none());
        held.clear();
        assert!(poll(large).is_some(), "when the engine has gone on");
    }
}
