//! The log: to standard output or a file, for people or for machines, and without secrets.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context;
use indicatif::MultiProgress;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::RunArgs;
use crate::redact::{redact, redact_secrets};

/// The variable that overrides the log level, in the syntax of `tracing_subscriber::EnvFilter`.
const LOG_VARIABLE: &str = "DILITHION_LOG";
/// Log files are for the node's user, and for its group to read.
const LOG_MODE: u32 = 0o640;

/// Where the log goes.
#[derive(Clone)]
pub(super) struct Log(Arc<Target>);

enum Target {
    /// Bars are drawn below the log if it is a terminal.
    StandardOutput {
        bars: Option<MultiProgress>,
    },
    File {
        path: PathBuf,
        file: RwLock<File>,
    },
}

impl Log {
    /// Starts logging, to `file` if there is one.
    pub(super) fn start(args: &RunArgs, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let target = match file {
            None => {
                let terminal = io::stdout().is_terminal() && io::stderr().is_terminal();
                Target::StandardOutput { bars: terminal.then(MultiProgress::new) }
            }
            Some(path) => {
                let file = open(&path).with_context(|| format!("cannot log to {}", path.display()))?;
                Target::File { path, file: RwLock::new(file) }
            }
        };
        let log = Self(Arc::new(target));
        let level = match (args.quiet, args.verbose) {
            (true, _) => LevelFilter::WARN,
            (false, true) => LevelFilter::DEBUG,
            (false, false) => LevelFilter::INFO,
        };
        let filter = EnvFilter::builder()
            .with_default_directive(level.into())
            .with_env_var(LOG_VARIABLE)
            .from_env_lossy();
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_target(false)
            .with_ansi(log.bars().is_some())
            .with_writer(log.clone());
        if args.ops.json_logs {
            subscriber.json().flatten_event(true).init();
        } else {
            subscriber.init();
        }
        Ok(log)
    }

    /// Opens the file anew, after somebody has moved it away.
    pub(super) fn reopen(&self) {
        let Target::File { path, file } = &*self.0 else { return };
        match open(path) {
            Ok(new) => {
                *file.write().unwrap_or_else(PoisonError::into_inner) = new;
                tracing::info!("SIGHUP: log opened anew");
            }
            Err(error) => tracing::error!("cannot open {} anew: {error}", path.display()),
        }
    }

    /// What draws bars, if there is a terminal to draw them on.
    pub(super) fn bars(&self) -> Option<&MultiProgress> {
        match &*self.0 {
            Target::StandardOutput { bars } => bars.as_ref(),
            Target::File { .. } => None,
        }
    }
}

fn open(path: &std::path::Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(LOG_MODE).open(path)
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogWriter(self)
    }
}

/// Writes one event, which comes in one piece.
pub(super) struct LogWriter<'a>(&'a Log);

impl Write for LogWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        // The colours of a terminal are ours; a file has none, so whatever is in there came from elsewhere.
        let clean = if self.0.bars().is_some() { redact_secrets(&text) } else { redact(&text) };
        match &*self.0.0 {
            Target::StandardOutput { bars } => {
                let write = || io::stdout().lock().write_all(clean.as_bytes());
                match bars {
                    Some(bars) => bars.suspend(write)?,
                    None => write()?,
                }
            }
            Target::File { file, .. } => {
                let file = file.read().unwrap_or_else(PoisonError::into_inner);
                (&*file).write_all(clean.as_bytes())?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().lock().flush()
    }
}
