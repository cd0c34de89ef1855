//! The log as a file of JSON lines, rotated by size.
//!
//! It is written through the page cache and not synced: a crash of the daemon loses what it had no time to write,
//! some milliseconds' worth, and a power cut takes the PBX's calls with it as well.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Sink, pause};
use crate::call::Number;
use crate::config::JournalFile;
use crate::journal::{Entry, Journal};
use crate::metrics::ReaderKind;

/// How much is looked at for the end of a file's last line at once, in bytes; a line is far shorter.
const TAIL: u64 = 64 * 1024;

/// Appends whole lines to a file, and rotates it.
pub struct FileSink {
    settings: JournalFile,
    /// Where it is said whether the file can be written.
    journal: Journal,
    file: Option<File>,
    /// The file's length up to which it holds whole lines.
    length: u64,
    /// The trouble was said, and is not over.
    in_trouble: bool,
}

impl FileSink {
    /// Writes to the file of these settings; it need not exist, nor be writable yet.
    pub fn new(settings: JournalFile, journal: Journal) -> Self {
        journal.metrics().writer(ReaderKind::File, true);
        Self { settings, journal, file: None, length: 0, in_trouble: false }
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.length > 0 && self.length + lines.len() as u64 > self.settings.max_size {
            self.rotate()?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let (file, length) = open(&self.settings.path)?;
                self.length = length;
                self.file.insert(file)
            }
        };
        // Anything behind the last whole line is what an earlier failure left.
        file.set_len(self.length)?;
        if let Err(error) = file.write_all(lines) {
            // Whole lines of it may be there, and would be there twice. Shrinking takes no space.
            let _ = file.set_len(self.length);
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// `path` becomes `path.1`, that becomes `path.2`, and so on; the oldest goes.
    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let JournalFile { path, keep, .. } = &self.settings;
        // Whoever tidies up may have taken any of them.
        let unless_gone = |result: io::Result<()>| match result {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        if *keep == 0 {
            unless_gone(fs::remove_file(path))?;
        }
        for number in (1..=*keep).rev() {
            let from = if number == 1 { path.clone() } else { numbered(path, number - 1) };
            unless_gone(fs::rename(from, numbered(path, number)))?;
        }
        self.length = 0;
        Ok(())
    }
}

impl Sink for FileSink {
    fn erase(&mut self, number: Number) -> io::Result<usize> {
        erase_in_files(&self.settings, number)
    }

    /// Tries until it works: what is read late is in the ring still, or is a gap by then.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
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
            pause();
        }
        if self.in_trouble {
            tracing::info!(path = %self.settings.path.display(), "the log file can be written again");
            self.in_trouble = false;
            self.journal.metrics().writer(ReaderKind::File, true);
        }
        Ok(())
    }
}

/// Erases the number from the log file of these settings and from those rotated before it: each of its records becomes an
/// [`Event::Erased`](crate::journal::Event::Erased) of the same length, in its place. So the bytes are overwritten, whoever
/// appends meanwhile is not disturbed, and the numbering has no hole. Says how many records there were.
///
/// # Errors
///
/// A file is there and cannot be changed.
pub fn erase_in_files(settings: &JournalFile, number: Number) -> io::Result<usize> {
    let mut erased = 0;
    // From the newest on, as they are renamed: one that is rotated meanwhile is met again, and none is missed.
    for count in 0.. {
        let path = if count == 0 { settings.path.clone() } else { numbered(&settings.path, count) };
        match OpenOptions::new().read(true).write(true).open(path) {
            Ok(file) => erased += erase_in(&file, number)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            // Of more files than are kept now some may be left from before.
            Err(_) if count > settings.keep => break,
            Err(_) => {}
        }
    }
    Ok(erased)
}

/// The members of a line that matter here.
#[derive(Deserialize)]
struct Line<'a> {
    seq: u64,
    #[serde(borrow)]
    time: Cow<'a, str>,
    #[serde(borrow)]
    number: Cow<'a, str>,
}

fn erase_in(file: &File, number: Number) -> io::Result<usize> {
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
    let (mut place, mut erased) = (0, 0);
    loop {
        line.clear();
        let length = io::Read::take(&mut reader, TAIL).read_until(b'\n', &mut line)?;
        if length == 0 {
            file.sync_data()?;
            return Ok(erased);
        }
        if let Some(replacement) = replacement(&line, number) {
            file.write_all_at(&replacement, place)?;
            erased += 1;
        }
        place += length as u64;
    }
}

/// What a line becomes, as long as it is, if it is a record of this number.
fn replacement(line: &[u8], number: Number) -> Option<Vec<u8>> {
    let Line { seq, time, number: found } = serde_json::from_slice(line).ok()?;
    Number::from_record(&found).ok().filter(|found| number.may_be(*found))?;
    let erased = serde_json::json!({ "seq": seq, "time": time, "event": "erased" });
    let mut replacement = erased.to_string().into_bytes();
    replacement.resize(line.len() - 1, b' ');
    replacement.push(b'\n');
    Some(replacement)
}

/// Opens the file and finds how much of it is whole lines: a crash can have torn the last one.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    // Two that write would cut off each other's lines. Where a file system knows no locks, nobody can help.
    if let Err(TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another daemon writes to it"));
    }
    let (mut end, mut part) = (file.metadata()?.len(), Vec::new());
    while end > 0 {
        let start = end.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        part.clear();
        (&file).take(end - start).read_to_end(&mut part)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok((file, start + newline as u64 + 1));
        }
        end = start;
    }
    Ok((file, 0))
}

/// The name of the file rotated `number` times.
pub(super) fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}
