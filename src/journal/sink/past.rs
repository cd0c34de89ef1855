//! What the log file of earlier runs says: where numbering goes on, and which calls are owed their end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::SystemTime;

use serde::Deserialize;

use super::file::numbered;
use crate::call::machine::State;
use crate::call::{CallId, CallInfo, Number};
use crate::config::JournalFile;
use crate::files;

/// Longest line taken, in bytes; ours have under 2 KiB.
const MAX_LINE: u64 = 64 * 1024;

/// No log of ours counts this far; whatever says it does must not end the counting.
const MAX_SEQ: u64 = u64::MAX / 2;

/// What earlier runs have written down.
#[derive(Debug, Default)]
pub struct Past {
    /// The number of the last record, written or known to be lost; 0 if there is none.
    pub last_seq: u64,
    /// Whether the last run came to its end in order, so that nothing it has told is missing from its file.
    pub is_whole: bool,
    /// The time of the last record.
    pub last_time: Option<SystemTime>,
    /// When Asterisk was last heard, as far as it was written down: until then, open calls lived.
    pub last_heard: Option<SystemTime>,
    /// The calls that were asked for and neither refused nor ended, and how far each had come, oldest first.
    pub open: Vec<(CallInfo, State)>,
}

impl Past {
    /// Reads the log file and those rotated before it, as far as they are there.
    ///
    /// # Errors
    ///
    /// A file is there and cannot be read.
    pub fn read(settings: &JournalFile) -> io::Result<Self> {
        let newest = files::resolved(&settings.path);
        let rotated = (1..=settings.keep).rev().map(|number| numbered(&newest, number));
        let (mut past, mut open) = (Self::default(), BTreeMap::new());
        for path in rotated.chain([newest.clone()]) {
            files::require_regular(&path)?;
            match File::open(path) {
                Ok(file) => past.read_file(file, &mut open)?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        past.open = open.into_values().collect();
        Ok(past)
    }

    fn read_file(&mut self, file: File, open: &mut BTreeMap<CallId, (CallInfo, State)>) -> io::Result<()> {
        let (mut reader, mut line) = (BufReader::with_capacity(1 << 16, file), Vec::new());
        loop {
            line.clear();
            if io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            // A line without its end was torn by a crash, and will be replaced.
            if line.ends_with(b"\n")
                && let Ok(record) = serde_json::from_slice::<Line<'_>>(&line)
            {
                self.take(&record, open);
            }
        }
    }

    fn take(&mut self, record: &Line<'_>, open: &mut BTreeMap<CallId, (CallInfo, State)>) {
        let Some(seq) = record.seq.or(record.to).filter(|seq| *seq <= MAX_SEQ) else { return };
        self.last_seq = self.last_seq.max(seq);
        let time = record.time.as_ref().and_then(|time| humantime::parse_rfc3339(time).ok());
        self.last_time = time.or(self.last_time);
        if is_heard(&record.event) {
            self.last_heard = time.or(self.last_heard);
        }
        self.is_whole = match &*record.event {
            "daemon.stopping" => true,
            "daemon.started" => false,
            _ => self.is_whole,
        };
        let state = match &*record.event {
            // What became of these may be among the lost.
            "gap" => return open.retain(|_, (_, state)| *state > State::Requested),
            "call.requested" => State::Requested,
            "call.queued" => State::Queued,
            "call.ringing" => State::Ringing,
            "call.answered" => State::Answered,
            "call.joined" => State::Joined,
            "call.left" => State::Left,
            "call.refused" | "call.ended" => State::Ended,
            _ => return,
        };
        let Some(info) = record.call.as_ref().and_then(Callee::info) else { return };
        if state == State::Ended {
            open.remove(&info.id);
        } else {
            open.insert(info.id, (info, state));
        }
    }
}

/// Whether an event is written down at the moment when Asterisk says so. Others are of a time when it may not have been
/// heard for long: bots ask, and daemons start, without it.
fn is_heard(event: &str) -> bool {
    matches!(event, "ami.connected" | "call.ringing" | "call.answered" | "call.joined" | "call.left")
}

#[derive(Deserialize)]
struct Line<'a> {
    seq: Option<u64>,
    /// Where a gap ends.
    to: Option<u64>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, flatten)]
    call: Option<Callee<'a>>,
}

#[derive(Deserialize)]
struct Callee<'a> {
    #[serde(borrow)]
    call_id: Cow<'a, str>,
    #[serde(borrow)]
    number: Cow<'a, str>,
    #[serde(borrow)]
    room: Cow<'a, str>,
    #[serde(borrow)]
    caller_id: Cow<'a, str>,
    #[serde(borrow)]
    lang: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
}

impl Callee<'_> {
    fn info(&self) -> Option<CallInfo> {
        Some(CallInfo {
            id: self.call_id.parse().ok()?,
            number: Number::from_record(&self.number).ok()?,
            room: self.room.parse().ok()?,
            caller_id: self.caller_id.parse().ok()?,
            lang: self.lang.parse().ok()?,
            key: (&*self.key).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CALL: &str = r#""number":"+7999","room":"R1","caller_id":"Боб B","lang":"ru","key":"bot""#;

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
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let older = [line(1, "daemon.started", None), line(2, "call.queued", Some(1)), line(3, "call.queued", Some(2))];
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
        let open: Vec<_> = past.open.iter().map(|(info, state)| (info.id, info.caller_id.as_str(), *state)).collect();
        assert_eq!(open, [(id(1), "Боб B", State::Joined), (id(3), "Боб B", State::Requested)]);
    }

    #[test]
    fn what_was_asked_for_before_a_gap_may_have_been_refused_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let gap = "{\"event\":\"gap\",\"reason\":\"overrun\",\"from\":3,\"to\":5}\n".to_owned();
        let lines = [line(1, "call.queued", Some(1)), line(2, "call.requested", Some(2)), gap];
        fs::write(&settings.path, lines.concat()).expect("writes");
        let open = Past::read(&settings).expect("reads").open;
        assert_eq!(open.iter().map(|(info, _)| info.id).collect::<Vec<_>>(), [id(1)]);
    }

    #[test]
    fn without_a_file_there_is_no_past() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size: 4096, keep: 2 };
        let past = Past::read(&settings).expect("nothing to read");
        assert_eq!((past.last_seq, past.open.len()), (0, 0));
    }
}
