//! Reads the journal files of earlier runs: where the numbering continues, and which calls and rooms
//! are still open.

mod attempts;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use self::attempts::Attempts;
use super::file::numbered;
use super::open_calls::{OpenCalls, is_from_asterisk};
use super::open_rooms::OpenRooms;
use crate::files;
use crate::journal::JournalFile;
use originatord_core::call::limits::Attempt;
use originatord_core::clock::Rfc3339;
use originatord_core::record::{EventKind, GapReason, Line};

/// Longest line that is read, in bytes. The daemon's lines have under 2 KiB.
const MAX_LINE: u64 = 64 * 1024;

/// Highest record number that is believed. A larger one was not written by a daemon, and continuing
/// from it could overflow.
const MAX_SEQ: u64 = u64::MAX / 2;

/// The state that earlier runs left in the journal.
#[derive(Debug, Default)]
pub struct Replay {
    /// Number of the last record that was written or is known to be lost; 0 without one.
    pub last_seq: u64,
    /// Whether the last run shut down cleanly, so that all its records are in the file.
    pub clean_shutdown: bool,
    /// Time of the last record.
    pub last_time: Option<SystemTime>,
    /// Time of the last recorded event from Asterisk. Open calls were active until then.
    pub last_event: Option<SystemTime>,
    /// Every call requested before this time has a record; later ones may have lost theirs. `None`
    /// if nothing is recorded.
    pub recorded_until: Option<SystemTime>,
    /// The calls that were neither refused nor ended, and how far each had come.
    pub open: OpenCalls,
    /// The rooms that had not ended, and the guests in them.
    pub rooms: OpenRooms,
    /// Rotated files that cannot be read, and why. The newest file repeats the open calls of those
    /// before it, and its numbers are higher, so little is lost by that.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// The last run has not yet adopted the calls that the journal does not know.
    is_adopting: bool,
    /// The calls that were started within the minute before the last record, oldest first.
    pub attempts: Vec<Attempt>,
    /// Collects `attempts` while the files are read.
    recent: Attempts,
}

impl Replay {
    /// Reads the journal file and those rotated before it, if they exist.
    ///
    /// # Errors
    ///
    /// The newest file exists and cannot be read.
    pub fn read(settings: &JournalFile) -> io::Result<Self> {
        let mut replay = Self::default();
        let newest = files::resolved(&settings.path);
        // If no rotated file is kept, a crash can leave the previous file at `.0`.
        let rotated = (0..=settings.keep).rev().map(|number| numbered(&newest, number));
        for path in rotated {
            if let Err(error) = replay.read_path(&path) {
                replay.unreadable.push((path, error));
            }
        }
        replay.read_path(&newest)?;
        replay.open.last_event = replay.last_event;
        replay.recorded_until = replay.recorded_until.or(replay.last_time);
        replay.attempts = std::mem::take(&mut replay.recent).into_vec();
        Ok(replay)
    }

    /// Reads the file at `path`, if there is one.
    fn read_path(&mut self, path: &Path) -> io::Result<()> {
        files::require_regular(path)?;
        match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            file => self.read_file(file?),
        }
    }

    fn read_file(&mut self, file: File) -> io::Result<()> {
        let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
        loop {
            line.clear();
            if io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            // A line without its end was torn by a crash, and will be replaced.
            if line.ends_with(b"\n")
                && let Some(line) = Line::read(without_nuls(&line))
            {
                self.apply(&line);
            }
        }
    }

    fn apply(&mut self, line: &Line<'_>) {
        use EventKind::{CallCarried, GuestCarried, RoomCarried};
        let (kind, time) = (line.kind(), line.time.map(|Rfc3339(time)| time));
        if let Some(CallCarried | RoomCarried | GuestCarried) = kind {
            // It was written with the first record after that time.
            self.last_time = time.or(self.last_time);
            self.last_event = line.heard.map(|Rfc3339(time)| time).or(self.last_event);
            self.apply_open(line);
            return self.rooms.line(line);
        }
        let Some(seq) = line.seq.or(line.to.flatten()).filter(|seq| *seq <= MAX_SEQ) else {
            return;
        };
        self.last_seq = self.last_seq.max(seq);
        if kind.is_some_and(is_from_asterisk) {
            self.last_event = time.or(self.last_event);
        }
        if let Some(kind) = kind {
            self.watch_for_loss(kind, line);
        }
        self.last_time = time.or(self.last_time);
        if let Some(kind) = kind {
            self.apply_call(kind, line, time);
        }
        self.rooms.line(line);
    }

    /// Notes from when on records can be missing. A run that crashes can lose its last records, and a
    /// gap stands for lost ones; with them the journal can lose every trace of a call. The next run
    /// adopts such calls, and its `ami.connected` record shows that it has done so. If that run is
    /// killed earlier, the run after it adopts them.
    fn watch_for_loss(&mut self, kind: EventKind, line: &Line<'_>) {
        match kind {
            EventKind::DaemonStopping => self.clean_shutdown = true,
            EventKind::DaemonStarted => {
                self.clean_shutdown = false;
                self.may_lose();
                self.is_adopting = true;
            }
            // The missing records are in a file that another program has moved, and lines of the open
            // calls follow.
            EventKind::Gap if line.reason.as_deref() == Some(GapReason::FileChanged.as_str()) => {}
            EventKind::Gap => self.may_lose(),
            EventKind::AmiConnected if self.is_adopting => {
                self.recorded_until = None;
                self.is_adopting = false;
            }
            _ => {}
        }
    }

    /// Notes that records may be missing from here on.
    fn may_lose(&mut self) {
        self.recorded_until = self.recorded_until.or(self.last_time).or(Some(UNIX_EPOCH));
    }

    fn apply_call(&mut self, kind: EventKind, line: &Line<'_>, time: Option<SystemTime>) {
        match kind {
            EventKind::Gap => self.open.gap(),
            EventKind::CallAdopted => self.apply_open(line),
            _ => {
                let Some(info) = line.call() else { return };
                self.recent.apply(kind, time, &info);
                let answered_after = line.answered_after.map(|Rfc3339(time)| time);
                self.open.reach(Arc::new(info), kind, time, answered_after);
            }
        }
    }

    /// Adds a call in the state that the line has.
    fn apply_open(&mut self, line: &Line<'_>) {
        if let (Some(info), Some(progress)) = (line.call(), line.progress()) {
            self.open.insert(Arc::new(info), progress);
        }
    }
}

/// The line without leading NULs: an earlier build wrote them into files that were truncated.
pub(super) fn without_nuls(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
    &line[start..]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use originatord_core::call::CallId;
    use originatord_core::call::machine::State;

    const CALL: &str =
        r#""number":"+7999","room":"R1","caller_id":"Боб B","lang":"ru","key":"bot""#;

    fn line(seq: u64, event: &str, call: Option<u128>) -> String {
        let call = call.map(|n| format!(r#","call_id":"{}",{CALL}"#, id(n)));
        format!(
            r#"{{"seq":{seq},"time":"2026-11-24T12:00:0{seq}.000Z","event":"{event}"{}}}"#,
            call.unwrap_or_default()
        ) + "\n"
    }

    fn id(n: u128) -> CallId {
        CallId::new(SystemTime::UNIX_EPOCH, n)
    }

    #[test]
    fn open_calls_are_found_across_files_and_gaps() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let older = [
            line(1, "daemon.started", None),
            line(2, "call.queued", Some(1)),
            line(3, "call.queued", Some(2)),
        ];
        let newer = [
            line(4, "call.joined", Some(1)),
            "{\"event\":\"gap\",\"reason\":\"overrun\",\"from\":5,\"to\":5}\n".to_owned(),
            line(6, "call.ended", Some(2)),
            line(7, "call.requested", Some(3)),
            line(8, "call.requested", Some(4)),
            line(9, "call.refused", Some(4)),
            line(9, "call.queued", Some(5))[..40].to_owned(),
        ];
        fs::write(numbered(&settings.path, 1), older.concat()).expect("writes");
        fs::write(&settings.path, newer.concat()).expect("writes");
        let replay = Replay::read(&settings).expect("reads");
        assert_eq!((replay.last_seq, replay.clean_shutdown), (9, false));
        // The bot's later request is no event from Asterisk.
        assert_eq!(replay.last_event, humantime::parse_rfc3339("2026-11-24T12:00:04.000Z").ok());
        let open = replay.open.into_calls();
        let open: Vec<_> = open
            .iter()
            .map(|call| (call.info.id, call.info.caller_id.as_str(), call.progress.state))
            .collect();
        assert_eq!(open, [(id(1), "Боб B", State::Joined), (id(3), "Боб B", State::Requested)]);
    }

    #[test]
    fn requested_call_before_a_gap_is_not_open() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let gap = "{\"event\":\"gap\",\"reason\":\"overrun\",\"from\":3,\"to\":5}\n".to_owned();
        let lines = [line(1, "call.queued", Some(1)), line(2, "call.requested", Some(2)), gap];
        fs::write(&settings.path, lines.concat()).expect("writes");
        let open = Replay::read(&settings).expect("reads").open.into_calls();
        assert_eq!(open.iter().map(|call| call.info.id).collect::<Vec<_>>(), [id(1)]);
    }

    #[test]
    fn rotated_file_that_cannot_be_read_does_not_end_the_numbering() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        fs::create_dir(numbered(&settings.path, 1)).expect("a folder");
        fs::write(numbered(&settings.path, 2), line(1, "call.queued", Some(1))).expect("writes");
        // More NULs than are read at once.
        let nuls = "\0".repeat(MAX_LINE as usize + 7);
        fs::write(&settings.path, nuls + &line(7, "call.queued", Some(2))).expect("writes");
        let replay = Replay::read(&settings).expect("reads");
        assert_eq!(
            (replay.last_seq, replay.open.into_calls().len(), replay.unreadable.len()),
            (7, 2, 1)
        );
    }

    #[test]
    fn missing_file_leaves_an_empty_replay() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let replay = Replay::read(&settings).expect("nothing to read");
        assert_eq!((replay.last_seq, replay.recorded_until), (0, None));
        assert!(replay.open.into_calls().is_empty());
    }

    #[test]
    fn unrefused_calls_of_the_last_minute_are_attempts() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let at = |second: u64, n: u128| {
            CallId::new(SystemTime::UNIX_EPOCH + Duration::from_secs(second), n)
        };
        let line = |second: u64, event: &str, id: CallId| {
            let time = originatord_core::clock::rfc3339(
                SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            );
            format!(
                "{{\"seq\":1,\"time\":\"{time}\",\"event\":\"{event}\",\"call_id\":\"{id}\",{CALL}}}\n"
            )
        };
        let lines = [
            line(100, "call.requested", at(100, 1)),
            line(110, "call.requested", at(110, 2)),
            line(120, "call.requested", at(120, 3)),
            line(120, "call.refused", at(120, 3)),
            // This one waited for its turn.
            line(130, "call.requested", at(130, 4)),
            line(131, "call.queued", at(130, 4)),
            line(171, "call.ended", at(130, 4)),
        ];
        fs::write(&settings.path, lines.concat()).expect("writes");
        let attempts = Replay::read(&settings).expect("reads").attempts;
        let times: Vec<_> = attempts.iter().map(|attempt| attempt.time).collect();
        assert_eq!(
            times,
            [110, 131].map(|second| SystemTime::UNIX_EPOCH + Duration::from_secs(second))
        );
        assert!(
            attempts
                .iter()
                .all(|attempt| attempt.number.to_string() == "+7999" && &*attempt.key == "bot")
        );
    }
}
