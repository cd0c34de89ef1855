//! `originatord completions`: completions for a shell.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

/// The arguments of `originatord completions`.
#[derive(Debug, clap::Args)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// Prints the completions of `command`.
pub(super) fn run(args: &CompletionsArgs, mut command: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "originatord", &mut script);
    // An error means that the reader has closed the pipe.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}
