//! Checks that no file that the daemon writes is also another file of the configuration: rotation,
//! erasure or SQLite would destroy that file.
//!
//! Paths are compared after symbolic links are resolved, and existing files by device and inode as
//! well. So the check recognises a file under another spelling, a symbolic link or a hard link.

use std::ffi::OsStr;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::config::reader::Report;
use crate::database::SQLITE_SUFFIXES;
use crate::files::{self, FileId};

/// The purpose that a configured file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Use {
    /// The daemon reads the file.
    Read,
    /// The daemon appends to the file, and rotates it to `.1`, `.2` and so on up to this number.
    Journal(usize),
    /// The file is an SQLite database.
    Database,
}

/// A file that a key of the configuration names.
#[derive(Debug, Clone)]
pub(in crate::config) struct NamedFile {
    /// The name of the configuration key, for messages.
    pub(in crate::config) name: String,
    pub(in crate::config) span: Range<usize>,
    pub(in crate::config) path: PathBuf,
    pub(in crate::config) used: Use,
}

/// A file with its companion files: rotated journal files, or SQLite's.
struct Location {
    /// The file's path, without links.
    path: PathBuf,
    /// The identities of all these files that exist.
    ids: Vec<FileId>,
}

impl NamedFile {
    fn location(&self) -> Location {
        let path = real(&self.path);
        let beside: Vec<_> = match self.used {
            Use::Read => Vec::new(),
            Use::Journal(keep) => (1..=keep).map(|number| format!(".{number}")).collect(),
            Use::Database => SQLITE_SUFFIXES.map(str::to_owned).to_vec(),
        };
        let all =
            beside.iter().map(|suffix| files::with_suffix(&path, suffix)).chain([path.clone()]);
        let ids = all.filter_map(|path| FileId::at(&path).ok().flatten()).collect();
        Location { path, ids }
    }

    /// Whether the daemon would write to `other` if this file were at `path`.
    fn overwrites(&self, path: &Path, other: &Path) -> bool {
        let suffix =
            other.as_os_str().as_encoded_bytes().strip_prefix(path.as_os_str().as_encoded_bytes());
        let Some(suffix) = suffix.and_then(|suffix| std::str::from_utf8(suffix).ok()) else {
            return false;
        };
        let is_beside = match self.used {
            Use::Read => return false,
            Use::Journal(_) => suffix.strip_prefix('.').is_some_and(is_number),
            Use::Database => SQLITE_SUFFIXES.contains(&suffix),
        };
        is_beside || suffix.is_empty()
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The path without symbolic links and `..`. If its folder does not exist, the path is only made
/// absolute.
fn real(path: &Path) -> PathBuf {
    let path = files::resolved(path);
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder)
        .or_else(|_| std::path::absolute(folder))
        .unwrap_or(folder.to_owned());
    folder.join(path.file_name().unwrap_or(OsStr::new("..")))
}

/// Reports each file for writing that is not regular, or is also another file: one of the
/// configuration, the configuration itself, stdout or stderr. `config` is the path of the
/// configuration, if it comes from a file.
pub(super) fn check(report: &mut Report<'_>, config: Option<&Path>) {
    let named = report.take_files();
    let locations: Vec<_> = named.iter().map(NamedFile::location).collect();
    let config = config.map(|path| Location {
        path: real(path),
        ids: FileId::at(path).ok().flatten().into_iter().collect(),
    });
    for (index, (file, at)) in named.iter().zip(&locations).enumerate() {
        if file.used == Use::Read {
            continue;
        }
        if let Err(error) = files::require_regular(&file.path) {
            report.add(&file.span, format!("{}: {error}", file.name));
        }
        let is_same = |other: &Location| {
            file.overwrites(&at.path, &other.path) || at.ids.iter().any(|id| other.ids.contains(id))
        };
        if config.as_ref().is_some_and(is_same) {
            report.add(
                &file.span,
                format!("{} would overwrite the configuration; choose another path", file.name),
            );
        }
        for (stream, path) in [("stdout", "/dev/stdout"), ("stderr", "/dev/stderr")] {
            if regular_id(path).is_some_and(|id| at.ids.contains(&id)) {
                report.add(
                    &file.span,
                    format!("{} is the file that {stream} goes to; choose another path", file.name),
                );
            }
        }
        for (other_index, (other, other_at)) in named.iter().zip(&locations).enumerate() {
            // Report a pair once, even if the daemon writes both files.
            let is_new = other.used == Use::Read || index < other_index;
            if is_new
                && index != other_index
                && (is_same(other_at) || other.overwrites(&other_at.path, &at.path))
            {
                let text = format!(
                    "{} would overwrite the file of {}; choose another path",
                    file.name, other.name
                );
                report.add(&file.span, text);
            }
        }
    }
}

/// The identity of a regular file.
fn regular_id(path: &str) -> Option<FileId> {
    let metadata = files::metadata(Path::new(path)).ok().flatten()?;
    metadata.is_file().then(|| FileId::of(&metadata))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::config::Config;

    /// Loads a configuration with the sections `more` from a new folder that `prepare` fills, and
    /// returns its problems.
    fn problems(prepare: impl Fn(&std::path::Path), more: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("key"), "hush-hush-key").unwrap();
        let text = "[[asterisk]]\naddress = '127.0.0.1:5038'\nusername = 'me'\nsecret = 'hush-hush-secret'\n\
                    [[api_keys]]\nname = 'bot'\nkey_file = 'key'\n";
        std::fs::write(path("config.toml"), format!("{text}{more}")).unwrap();
        prepare(folder.path());
        let result = Config::load(&path("config.toml"))
            .map_or_else(|problems| problems.to_string(), |_| "ok".into());
        result.replace(&format!("{}:", path("config.toml").display()), "")
    }

    #[test]
    fn written_file_must_not_be_another_file() {
        let config = "would overwrite the configuration; choose another path";
        let key = "would overwrite the file of api_keys.key_file; choose another path";
        let history = "would overwrite the file of history.file; choose another path";
        for (journal, history_file, expected) in [
            ("config.toml", "h.db", format!("9: journal.file {config}")),
            ("./x/../config.toml", "h.db", format!("9: journal.file {config}")),
            ("link", "h.db", format!("9: journal.file {config}")),
            ("hard", "h.db", format!("9: journal.file {config}")),
            ("calls", "config.toml", format!("11: history.file {config}")),
            ("key", "h.db", format!("9: journal.file {key}")),
            ("h.db", "h.db", format!("9: journal.file {history}")),
            ("missing/../h.db", "missing/../h.db", format!("9: journal.file {history}")),
            ("h.db-wal", "h.db", format!("9: journal.file {history}")),
            ("h.db-shm", "h.db", format!("9: journal.file {history}")),
            ("calls", "calls.1", format!("9: journal.file {history}")),
            ("calls", "calls.17", format!("9: journal.file {history}")),
            ("calls", "dangling", format!("9: journal.file {history}")),
            ("calls", "calls.x1", "ok".into()),
            ("calls", "calls.db", "ok".into()),
        ] {
            let prepare = |folder: &std::path::Path| {
                std::fs::create_dir(folder.join("x")).unwrap();
                symlink("config.toml", folder.join("link")).unwrap();
                symlink("calls.3", folder.join("dangling")).unwrap();
                std::fs::hard_link(folder.join("config.toml"), folder.join("hard")).unwrap();
            };
            let more =
                format!("[journal]\nfile = '{journal}'\n[history]\nfile = '{history_file}'\n");
            assert_eq!(problems(prepare, &more).trim_start(), expected, "{journal} {history_file}");
        }
    }

    #[test]
    fn state_must_not_be_another_file() {
        for (more, expected) in [
            (
                "[state]\nfile = 'key'\n",
                "9: state.file would overwrite the file of api_keys.key_file",
            ),
            ("[state]\nfile = 's.db'\n[history]\nfile = 's.db'\n", "would overwrite the file of"),
            // Without a setting it stands beside the history or the journal.
            ("[history]\nfile = 'state.db'\n", "would overwrite the file of state.file"),
            ("[journal]\nfile = 'state.db'\n", "would overwrite the file of state.file"),
            ("[journal]\nfile = 'state.db'\n[history]\nfile = 'missing/h.db'\n", "ok"),
            ("[journal]\nfile = 'state.db'\n[state]\nfile = 's.db'\n", "ok"),
        ] {
            let found = problems(|_| (), more);
            assert!(found.contains(expected), "{more}: {found}");
        }
    }

    #[test]
    fn rotated_file_that_is_a_key_is_reported() {
        let prepare = |folder: &std::path::Path| {
            std::fs::hard_link(folder.join("key"), folder.join("calls.2")).unwrap()
        };
        let found = problems(prepare, "[journal]\nfile = 'calls'\n");
        assert!(
            found.contains("journal.file would overwrite the file of api_keys.key_file"),
            "{found}"
        );
    }

    #[test]
    fn written_file_must_be_regular() {
        let prepare = |folder: &std::path::Path| {
            std::fs::create_dir(folder.join("folder")).unwrap();
            assert!(
                std::process::Command::new("mkfifo")
                    .arg(folder.join("fifo"))
                    .status()
                    .unwrap()
                    .success()
            );
        };
        for (path, kind) in [("folder", "a folder"), ("fifo", "a FIFO"), ("/dev/null", "a device")]
        {
            for section in ["journal", "history"] {
                let found = problems(prepare, &format!("[{section}]\nfile = '{path}'\n"));
                assert_eq!(found, format!("9: {section}.file: it is {kind}, not a regular file"));
            }
        }
    }
}
