//! Programs that behave, and programs that do not.

use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::*;
use crate::clock::{Clock, Now, SystemClock};

/// A time that is over at the second look of [`AfterReady`], and one that never is.
const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(1 << 32);

/// Time that stands still until a file is there, and then goes on by a second at each look.
struct AfterReady {
    file: PathBuf,
    now: Mutex<Duration>,
}

impl Clock for AfterReady {
    fn now(&self) -> Now {
        let mut now = self.now.lock().unwrap();
        *now += Duration::from_secs(self.file.exists().into());
        Now { mono: *now, unix: 0 }
    }
}

fn sh(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).into()
}

/// Runs a script with all the time it needs.
fn run_script(script: &str) -> Outcome {
    run(&sh(script), &HookOptions::default(), &SystemClock::new(), &Stop::default())
}

/// Runs a script that is not let finish, but gets as far as making the file `$0`.
fn run_briefly(script: &str, grace: Duration) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ready");
    let argv = [sh(script), vec![file.display().to_string()]].concat();
    let options = HookOptions { timeout: SHORT, grace, ..HookOptions::default() };
    run(&argv, &options, &AfterReady { file, now: Mutex::default() }, &Stop::default())
}

/// Whether a process exists that is more than a name waiting to be collected by its parent.
fn is_alive(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

/// Requirements 002-018, M7.
#[test]
fn both_outputs_are_kept_in_order_with_the_exit_code() {
    let outcome = run_script("echo one; echo two >&2; echo three; exit 3");
    assert_eq!((outcome.output.as_str(), &outcome.end), ("one\ntwo\nthree\n", &End::Exited(3)));
    assert!(!outcome.is_success() && outcome.exit_code() == 3);
    assert!(["cpu_pct", "memory_mb_delta"].iter().all(|key| outcome.usage.contains_key(*key)));
}

/// Requirement M7: 128+n for signals; a program that is not there is not a program that ended with 127.
#[test]
fn signals_and_programs_that_are_not_there_are_told_apart() {
    assert_eq!(run_script("kill -9 $$").exit_code(), 137);
    assert_eq!(run_script("exit 127").end, End::Exited(127));
    let outcome =
        run(&["/no/such/program".to_owned()], &HookOptions::default(), &SystemClock::new(), &Stop::default());
    assert!(matches!(outcome.end, End::SpawnFailed(_)));
    assert_eq!(outcome.exit_code(), 127);
    let nothing = run(&[], &HookOptions::default(), &SystemClock::new(), &Stop::default());
    assert!(matches!(nothing.end, End::SpawnFailed(_)));
}

/// Requirements 002-037, 002-042, M7: SIGTERM, the grace, SIGKILL, and nobody of the group is left.
#[test]
fn a_program_that_ignores_sigterm_is_killed_with_all_of_its_group() {
    let outcome = run_briefly("trap '' TERM; sleep 60 & echo $!; : > $0; sleep 60", SHORT);
    assert_eq!(outcome.end, End::TimedOut { escalated: true, code: None });
    assert_eq!(outcome.exit_code(), 137);
    let grandchild = outcome.output.trim();
    while is_alive(grandchild) {
        std::thread::yield_now();
    }
}

/// Requirement M7: an obedient program's exit code is kept, and its children go too.
#[test]
fn an_obedient_program_ends_with_its_own_code() {
    let script =
        "(trap '' TERM; sleep 60) & echo $!; trap 'exit 7' TERM; : > $0; while :; do sleep 0.01; done";
    let outcome = run_briefly(script, LONG);
    assert_eq!(outcome.end, End::TimedOut { escalated: false, code: Some(7) });
    let grandchild = outcome.output.trim();
    while is_alive(grandchild) {
        std::thread::yield_now();
    }
}

/// Spec: operations §1.8, defects (b) and (c).
#[test]
fn closing_the_output_or_leaving_it_to_a_child_fools_nobody() {
    let silent = run_briefly(": > $0; exec >&- 2>&-; exec sleep 60", LONG);
    assert!(matches!(silent.end, End::TimedOut { .. }));
    let background = run_script("sleep 20 & echo done");
    assert_eq!((background.end, background.output.as_str()), (End::Exited(0), "done\n"));
    assert!(background.wall < Duration::from_secs(20));
}

/// Requirement M7: output without end is read, and forgotten but for its beginning.
#[test]
fn endless_output_is_cut() {
    let outcome = run_script("head -c 100000000 /dev/zero");
    assert_eq!((outcome.end, outcome.output.len()), (End::Exited(0), DEFAULT_MAX_OUTPUT));
    let outcome = run_briefly(": > $0; exec cat /dev/zero", LONG);
    assert_eq!(outcome.end, End::TimedOut { escalated: false, code: None });
}

/// Requirement M5: the kernel ends a hook that uses up its processor time.
#[test]
fn a_busy_hook_is_ended_by_its_limit() {
    let limits = HookLimits { max_cpu_sec: 1, ..HookLimits::default() };
    let options = HookOptions { limits, ..HookOptions::default() };
    let outcome = run(&sh("while :; do :; done"), &options, &SystemClock::new(), &Stop::default());
    assert!(matches!(outcome.end, End::Signalled(_)), "{}", outcome.end);
}

#[test]
fn commands_are_words_and_not_shell() {
    let parse = |text: &str| text.parse::<HookCommand>();
    assert_eq!(parse(" a  'b c'\"d\" %s ").unwrap().argv("x"), ["a", "b cd", "x"]);
    assert_eq!(parse("p --height=%s").unwrap().argv("5;\0 ls"), ["p", "--height=5; ls"]);
    assert_eq!(parse("p '' %s").unwrap().argv("$(id)"), ["p", "", "$(id)"]);
    assert_eq!(parse("   "), Err(ParseHookError::Empty));
    assert_eq!(parse("''"), Err(ParseHookError::Empty));
    assert_eq!(parse("p 'x"), Err(ParseHookError::Quote));
}

/// Reports what ended, and can hold the worker up.
struct Edge {
    ended: Sender<HookReport>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl HookEdge for Edge {
    fn ended(&self, report: HookReport) {
        self.ended.send(report).unwrap();
        let (open, changed) = &*self.gate;
        drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
    }
}

struct Fixture {
    worker: HookWorker,
    ended: Receiver<HookReport>,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Fixture {
    fn new(hooks: Hooks, open: bool) -> Self {
        let (sender, ended) = mpsc::channel();
        let gate = Arc::new((Mutex::new(open), Condvar::new()));
        let edge = Edge { ended: sender, gate: Arc::clone(&gate) };
        let worker = HookWorker::spawn(hooks, Arc::new(SystemClock::new()), edge).unwrap();
        Self { worker, ended, gate }
    }

    fn open(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }
}

fn command(text: &str) -> Option<HookCommand> {
    Some(text.parse().unwrap())
}

/// Requirement M7: the queue is bounded, and news of a kind replaces old news of the kind.
#[test]
fn a_full_queue_gives_way_to_news_of_the_same_kind() {
    let hooks =
        Hooks { block: command("echo block %s"), state: command("echo state %s"), ..Hooks::default() };
    let fixture = Fixture::new(hooks, false);
    fixture.worker.notify(HookKind::State, "first");
    // It has ended and holds the worker up; from now on all wait.
    assert_eq!(fixture.ended.recv().unwrap().outcome.output, "state first\n");
    fixture.worker.notify(HookKind::State, "second");
    (0..MAX_QUEUED + 9).for_each(|n| fixture.worker.notify(HookKind::Block, n.to_string()));
    fixture.worker.notify(HookKind::Alert, "without a hook");
    fixture.open();
    fixture.worker.flush();
    let told: Vec<String> = fixture.ended.try_iter().map(|report| report.outcome.output).collect();
    assert_eq!(told.len(), MAX_QUEUED);
    assert_eq!((told[0].as_str(), told[1].as_str()), ("state second\n", "block 10\n"));
    assert_eq!(told[MAX_QUEUED - 1], "block 72\n");
}

/// Requirement M7: a hung hook does not keep the node from stopping, and the shutdown hook still runs.
#[test]
fn a_stop_ends_a_hung_hook_and_runs_the_last_one() {
    let hooks = Hooks {
        block: command("sh -c 'trap \"\" TERM; : > $0; sleep 60' %s"),
        shutdown: command("echo bye"),
        options: HookOptions { grace: SHORT, ..HookOptions::default() },
        ..Hooks::default()
    };
    let Fixture { worker, ended, .. } = Fixture::new(hooks, true);
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    worker.notify(HookKind::Block, ready.display().to_string());
    worker.notify(HookKind::Block, "forgotten");
    while !ready.exists() {
        std::thread::yield_now();
    }
    assert!(worker.is_running());
    drop(worker);
    let ends: Vec<(HookKind, End)> = ended.iter().map(|report| (report.kind, report.outcome.end)).collect();
    let killed = End::TimedOut { escalated: true, code: None };
    assert_eq!(ends, [(HookKind::Block, killed), (HookKind::Shutdown, End::Exited(0))]);
}

/// Requirement 002-022: the switch that starts no process.
#[test]
fn a_dry_run_starts_nothing_and_reports_success() {
    let hooks = Hooks { block: command("/no/such/program %s"), dry_run: true, ..Hooks::default() };
    let report = hooks.run(HookKind::Block, "x", &SystemClock::new(), &Stop::default()).unwrap();
    assert!(report.dry_run && report.outcome.is_success());
    assert!(["cpu_pct", "memory_mb_delta"].iter().all(|key| report.outcome.usage.contains_key(*key)));
    assert_eq!(hooks.run(HookKind::Alert, "x", &SystemClock::new(), &Stop::default()), None);
}
