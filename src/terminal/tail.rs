//! `originatord tail`: the live log in a terminal.

use std::process::ExitCode;

use super::connection::Connection;
use super::filter::RecordFilter;
use super::line::{Entry, Printer};
use super::moment::{Since, Window};
use super::{TerminalError, Troubles, finish};
use crate::client::live_log::{LiveLog, Told};

/// What `tail` can be told.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Begin with what happened since then, as far as the daemon remembers: so long ago, as 10m or 1h30m; at a time, as
    /// 2026-11-25T18:20:00Z; on a day (UTC); or after the record of this number, 0 for all.
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Print the records as JSON lines, as they are.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    filter: RecordFilter,
    #[command(flatten)]
    connection: Connection,
}

/// The end of the help of `tail`.
pub const HELP: &str = "\
Colours are for terminals, and go with NO_COLOR. A connection that is lost is made again, and goes on where it was. Where \
records are missing all the same there is a line, or with --json a record, of the event gap.

Exit codes:
  0    ended by Ctrl-C, or nobody reads on
  64   the command line is wrong
  66   the key file cannot be read
  74   the output cannot be written
  77   the daemon does not know this key";

/// Follows the log until it is interrupted.
pub async fn run(args: TailArgs) -> ExitCode {
    let result = tokio::select! {
        result = follow(&args) => result,
        _ = tokio::signal::ctrl_c() => Ok(0),
    };
    finish("tail", result)
}

async fn follow(args: &TailArgs) -> Result<u8, TerminalError> {
    // Only the records can tell when they were.
    let (after, from) = match args.since {
        None => (None, None),
        Some(Since::Record(seq)) => (Some(seq), None),
        Some(Since::Time(time)) => (Some(0), Some(time)),
    };
    let mut log = LiveLog::new(args.connection.client()?, after);
    let mut window = Window::new(from);
    let mut printer = Printer::new(anstream::stdout(), args.json);
    let mut troubles = Troubles::default();
    loop {
        match log.next().await? {
            Told::Events(events) => {
                troubles.over();
                for entry in events.into_iter().filter_map(Entry::read) {
                    let time = entry.time();
                    for entry in window.take(entry, time).iter().filter(|entry| args.filter.takes(entry)) {
                        printer.print(entry)?;
                    }
                }
            }
            Told::Lost(lost) => troubles.lost(&lost),
        }
    }
}
