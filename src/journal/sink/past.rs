//! What the log file of earlier runs says: where numbering goes on, and which calls are owed their
//! end.

mod attempts;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use self::attempts::Attempts;
use super::file::numbered;
use super::open_calls::{OpenCalls, is_from_asterisk};
use crate::call::limits::Attempt;
use crate::clock::Rfc3339;
use crate::files;
use crate::journal::JournalFile;
use crate::record::{EventKind, GapReason, Line};

/// Longest line taken, in bytes; ours have under 2 KiB.
const MAX_LINE: u64 = 64 * 1024;

/// No log of ours counts this far; whatever says it does must not end the counting.
const MAX_SEQ: u64 = u64::MAX / 2;

/// What earlier runs have written down.
#[derive(Debug, Default)]
pub struct Past {
    /// The number of the last record, written or known to be lost; 0 if there is none.
    pub last_seq: u64,
    /// Whether the last run came to its end in order, so that nothing it has told is missing from
    /// its file.
    pub is_whole: bool,
    /// The time of the last record.
    pub last_time: Option<SystemTime>,
    /// When Asterisk was last heard, as far as it was written down: until then, open calls lived.
    pub last_heard: Option<SystemTime>,
    /// Every call requested before this time has a record; later ones may have lost theirs. `None`
    /// if nothing is recorded.
    pub recorded_until: Option<SystemTime>,
    /// The calls that were asked for and neither refused nor ended, and how far each had come.
    pub open: OpenCalls,
    /// Rotated files that cannot be read, and why. The newest file repeats the open calls of those
    /// before it, and its numbers are higher, so little is lost by that.
    pub unreadable: Vec<(PathBuf, io::Error)>,
    /// The last run has not yet adopted the calls that the journal does not know.
    is_adopting: bool,
    /// The calls that were started within the minute before the last record, oldest first.
    pub attempts: Vec<Attempt>,
    /// What becomes of them while the files are read.
    recent: Attempts,
}

impl Past {
    /// Reads the log file and those rotated before it, as far as they are there.
    ///
    /// # Errors
    ///
    /// The newest file is there and cannot be read.
    pub fn read(settings: &JournalFile) -> io::Result<Self> {
        let mut past = Self::default();
        let newest = files::resolved(&settings.path);
        // A crash can leave the file before at `.0` where no rotated one is kept.
        let rotated = (0..=settings.keep).rev().map(|number| numbered(&newest, number));
        for path in rotated {
            if let Err(error) = past.read_path(&path) {
                past.unreadable.push((path, error));
            }
        }
        past.read_path(&newest)?;
        past.open.last_heard = past.last_heard;
        past.recorded_until = past.recorded_until.or(past.last_time);
        past.attempts = std::mem::take(&mut past.recent).into_vec();
        Ok(past)
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
                self.take(&line);
            }
        }
    }

    fn take(&mut self, line: &Line<'_>) {
        let (kind, time) = (line.kind(), line.time.map(|Rfc3339(time)| time));
        if kind == Some(EventKind::CallCarried) {
            // It was written with the first record after that time.
            self.last_time = time.or(self.last_time);
            self.last_heard = line.heard.map(|Rfc3339(time)| time).or(self.last_heard);
            return self.take_open(line);
        }
        let Some(seq) = line.seq.or(line.to.flatten()).filter(|seq| *seq <= MAX_SEQ) else {
            return;
        };
        self.last_seq = self.last_seq.max(seq);
        if kind.is_some_and(is_from_asterisk) {
            self.last_heard = time.or(self.last_heard);
        }
        if let Some(kind) = kind {
            self.watch_for_loss(kind, line);
        }
        self.last_time = time.or(self.last_time);
        if let Some(kind) = kind {
            self.take_call(kind, line, time);
        }
    }

    /// A run can lose its last records, and a gap those before it, and with them all that the
    /// journal knows of a call. The next run adopts such calls, and says that it has done so by
    /// `ami.connected`; one that is killed before leaves that to its successor.
    fn watch_for_loss(&mut self, kind: EventKind, line: &Line<'_>) {
        match kind {
            EventKind::DaemonStopping => self.is_whole = true,
            EventKind::DaemonStarted => {
                self.is_whole = false;
                self.may_lose();
                self.is_adopting = true;
            }
            // What is missing after that is in another file, and the open calls follow.
            EventKind::Gap if line.reason.as_deref() == Some(GapReason::FileChanged.as_str()) => {}
            EventKind::Gap => self.may_lose(),
            EventKind::AmiConnected if self.is_adopting => {
                self.recorded_until = None;
                self.is_adopting = false;
            }
            _ => {}
        }
    }

    /// Records may be missing here.
    fn may_lose(&mut self) {
        self.recorded_until = self.recorded_until.or(self.last_time).or(Some(UNIX_EPOCH));
    }

    fn take_call(&mut self, kind: EventKind, line: &Line<'_>, time: Option<SystemTime>) {
        match kind {
            EventKind::Gap => self.open.gap(),
            EventKind::CallAdopted => self.take_open(line),
            _ => {
                let Some(info) = line.call() else { return };
                self.recent.take(kind, time, &info);
                let answered_after = line.answered_after.map(|Rfc3339(time)| time);
                self.open.reach(Arc::new(info), kind, time, answered_after);
            }
        }
    }

    /// Adds a call in the state that the line has.
    fn take_open(&mut self, line: &Line<'_>) {
        if let (Some(info), Some(progress)) = (line.call(), line.progress()) {
            self.open.insert(Arc::new(info), progress);
        }
    }
}

/// The line without NULs before it: an earlier build put them into a file that somebody had
/// truncated.
pub(super) fn without_nuls(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| *byte != 0).unwrap_or(line.len());
    &line[start..]
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;
    use crate::call::CallId;
    use crate::call::machine::State;

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
    fn calls_without_an_end_are_found_across_rotated_files_torn_lines_and_gaps() {
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
        let past = Past::read(&settings).expect("reads");
        assert_eq!((past.last_seq, past.is_whole), (9, false));
        // What a bot asked for later is no word of Asterisk's.
        assert_eq!(past.last_heard, humantime::parse_rfc3339("2026-11-24T12:00:04.000Z").ok());
        let open = past.open.into_calls();
        let open: Vec<_> = open
            .iter()
            .map(|call| (call.info.id, call.info.caller_id.as_str(), call.progress.state))
            .collect();
        assert_eq!(open, [(id(1), "Боб B", State::Joined), (id(3), "Боб B", State::Requested)]);
    }

    #[test]
    fn what_was_asked_for_before_a_gap_may_have_been_refused_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let gap = "{\"event\":\"gap\",\"reason\":\"overrun\",\"from\":3,\"to\":5}\n".to_owned();
        let lines = [line(1, "call.queued", Some(1)), line(2, "call.requested", Some(2)), gap];
        fs::write(&settings.path, lines.concat()).expect("writes");
        let open = Past::read(&settings).expect("reads").open.into_calls();
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
        let past = Past::read(&settings).expect("reads");
        assert_eq!((past.last_seq, past.open.into_calls().len(), past.unreadable.len()), (7, 2, 1));
    }

    #[test]
    fn without_a_file_there_is_no_past() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let past = Past::read(&settings).expect("nothing to read");
        assert_eq!((past.last_seq, past.recorded_until), (0, None));
        assert!(past.open.into_calls().is_empty());
    }

    #[test]
    fn calls_of_the_last_minute_that_were_not_refused_are_attempts() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings =
            JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let at = |second: u64, n: u128| {
            CallId::new(SystemTime::UNIX_EPOCH + Duration::from_secs(second), n)
        };
        let line = |second: u64, event: &str, id: CallId| {
            let time = crate::clock::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(second));
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
        let attempts = Past::read(&settings).expect("reads").attempts;
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
