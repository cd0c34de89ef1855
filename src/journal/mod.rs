//! The journal: numbered records in one ring, and any number of readers.
//!
//! The ring is the only buffer, and a reader is a cursor into it. So a thousand slow readers cost
//! no memory and delay nobody. A reader that falls behind by more than the ring's length gets a
//! [`Gap`] in the place of the records it missed.

pub mod sink;
#[cfg(test)]
mod tests;
pub(crate) mod wake_queue;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use self::sink::Cleaner;
use crate::metrics::{Metrics, ReaderKind};
use originatord_core::call::{CallInfo, Number};
use originatord_core::record::{Entry, Event, Gap, GapReason, Record};

/// Most entries in one batch of a reader, so that a reader that catches up does not hold the ring's
/// lock for long.
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

/// The options of a new journal.
#[derive(Debug, Clone, Copy)]
pub struct JournalOptions {
    /// How many records the ring keeps; at least one.
    pub capacity: usize,
    /// Number of the first record.
    pub first_seq: u64,
    /// Tells this run of the daemon from others, in the ids of the event stream.
    pub run_id: u64,
    /// True if every record before `first_seq` reached the file (the last run shut down cleanly).
    /// A reader that has read the last of them has then missed nothing.
    pub continues_previous_run: bool,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self { capacity: 10_000, first_seq: 1, run_id: 0, continues_previous_run: false }
    }
}

/// The journal. Cheap to clone; all clones share one ring.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
    masks: bool,
}

struct Shared {
    options: JournalOptions,
    ring: Mutex<Ring>,
    /// Number of the newest record; readers wait for it to change.
    head: watch::Sender<u64>,
    metrics: Metrics,
}

struct Ring {
    records: VecDeque<Arc<Record>>,
    next_seq: u64,
    closed: bool,
}

impl Journal {
    /// An empty journal.
    pub fn new(options: JournalOptions) -> Self {
        let first_seq = options.first_seq;
        let ring = Ring { records: VecDeque::new(), next_seq: first_seq, closed: false };
        let (head, _) = watch::channel(first_seq - 1);
        let (ring, metrics) = (Mutex::new(ring), Metrics::default());
        Self { shared: Arc::new(Shared { options, ring, head, metrics }), masks: false }
    }

    /// The daemon's metrics. The journal counts its records in them.
    pub fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// The same journal, through which appended numbers are recorded masked if `masks`.
    pub fn masking(self, masks: bool) -> Self {
        Self { masks, ..self }
    }

    /// Whether appended numbers are recorded masked.
    pub(crate) fn masks(&self) -> bool {
        self.masks
    }

    /// Replaces every record of this number by [`Event::Erased`].
    pub fn erase(&self, number: Number) {
        let is_of_call =
            |record: &Record| record.call.as_ref().is_some_and(|call| number.may_be(call.number));
        let cleaner = Cleaner::new(number);
        let is_of_guest = |record: &Record| match &record.event {
            Event::Guest { guest, .. } => cleaner.is_of(guest),
            _ => false,
        };
        for record in &mut self.ring().records {
            if is_of_call(record) || is_of_guest(record) {
                *record = Arc::new(Record::new(record.seq, record.time, Event::Erased, None));
            }
        }
    }

    /// Tells this run of the daemon from others.
    pub fn run_id(&self) -> u64 {
        self.shared.options.run_id
    }

    /// Appends records in their order.
    pub fn append(
        &self,
        records: impl IntoIterator<Item = (SystemTime, Event, Option<Arc<CallInfo>>)>,
    ) {
        let head = {
            let mut ring = self.ring();
            for (time, event, call) in records {
                let (event, call) = match (self.masks, call) {
                    (true, Some(call)) => {
                        (event.masked(call.number), Some(Arc::new(call.masked())))
                    }
                    (true, None) => (event.guest_masked(), None),
                    (false, call) => (event, call),
                };
                let seq = ring.next_seq;
                ring.next_seq += 1;
                self.shared.metrics.record(time, &event, call.as_deref());
                if ring.records.len() == self.shared.options.capacity.max(1) {
                    ring.records.pop_front();
                }
                ring.records.push_back(Arc::new(Record::new(seq, time, event, call)));
            }
            ring.next_seq - 1
        };
        self.shared.head.send_if_modified(|known| std::mem::replace(known, head) != head);
    }

    /// Ends the journal: readers end once they have read the rest.
    pub fn close(&self) {
        self.ring().closed = true;
        self.shared.head.send_modify(|_| {});
    }

    /// A reader of the records from now on.
    pub fn follow(&self) -> Reader {
        let next = self.ring().next_seq;
        self.reader(next, None)
    }

    /// A reader of all records in the ring, and of those from now on.
    pub fn from_start(&self) -> Reader {
        let ring = self.ring();
        let next = ring.records.front().map_or(ring.next_seq, |first| first.seq);
        drop(ring);
        self.reader(next, None)
    }

    /// A reader that goes on after record `seq` of the run `run_id`, or of this run without one.
    ///
    /// With a number that this run has not reached yet, the reader gets the records from now on,
    /// and no gap. Only `run_id` shows that a number belongs to another run. Readers that reconnect
    /// (the page, `tail`) send it; a person who types a number does not.
    pub fn after(&self, run_id: Option<u64>, seq: u64) -> Reader {
        if run_id.is_none_or(|run_id| run_id == self.shared.options.run_id) {
            let next = self.ring().next_seq.min(seq.saturating_add(1));
            return self.reader(next, None);
        }
        // A reader from another run has read no record of this one. Records that the ring no longer
        // holds become a second gap.
        let first = self.shared.options.first_seq;
        let lost = match seq.saturating_add(1) {
            // The reader has the last record of the previous run, and this run's numbers follow it.
            next if next == first && self.shared.options.continues_previous_run => {
                return self.reader(first, None);
            }
            next if next < first => Some((next, first - 1)),
            // The number is beyond this run's first, so it belongs to an unrelated count.
            _ => None,
        };
        let (from, to) = lost.unzip();
        self.reader(first, Some(Gap { from, to, reason: GapReason::Restarted }))
    }

    fn reader(&self, next: u64, gap: Option<Gap>) -> Reader {
        let kind = ReaderKind::Stream;
        Reader { journal: self.clone(), head: self.shared.head.subscribe(), next, gap, kind }
    }

    /// A panic elsewhere ends the process, so a poisoned ring is still consistent.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cursor into the journal.
pub struct Reader {
    journal: Journal,
    head: watch::Receiver<u64>,
    next: u64,
    gap: Option<Gap>,
    kind: ReaderKind,
}

impl Reader {
    /// Sets the kind under which metrics count the reader's gaps. The default is an event stream.
    pub fn of_kind(self, kind: ReaderKind) -> Self {
        Self { kind, ..self }
    }

    /// Number of the record before the next one.
    pub fn position(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// Whether the reader comes from another run, so that it gets a gap first.
    pub fn begins_with_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Waits for the next entries. Returns an empty batch once the journal is closed and read to its
    /// end. Dropping the future loses nothing.
    pub async fn next_batch(&mut self) -> Vec<Entry> {
        self.wait().await;
        self.try_batch().0
    }

    /// Waits until there is something to read, or the journal is closed.
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

    /// Whether there is something to read, or the journal is closed.
    fn is_due(&self) -> bool {
        let ring = self.journal.ring();
        self.gap.is_some() || self.next < ring.next_seq || ring.closed
    }

    /// Skips all present records. Returns false if the journal is closed.
    fn skip(&mut self) -> bool {
        self.gap = None;
        let ring = self.journal.ring();
        self.next = ring.next_seq;
        !ring.closed
    }

    /// The entries that can be read now, and whether they are the last.
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
