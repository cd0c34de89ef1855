//! Open calls over rotations and crashes of the journal's writer.

use std::fs;
use std::time::Duration;

use tempfile::TempDir;

use super::super::file::numbered;
use super::super::{FileSink, OpenRooms, Replay, Sink, erase_in_files};
use super::*;
use crate::journal::{Journal, JournalFile, JournalOptions};
use originatord_core::call::machine::Timestamps;
use originatord_core::record::samples;

struct Case {
    _folder: TempDir,
    settings: JournalFile,
    sink: FileSink,
    seq: u64,
}

impl Case {
    fn new(max_size: u64, keep: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size, keep };
        let sink = FileSink::new(settings.clone(), journal(false));
        Self { _folder: folder, settings, sink, seq: 0 }
    }

    fn write(&mut self, event: Event, call: Option<&Arc<CallInfo>>) {
        self.seq += 1;
        let record = Record::new(self.seq, time(self.seq), event, call.cloned());
        self.sink.write(&[Entry::Record(Arc::new(record))]).unwrap();
    }

    fn write_others(&mut self, count: usize) {
        for _ in 0..count {
            self.write(Event::DaemonStopping { reason: "x".into() }, None);
        }
    }

    fn text(&self, number: usize) -> String {
        let path = if number == 0 {
            self.settings.path.clone()
        } else {
            numbered(&self.settings.path, number)
        };
        fs::read_to_string(path).unwrap_or_default()
    }

    fn open(&self) -> Vec<OpenCall> {
        Replay::read(&self.settings).unwrap().open.into_calls()
    }
}

fn journal(masks: bool) -> Journal {
    Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }).masking(masks)
}

fn time(seq: u64) -> SystemTime {
    samples::time() + Duration::from_secs(seq)
}

fn call(n: u128) -> Arc<CallInfo> {
    let number = format!("7999000{n:04}").parse().unwrap();
    Arc::new(CallInfo { id: CallId::new(samples::time(), n), number, ..samples::call() })
}

fn joined() -> Event {
    Event::CallJoined { conference: "R1".into(), after: None }
}

#[test]
fn live_call_outlives_the_files_that_had_its_records() {
    for keep in [0, 1, 2] {
        let mut case = Case::new(1000, keep);
        let (lives, over) = (call(1), call(2));
        case.write(Event::CallQueued, Some(&lives));
        case.write(Event::CallAnswered { after: None }, Some(&lives));
        case.write(Event::CallQueued, Some(&over));
        case.write(
            Event::CallEnded(Box::new(samples::end(
                originatord_core::call::outcome::Outcome::Busy,
            ))),
            Some(&over),
        );
        case.write(joined(), Some(&lives));
        case.write_others(100);
        assert!(!case.text(0).contains("call.queued"), "its records are gone");
        let open = case.open();
        assert_eq!(open.iter().map(|call| call.info.clone()).collect::<Vec<_>>(), [lives]);
        let timestamps = Timestamps {
            queued: Some(time(1)),
            answered: Some(time(2)),
            joined: Some(time(5)),
            ..Timestamps::default()
        };
        assert_eq!(Replay::read(&case.settings).unwrap().last_event, Some(time(5)));
        assert_eq!(open[0].progress, Progress { timestamps, ..Progress::of(State::Joined) });
        // Nor does the next run forget it.
        case.sink = FileSink::new(case.settings.clone(), journal(false))
            .carrying(Replay::read(&case.settings).unwrap().open, OpenRooms::default());
        case.write_others(100);
        assert_eq!(case.open()[0].progress.timestamps, timestamps);
        assert_eq!(case.text(keep + 1), "", "no more files than are kept");
    }
}

#[test]
fn records_are_numbered_as_if_nothing_was_carried() {
    let mut case = Case::new(1000, 100);
    case.write(Event::CallQueued, Some(&call(1)));
    case.write_others(50);
    let text: String = (0..100).rev().map(|number| case.text(number)).collect();
    let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let (carried, records): (Vec<_>, Vec<_>) =
        lines.partition(|line| line["event"] == "call.carried");
    let seqs: Vec<_> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=51).collect::<Vec<_>>());
    assert!(carried.len() > 3 && carried.iter().all(|line| line.get("seq").is_none()));
}

#[test]
fn carried_line_has_its_members_in_their_order() {
    let mut case = Case::new(1, 1);
    case.write(Event::CallQueued, Some(&call(1)));
    case.write(Event::CallRinging, Some(&call(1)));
    let id = call(1).id;
    let expected = format!(
        "{{\"event\":\"call.carried\",\"time\":\"2026-11-24T12:00:01.123Z\",\"call_id\":\"{id}\",\
         \"number\":\"+79990000001\",\"room\":\"КОМНАТА1\",\"caller_id\":\"Боб Smith\",\"lang\":\"ru\",\"key\":\"bot\",\
         \"state\":\"queued\",\"requested\":\"2026-11-24T12:00:00.123Z\",\"queued\":\"2026-11-24T12:00:01.123Z\"}}"
    );
    assert_eq!(case.text(0).lines().next(), Some(&*expected));
}

#[test]
fn crash_during_a_rotation_loses_no_call() {
    for keep in [0, 1] {
        let mut case = Case::new(1 << 20, keep);
        case.write(Event::CallQueued, Some(&call(1)));
        case.write(joined(), Some(&call(2)));
        // Killed after the old file was renamed, and then in the middle of the new one's first
        // lines.
        let old = numbered(&case.settings.path, keep.min(1));
        fs::rename(&case.settings.path, &old).unwrap();
        assert_eq!(case.open().len(), 2, "keep = {keep}");
        fs::write(&case.settings.path, "{\"event\":\"call.carried\",\"ti").unwrap();
        assert_eq!(case.open().len(), 2, "keep = {keep}");
        case.sink = FileSink::new(case.settings.clone(), journal(false))
            .carrying(Replay::read(&case.settings).unwrap().open, OpenRooms::default());
        case.write_others(1);
        assert_eq!(old.exists(), keep > 0);
        fs::remove_file(old).unwrap_or_default();
        assert_eq!(case.open().len(), 2, "keep = {keep}");
    }
}

#[test]
fn thousands_of_open_calls_are_not_copied_for_every_record() {
    let mut case = Case::new(4096, 1000);
    for n in 0..2000 {
        case.write(Event::CallQueued, Some(&call(n)));
    }
    let before = (0..).take_while(|number| !case.text(*number).is_empty()).count();
    case.write_others(200);
    let after = (0..).take_while(|number| !case.text(*number).is_empty()).count();
    assert!(after <= before + 1, "{before} files, then {after}");
    assert!(before < 20, "{before} files for 2000 calls");
    assert_eq!(case.open().len(), 2000);
}

#[test]
fn erased_number_is_neither_in_carried_lines_nor_carried_again() {
    let mut case = Case::new(1000, 3);
    case.write(Event::CallQueued, Some(&call(1)));
    case.write_others(30);
    let number = call(1).number;
    let digits = "79990000001";
    assert!(case.text(0).contains(digits) && case.text(1).contains(digits));
    let numbered_before = case.text(0).matches("\"seq\"").count();
    assert!(case.sink.erase(number).count >= 2);
    assert_eq!(case.text(0).matches("\"seq\"").count(), numbered_before);
    case.write_others(30);
    for number in 0..4 {
        assert!(!case.text(number).contains(digits), "{}", case.text(number));
    }
    // The command without a daemon finds them, too.
    let mut case = Case::new(1000, 3);
    case.write(Event::CallQueued, Some(&call(1)));
    case.write_others(30);
    assert!(erase_in_files(&case.settings, number).count >= 2);
    assert!(!(0..4).any(|number| case.text(number).contains(digits)));
}

#[test]
fn masking_journal_masks_earlier_unmasked_calls() {
    let mut case = Case::new(1000, 1);
    case.write(Event::CallQueued, Some(&call(1)));
    case.sink = FileSink::new(case.settings.clone(), journal(true))
        .carrying(Replay::read(&case.settings).unwrap().open, OpenRooms::default());
    case.write_others(100);
    assert!(
        case.text(0).contains("+7999•••0001") && !case.text(0).contains("79990000001"),
        "{}",
        case.text(0)
    );
}

#[test]
fn gap_leaves_accepted_calls_open() {
    let mut open = OpenCalls::default();
    open.reach(call(1), EventKind::CallRequested, None, None);
    open.reach(call(2), EventKind::CallQueued, None, None);
    open.gap();
    assert_eq!(open.into_calls()[0].info.id, call(2).id);
}

#[test]
fn deleted_file_begins_anew_with_the_open_calls() {
    let mut case = Case::new(1 << 20, 1);
    case.write(Event::CallQueued, Some(&call(1)));
    fs::remove_file(&case.settings.path).unwrap();
    // As once a second.
    case.sink.write(&[]).unwrap();
    assert_eq!(case.open().len(), 1);
    assert_eq!(Replay::read(&case.settings).unwrap().recorded_until, Some(time(1)));
}
