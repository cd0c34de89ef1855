//! The journal and its writers, as configured.

use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::config::Config;
use crate::history::{History, HistorySink};
use crate::journal::Journal;
use crate::journal::JournalFile;
use crate::journal::sink::{self, FileSink, Past, StdoutSink, Writer};
use crate::logging;
use crate::metrics::ReaderKind;

/// Reads what earlier runs wrote to the journal file. If the disk fails, the daemon starts without
/// it.
pub(super) fn past(file: &JournalFile) -> Past {
    const UNREADABLE: &str = "the journal of earlier runs cannot be read";
    let past = Past::read(file).unwrap_or_else(|error| {
        tracing::error!(path = %file.path.display(), %error, "{UNREADABLE}");
        Past::default()
    });
    for (path, error) in &past.unreadable {
        tracing::error!(path = %path.display(), %error, "{UNREADABLE}");
    }
    past
}

/// Opens the journal, and starts a thread for each of its writers.
pub(super) fn journal(
    config: &Config,
    past: &Past,
    history: Option<&History>,
) -> io::Result<(Journal, Vec<Writer>)> {
    let file = config.journal.file.as_ref();
    let boot = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
    let journal = Journal::new(config.journal.ring, past.last_seq + 1, boot, past.is_whole);
    let journal = journal.masking(config.privacy.mask_numbers);
    let mut writers = Vec::new();
    let stdout = StdoutSink::new(io::stdout(), config.log.format, logging::shows_records);
    writers.push(sink::spawn(
        "journal-stdout",
        journal.from_start().of_kind(ReaderKind::Stdout),
        stdout,
    )?);
    if let Some(file) = file {
        let file = FileSink::new(file.clone(), journal.clone()).carrying(past.open.clone());
        writers.push(sink::spawn(
            "journal-file",
            journal.from_start().of_kind(ReaderKind::File),
            file,
        )?);
    }
    if let Some(history) = history {
        let sink = HistorySink::new(history.clone(), journal.clone(), past.last_time);
        writers.push(sink::spawn(
            "history",
            journal.from_start().of_kind(ReaderKind::History),
            sink,
        )?);
    }
    Ok((journal, writers))
}
