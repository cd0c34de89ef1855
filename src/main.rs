//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use originatord::erase::EraseArgs;
use originatord::load::{self, EXIT_CODES, LoadArgs};
use originatord::sim::server::{self, SimulateArgs};
use originatord::tail::TailArgs;
use originatord::{check, erase, lifecycle, tail};

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
    /// Erase a number from the history and the log files.
    ///
    /// Has the running daemon do it, or does it itself where none runs.
    Erase(EraseArgs),
    /// Put an Asterisk under load through a running daemon, and tell what it can take.
    ///
    /// Calls real people if the daemon does: it is for a range of numbers whose callees are machines, or have agreed.
    #[command(after_help = EXIT_CODES)]
    Load(Box<LoadArgs>),
    /// Simulate an Asterisk to develop against, without any telephony.
    ///
    /// An AMI server that behaves like Asterisk with the samples of asterisk/, and callees that do what the last
    /// three digits of their number say.
    #[command(after_help = CALLEES)]
    Simulate(SimulateArgs),
}

/// The help of `simulate`.
const CALLEES: &str = "\
The last three digits of a number choose what the callee does:
  404     is not on Telegram
  420     has a number that the gateway does not take
  480     rings for half a second, and nobody picks up
  486     is busy
  500     cannot be called: Telegram rate-limits the gateway for 291 s (FLOOD_WAIT)
  603     declines
  180     rings for ever
  408     is never heard of
  200     answers after 1 s, and hangs up 3 s later
  others  answer after 1 s and stay

A scenario file changes that. All of it can be left out:
  [timing]                  # dial, wait (before the conference), beep, leave, lock_lingers
  wait = \"0s\"
  [[callee]]                # the first that matches counts
  number = \"7999*1\"       # digits, ? for any one, * for any others
  ring_after = \"500ms\"    # without it, it does not ring
  answer_after = \"4s\"     # or: sip = 503, words = \"Service Unavailable\", refuse_after = \"1s\", cause = 34
  talk = \"10s\"            # without it, the callee stays
  [faults]                  # stop_reading, stop_writing, delay, cut_after, cut_before_receipt, repeat, drop,
  drop = 0.01               # reorder, garbage, endless_line, endless_headers, flood
The AMI action SimFault sets the same faults while it runs, and `Restart: true` starts Asterisk anew.";

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
            Command::Erase(args) => erase::run(args).await,
            Command::Load(args) => load::run(*args).await,
            Command::Simulate(args) => server::run(args).await,
        }
    });
    // Threads that write the log may be held up by whoever reads it; what they had to write, they had time for.
    runtime.shutdown_background();
    code
}
