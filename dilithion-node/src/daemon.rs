//! A node in the background, and one node a data directory.
//!
//! A process that goes to the background by itself would have to fork before it has threads. Here it starts itself once
//! more instead, which takes no unsafe code: the first process waits until the second is ready, or has failed, and the
//! second is a session of its own without a terminal. So the command returns when the node can be reached, and a start
//! that failed looks like one.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::fs::{FlockOperation, Mode, flock};
use rustix::io::Errno;
use thiserror::Error;

use crate::durable::PRIVATE_MODE;

/// The file in the data directory that the running node holds, with its number in it; empty after a stop in good order.
pub const PID_FILE: &str = "dilithion.pid";
/// The flag of the process in the background.
const CHILD_FLAG: &str = "--daemon-child";
/// What the process in the background says when it is ready.
const READY: &str = "ready";
/// Files are not for others, and only for reading by the group (spec: requirements M11).
const UMASK: u32 = 0o027;
/// Where output goes that nobody reads.
const NOWHERE: &str = "/dev/null";

/// Why a node cannot have its data directory, or its place in the background.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DaemonError {
    /// Another node works in this directory.
    #[error("a node works in {} already: process {pid}", datadir.display())]
    Running {
        /// The directory.
        datadir: PathBuf,
        /// Its process, as it wrote it.
        pid: String,
    },
    /// A file cannot be used.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The process in the background cannot be started or set up.
    #[error("cannot go to the background: {0}")]
    Background(io::Error),
    /// The process in the background ended before it was ready; it has said why.
    #[error("the node in the background did not start: {0}")]
    Failed(ExitStatus),
}

/// The right to be the one node in a data directory; lasts as long as this, or the process.
#[derive(Debug)]
pub struct PidFile {
    file: File,
}

impl PidFile {
    /// Takes a data directory, which must exist, and writes the process's number into [`PID_FILE`].
    ///
    /// # Errors
    /// [`DaemonError::Running`] if another process has it, and failures of the file.
    pub fn acquire(datadir: &Path) -> Result<Self, DaemonError> {
        let path = datadir.join(PID_FILE);
        let at = |source| DaemonError::File { path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE_MODE)
            .open(&path)
            .map_err(at)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).map_err(at)?;
                return Err(DaemonError::Running { datadir: datadir.to_owned(), pid: pid.trim().to_owned() });
            }
            Err(error) => return Err(at(error.into())),
        }
        let mut write = || -> io::Result<()> {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write().map_err(at)?;
        Ok(Self { file })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A number that stays behind misleads nobody: what counts is the lock.
        let _ = self.file.set_len(0);
        // Closing the file is not enough: a child that another thread has forked, a hook, holds it as well, until it runs its
        // own program. If this fails, closing does it a moment later.
        let _ = self.file.unlock();
    }
}

/// Starts this program once more, with the same arguments, in the background; returns its process number when it is ready.
///
/// # Errors
/// [`DaemonError::Failed`] if it ended before; or if it could not be started.
pub fn start_in_background() -> Result<u32, DaemonError> {
    let io = DaemonError::Background;
    let mut child = Command::new(std::env::current_exe().map_err(io)?)
        .args(std::env::args_os().skip(1))
        .arg(CHILD_FLAG)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(io)?;
    if is_ready(&mut child).map_err(io)? {
        return Ok(child.id());
    }
    Err(DaemonError::Failed(child.wait().map_err(io)?))
}

fn is_ready(child: &mut Child) -> io::Result<bool> {
    let Some(output) = child.stdout.take() else { return Ok(false) };
    // It has nothing else to say, and closes this when it ends.
    for line in BufReader::new(output).lines() {
        if line? == READY {
            return Ok(true);
        }
    }
    Ok(false)
}

/// In the process in the background, first of all: leaves the terminal and its session.
///
/// # Errors
/// If the system does not let it.
pub fn leave_terminal() -> Result<(), DaemonError> {
    rustix::process::setsid().map_err(|error| DaemonError::Background(error.into()))?;
    rustix::process::umask(Mode::from_raw_mode(UMASK));
    Ok(())
}

/// In the process in the background, once it can be reached: lets the first process return, and gives up its standard
/// streams and the folder it was started in.
///
/// # Errors
/// If the streams cannot be given up.
pub fn tell_ready() -> Result<(), DaemonError> {
    let redirect = || -> io::Result<()> {
        let mut output = io::stdout().lock();
        // If nobody waits any more, nobody has to be told.
        let _ = writeln!(output, "{READY}").and_then(|()| output.flush());
        drop(output);
        let nowhere = OpenOptions::new().read(true).write(true).open(NOWHERE)?;
        rustix::stdio::dup2_stdin(&nowhere)?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        rustix::stdio::dup2_stderr(&nowhere)?;
        std::env::set_current_dir("/")
    };
    redirect().map_err(DaemonError::Background)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requirement M11: one node a directory, and the second is told which process it is.
    #[test]
    fn a_directory_has_one_node() {
        let folder = tempfile::tempdir().unwrap();
        let first = PidFile::acquire(folder.path()).unwrap();
        let error = PidFile::acquire(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        assert_eq!(std::fs::read(folder.path().join(PID_FILE)).unwrap(), b"");
        PidFile::acquire(folder.path()).unwrap();

        // A forked child holds the same open file for a moment.
        let held = PidFile::acquire(folder.path()).unwrap();
        let childs = held.file.try_clone().unwrap();
        drop(held);
        PidFile::acquire(folder.path()).unwrap();
        drop(childs);
        let missing = folder.path().join("none");
        assert!(matches!(PidFile::acquire(&missing), Err(DaemonError::File { .. })));
    }
}
