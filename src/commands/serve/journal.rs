//! Opens the journal and starts its writers, as configured.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Config;
use crate::history::{History, HistorySink};
use crate::journal::sink::{self, FileSink, Replay, StdoutSink, Writer};
use crate::journal::{Journal, JournalFile, JournalOptions};
use crate::logging;
use crate::metrics::ReaderKind;

/// Reads the records of earlier runs from the journal file and its rotated predecessors. The daemon
/// starts even if a file cannot be read.
pub(super) fn replay(file: &JournalFile) -> Replay {
    const UNREADABLE: &str = "the journal of earlier runs cannot be read";
    let replay = Replay::read(file).unwrap_or_else(|error| {
        tracing::error!(path = %file.path.display(), %error, "{UNREADABLE}");
        Replay::default()
    });
    for (path, error) in &replay.unreadable {
        tracing::error!(path = %path.display(), %error, "{UNREADABLE}");
    }
    replay
}

/// Opens the journal, and starts a thread for each of its writers.
pub(super) fn journal(
    config: &Config,
    replay: &Replay,
    history: Option<&History>,
) -> io::Result<(Journal, Vec<Writer>)> {
    let file = config.journal.file.as_ref();
    let run_id =
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let journal = Journal::new(JournalOptions {
        capacity: config.journal.ring,
        first_seq: replay.last_seq + 1,
        run_id,
        continues_previous_run: replay.clean_shutdown,
    });
    let journal = journal.masking(config.privacy.mask_numbers);
    let mut writers = Vec::new();
    let stdout = StdoutSink::new(io::stdout(), config.log.format, logging::shows_records);
    writers.push(sink::spawn(
        "journal-stdout",
        journal.from_start().of_kind(ReaderKind::Stdout),
        stdout,
    )?);
    if let Some(file) = file {
        let file = FileSink::new(file.clone(), journal.clone())
            .carrying(replay.open.clone(), replay.rooms.clone());
        writers.push(sink::spawn(
            "journal-file",
            journal.from_start().of_kind(ReaderKind::File),
            file,
        )?);
    }
    if let Some(history) = history {
        let sink = HistorySink::new(history.clone(), journal.clone(), replay.last_time)
            .continuing(replay.open.clone(), replay.rooms.clone());
        writers.push(sink::spawn(
            "history",
            journal.from_start().of_kind(ReaderKind::History),
            sink,
        )?);
    }
    Ok((journal, writers))
}
