//! The journal as a file of JSON lines, rotated by size.
//!
//! The writer does not sync the file. A crash of the daemon loses the records of some milliseconds;
//! a power cut can lose more, but it ends the PBX's calls as well.
//!
//! Other programs may change the file, too: logrotate renames or truncates it, an operator deletes
//! it. Before each write and once a second, the writer checks whether the configured path still
//! leads to its file. If it does not, it opens the path anew and begins there with a `gap`
//! line whose `to` is the last number it has written, so that a restart finds where the numbering
//! goes on. Every new file has the calls and rooms that are still open at its top, see
//! [`open_calls`](super::open_calls) and [`open_rooms`](super::open_rooms).

mod open;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use open::{Change, Known, OpenFile};

use super::erase::{Erased, erase_in_files};
use super::{OpenCalls, OpenRooms, Sink, pause};
use crate::files;
use crate::journal::Journal;
use crate::journal::JournalFile;
use crate::metrics::WriterKind;
use originatord_core::call::Number;
use originatord_core::record::{Entry, Gap, GapReason};

/// How many bytes are read at once to find the end of a file's last line. Lines are far shorter.
pub(super) const TAIL: u64 = 64 * 1024;

/// How often an idle writer checks whether another program has moved its file.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Appends whole lines to a file, and rotates it.
pub struct FileSink {
    settings: JournalFile,
    /// Its metrics show whether the file can be written.
    journal: Journal,
    file: Option<OpenFile>,
    /// The file that was written to last; kept while the file is closed.
    known: Option<Known>,
    /// The number of the last record that was written.
    last_seq: Option<u64>,
    /// The file with the earlier records is no longer at the path, and the new file has no `gap`
    /// line for them yet.
    is_cut: bool,
    /// The last file still exists as `path.0`, although no rotated file is kept: the new file does
    /// not have the open calls yet.
    has_spare: bool,
    /// How many bytes the lines of open calls and rooms take at the top of the file.
    carried: u64,
    /// The calls whose end is not written yet.
    open_calls: OpenCalls,
    /// The rooms whose end is not written yet.
    open_rooms: OpenRooms,
    /// The time of the last record that was written.
    last_time: SystemTime,
    /// Writing fails, and the failure was logged.
    in_trouble: bool,
}

impl FileSink {
    /// A writer of this file, which need not exist or be writable yet.
    pub fn new(settings: JournalFile, journal: Journal) -> Self {
        journal.metrics().writer(WriterKind::File, true);
        // A run was killed before the new file had the open calls.
        let has_spare = numbered(&files::resolved(&settings.path), 0).exists();
        Self {
            settings,
            journal,
            file: None,
            known: None,
            last_seq: None,
            is_cut: false,
            has_spare,
            carried: 0,
            open_calls: OpenCalls::default(),
            open_rooms: OpenRooms::default(),
            last_time: SystemTime::now(),
            in_trouble: false,
        }
    }

    /// Adds the open calls and rooms of earlier runs.
    pub fn carrying(self, calls: OpenCalls, rooms: OpenRooms) -> Self {
        let (open_calls, open_rooms) =
            if self.journal.masks { (calls.masked(), rooms.masked()) } else { (calls, rooms) };
        Self { open_calls, open_rooms, ..self }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.notice_change()?;
        let (max_length, keep) = (self.max_length(), self.settings.keep);
        let is_full = |file: &mut OpenFile| {
            file.length() > 0 && file.length() + lines.len() as u64 > max_length
        };
        if !lines.is_empty()
            && let Some(file) = self.file.take_if(is_full)
        {
            self.known = None;
            rotate(&file.path, keep)?;
            self.has_spare |= keep == 0;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenFile::open(&self.settings.path)?),
        };
        self.known = Some(file.known());
        if self.is_cut || self.has_spare || (file.length() == 0 && !lines.is_empty()) {
            let mut top = if self.is_cut { cut_line(self.last_seq) } else { Vec::new() };
            self.open_calls.write_lines(self.last_time, &mut top);
            self.open_rooms.write_lines(self.last_time, self.open_calls.last_event, &mut top);
            let written = file.append(&top);
            if self.has_spare && (written.is_ok() || self.settings.keep == 0) {
                // On a full disk the next attempt needs this space. The open calls are in memory.
                remove_spare(&file.path)?;
                self.has_spare = false;
            }
            written?;
            self.carried = top.len() as u64;
            self.is_cut = false;
        }
        file.append(lines)?;
        self.known = Some(file.known());
        Ok(())
    }

    /// The length at which the file is rotated, in bytes. The lines of thousands of open calls can
    /// exceed the configured size. Then records of the same length follow before the next rotation
    /// copies those lines again.
    fn max_length(&self) -> u64 {
        self.settings.max_size.max(2 * self.carried)
    }

    /// Updates the numbering, and the open calls and rooms with which the next file begins.
    fn note(&mut self, batch: &[Entry]) {
        self.last_seq = batch.iter().filter_map(last_seq).next_back().or(self.last_seq);
        for entry in batch {
            self.open_calls.entry(entry);
            self.open_rooms.entry(entry);
            if let Entry::Record(record) = entry {
                self.last_time = record.time;
            }
        }
    }

    /// Checks whether the path still leads to the file that was written to last.
    fn notice_change(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        let Some(change) = self.known.map(|known| known.change(path)).transpose()?.flatten() else {
            return Ok(());
        };
        let then = match change {
            Change::Gone => "a new file is created",
            Change::Replaced | Change::Truncated => {
                "records are appended to the file that is there now"
            }
        };
        tracing::warn!(path = %path.display(), "the journal file {change}: {then}");
        self.file = None;
        self.known = None;
        self.is_cut = self.last_seq.is_some();
        Ok(())
    }
}

impl Sink for FileSink {
    fn check_interval(&self) -> Duration {
        CHECK_INTERVAL
    }

    fn erase(&mut self, number: Number) -> Erased {
        // Cuts off the torn line that a failed write may have left.
        let _ = self.append(&[]);
        self.open_calls.erase(number);
        self.open_rooms.erase(number);
        erase_in_files(&self.settings, number)
    }

    /// Repeats until the batch is written. Later records wait in the ring meanwhile, or become a gap.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in batch {
            lines.extend_from_slice(entry.json().as_bytes());
            lines.push(b'\n');
        }
        while let Err(error) = self.append(&lines) {
            if !self.in_trouble {
                tracing::error!(path = %self.settings.path.display(), %error, "the journal file cannot be written");
                self.in_trouble = true;
                self.journal.metrics().writer(WriterKind::File, false);
            }
            self.file = None;
            if batch.is_empty() {
                return Ok(());
            }
            pause();
        }
        self.note(batch);
        if self.in_trouble {
            tracing::info!(path = %self.settings.path.display(), "the journal file can be written again");
            self.in_trouble = false;
            self.journal.metrics().writer(WriterKind::File, true);
        }
        Ok(())
    }
}

/// Renames `path` to `path.1`, `path.1` to `path.2` and so on, over the oldest file. If `keep` is 0,
/// renames `path` to `path.0`, which stays until the open calls are in the new file.
fn rotate(path: &Path, keep: usize) -> io::Result<()> {
    // Another program may have removed any of the files.
    let unless_gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    if keep == 0 {
        unless_gone(fs::rename(path, numbered(path, 0)))?;
    }
    for number in (1..=keep).rev() {
        let from = if number == 1 { path.to_owned() } else { numbered(path, number - 1) };
        unless_gone(fs::rename(from, numbered(path, number)))?;
    }
    Ok(())
}

/// Removes `path.0`, which [`rotate`] leaves if no rotated file is kept.
fn remove_spare(path: &Path) -> io::Result<()> {
    match fs::remove_file(numbered(path, 0)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The first line of a file whose predecessor is no longer there.
fn cut_line(last_seq: Option<u64>) -> Vec<u8> {
    let gap = Entry::Gap(Gap { from: None, to: last_seq, reason: GapReason::FileChanged });
    format!("{}\n", gap.json()).into_bytes()
}

/// The last record number that this entry covers.
fn last_seq(entry: &Entry) -> Option<u64> {
    match entry {
        Entry::Record(record) => Some(record.seq),
        Entry::Gap(gap) => gap.to,
    }
}

/// The name of the file rotated `number` times.
pub(super) fn numbered(path: &Path, number: usize) -> PathBuf {
    files::with_suffix(path, &format!(".{number}"))
}
