//! The journal as a file of JSON lines, rotated by size.
//!
//! It is written through the page cache and not synced: a crash of the daemon loses what it had no time to write,
//! some milliseconds' worth, and a power cut takes the PBX's calls with it as well.
//!
//! Others may have their hands on the file, too: logrotate renames or truncates it, an operator deletes it. The writer
//! looks before each write and once a second whether the configured path still leads to its file. If it does not, it opens
//! the path anew and begins there with a `gap` line whose `to` is the last number it has written, so that a restart finds
//! where the numbering goes on.

mod open;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use open::{Change, Known, OpenFile};

use super::erase::{Erased, erase_in_files};
use super::{Sink, pause};
use crate::call::Number;
use crate::config::JournalFile;
use crate::files;
use crate::journal::{Entry, Gap, GapReason, Journal};
use crate::metrics::ReaderKind;

/// How much is looked at for the end of a file's last line at once, in bytes; a line is far shorter.
pub(super) const TAIL: u64 = 64 * 1024;

/// How long a file that somebody else has moved may go unnoticed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Appends whole lines to a file, and rotates it.
pub struct FileSink {
    settings: JournalFile,
    /// Its metrics show whether the file can be written.
    journal: Journal,
    file: Option<OpenFile>,
    /// The file that was written to last, also while it is not open.
    known: Option<Known>,
    /// The number of the last record that was written.
    last_seq: Option<u64>,
    /// The file that holds the records before is no longer at the path, and the one that is does not say so yet.
    is_cut: bool,
    /// The trouble was logged, and is not over.
    in_trouble: bool,
}

impl FileSink {
    /// Writes to the file of these settings; it need not exist, nor be writable yet.
    pub fn new(settings: JournalFile, journal: Journal) -> Self {
        journal.metrics().writer(ReaderKind::File, true);
        Self { settings, journal, file: None, known: None, last_seq: None, is_cut: false, in_trouble: false }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        self.notice_change()?;
        let (max_size, keep) = (self.settings.max_size, self.settings.keep);
        let is_full = |file: &mut OpenFile| file.length() > 0 && file.length() + lines.len() as u64 > max_size;
        if !lines.is_empty()
            && let Some(file) = self.file.take_if(is_full)
        {
            self.known = None;
            rotate(&file.path, keep)?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(OpenFile::open(&self.settings.path)?),
        };
        self.known = Some(file.known());
        if self.is_cut {
            file.append(&cut_line(self.last_seq))?;
            self.is_cut = false;
        }
        file.append(lines)?;
        self.known = Some(file.known());
        Ok(())
    }

    /// Looks whether the path still leads to the file that was written to last.
    fn notice_change(&mut self) -> io::Result<()> {
        let path = &self.settings.path;
        let Some(change) = self.known.map(|known| known.change(path)).transpose()?.flatten() else { return Ok(()) };
        let then = match change {
            Change::Gone => "a new one is begun",
            Change::Replaced | Change::Truncated => "records go on behind what is in it now",
        };
        tracing::warn!(path = %path.display(), "the journal file {change}: {then}");
        self.file = None;
        self.known = None;
        self.is_cut = self.last_seq.is_some();
        Ok(())
    }
}

impl Sink for FileSink {
    fn look_every(&self) -> Duration {
        LOOK_EVERY
    }

    fn erase(&mut self, number: Number) -> Erased {
        // Cuts off the torn line that a failed write may have left.
        let _ = self.append(&[]);
        erase_in_files(&self.settings, number)
    }

    /// Tries until it works: what is read late is in the ring still, or is a gap by then.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in batch {
            lines.extend_from_slice(entry.json().as_bytes());
            lines.push(b'\n');
        }
        while let Err(error) = self.append(&lines) {
            if !self.in_trouble {
                tracing::error!(path = %self.settings.path.display(), %error, "the log file cannot be written");
                self.in_trouble = true;
                self.journal.metrics().writer(ReaderKind::File, false);
            }
            self.file = None;
            if batch.is_empty() {
                return Ok(());
            }
            pause();
        }
        self.last_seq = batch.iter().filter_map(last_seq).next_back().or(self.last_seq);
        if self.in_trouble {
            tracing::info!(path = %self.settings.path.display(), "the log file can be written again");
            self.in_trouble = false;
            self.journal.metrics().writer(ReaderKind::File, true);
        }
        Ok(())
    }
}

/// `path` becomes `path.1`, that becomes `path.2`, and so on; the oldest goes.
fn rotate(path: &Path, keep: usize) -> io::Result<()> {
    // Somebody else may have removed any of them.
    let unless_gone = |result: io::Result<()>| match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    };
    if keep == 0 {
        unless_gone(fs::remove_file(path))?;
    }
    for number in (1..=keep).rev() {
        let from = if number == 1 { path.to_owned() } else { numbered(path, number - 1) };
        unless_gone(fs::rename(from, numbered(path, number)))?;
    }
    Ok(())
}

/// The first line of a file whose predecessor is no longer there.
fn cut_line(last_seq: Option<u64>) -> Vec<u8> {
    let gap = Entry::Gap(Gap { from: None, to: last_seq, reason: GapReason::FileChanged });
    format!("{}\n", gap.json()).into_bytes()
}

/// The last number that this entry uses up.
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
