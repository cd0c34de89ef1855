//! The journal file over rotations, crashes and broken disks. `tests/it/journal.rs` tests a full disk.

mod changed;

use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::journal::JournalOptions;
use crate::journal::sink::Replay;
use originatord_core::record::{Event, Gap, GapReason, samples};

/// A sink of a file in a folder of its own.
struct Case {
    folder: TempDir,
    settings: JournalFile,
    sink: FileSink,
}

/// A journal without readers, for its metrics.
fn journal() -> Journal {
    Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() })
}

impl Case {
    fn new(max_size: u64, keep: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size, keep };
        Self { folder, sink: FileSink::new(settings.clone(), journal()), settings }
    }

    /// A sink whose file has this `text` from an earlier run.
    fn left(text: &str) -> Self {
        let case = Self::new(1 << 20, 8);
        fs::write(&case.settings.path, text).unwrap();
        case
    }

    /// Writes these records, each in a batch of its own.
    fn write(&mut self, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            self.sink.write(&[record(seq)]).unwrap();
        }
    }

    /// The numbers in `calls.jsonl` and its older ones, newest file first; all their lines are
    /// whole.
    fn files(&self) -> Vec<Vec<u64>> {
        let path = |number| {
            if number == 0 {
                self.settings.path.clone()
            } else {
                numbered(&self.settings.path, number)
            }
        };
        let files: Vec<_> =
            (0..).map_while(|number| fs::read_to_string(path(number)).ok()).collect();
        assert_eq!(fs::read_dir(self.folder.path()).unwrap().count(), files.len());
        files.iter().map(|text| text.lines().map(seq_of).collect()).collect()
    }

    fn last_seq(&self) -> Option<u64> {
        Some(Replay::read(&self.settings).unwrap().last_seq).filter(|seq| *seq > 0)
    }
}

fn record(seq: u64) -> Entry {
    Entry::Record(Arc::new(samples::of_daemon(seq, Event::CallQueued)))
}

fn line(seq: u64) -> String {
    serde_json::to_string(&record(seq)).unwrap() + "\n"
}

fn seq_of(line: &str) -> u64 {
    serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"))["seq"]
        .as_u64()
        .unwrap()
}

const GAP: &str = "{\"event\":\"gap\",\"reason\":\"overrun\",\"from\":3,\"to\":7}\n";

#[test]
fn batch_is_written_as_lines_including_gaps() {
    let mut case = Case::new(1 << 20, 8);
    let gap = Entry::Gap(Gap { from: Some(3), to: Some(7), reason: GapReason::Overrun });
    case.sink.write(&[record(2), gap, record(8)]).unwrap();
    assert_eq!(
        fs::read_to_string(&case.settings.path).unwrap(),
        [line(2), GAP.to_owned(), line(8)].concat()
    );
}

#[test]
fn full_file_is_rotated_and_the_oldest_deleted() {
    // Room for two lines, and not for a third.
    let mut case = Case::new(2 * line(10).len() as u64, 2);
    case.write(1..=2);
    assert_eq!(case.files(), [vec![1, 2]]);
    case.write([3]);
    assert_eq!(case.files(), [vec![3], vec![1, 2]]);
    case.write(4..=9);
    assert_eq!(case.files(), [vec![9], vec![7, 8], vec![5, 6]]);
    // The next run appends to the same file.
    case.sink = FileSink::new(case.settings.clone(), journal());
    case.write([10]);
    assert_eq!(case.files(), [vec![9, 10], vec![7, 8], vec![5, 6]]);
}

#[test]
fn rotation_never_splits_a_batch() {
    let mut case = Case::new(line(1).len() as u64, 1);
    case.write([1]);
    case.sink.write(&[record(2), record(3), record(4)]).unwrap();
    case.write([5]);
    assert_eq!(case.files(), [vec![5], vec![2, 3, 4]]);
}

#[test]
fn full_file_is_deleted_if_none_is_kept() {
    let mut case = Case::new(2 * line(1).len() as u64, 0);
    case.write(1..=3);
    assert_eq!(case.files(), [vec![3]]);
    case.write([4]);
    // Another program deletes the file; the sink continues.
    fs::remove_file(&case.settings.path).unwrap();
    case.write([5]);
    assert!(fs::read_to_string(&case.settings.path).unwrap().ends_with(&line(5)));
}

#[test]
fn line_torn_by_a_crash_is_replaced() {
    // A power cut can leave any length of zeros.
    let zeros = "\0".repeat(3 * TAIL as usize);
    for torn in ["{\"seq\":3,\"ti", "{", "{\"seq\":3}", &zeros] {
        let mut case = Case::left(&(line(1) + &line(2) + torn));
        assert_eq!(case.last_seq(), Some(2));
        case.write(3..=4);
        assert_eq!(case.files(), [vec![1, 2, 3, 4]], "{torn}");
    }
    let mut case = Case::left("{\"seq\":1,");
    case.write([1]);
    assert_eq!(case.files(), [vec![1]]);
}

#[test]
fn two_daemons_never_write_to_one_file_at_once() {
    let mut case = Case::new(1 << 20, 1);
    case.write([1]);
    let mut other = FileSink::new(case.settings.clone(), journal());
    let (done, is_done) = std::sync::mpsc::channel();
    let other = std::thread::spawn(move || {
        other.write(&[record(7)]).unwrap();
        done.send(()).unwrap();
    });
    // Long enough for the second sink to write if it could. Whether or not it has tried by then, its
    // record must come after those of the first.
    assert!(is_done.recv_timeout(std::time::Duration::from_millis(100)).is_err());
    case.write([2]);
    case.sink = FileSink::new(case.settings.clone(), journal());
    other.join().unwrap();
    assert_eq!(case.files(), [vec![1, 2, 7]]);
}

#[test]
fn numbering_continues_after_the_last_written_record() {
    let seq = |file: Option<&str>, rotated: Option<&str>| {
        let case = Case::left(file.unwrap_or_default());
        if file.is_none() {
            fs::remove_file(&case.settings.path).unwrap();
        }
        if let Some(rotated) = rotated {
            fs::write(numbered(&case.settings.path, 1), rotated).unwrap();
        }
        case.last_seq()
    };
    let (two, long) = (line(1) + &line(2), (1..=1000).map(line).collect::<String>());
    assert_eq!(seq(None, None), None);
    assert_eq!(seq(Some(""), None), None);
    assert_eq!(seq(Some(&two), None), Some(2));
    assert_eq!(seq(Some(&long), None), Some(1000));
    assert_eq!(seq(Some(&line(9)), Some(&two)), Some(9));
    // The numbers in a gap are not used again.
    assert_eq!(seq(Some(&(two.clone() + GAP)), None), Some(7));
    // A crash between the rotation and the first line after it, or within that line.
    assert_eq!(seq(None, Some(&two)), Some(2));
    assert_eq!(seq(Some(""), Some(&two)), Some(2));
    assert_eq!(seq(Some("{\"seq\":3,\"ti"), Some(&two)), Some(2));
    assert_eq!(seq(Some(GAP), Some(&two)), Some(7));
    // Lines that a power cut can leave, and foreign ones.
    assert_eq!(seq(Some(&(two.clone() + "\0\0\0\0")), None), Some(2));
    assert_eq!(seq(Some(&(two + "hello\n")), None), Some(2));
    assert_eq!(seq(Some("hello\n"), None), None);
}

#[test]
fn sink_waits_until_its_file_can_be_written() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("later/calls.jsonl");
    let mut sink =
        FileSink::new(JournalFile { path: path.clone(), max_size: 1 << 20, keep: 1 }, journal());
    let writer = std::thread::spawn(move || {
        for seq in 1..=3 {
            sink.write(&[record(seq)]).unwrap();
        }
    });
    assert!(!writer.is_finished());
    fs::create_dir(path.parent().unwrap()).unwrap();
    writer.join().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), line(1) + &line(2) + &line(3));
}
