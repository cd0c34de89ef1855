//! Files that other programs may move, replace, truncate or copy while the daemon writes to them.

mod copies;

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

pub(crate) use copies::{copies_with, names_beside};

/// The longest chain of symbolic links that is followed; Linux has the same limit.
const MAX_LINKS: usize = 40;

/// Identity of a file, independent of its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of the file with this metadata.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }

    /// The identity of the file at `path`, symbolic links followed; `None` if no file exists there.
    ///
    /// # Errors
    ///
    /// The metadata of the file cannot be read.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        Ok(metadata(path)?.as_ref().map(Self::of))
    }
}

/// The metadata of the file at `path`, symbolic links followed; `None` if no file exists there.
///
/// # Errors
///
/// The metadata of the file cannot be read.
pub(crate) fn metadata(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// Accepts a path only if it leads to a regular file or to none: opening a FIFO can block for ever,
/// and a folder, a device or a socket cannot hold records.
///
/// # Errors
///
/// The file is not regular, or its metadata cannot be read.
pub(crate) fn require_regular(path: &Path) -> io::Result<()> {
    match metadata(path)? {
        Some(metadata) if !metadata.is_file() => Err(not_regular(metadata.file_type())),
        _ => Ok(()),
    }
}

/// The error for a file that is not regular.
pub(crate) fn not_regular(file_type: FileType) -> io::Error {
    let kind = if file_type.is_dir() {
        "a folder"
    } else if file_type.is_fifo() {
        "a FIFO"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    io::Error::new(io::ErrorKind::InvalidInput, format!("it is {kind}, not a regular file"))
}

/// The path with symbolic links of its last component followed, even if they lead to a file that
/// does not exist yet.
///
/// Companion files (rotated journal files, SQLite's `-wal`) are in the folder of the file itself,
/// not in that of a link to it.
pub(crate) fn resolved(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(target) = fs::read_link(&path) else { break };
        path = path.parent().unwrap_or(Path::new("")).join(target);
    }
    path
}

/// The path with `suffix` appended to its last component.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_and_missing_ones_are_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(path("fifo")).status().unwrap();
        assert!(made.success());
        for good in ["file", "missing", "file/below"] {
            require_regular(&path(good)).unwrap();
        }
        for (bad, kind) in [("", "a folder"), ("fifo", "a FIFO"), ("socket", "a socket")] {
            let error = require_regular(&path(bad)).unwrap_err().to_string();
            assert!(error.contains(kind), "{error}");
        }
        assert!(
            require_regular(Path::new("/dev/null")).unwrap_err().to_string().contains("a device")
        );
    }

    #[test]
    fn links_are_followed_to_missing_files_and_loops_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        symlink("b", path("a")).unwrap();
        symlink(path("missing"), path("b")).unwrap();
        assert_eq!(resolved(&path("a")), path("missing"));
        symlink("loop", path("loop")).unwrap();
        assert_eq!(resolved(&path("loop")), path("loop"));
    }
}
