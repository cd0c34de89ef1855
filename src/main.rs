//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use originatord::tail::TailArgs;
use originatord::{check, lifecycle, tail};

/// Rings people into Asterisk conference rooms.
///
/// Bots POST a number and a room; the daemon has Asterisk call the number and puts whoever answers into the room,
/// never calls a number that is in a call already, and shows every step live.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon.
    Serve {
        /// The configuration; config.toml.example explains each key.
        #[arg(long, value_name = "FILE", default_value = "config.toml")]
        config: PathBuf,
    },
    /// Check the configuration, and with --connect the Asterisk that it names.
    ///
    /// Prints each problem with its line and ends with status 78 if there is one.
    Check {
        /// The configuration to check.
        #[arg(long, value_name = "FILE", default_value = "config.toml")]
        config: PathBuf,
        /// Log in to Asterisk as well, and report what the AMI user may do.
        #[arg(long)]
        connect: bool,
    },
    /// Follow the live call log of a running daemon.
    Tail(TailArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(asked_or_wrong) => {
            // Who no longer reads still gets the exit code.
            let _ = asked_or_wrong.print();
            // Help and version are what was asked for.
            return if asked_or_wrong.use_stderr() { lifecycle::EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    // One thread: a request goes through HTTP, engine and AMI without waking another, which costs more than all that
    // is done on the way.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("originatord: cannot start: {error}");
            return ExitCode::from(lifecycle::EX_OSERR);
        }
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve { config } => lifecycle::serve(&config).await,
            Command::Check { config, connect } => check::run(&config, connect).await,
            Command::Tail(args) => tail::run(args).await,
        }
    });
    // Threads that write the log may be held up by whoever reads it; what they had to write, they had time for.
    runtime.shutdown_background();
    code
}
