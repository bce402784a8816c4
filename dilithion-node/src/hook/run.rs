//! Runs one program to its end, whatever it does.

use std::fmt;
use std::io::{self, PipeReader, Read};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open,
    prlimit, waitid,
};

use crate::clock::Clock;
use crate::journal::Counters;
use crate::usage::{self, Sampler};

/// How long a hook may run.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a hook has to end after SIGTERM (spec: operations §3, "kill grace").
pub const DEFAULT_GRACE: Duration = Duration::from_secs(5);
/// How long a hook that runs when the node stops has to end by itself, and again after SIGTERM.
const STOP_WAIT: Duration = Duration::from_millis(1500);
/// So much of a hook's output is kept (spec: requirements M7).
pub const DEFAULT_MAX_OUTPUT: usize = 64 << 10;
/// Longest time between two looks at a hook (spec: requirements M7).
const SLICE: Duration = Duration::from_millis(100);
/// What a shell shows for a program that is not there.
const NOT_FOUND_CODE: i32 = 127;
/// What a shell adds to the number of the signal that ended a program.
const SIGNAL_CODE: i32 = 128;

/// Limits of a hook; 0 leaves one as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HookLimits {
    /// Address space, MiB.
    pub max_memory_mb: u64,
    /// Processor time, seconds.
    pub max_cpu_sec: u64,
}

/// How a hook is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookOptions {
    /// How long it may run.
    pub timeout: Duration,
    /// How long it has to end after SIGTERM.
    pub grace: Duration,
    /// How much of its output is kept, in bytes; the rest is read and forgotten.
    pub max_output: usize,
    /// Its limits.
    pub limits: HookLimits,
}

impl Default for HookOptions {
    fn default() -> Self {
        Self {
            timeout: DEFAULT_TIMEOUT,
            grace: DEFAULT_GRACE,
            max_output: DEFAULT_MAX_OUTPUT,
            limits: HookLimits::default(),
        }
    }
}

/// Tells a running hook to end early: the node stops.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Ends the hook soon, as if its time were up.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was told to.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// How a hook ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Exited(i32),
    /// By this signal, which we did not send.
    Signalled(i32),
    /// Its time was up, or the node stopped.
    TimedOut {
        /// It did not heed SIGTERM, and was killed.
        escalated: bool,
        /// The exit code, if it ended with one.
        code: Option<i32>,
    },
    /// It could not be started.
    SpawnFailed(String),
}

/// A hook's end, and what it left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The beginning of what it wrote to standard output and standard error, in the order in which it did.
    pub output: String,
    /// How long it ran.
    pub wall: Duration,
    /// What the machine used meanwhile.
    pub usage: Counters,
}

impl Outcome {
    /// Whether it did what it should: exit code 0.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.end == End::Exited(0)
    }

    /// The number that a shell would show.
    #[must_use]
    pub fn exit_code(&self) -> i32 {
        match self.end {
            End::Exited(code) | End::TimedOut { code: Some(code), .. } => code,
            End::Signalled(signal) => SIGNAL_CODE + signal,
            End::TimedOut { escalated: true, .. } => SIGNAL_CODE + Signal::KILL.as_raw(),
            End::TimedOut { .. } => SIGNAL_CODE + Signal::TERM.as_raw(),
            End::SpawnFailed(_) => NOT_FOUND_CODE,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(code) => write!(f, "exit code {code}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut { escalated: false, .. } => f.write_str("out of time, ended by SIGTERM"),
            Self::TimedOut { escalated: true, .. } => {
                f.write_str("out of time, did not heed SIGTERM, killed")
            }
            Self::SpawnFailed(error) => write!(f, "cannot be started: {error}"),
        }
    }
}

/// Runs a program to its end, and returns when it, though not necessarily what it started in the background, is gone. On
/// a timeout all of it is.
#[must_use]
pub fn run(argv: &[String], options: &HookOptions, clock: &dyn Clock, stop: &Stop) -> Outcome {
    let sampler = Sampler::default();
    let before = sampler.sample(clock.now().mono);
    let (end, output) = match Running::spawn(argv, options) {
        Ok(mut running) => running.finish(options, clock, stop),
        Err(error) => (End::SpawnFailed(error.to_string()), Vec::new()),
    };
    let after = sampler.sample(clock.now().mono);
    let output = String::from_utf8_lossy(&output).into_owned();
    let wall = after.at.saturating_sub(before.at);
    Outcome { end, output, wall, usage: usage::delta(&before, &after) }
}

struct Running {
    child: Child,
    /// The child's number, which is also that of its group.
    group: Pid,
    /// Becomes readable when the child has ended; `None` where the system has no such thing.
    ended: Option<OwnedFd>,
    /// `None` once nobody can write to it any more.
    pipe: Option<PipeReader>,
    output: Vec<u8>,
    max_output: usize,
}

impl Running {
    fn spawn(argv: &[String], options: &HookOptions) -> io::Result<Self> {
        let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        // Both ends are closed when a program is executed; the child gets copies as its standard streams.
        let (pipe, writer) = io::pipe()?;
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // Set in the child before the program runs, and known here before `spawn` returns: no kill can miss it.
            .process_group(0);
        let child = command.spawn()?;
        // The command holds our copies of the pipe's writing end.
        drop(command);
        let group = Pid::from_child(&child);
        limit(group, options.limits);
        let ended = pidfd_open(group, PidfdFlags::empty()).ok();
        let max_output = options.max_output;
        Ok(Self { child, group, ended, pipe: Some(pipe), output: Vec::new(), max_output })
    }

    fn finish(&mut self, options: &HookOptions, clock: &dyn Clock, stop: &Stop) -> (End, Vec<u8>) {
        let end = if self.wait(clock, options.timeout, stop) {
            self.reap().map_or_else(|error| End::SpawnFailed(error.to_string()), end_of)
        } else {
            self.signal(Signal::TERM);
            let escalated = !self.wait(clock, options.grace, stop);
            // Its children may not have heeded SIGTERM either. It is not reaped yet, so the group is still its own.
            self.signal(Signal::KILL);
            let code = self.reap().ok().and_then(|status| status.code());
            End::TimedOut { escalated, code }
        };
        self.read();
        (end, std::mem::take(&mut self.output))
    }

    /// Reads its output until it has ended, or `time` has passed; if the node stops, no more than [`STOP_WAIT`] of it from
    /// then on. Tells whether it has ended.
    fn wait(&mut self, clock: &dyn Clock, time: Duration, stop: &Stop) -> bool {
        let mut until = clock.now().mono.saturating_add(time);
        let mut stopping = false;
        loop {
            self.read();
            if self.has_ended() {
                return true;
            }
            let now = clock.now().mono;
            if stop.is_stopped() && !stopping {
                stopping = true;
                until = until.min(now.saturating_add(STOP_WAIT));
            }
            let left = until.saturating_sub(now);
            if left.is_zero() {
                return false;
            }
            self.sleep(left.min(SLICE));
        }
    }

    /// Until there is output, or it has ended, or `time` has passed.
    fn sleep(&self, time: Duration) {
        let mut watched = Vec::with_capacity(2);
        watched.extend(self.pipe.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        watched.extend(self.ended.iter().map(|ended| PollFd::new(ended, PollFlags::IN)));
        let time = Timespec::try_from(time).ok();
        // Whatever it returns, the caller looks for itself.
        let _ = poll(&mut watched, time.as_ref());
    }

    /// Whether it has ended, without reaping it.
    fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => status.is_some(),
            // There is no such child any more.
            Err(error) => error != Errno::INTR,
        }
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Sends a signal to all of its group. That nobody is left to get it is no error.
    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(self.group, signal);
    }

    /// Takes what is in the pipe, and keeps the beginning. A program that writes without end is not let hold us up.
    fn read(&mut self) {
        let mut chunk = [0; 1 << 14];
        // Four pipes full at most, then its time is looked at again.
        for _ in 0..16 {
            let Some(pipe) = &mut self.pipe else { return };
            match pipe.read(&mut chunk) {
                Ok(0) => self.pipe = None,
                Ok(read) => {
                    let room = self.max_output.saturating_sub(self.output.len());
                    self.output.extend(chunk.iter().take(read.min(room)));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.pipe = None,
            }
        }
    }
}

fn end_of(status: ExitStatus) -> End {
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exited(code),
        (None, signal) => End::Signalled(signal.unwrap_or_default()),
    }
}

/// Sets a child's limits. They take hold some microseconds after it was started, and for all that it starts from then on.
fn limit(child: Pid, limits: HookLimits) {
    let set = |resource, limit: u64| {
        if limit > 0 {
            let new = Rlimit { current: Some(limit), maximum: Some(limit) };
            // The only reason for an error is that it has ended already.
            let _ = prlimit(Some(child), resource, new);
        }
    };
    set(Resource::As, limits.max_memory_mb.saturating_mul(1 << 20));
    set(Resource::Cpu, limits.max_cpu_sec);
}
