//! `originatord tail`: prints records as they are made.

use std::process::ExitCode;

use super::terminal::connection::ConnectionArgs;
use super::terminal::filter::RecordFilter;
use super::terminal::line::{Entry, Printer};
use super::terminal::moment::{Since, Window};
use super::terminal::zone::ShownTimes;
use super::terminal::{CommandError, LostNotes, finish, note};
use originatord_net::client::event_stream::{EventStream, Update};
use originatord_net::client::sse::Event;

/// The arguments of `originatord tail`.
#[derive(Debug, clap::Args)]
pub(super) struct TailArgs {
    /// Begin with earlier records, as far as the daemon has them in memory: those since some time
    /// ago (10m, 1h30m), since a time (2026-11-25T18:20:00Z) or a day, or those after the record
    /// with this seq (0 for all). If there is no record with this seq yet, wait for it.
    #[arg(long, value_name = "WHEN")]
    since: Option<Since>,
    /// Print the records as JSON lines, unchanged.
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
pub(super) const HELP: &str = "\
Terminals get colours unless NO_COLOR is set. If the connection is lost, tail reconnects and continues where it was. If \
records are missing nevertheless, it prints a line, or with --json a record, with the event gap.

Exit codes:
  0    stopped by Ctrl-C, or nobody reads the output any more
  64   the command line is wrong
  66   the key file cannot be read
  74   the output cannot be written
  77   the daemon does not know this key";

/// Prints records until Ctrl-C.
pub(super) async fn run(args: TailArgs) -> ExitCode {
    let result = tokio::select! {
        result = follow(&args) => result,
        _ = tokio::signal::ctrl_c() => Ok(0),
    };
    finish("tail", result)
}

async fn follow(args: &TailArgs) -> Result<u8, CommandError> {
    let zone = args.times.zone();
    // The API resumes at a `seq`, not at a time. So this reads all records, and the window skips
    // records before the time.
    let (after, from) = match args.since {
        None => (None, None),
        Some(Since::Record(seq)) => (Some(seq), None),
        Some(Since::Moment(moment)) => (Some(0), Some(moment.from(&zone))),
    };
    let mut stream = EventStream::new(args.connection.client()?, after);
    let mut window = Window::new(from);
    let mut printer = Printer::new(anstream::stdout(), args.json, zone);
    let mut lost_notes = LostNotes::default();
    loop {
        match stream.next().await? {
            Update::Events(events) => {
                lost_notes.clear();
                if let Some(newest) = events.first().and_then(|first| newest_below(first, after)) {
                    note(&format!("the newest record is {newest}: waiting for new ones"));
                }
                for entry in events.into_iter().filter_map(Entry::read) {
                    let time = entry.time();
                    for entry in
                        window.push(entry, time).iter().filter(|entry| args.filter.accepts(entry))
                    {
                        printer.print(entry)?;
                    }
                }
            }
            Update::Lost(lost) => lost_notes.print(&lost),
        }
    }
}

/// Returns the `seq` of the newest record, if it is below `after`. In this case the first event of
/// the stream has the newest record's id and no data.
fn newest_below(first: &Event, after: Option<u64>) -> Option<u64> {
    let newest =
        first.id.as_deref().filter(|_| first.data.is_empty())?.split_once('-')?.1.parse().ok()?;
    after.filter(|after| *after > newest).map(|_| newest)
}
