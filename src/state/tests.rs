//! The state over restarts, on disks that fail, and with files that other programs change.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::journal::JournalOptions;
use originatord_core::record::samples;

/// A running state in a folder of its own.
struct Case {
    folder: TempDir,
    journal: Journal,
    running: Started,
}

impl Case {
    fn new() -> Self {
        Self::start(TempDir::new().unwrap())
    }

    fn start(folder: TempDir) -> Self {
        let journal = Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() });
        let settings = StateSettings { file: folder.path().join("state.db") };
        let running = State::start(Some(settings), journal.clone()).unwrap();
        Self { folder, journal, running }
    }

    /// Ends the writer as a stop of the daemon does.
    fn stop(self) -> TempDir {
        self.running.state.close();
        self.running.thread.unwrap().join().unwrap();
        self.folder
    }

    fn restart(self) -> Self {
        Self::start(self.stop())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn keep(&self, room: KeptRoom) {
        self.running.state.keep(room);
        self.running.state.written().await;
    }

    /// Waits until the writer can write, or cannot.
    async fn wait_until_up(&self, up: bool) {
        let shared = self.running.state.shared.as_ref().unwrap();
        let mut progress = shared.progress.subscribe();
        self.running.state.check_file();
        progress.wait_for(|progress| progress.error.is_none() == up).await.unwrap();
        let metrics = self.journal.metrics().prometheus();
        assert_eq!(metrics.contains("journal_writer_up{writer=\"state\"} 1\n"), up, "{metrics}");
    }

    /// Waits until the database of this name has these rooms.
    async fn wait_for_rooms(&self, name: &str, expected: &[KeptRoom]) {
        self.running.state.check_file();
        self.running.state.written().await;
        let mut found = Vec::new();
        for _ in 0..1000 {
            found = rooms_in(&self.path(name)).unwrap_or_default();
            if found == expected {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{found:?} instead of {expected:?}");
    }
}

fn rooms_in(path: &Path) -> rusqlite::Result<Vec<KeptRoom>> {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    rooms::read(&Connection::open_with_flags(path, flags)?)
}

fn locked(room: &str) -> KeptRoom {
    KeptRoom { room: room.into(), locked_by: Some("op".into()), muted_by: None, ended: None }
}

fn open(room: &str) -> KeptRoom {
    KeptRoom { locked_by: None, ..locked(room) }
}

#[tokio::test]
async fn kept_rooms_outlive_a_restart() {
    let case = Case::new();
    assert_eq!((&*case.running.state.status(), case.running.rooms.len()), ("ok", 0));
    let muted = KeptRoom {
        muted_by: Some("desk".into()),
        ended: Some(samples::time()),
        ..locked("Комната 1")
    };
    for room in [locked("R1"), locked("R2"), muted.clone(), open("r2")] {
        case.running.state.keep(room);
    }
    let case = case.restart();
    assert_eq!(case.running.rooms, [locked("R1"), muted.clone()]);
    case.keep(locked("r1")).await;
    assert_eq!(case.restart().running.rooms, [locked("r1"), muted]);
}

#[tokio::test]
async fn kept_room_is_on_disk_before_the_answer() {
    let case = Case::new();
    for n in 0..20 {
        case.keep(locked(&format!("R{n:02}"))).await;
        // Another process would read the same after a crash of this one.
        assert_eq!(rooms_in(&case.path("state.db")).unwrap().len(), n + 1);
    }
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let case = Case::new();
    case.keep(locked("R1")).await;
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        let mode = fs::metadata(case.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn new_file_gets_everything_after_the_old_one_is_gone() {
    let case = Case::new();
    case.keep(locked("R1")).await;
    fs::rename(case.path("state.db"), case.path("old.db")).unwrap();
    case.wait_for_rooms("state.db", &[locked("R1")]).await;
    assert_eq!(rooms_in(&case.path("old.db")).unwrap(), [locked("R1")]);
    case.keep(locked("R2")).await;
    for name in ["state.db", "state.db-wal", "state.db-shm"] {
        fs::remove_file(case.path(name)).unwrap();
    }
    case.wait_for_rooms("state.db", &[locked("R1"), locked("R2")]).await;
}

#[tokio::test]
async fn replaced_file_gets_the_state_of_this_run() {
    let (case, other) = (Case::new(), Case::new());
    case.keep(locked("R1")).await;
    other.keep(locked("R2")).await;
    let other = other.stop();
    fs::rename(other.path().join("state.db"), case.path("state.db")).unwrap();
    case.wait_for_rooms("state.db", &[locked("R1")]).await;
}

#[tokio::test]
async fn damaged_file_is_left_alone_until_it_is_moved() {
    let case = Case::new();
    case.keep(locked("R1")).await;
    let notes = "somebody's notes".repeat(1000);
    fs::write(case.path("state.db"), &notes).unwrap();
    case.wait_until_up(false).await;
    let case = case.restart();
    assert!(case.running.rooms.is_empty());
    case.keep(locked("R2")).await;
    let status = case.running.state.status();
    assert!(status.contains("file is not a database"), "{status}");
    assert_eq!(fs::read_to_string(case.path("state.db")).unwrap(), notes);
    fs::rename(case.path("state.db"), case.path("notes")).unwrap();
    case.wait_until_up(true).await;
    case.wait_for_rooms("state.db", &[locked("R2")]).await;
}

#[tokio::test]
async fn second_daemon_does_not_write_to_the_same_file() {
    let case = Case::new();
    case.keep(locked("R1")).await;
    let settings = StateSettings { file: case.path("state.db") };
    let second = State::start(Some(settings), case.journal.clone()).unwrap();
    let status = second.state.status();
    assert!(second.rooms.is_empty() && status.contains("another daemon"), "{status}");
    second.state.keep(locked("R2"));
    second.state.written().await;
    case.keep(locked("R3")).await;
    assert_eq!(rooms_in(&case.path("state.db")).unwrap(), [locked("R1"), locked("R3")]);
    // It goes on where the first one has stopped, and keeps what it could not read at its start.
    let second = Case { folder: case.stop(), journal: second_journal(), running: second };
    second.wait_for_rooms("state.db", &[locked("R1"), locked("R2"), locked("R3")]).await;
}

fn second_journal() -> Journal {
    Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() })
}

#[tokio::test]
async fn state_without_a_file_is_off() {
    let running = State::start(None, second_journal()).unwrap();
    running.state.keep(locked("R1"));
    running.state.written().await;
    assert_eq!(&*running.state.status(), "off");
    let erased = running.state.erase("79991234567".parse().unwrap()).await.unwrap();
    assert_eq!(erased, Erased::default());
}

#[tokio::test]
async fn erasing_names_rooms_with_the_number_and_removes_old_ones() {
    let case = Case::new();
    case.keep(locked("call 79991234567")).await;
    case.keep(locked("room of 79997654321")).await;
    case.keep(open("room of 79997654321")).await;
    let erased = case.running.state.erase("79991234567".parse().unwrap()).await.unwrap();
    assert!(erased.failed.is_empty() && erased.kept.len() == 1, "{erased:?}");
    assert!(erased.kept[0].contains("1 locked or muted rooms have the number"), "{erased:?}");
    let erased = case.running.state.erase("79997654321".parse().unwrap()).await.unwrap();
    assert_eq!(erased, Erased::default());
    for name in ["state.db", "state.db-wal"] {
        let bytes = fs::read(case.path(name)).unwrap_or_default();
        assert!(memchr::memmem::find(&bytes, b"79997654321").is_none(), "{name}");
    }
    // The command does the same, but not under a running daemon.
    let path = case.path("state.db");
    let number = "79991234567".parse().unwrap();
    assert!(erase(&path, number).failed[0].contains("another daemon"));
    let folder = case.stop();
    let erased = erase(&path, number);
    assert_eq!((erased.failed.len(), erased.kept.len()), (0, 1), "{erased:?}");
    drop(folder);
}

#[test]
fn rows_of_somebody_else_are_skipped() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("state.db");
    let connection = schema::SCHEMA.open_to_write(&path).unwrap();
    let long = "x".repeat(80);
    for name in ["R1", "", "a\r\nAction: Logoff", &long] {
        let sql = "INSERT INTO rooms (room, locked_by) VALUES (?1, 'op')";
        connection.execute(sql, [name]).unwrap();
    }
    connection.execute("INSERT INTO rooms (room) VALUES ('nothing kept')", []).unwrap();
    assert_eq!(rooms::read(&connection).unwrap(), [locked("R1")]);
}
