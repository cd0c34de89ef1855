//! The live call event log: numbered records in one ring, read by as many as like.
//!
//! The ring is the only buffer. A reader is a cursor into it, so a thousand slow readers cost
//! nothing and can hold nothing up: who falls behind by more than the ring's length is told so by a
//! [`Gap`].

pub mod crowd;
pub mod sink;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use crate::call::{CallInfo, Number};
use crate::metrics::{Metrics, ReaderKind};
use crate::record::{Entry, Event, Gap, GapReason, Record};

/// Most entries a reader is given at once, so that one who catches up does not hold the ring for
/// long.
const BATCH: usize = 256;

/// The settings of `[journal]`.
#[derive(Debug)]
pub struct JournalSettings {
    /// How many records are kept in memory, for readers that fall behind.
    pub ring: usize,
    /// The file, if records are also written to one.
    pub file: Option<JournalFile>,
}

/// The journal's file.
#[derive(Debug, Clone)]
pub struct JournalFile {
    /// Its path; rotated files are `path.1`, `path.2`, …
    pub path: PathBuf,
    /// Size at which the file is rotated, in bytes.
    pub max_size: u64,
    /// How many rotated files are kept.
    pub keep: usize,
}

/// The log. Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    masks: bool,
}

struct Shared {
    boot: u64,
    first_seq: u64,
    /// Nothing of what was told before `first_seq` is unwritten.
    follows: bool,
    capacity: usize,
    ring: Mutex<Ring>,
    /// The `seq` of the newest record; what readers wait on.
    head: watch::Sender<u64>,
    metrics: Metrics,
}

struct Ring {
    records: VecDeque<Arc<Record>>,
    next_seq: u64,
    closed: bool,
}

impl Journal {
    /// A log that keeps `capacity` records (at least one) and numbers them from `first_seq`. `boot`
    /// tells this run of the daemon from others, in the event stream's ids.
    ///
    /// `follows` says that all records before `first_seq` were written down, so that whoever has
    /// read the last of them misses nothing.
    pub fn new(capacity: usize, first_seq: u64, boot: u64, follows: bool) -> Self {
        let ring = Ring { records: VecDeque::new(), next_seq: first_seq, closed: false };
        let (head, _) = watch::channel(first_seq - 1);
        let capacity = capacity.max(1);
        let (ring, metrics) = (Mutex::new(ring), Metrics::default());
        let shared = Shared { boot, first_seq, follows, capacity, ring, head, metrics };
        Self { shared: Arc::new(shared), masks: false }
    }

    /// What is counted and measured: the records of this log, and whatever else happens on the way.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The same log, which is told numbers by those who append to it and shows them masked.
    pub fn masking(self, masks: bool) -> Self {
        Self { masks, ..self }
    }

    /// Puts [`Event::Erased`] in the place of all records of this number.
    pub fn erase(&self, number: Number) {
        for record in &mut self.ring().records {
            if record.call.as_ref().is_some_and(|call| number.may_be(call.number)) {
                *record = Arc::new(Record::new(record.seq, record.time, Event::Erased, None));
            }
        }
    }

    /// What tells this run of the daemon from others.
    pub fn boot(&self) -> u64 {
        self.shared.boot
    }

    /// Appends records in their order.
    pub fn append(
        &self,
        records: impl IntoIterator<Item = (SystemTime, Event, Option<Arc<CallInfo>>)>,
    ) {
        let head = {
            let mut ring = self.ring();
            for (time, event, call) in records {
                let (event, call) = match call {
                    Some(call) if self.masks => {
                        (event.masked(call.number), Some(Arc::new(call.masked())))
                    }
                    call => (event, call),
                };
                let seq = ring.next_seq;
                ring.next_seq += 1;
                self.shared.metrics.record(time, &event, call.as_deref());
                if ring.records.len() == self.shared.capacity {
                    ring.records.pop_front();
                }
                ring.records.push_back(Arc::new(Record::new(seq, time, event, call)));
            }
            ring.next_seq - 1
        };
        self.shared.head.send_if_modified(|known| std::mem::replace(known, head) != head);
    }

    /// Says that there will be no more records; readers end once they have read what there is.
    pub fn close(&self) {
        self.ring().closed = true;
        self.shared.head.send_modify(|_| {});
    }

    /// A reader of what comes from now on.
    pub fn follow(&self) -> Reader {
        let next = self.ring().next_seq;
        self.reader(next, None)
    }

    /// A reader of all that the ring still holds, and of what comes.
    pub fn from_start(&self) -> Reader {
        let ring = self.ring();
        let next = ring.records.front().map_or(ring.next_seq, |first| first.seq);
        drop(ring);
        self.reader(next, None)
    }

    /// A reader that goes on after record `seq` of the run `boot`; of this run if it is not said.
    ///
    /// A number that this run has not reached yet is nobody's loss: the reader waits, and gets what
    /// comes from now on. Only a `boot` tells that the number was another run's. Readers that come
    /// back (the page, `tail`) say it; a person who types a number does not.
    pub fn after(&self, boot: Option<u64>, seq: u64) -> Reader {
        if boot.is_none_or(|boot| boot == self.shared.boot) {
            let next = self.ring().next_seq.min(seq.saturating_add(1));
            return self.reader(next, None);
        }
        // All records of this run are news to whoever comes from another one. What of them the ring
        // has lost is a gap of its own.
        let first = self.shared.first_seq;
        let lost = match seq.saturating_add(1) {
            // It has read our predecessor's last record, and we number on from there.
            next if next == first && self.shared.follows => return self.reader(first, None),
            next if next < first => Some((next, first - 1)),
            // Numbers of another count say nothing in ours.
            _ => None,
        };
        let (from, to) = lost.unzip();
        self.reader(first, Some(Gap { from, to, reason: GapReason::Restarted }))
    }

    fn reader(&self, next: u64, gap: Option<Gap>) -> Reader {
        let kind = ReaderKind::Stream;
        Reader { journal: self.clone(), head: self.shared.head.subscribe(), next, gap, kind }
    }

    /// A panic elsewhere ends the process; until then the ring is as good as it was.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cursor into the log.
pub struct Reader {
    journal: Journal,
    head: watch::Receiver<u64>,
    next: u64,
    gap: Option<Gap>,
    kind: ReaderKind,
}

impl Reader {
    /// The same reader, as one of this kind; without it, it is an event stream's.
    pub fn of_kind(self, kind: ReaderKind) -> Self {
        Self { kind, ..self }
    }

    /// The `seq` of the record before the next one.
    pub fn position(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Whether the next thing to read is a gap, as the reader comes from another run.
    pub fn begins_with_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Waits until there is something to read and returns it, or an empty batch once the log is
    /// closed and read. May be dropped while waiting without losing anything.
    pub async fn next_batch(&mut self) -> Vec<Entry> {
        self.wait().await;
        self.try_batch().0
    }

    /// Waits until there is something to read, or the log is closed.
    pub async fn wait(&mut self) {
        loop {
            self.head.borrow_and_update();
            if self.is_due() {
                return;
            }
            // The sender lives as long as the journal, and so as this reader.
            let _ = self.head.changed().await;
        }
    }

    /// Whether there is something to read, or the log is closed.
    fn is_due(&self) -> bool {
        let ring = self.journal.ring();
        self.gap.is_some() || self.next < ring.next_seq || ring.closed
    }

    /// Passes over all there is to read, and says whether there may be more.
    fn skip(&mut self) -> bool {
        self.gap = None;
        let ring = self.journal.ring();
        self.next = ring.next_seq;
        !ring.closed
    }

    /// What can be read now, and whether nothing will follow it.
    fn try_batch(&mut self) -> (Vec<Entry>, bool) {
        let mut batch = Vec::new();
        let ring = self.journal.ring();
        let oldest = ring.records.front().map_or(ring.next_seq, |first| first.seq);
        batch.extend(self.gap.take().map(Entry::Gap));
        if self.next < oldest {
            let gap =
                Gap { from: Some(self.next), to: Some(oldest - 1), reason: GapReason::Overrun };
            self.journal.shared.metrics.gap(self.kind, &gap);
            batch.push(Entry::Gap(gap));
            self.next = oldest;
        }
        let skip = (self.next - oldest) as usize;
        batch.extend(ring.records.iter().skip(skip).take(BATCH).cloned().map(Entry::Record));
        self.next += batch.iter().filter(|entry| matches!(entry, Entry::Record(_))).count() as u64;
        let closed = ring.closed && self.next == ring.next_seq;
        (batch, closed)
    }
}
