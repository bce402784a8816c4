//! What packages install beside the program: completions for shells, and manual pages.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use super::Cli;
use super::term::say_bytes;

/// Writes the completions of a shell to standard output.
pub(super) fn completions(shell: Shell) {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut script);
    say_bytes(&script);
}

/// Writes the manual page of the program to standard output, or one for each command into a directory.
pub(super) fn man(dir: Option<&Path>) -> anyhow::Result<()> {
    let Some(dir) = dir else {
        let mut page = Vec::new();
        Man::new(Cli::command()).render(&mut page)?;
        say_bytes(&page);
        return Ok(());
    };
    clap_mangen::generate_to(Cli::command(), dir).with_context(|| format!("in {}", dir.display()))
}
