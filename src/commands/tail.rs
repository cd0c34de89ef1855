//! `originatord tail`: the live log in a terminal.

use std::process::ExitCode;

use super::terminal::connection::ConnectionArgs;
use super::terminal::filter::RecordFilter;
use super::terminal::line::{Entry, Printer};
use super::terminal::moment::{Since, Window};
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, Troubles, finish, note};
use crate::client::event_stream::{EventStream, Update};
use crate::client::sse::Event;

/// What `tail` can be told.
#[derive(Debug, clap::Args)]
pub struct TailArgs {
    /// Begin with what happened since then, as far as the daemon remembers: so long ago, as 10m or
    /// 1h30m; at a time, as 2026-11-25T18:20:00Z; on a day; or after the record of this number, 0
    /// for all. With a number that is not reached yet it waits.
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Print the records as JSON lines, as they are.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    times: ShownTimes,
    #[command(flatten)]
    filter: RecordFilter,
    #[command(flatten)]
    connection: ConnectionArgs,
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

async fn follow(args: &TailArgs) -> Result<u8, CommandError> {
    let zone = args.times.zone();
    // Only the records can tell when they were.
    let (after, from) = match args.since {
        None => (None, None),
        Some(Since::Record(seq)) => (Some(seq), None),
        Some(Since::Moment(moment)) => (Some(0), Some(moment.from(&zone))),
    };
    let mut log = EventStream::new(args.connection.client()?, after);
    let mut window = Window::new(from);
    let mut printer = Printer::new(anstream::stdout(), args.json, zone);
    let mut troubles = Troubles::default();
    loop {
        match log.next().await? {
            Update::Events(events) => {
                troubles.over();
                if let Some(newest) = events.first().and_then(|first| not_reached(first, after)) {
                    note(&format!("the newest record is {newest}: waiting for those that come"));
                }
                for entry in events.into_iter().filter_map(Entry::read) {
                    let time = entry.time();
                    for entry in
                        window.take(entry, time).iter().filter(|entry| args.filter.takes(entry))
                    {
                        printer.print(entry)?;
                    }
                }
            }
            Update::Lost(lost) => troubles.lost(&lost),
        }
    }
}

/// The number of the newest record, if the stream begins with it because the one to begin after is
/// not reached yet.
fn not_reached(first: &Event, after: Option<u64>) -> Option<u64> {
    let newest =
        first.id.as_deref().filter(|_| first.data.is_empty())?.split_once('-')?.1.parse().ok()?;
    after.filter(|after| *after > newest).map(|_| newest)
}
