//! The log as a file of JSON lines, rotated by size.
//!
//! It is written through the page cache and not synced: a crash of the daemon loses what it had no time to write,
//! some milliseconds' worth, and a power cut takes the PBX's calls with it as well.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Sink;
use crate::config::JournalFile;
use crate::journal::Entry;

/// Pause between attempts to write to a disk that is full or broken.
const RETRY: Duration = Duration::from_secs(1);

/// How much is looked at for the end of a file's last line at once, in bytes; a line is far shorter.
const TAIL: u64 = 64 * 1024;

/// Appends whole lines to a file, and rotates it.
pub struct FileSink {
    settings: JournalFile,
    file: Option<File>,
    /// The file's length up to which it holds whole lines.
    length: u64,
    /// The trouble was said, and is not over.
    in_trouble: bool,
}

impl FileSink {
    /// Writes to the file of these settings; it need not exist, nor be writable yet.
    pub fn new(settings: JournalFile) -> Self {
        Self { settings, file: None, length: 0, in_trouble: false }
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
    /// Tries until it works: what is read late is in the ring still, or is a gap by then.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        let mut lines = Vec::new();
        for entry in batch {
            serde_json::to_writer(&mut lines, entry)?;
            lines.push(b'\n');
        }
        while let Err(error) = self.append(&lines) {
            if !self.in_trouble {
                tracing::error!(path = %self.settings.path.display(), %error, "the log file cannot be written");
                self.in_trouble = true;
            }
            self.file = None;
            #[allow(clippy::disallowed_methods, reason = "this thread has nothing else to do")]
            thread::sleep(RETRY);
        }
        if self.in_trouble {
            tracing::info!(path = %self.settings.path.display(), "the log file can be written again");
            self.in_trouble = false;
        }
        Ok(())
    }
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
