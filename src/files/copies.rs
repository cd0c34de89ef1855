//! Copies of the daemon's files that another program made, such as logrotate:
//! `calls.jsonl-20261126`, `calls.jsonl.1.gz`, `history.db.bak`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use memchr::memmem;

/// Endings of compressed files' names; their text cannot be searched.
const COMPRESSED: [&str; 7] = [".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z"];

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// The names of all files in the folder of `path`, sorted; empty if the folder does not exist.
///
/// # Errors
///
/// The folder cannot be listed.
pub(crate) fn names_beside(path: &Path) -> io::Result<Vec<String>> {
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Names of the files beside `path` that look like copies of it and hold, or may hold, one of
/// `texts`. `is_ours` is true for the names that the daemon itself manages.
///
/// # Errors
///
/// The folder cannot be listed.
pub(crate) fn copies_with(
    path: &Path,
    texts: &[String],
    is_ours: impl Fn(&str) -> bool,
) -> io::Result<Vec<String>> {
    let Some(name) = path.file_name().map(|name| name.to_string_lossy()) else {
        return Ok(Vec::new());
    };
    // With its option `extension`, logrotate puts the date before the extension:
    // calls-20261126.jsonl.
    let (stem, extension) =
        name.rfind('.').filter(|dot| *dot > 0).map_or((&*name, ""), |dot| name.split_at(dot));
    let is_copy =
        |other: &String| other.starts_with(stem) && other.contains(extension) && !is_ours(other);
    let holds = |other: &String| {
        let path = path.with_file_name(other);
        path.is_file() && (is_compressed(other) || holds_any(&path, texts).unwrap_or(true))
    };
    Ok(names_beside(path)?.into_iter().filter(|other| is_copy(other) && holds(other)).collect())
}

fn is_compressed(name: &str) -> bool {
    COMPRESSED.iter().any(|ending| name.ends_with(ending))
}

/// Whether one of `texts` is anywhere in the file.
fn holds_any(path: &Path, texts: &[String]) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let overlap = texts.iter().map(String::len).max().unwrap_or(0).saturating_sub(1);
    let mut bytes = Vec::with_capacity(CHUNK + overlap);
    loop {
        if (&mut file).take(CHUNK as u64).read_to_end(&mut bytes)? == 0 {
            return Ok(false);
        }
        if texts.iter().any(|text| memmem::find(&bytes, text.as_bytes()).is_some()) {
            return Ok(true);
        }
        bytes.drain(..bytes.len().saturating_sub(overlap));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_named_if_they_hold_the_text_or_cannot_be_searched() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.jsonl");
        let across_chunks = "x".repeat(CHUNK - 4) + "7999123";
        for (name, text) in [
            ("calls.jsonl", "7999123"),
            ("calls.jsonl.1", "7999123"),
            ("calls.jsonl-20261126", "+7999123"),
            ("calls-20261126.jsonl", &*across_chunks),
            ("calls.jsonl.1.gz", ""),
            ("calls.jsonl.old", "7998"),
            ("calls.txt.gz", ""),
            ("other.jsonl", "7999123"),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::create_dir(folder.path().join("calls.jsonl.d.gz")).unwrap();
        let found = copies_with(&path, &["7999123".into()], |name| {
            ["calls.jsonl", "calls.jsonl.1"].contains(&name)
        });
        assert_eq!(
            found.unwrap(),
            ["calls-20261126.jsonl", "calls.jsonl-20261126", "calls.jsonl.1.gz"]
        );
    }
}
