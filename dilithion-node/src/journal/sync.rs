//! The thread that waits for the disk, so that nobody else has to.

use std::fs::File;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::durable;

/// What was written is on disk after this time (spec: requirements M2).
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Wanted {
    /// Files with data that is not on disk yet. More than one only after a rotation.
    files: Vec<Arc<File>>,
    /// It cannot wait for the next second.
    urgent: bool,
    stop: bool,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: Mutex<Wanted>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handle on the thread; it ends with the handle, after the last file is on disk.
#[derive(Debug)]
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Syncer {
    pub(super) fn spawn() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = thread::Builder::new().name("journal-sync".to_owned()).spawn(move || run(&of_thread))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// A file has data that is to get to disk: soon, or within [`SYNC_INTERVAL`].
    pub(super) fn wants(&self, file: &Arc<File>, urgent: bool) {
        let mut wanted = self.shared.lock();
        let idle = wanted.files.is_empty();
        if !wanted.files.iter().any(|known| Arc::ptr_eq(known, file)) {
            wanted.files.push(Arc::clone(file));
        }
        wanted.urgent |= urgent;
        if idle || urgent {
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that syncs the journal panicked");
        }
    }
}

fn run(shared: &Shared) {
    let mut failing = false;
    loop {
        let wanted = shared.lock();
        let asleep = |wanted: &mut Wanted| wanted.files.is_empty() && !wanted.stop;
        let wanted = shared.changed.wait_while(wanted, asleep).unwrap_or_else(PoisonError::into_inner);
        // Something is there; more may come within the second, and share one wait for the disk.
        let patient = |wanted: &mut Wanted| !wanted.urgent && !wanted.stop;
        let (mut wanted, _) = shared
            .changed
            .wait_timeout_while(wanted, SYNC_INTERVAL, patient)
            .unwrap_or_else(PoisonError::into_inner);
        let Wanted { files, stop, .. } = mem::take(&mut *wanted);
        wanted.stop = stop;
        drop(wanted);
        for file in files {
            match durable::sync_data(&file) {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!("the journal does not get to disk: {error}");
                }
                Err(_) => {}
            }
        }
        if stop {
            return;
        }
    }
}
