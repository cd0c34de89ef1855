//! The open journal file: finds its whole lines, and notices that another program has moved, replaced
//! or truncated it.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::TAIL;
use crate::files::{self, FileId};

/// A change that another program has made to the file at the configured path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing is there any longer.
    Gone,
    /// Another file is there.
    Replaced,
    /// The file is shorter than what was written to it.
    Truncated,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Change::Gone => "was moved or deleted",
            Change::Replaced => "was replaced by another",
            Change::Truncated => "was truncated",
        })
    }
}

/// A file as it was when it was last written to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    id: FileId,
    /// Length of its whole lines, in bytes.
    length: u64,
}

impl Known {
    /// The change, if there now is another, a shorter or no file at `path`.
    ///
    /// # Errors
    ///
    /// The file's metadata cannot be read.
    pub(super) fn change(self, path: &Path) -> io::Result<Option<Change>> {
        let Some(metadata) = files::metadata(path)? else { return Ok(Some(Change::Gone)) };
        let is_another = FileId::of(&metadata) != self.id;
        let is_shorter = metadata.len() < self.length;
        Ok(is_another.then_some(Change::Replaced).or(is_shorter.then_some(Change::Truncated)))
    }
}

/// The journal file, locked and open for appending.
pub(super) struct OpenFile {
    /// Where it is, without symbolic links: rotated files stand beside it.
    pub(super) path: PathBuf,
    file: File,
    known: Known,
}

impl OpenFile {
    /// Opens the file at `path`, and creates it if it is missing.
    ///
    /// # Errors
    ///
    /// It cannot be opened, is no regular file, or another daemon writes to it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        files::require_regular(path)?;
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(files::not_regular(metadata.file_type()));
        }
        // Two writers would cut off each other's lines. Some file systems have no locks; there
        // nothing prevents it.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, "another daemon writes to it"));
        }
        let length = whole_lines(&file, metadata.len())?;
        let known = Known { id: FileId::of(&metadata), length };
        Ok(Self { path: files::resolved(path), file, known })
    }

    pub(super) fn known(&self) -> Known {
        self.known
    }

    /// Length of its whole lines, in bytes.
    pub(super) fn length(&self) -> u64 {
        self.known.length
    }

    /// Appends whole lines behind the last whole one.
    ///
    /// # Errors
    ///
    /// The lines cannot be written. None of them stays in the file, unless truncating it fails, too.
    pub(super) fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if end != self.known.length {
            // A crash or a full disk has left a torn line, or another program has appended to
            // the file or truncated it. The length is checked before each write: to extend a
            // truncated file to its old length would fill it with NULs.
            self.known.length = whole_lines(&self.file, end)?;
            if self.known.length < end {
                self.file.set_len(self.known.length)?;
            }
        }
        if let Err(error) = self.file.write_all(lines) {
            // Some whole lines may have been written, and the next attempt would write them again.
            // Shrinking takes no space.
            let _ = self.file.set_len(self.known.length);
            return Err(error);
        }
        self.known.length += lines.len() as u64;
        Ok(())
    }
}

/// Length of the whole lines of a file that ends at `end`: a crash can have torn the last one.
fn whole_lines(mut file: &File, mut end: u64) -> io::Result<u64> {
    let mut part = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(TAIL);
        file.seek(SeekFrom::Start(start))?;
        part.clear();
        file.take(end - start).read_to_end(&mut part)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + newline as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
