//! Erases a number from the journal's files.
//!
//! A record of the number becomes an [`Event::Erased`](originatord_core::record::Event::Erased) of the same
//! length, in its place: the bytes are overwritten, an append at the same time is not disturbed, and
//! the numbering has no hole. In a line that is no record (torn by a crash, or written by another
//! program) the number's digits are overwritten. A record of another number stays as it is, and so do
//! files that the daemon has not rotated itself; if they hold the number, the result says so.

mod line;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use self::line::Cleaned;
pub use self::line::Cleaner;
use super::file::{TAIL, numbered};
use crate::files;
use crate::journal::JournalFile;
use originatord_core::call::Number;

/// The result of an erasure, with the files that it could not clean.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Erased {
    /// Number of erased records and calls.
    pub count: usize,
    /// Files of ours that hold the number, or may, and could not be changed; each with the reason.
    pub failed: Vec<String>,
    /// Places that may still hold the number and are left alone: copies of the files that another
    /// program made, and texts of other calls.
    pub kept: Vec<String>,
}

impl Erased {
    /// Adds the result of another erasure.
    pub fn add(&mut self, other: Self) {
        self.count += other.count;
        self.failed.extend(other.failed);
        self.kept.extend(other.kept);
    }

    /// The result for a file of ours that could not be changed.
    pub fn failure(path: &Path, error: impl std::fmt::Display) -> Self {
        Self {
            failed: vec![format!("{} cannot be changed: {error}", path.display())],
            ..Self::default()
        }
    }

    /// Names copies of the file at `path` that hold the number, or may.
    pub fn note_copies(&mut self, path: &Path, number: Number, is_ours: impl Fn(&str) -> bool) {
        let texts: Vec<_> = [number.digits()].into_iter().chain(number.recorded_forms()).collect();
        let message = |copy: String| {
            let copy = path.with_file_name(copy);
            format!("{} is not the daemon's own and may hold the number", copy.display())
        };
        match files::copies_with(path, &texts, is_ours) {
            Ok(copies) => self.kept.extend(copies.into_iter().map(message)),
            Err(error) => {
                self.kept.push(format!("cannot search for copies of {}: {error}", path.display()))
            }
        }
    }
}

/// Erases the number from the journal file of these settings and from those rotated before it.
pub fn erase_in_files(settings: &JournalFile, number: Number) -> Erased {
    let path = files::resolved(&settings.path);
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let newest_of = |other: &str| rotation(&name, other);
    let oldest = files::names_beside(&path)
        .unwrap_or_default()
        .iter()
        .filter_map(|other| newest_of(other))
        .max()
        .unwrap_or(0);
    let mut erased = Erased::default();
    // Rotation renames files from newer to older numbers. In this order a file that is rotated
    // meanwhile is cleaned twice, and none is missed.
    for count in 0..=oldest.max(settings.keep) + 1 {
        let path = if count == 0 { path.clone() } else { numbered(&path, count) };
        erased.add(erase_at(&path, number).unwrap_or_else(|error| Erased::failure(&path, error)));
    }
    // A crash can have left this file in the middle of a rotation.
    let spare = numbered(&path, 0);
    erased.add(erase_at(&spare, number).unwrap_or_else(|error| Erased::failure(&spare, error)));
    erased.note_copies(&path, number, |other| other == name || newest_of(other).is_some());
    erased
}

/// How often the file `other` was rotated, if it is one of the journal file `name`.
fn rotation(name: &str, other: &str) -> Option<usize> {
    let number = other.strip_prefix(name)?.strip_prefix('.')?;
    number.parse().ok().filter(|count: &usize| count.to_string() == number)
}

/// Erases the number from one file, if it is there.
fn erase_at(path: &Path, number: Number) -> io::Result<Erased> {
    files::require_regular(path)?;
    let denied = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => return erase_in(path, &file, number, true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Erased::default()),
        Err(error) => error,
    };
    // A file without the number need not be changed.
    let found = File::open(path).and_then(|file| erase_in(path, &file, number, false));
    match found {
        Ok(found) if found.count == 0 => Ok(found),
        _ => Err(denied),
    }
}

/// Goes through the lines of a file, and overwrites those that hold the number if it `may_write`.
fn erase_in(path: &Path, file: &File, number: Number, may_write: bool) -> io::Result<Erased> {
    let cleaner = Cleaner::new(number);
    let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
    let mut place = 0;
    let (mut count, mut mentions) = (0, 0);
    loop {
        line.clear();
        if (&mut reader).take(TAIL).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // The daemon writes no line this long. Search it in parts that do not split a number.
        let torn_off = if line.len() as u64 == TAIL { trailing_digits(&line) } else { 0 };
        reader.seek_relative(-(torn_off as i64))?;
        line.truncate(line.len() - torn_off);
        match cleaner.clean(&mut line) {
            Cleaned::Nothing => {}
            Cleaned::Mention => mentions += 1,
            Cleaned::Changed => {
                if may_write {
                    file.write_all_at(&line, place)?;
                }
                count += 1;
            }
        }
        place += line.len() as u64;
    }
    if may_write {
        file.sync_data()?;
    }
    let kept = (mentions > 0).then(|| {
        format!(
            "{}: {mentions} records of other calls have the number in their texts",
            path.display()
        )
    });
    Ok(Erased { count, kept: kept.into_iter().collect(), ..Erased::default() })
}

/// How many digits a part of a line ends with; 0 if the part has nothing but digits.
fn trailing_digits(part: &[u8]) -> usize {
    let digits = part.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == part.len() { 0 } else { digits }
}
