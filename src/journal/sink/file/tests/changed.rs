//! Other programs move, delete, replace or truncate the journal file, make it a link, or put no
//! regular file there.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::symlink;

use super::*;

impl Case {
    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
    }

    /// Makes the sink check its file, as it does once a second.
    fn check(&mut self) {
        self.sink.write(&[]).unwrap();
    }

    /// Makes the sink check its file until it has opened it again. A child process that another test
    /// has just started may keep the file's lock for a moment.
    fn check_until_up(&mut self) {
        for _ in 0..30 {
            self.check();
            if self.is_up() {
                return;
            }
            crate::journal::sink::pause();
        }
        panic!("the file is not opened again");
    }

    fn is_up(&self) -> bool {
        let metrics = self.sink.journal.metrics().prometheus();
        let up =
            |value| metrics.contains(&format!("journal_writer_up{{writer=\"file\"}} {value}\n"));
        assert_ne!(up(0), up(1), "{metrics}");
        up(1)
    }
}

fn cut_after(seq: u64) -> String {
    format!("{{\"event\":\"gap\",\"reason\":\"file_changed\",\"from\":null,\"to\":{seq}}}\n")
}

#[test]
fn moved_file_is_noticed_while_idle_and_numbering_goes_on() {
    let mut case = Case::new(1 << 20, 2);
    case.write(1..=3);
    case.rename("calls.jsonl", "calls.jsonl-20261126");
    case.check();
    // A daemon that is killed now has left its numbering in the new file.
    assert_eq!((case.text("calls.jsonl"), case.last_seq()), (cut_after(3), Some(3)));
    case.check();
    case.write([4]);
    assert_eq!(case.text("calls.jsonl"), cut_after(3) + &line(4));
    assert_eq!(case.text("calls.jsonl-20261126"), line(1) + &line(2) + &line(3));
}

#[test]
fn file_that_changes_between_two_looks_gets_no_record_lost() {
    let mut case = Case::new(1 << 20, 2);
    case.write([1]);
    case.rename("calls.jsonl", "old");
    case.write([2]);
    fs::write(&case.settings.path, "hello\n").unwrap();
    case.write([3]);
    fs::remove_file(&case.settings.path).unwrap();
    fs::write(&case.settings.path, "theirs\n").unwrap();
    case.write([4]);
    assert_eq!(case.text("old"), line(1));
    assert_eq!(case.text("calls.jsonl"), format!("theirs\n{}{}", cut_after(3), line(4)));
}

#[test]
fn file_rotated_by_another_program_with_our_names_has_its_numbering() {
    let mut case = Case::new(1 << 20, 2);
    case.write(1..=2);
    // As logrotate with `create` does it.
    case.rename("calls.jsonl", "calls.jsonl.1");
    fs::write(&case.settings.path, "").unwrap();
    case.write([3]);
    assert_eq!(case.text("calls.jsonl"), cut_after(2) + &line(3));
    assert_eq!(case.last_seq(), Some(3));
}

#[test]
fn truncated_file_has_no_nuls_and_goes_on_at_its_new_end() {
    for left in ["", "{\"seq\":1}\n", "{\"seq\":1}\n{\"se"] {
        let mut case = Case::new(1 << 20, 2);
        case.write(1..=9);
        fs::write(&case.settings.path, left).unwrap();
        case.check_until_up();
        assert_eq!(case.last_seq(), Some(9));
        case.write([10]);
        let whole = left.strip_suffix("{\"se").unwrap_or(left);
        assert_eq!(case.text("calls.jsonl"), whole.to_owned() + &cut_after(9) + &line(10));
    }
}

#[test]
fn lines_that_somebody_appends_are_kept() {
    let mut case = Case::new(1 << 20, 2);
    case.write([1]);
    OpenOptions::new()
        .append(true)
        .open(&case.settings.path)
        .unwrap()
        .write_all(b"note\ntorn")
        .unwrap();
    case.write([2]);
    assert_eq!(case.text("calls.jsonl"), line(1) + "note\n" + &line(2));
}

#[test]
fn folder_that_is_gone_takes_the_metric_down_until_it_is_back() {
    let mut case = Case::new(1 << 20, 2);
    let folder = case.folder.path().join("logs");
    case.settings.path = folder.join("calls.jsonl");
    fs::create_dir(&folder).unwrap();
    case.sink = FileSink::new(case.settings.clone(), journal());
    case.write([1]);
    assert!(case.is_up());
    case.rename("logs", "away");
    case.check();
    assert!(!case.is_up());
    fs::create_dir(&folder).unwrap();
    case.check();
    assert!(case.is_up());
    assert_eq!(case.text("logs/calls.jsonl"), cut_after(1));
    case.rename("logs", "again");
    case.rename("away", "logs");
    case.write([2]);
    assert_eq!(case.text("logs/calls.jsonl"), line(1) + &cut_after(1) + &line(2));
}

#[test]
fn file_that_changes_while_it_is_closed_is_noticed() {
    let mut case = Case::new(1 << 20, 2);
    case.write([1]);
    case.sink.file = None;
    case.rename("calls.jsonl", "old");
    fs::write(&case.settings.path, "").unwrap();
    case.write([2]);
    assert_eq!(case.text("calls.jsonl"), cut_after(1) + &line(2));
}

#[test]
fn link_is_followed_and_its_target_is_rotated_where_it_is() {
    // Room for two lines.
    let mut case = Case::new(2 * line(10).len() as u64, 1);
    fs::create_dir(case.folder.path().join("data")).unwrap();
    symlink("data/real.jsonl", &case.settings.path).unwrap();
    case.write(1..=5);
    assert_eq!(case.text("data/real.jsonl"), line(5));
    assert_eq!(case.text("data/real.jsonl.1"), line(3) + &line(4));
    assert!(fs::symlink_metadata(&case.settings.path).unwrap().is_symlink());
    assert_eq!(fs::read_dir(case.folder.path().join("data")).unwrap().count(), 2);
    fs::remove_file(case.folder.path().join("data/real.jsonl")).unwrap();
    assert_eq!(case.last_seq(), Some(4));
    // Another target.
    fs::remove_file(&case.settings.path).unwrap();
    symlink("data/other.jsonl", &case.settings.path).unwrap();
    case.write([6]);
    assert_eq!(case.text("data/other.jsonl"), cut_after(5) + &line(6));
}

#[test]
fn fifo_is_refused_without_waiting() {
    let mut case = Case::new(1 << 20, 2);
    let made = std::process::Command::new("mkfifo").arg(&case.settings.path).status().unwrap();
    assert!(made.success());
    case.check();
    assert!(!case.is_up());
    assert!(Replay::read(&case.settings).unwrap_err().to_string().contains("a FIFO"));
    fs::remove_file(&case.settings.path).unwrap();
    case.check();
    assert!(case.is_up());
}
