//! Masked or erased numbers: no file and no answer contains them.

mod erase_command;
mod erasing;
mod masking;

use std::fs;
use std::path::Path;

use serde_json::Value;
use testkit::ami::FakeAsterisk;
use testkit::daemon::Daemon;
use testkit::eventually;

const NUMBER: &str = "79991234567";
const MASKED: &str = "+7999•••4567";
const OTHER: &str = "79991230002";

/// Settings that make the daemon write all its files, with a size limit that rotates the journal.
const WRITTEN: &[(&str, &str)] = &[
    ("journal", "file = \"calls.jsonl\"\nfile_max_size = \"4KiB\""),
    ("history", "file = \"history.db\""),
];

fn start(settings: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    FakeAsterisk::with_daemon(&[WRITTEN, settings].concat())
}

/// Makes a call, ends it, and waits until the files have it; returns its id.
fn ended(asterisk: &FakeAsterisk, daemon: &Daemon, number: &str) -> String {
    let id = daemon.call_ok(number, "R1");
    asterisk.hang_up(&id);
    daemon.wait_for(&id, "call.ended");
    let folder = daemon.folder.path();
    eventually("the files have the call", || (files_with(folder, &id).len() >= 2).then_some(()));
    id
}

/// The names of the files in a folder that contain this text, except the configuration.
fn files_with(folder: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        // SQLite deletes its temporary files.
        let Ok(bytes) = fs::read(&path) else { continue };
        let has_it = bytes.windows(text.len()).any(|bytes| bytes == text.as_bytes());
        if has_it && path.extension().is_none_or(|extension| extension != "toml") {
            found.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        }
    }
    found
}

/// The records of all journal files, oldest first, without `call.carried` lines, which have no
/// `seq`.
fn records(folder: &Path) -> Vec<Value> {
    let rotated = (1..20).rev().map(|number| folder.join(format!("calls.jsonl.{number}")));
    let files = rotated.chain([folder.join("calls.jsonl")]);
    let text: String = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    // The last line may be incomplete.
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let lines = whole
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    lines.filter(|line: &Value| line.get("seq").is_some()).collect()
}

/// Asserts that no file contains the number, that the other number is still in both files, and that
/// no record is missing.
fn assert_erased(folder: &Path, records_before: usize) {
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    assert!(files_with(folder, OTHER).len() >= 2, "{:?}", files_with(folder, OTHER));
    let records = records(folder);
    let seqs: Vec<_> = records.iter().map(|line| line["seq"].as_u64().expect("a number")).collect();
    assert!(
        seqs.len() >= records_before && seqs.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "{seqs:?}"
    );
    let erased = records.iter().filter(|line| line["event"] == "erased").count();
    assert!(erased >= 3, "{records:?}");
}
