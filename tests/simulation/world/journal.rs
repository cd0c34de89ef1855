//! The journal file of a daemon that is often killed. Records are written some time after they were
//! made, and the file is rotated often.

use std::sync::Arc;
use std::time::SystemTime;

use fastrand::Rng;
use originatord::journal::JournalFile;
use originatord::journal::sink::{FileSink, Replay, Sink};
use originatord::journal::{Journal, JournalOptions};
use originatord_core::call::CallInfo;
use originatord_core::engine::EarlierRuns;
use originatord_core::record::{Entry, Event, Record};
use tempfile::TempDir;

use super::daemon::RecordedCalls;

/// The file is rotated after about ten records.
const MAX_SIZE: u64 = 4096;

/// A journal file, and the records that are not written yet.
pub(super) struct JournalOnDisk {
    /// Deletes the file when dropped.
    _folder: TempDir,
    settings: JournalFile,
    sink: FileSink,
    next_seq: u64,
    unwritten: Vec<Arc<Record>>,
    /// The calls of all records that were written.
    pub(super) written: RecordedCalls,
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
            written: RecordedCalls::default(),
        }
    }

    pub(super) fn append(&mut self, time: SystemTime, event: &Event, call: Option<Arc<CallInfo>>) {
        self.unwritten.push(Arc::new(Record::new(self.next_seq, time, event.clone(), call)));
        self.next_seq += 1;
    }

    /// Writes the oldest waiting records, at most this many.
    pub(super) fn write(&mut self, count: usize) {
        let count = count.min(self.unwritten.len());
        let batch: Vec<Arc<Record>> = self.unwritten.drain(..count).collect();
        self.sink
            .write(&batch.iter().cloned().map(Entry::Record).collect::<Vec<_>>())
            .expect("the file is writable");
        for record in batch {
            if let Some(info) = &record.call {
                self.written.record(&record.event, info);
            }
        }
    }

    pub(super) fn write_all(&mut self) {
        self.write(usize::MAX);
    }

    /// The daemon is killed, and its unwritten records are lost. Returns what the next run reads.
    pub(super) fn restart(self, now: SystemTime) -> (Self, EarlierRuns) {
        // The writer holds the lock on the file.
        drop(self.sink);
        let replay = Replay::read(&self.settings).expect("the file is readable");
        let sink = sink(&self.settings).carrying(replay.open.clone(), replay.rooms.clone());
        let mut next = Self { sink, next_seq: replay.last_seq + 1, unwritten: Vec::new(), ..self };
        next.append(now, &Event::DaemonStarted { version: "0.0.0", instance: "d".into() }, None);
        let Replay { last_event, recorded_until, .. } = replay;
        (
            next,
            EarlierRuns {
                calls: replay.open.into_calls(),
                rooms: replay.rooms.into_rooms(),
                last_event,
                recorded_until,
            },
        )
    }
}

fn sink(settings: &JournalFile) -> FileSink {
    FileSink::new(
        settings.clone(),
        Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }),
    )
}
