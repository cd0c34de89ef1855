//! The daemon's journal file, over all its runs.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::Value;

/// The records of the file so far.
pub struct JournalFile(Vec<Value>);

impl JournalFile {
    /// Reads the file, without an incomplete line at its end.
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        Self(whole.lines().map(|line| serde_json::from_str(line).expect("a record")).collect())
    }

    /// The number of the last record, here or in a file that was moved: a `gap` has it.
    pub fn last_seq(&self) -> Option<u64> {
        let seq = |record: &Value| record["seq"].as_u64().or(record["to"].as_u64());
        self.0.iter().filter_map(seq).max()
    }

    /// Whether the file has this event of this call.
    pub fn has(&self, call: &str, event: &str) -> bool {
        self.0.iter().any(|record| record["call_id"] == call && record["event"] == event)
    }

    /// Number of records of this event.
    pub fn count(&self, event: &str) -> usize {
        self.0.iter().filter(|record| record["event"] == event).count()
    }

    /// The `call.ended` of this call, of which there must be exactly one.
    #[track_caller]
    pub fn end(&self, call: &str) -> &Value {
        let of_call: Vec<_> = self.0.iter().filter(|record| record["call_id"] == call).collect();
        let ends: Vec<_> =
            of_call.iter().filter(|record| record["event"] == "call.ended").collect();
        assert_eq!(ends.len(), 1, "{of_call:?}");
        ends[0]
    }

    /// Asserts that the journal is complete, once all calls have ended: a `gap` covers each hole in
    /// `seq`, each requested call has one refusal or one end and no record after it, and each
    /// accepted call has an end.
    #[track_caller]
    pub fn assert_complete(&self) {
        let mut next = 1;
        let (mut open, mut closed) = (HashSet::new(), HashSet::new());
        for record in &self.0 {
            let name = record["event"].as_str().unwrap_or_default();
            if name == "gap" {
                next = record["to"].as_u64().expect("a gap in a file has an end") + 1;
                continue;
            }
            assert_eq!(record["seq"].as_u64(), Some(next), "a hole before {record}");
            next += 1;
            let Some(call) = record["call_id"].as_str() else { continue };
            assert!(!closed.contains(call), "a record after the end of its call: {record}");
            match name {
                "call.refused" => {
                    assert!(
                        open.remove(&(call, false)),
                        "refused after it was accepted, or never requested: {record}"
                    );
                    closed.insert(call);
                }
                "call.ended" => {
                    assert!(
                        open.remove(&(call, true)) || open.remove(&(call, false)),
                        "the end of a call that was never requested: {record}"
                    );
                    closed.insert(call);
                }
                "call.requested" => _ = open.insert((call, false)),
                _ => {
                    open.remove(&(call, false));
                    open.insert((call, true));
                }
            }
        }
        assert!(open.is_empty(), "calls without an end: {open:?}");
    }
}

/// Whether the outcome of this `call.ended` is `unknown`, and its span from `ended_after` to
/// `ended_before` overlaps the span in which the call really ended.
pub fn is_unknown_within(end: &Value, (from, to): (SystemTime, SystemTime)) -> bool {
    let time = |name: &str| end[name].as_str().and_then(|text| humantime::parse_rfc3339(text).ok());
    // The journal truncates times to milliseconds.
    let cut_off = Duration::from_millis(1);
    end["outcome"] == "unknown"
        && time("ended_after").is_some_and(|after| after <= to)
        && time("ended_before").is_some_and(|before| before + cut_off >= from)
}
