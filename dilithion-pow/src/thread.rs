//! Number and politeness of hashing threads.

use std::num::NonZeroUsize;
use std::thread;

/// One thread per core that this process may use.
pub(crate) fn available_threads() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Lowers the priority of the calling thread by setting its niceness (0 normal, 19 the most polite), so that
/// hashing never keeps a network thread waiting. Gives the niceness in force afterwards: a process that is
/// already nicer stays so, and systems without a niceness per thread give `None`.
#[cfg(target_os = "linux")]
pub(crate) fn set_niceness(niceness: i32) -> Option<i32> {
    use rustix::process::{getpriority_process, setpriority_process};

    // On Linux a "process" here may be one thread.
    let thread = Some(rustix::thread::gettid());
    // Refused only when it would raise the priority of an unprivileged thread: what is asked for holds
    // already.
    let _ = setpriority_process(thread, niceness);
    getpriority_process(thread).ok()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn set_niceness(_: i32) -> Option<i32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_calling_thread_gets_nicer() {
        let before = rustix::process::getpriority_process(None).unwrap();
        let there = thread::spawn(|| set_niceness(19)).join().unwrap();
        assert_eq!(there, Some(19));
        assert_eq!(rustix::process::getpriority_process(None).unwrap(), before);
    }
}
