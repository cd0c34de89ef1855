//! The journal file of a daemon that is killed: records reach it some time after they happen, and
//! it is rotated often.

use std::sync::Arc;
use std::time::SystemTime;

use fastrand::Rng;
use originatord::call::CallInfo;
use originatord::engine::EarlierRuns;
use originatord::journal::Journal;
use originatord::journal::JournalFile;
use originatord::journal::sink::{FileSink, Past, Sink};
use originatord::record::{Entry, Event, Record};
use tempfile::TempDir;

use super::daemon::Told;

/// Rotated after some ten records.
const MAX_SIZE: u64 = 4096;

/// A journal file, and the records that are still to be written.
pub(super) struct JournalOnDisk {
    /// Deleted at the end.
    _folder: TempDir,
    settings: JournalFile,
    sink: FileSink,
    next_seq: u64,
    unwritten: Vec<Arc<Record>>,
    /// What the file, or those that were rotated away, say of calls.
    pub(super) written: Told,
}

impl JournalOnDisk {
    pub(super) fn new(rng: &mut Rng) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("calls.jsonl");
        let settings = JournalFile { path, max_size: MAX_SIZE, keep: rng.usize(..3) };
        let sink = sink(&settings);
        Self {
            _folder: folder,
            settings,
            sink,
            next_seq: 1,
            unwritten: Vec::new(),
            written: Told::default(),
        }
    }

    pub(super) fn append(&mut self, time: SystemTime, event: &Event, call: Option<Arc<CallInfo>>) {
        self.unwritten.push(Arc::new(Record::new(self.next_seq, time, event.clone(), call)));
        self.next_seq += 1;
    }

    /// Writes the oldest records that wait, this many at most.
    pub(super) fn write(&mut self, count: usize) {
        let count = count.min(self.unwritten.len());
        let batch: Vec<Arc<Record>> = self.unwritten.drain(..count).collect();
        self.sink
            .write(&batch.iter().cloned().map(Entry::Record).collect::<Vec<_>>())
            .expect("it is written");
        for record in batch {
            if let Some(info) = &record.call {
                self.written.record(&record.event, info);
            }
        }
    }

    pub(super) fn write_all(&mut self) {
        self.write(usize::MAX);
    }

    /// The daemon is gone, and the records that it has not written with it. What the next one
    /// reads.
    pub(super) fn start_anew(self, now: SystemTime) -> (Self, EarlierRuns) {
        // The lock on the file ends with its writer.
        drop(self.sink);
        let past = Past::read(&self.settings).expect("the file is read");
        let sink = sink(&self.settings).carrying(past.open.clone());
        let mut next = Self { sink, next_seq: past.last_seq + 1, unwritten: Vec::new(), ..self };
        next.append(now, &Event::DaemonStarted { version: "0.0.0", instance: "d".into() }, None);
        let Past { last_heard, recorded_until, .. } = past;
        (next, EarlierRuns { calls: past.open.into_calls(), last_heard, recorded_until })
    }
}

fn sink(settings: &JournalFile) -> FileSink {
    FileSink::new(settings.clone(), Journal::new(1, 1, 7, false))
}
