//! Other programs move, delete, replace or overwrite the history's file, or put no regular file there.

use std::fs;

use super::*;

impl Case {
    /// Makes the sink check its file, as it does once a second.
    fn check(&mut self) {
        self.sink.write(&[]).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.folder.path().join(from), self.folder.path().join(to)).unwrap();
    }

    /// Calls in the database of this name.
    fn count(&self, name: &str) -> usize {
        let connection = open_to_read(&self.folder.path().join(name)).unwrap();
        let check: String =
            connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok");
        connection.query_row("SELECT count(*) FROM calls", [], |row| row.get(0)).unwrap()
    }

    fn is_up(&self) -> bool {
        let metrics = self.sink.journal.metrics().prometheus();
        let up = metrics.contains("journal_writer_up{writer=\"history\"} 1\n");
        assert_eq!(up, self.history.state().is_ok());
        up
    }
}

#[test]
fn moved_file_gets_its_last_calls_and_a_new_one_is_begun() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    case.write(&[call(DAY, 1), call(DAY, 2)]);
    case.rename("history.db", "old.db");
    case.check();
    assert_eq!((case.count("old.db"), case.count("history.db")), (2, 0));
    case.write(&[call(DAY, 3)]);
    assert_eq!((case.count("old.db"), case.count("history.db"), case.is_up()), (2, 1, true));
}

#[test]
fn deleted_file_is_begun_anew() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    for names in [&["history.db"][..], &["history.db", "history.db-wal", "history.db-shm"]] {
        case.write(&[call(DAY, 1), call(DAY, 2)]);
        for name in names {
            fs::remove_file(case.folder.path().join(name)).unwrap();
        }
        case.write(&[call(DAY, 3)]);
        assert_eq!((case.count("history.db"), case.is_up()), (1, true));
    }
}

#[test]
fn replacing_database_keeps_its_calls() {
    let (mut case, mut other) = (Case::new(3650 * DAY, 1 << 30), Case::new(3650 * DAY, 1 << 30));
    case.write(&[call(DAY, 1)]);
    other.write(&[call(DAY, 2), call(DAY, 3)]);
    // With a write-ahead log that is not in the database yet.
    for suffix in ["-wal", ""] {
        let name = format!("history.db{suffix}");
        fs::copy(other.folder.path().join(&name), case.folder.path().join(format!("new{suffix}")))
            .unwrap();
        case.rename(&format!("new{suffix}"), &name);
    }
    case.check();
    assert_eq!((case.count("history.db"), case.is_up()), (2, true));
}

#[test]
fn corrupt_file_is_noticed_while_idle_and_left_alone() {
    for in_place in [true, false] {
        let mut case = Case::new(3650 * DAY, 1 << 30);
        case.write(&[call(DAY, 1)]);
        let notes = "somebody's notes".repeat(1000);
        if in_place {
            fs::write(case.path(), &notes).unwrap();
        } else {
            fs::write(case.folder.path().join("notes"), &notes).unwrap();
            case.rename("notes", "history.db");
        }
        case.check();
        assert!(!case.is_up());
        case.check();
        assert_eq!(fs::read_to_string(case.path()).unwrap(), notes);
        case.rename("history.db", "notes");
        case.check();
        case.write(&[call(DAY, 2)]);
        assert_eq!((case.count("history.db"), case.is_up()), (1, true));
    }
}

#[test]
fn truncated_file_is_begun_anew() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    case.write(&[call(DAY, 1)]);
    fs::write(case.path(), "").unwrap();
    case.check();
    case.write(&[call(DAY, 2)]);
    assert_eq!((case.count("history.db"), case.is_up()), (1, true));
}

#[tokio::test]
async fn fifo_is_refused_by_writer_and_reader_without_waiting() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    assert!(std::process::Command::new("mkfifo").arg(case.path()).status().unwrap().success());
    case.check();
    assert!(!case.is_up());
    let asked = case.history.page(Filter::default(), 1).await;
    assert!(asked.is_err_and(|error| error.to_string().contains("a FIFO")));
    fs::remove_file(case.path()).unwrap();
    case.check();
    assert!(case.is_up());
}
