//! Hooks leave nothing behind. A program of its own, because it counts what the whole process has.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use dilithion_node::clock::SystemClock;
use dilithion_node::hook::{HookOptions, Stop, run};
use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Requirement M7: 100 hooks leave no zombie and no open file.
#[test]
fn a_hundred_hooks_leave_no_process_and_no_file() {
    let (clock, options, stop) = (SystemClock::new(), HookOptions::default(), Stop::default());
    let before = open_files();
    for n in 0..100 {
        let argv = ["sh".to_owned(), "-c".to_owned(), format!("echo {n}; exit {}", n % 3)];
        let outcome = run(&argv, &options, &clock, &stop);
        assert_eq!((outcome.output.trim(), outcome.exit_code()), (n.to_string().as_str(), n % 3));
    }
    assert_eq!(open_files(), before);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    assert_eq!(waitid(WaitId::All, options).unwrap_err(), Errno::CHILD, "no child is left, dead or alive");
}
