//! Every reader gets each record once and in order, and a gap in the place of missing ones.

use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;

const RUN_ID: u64 = 7;

/// A journal that numbers from 1.
fn journal(capacity: usize) -> Journal {
    Journal::new(JournalOptions { capacity, run_id: RUN_ID, ..JournalOptions::default() })
}

fn append(journal: &Journal, count: usize) {
    journal.append((0..count).map(|_| (SystemTime::UNIX_EPOCH, Event::CallRequested, None)));
}

/// Reads all entries that are available now, as `1 2 [3-7 overrun] 8 end`.
fn read(reader: &mut Reader) -> String {
    let mut words = Vec::new();
    // `now_or_never` drops the future of `next_batch`, which must lose no entry.
    while let Some(batch) = reader.next_batch().now_or_never() {
        words.extend(batch.iter().map(word));
        if batch.is_empty() {
            words.push("end".to_owned());
            break;
        }
    }
    words.join(" ")
}

fn word(entry: &Entry) -> String {
    let number = |seq: Option<u64>| seq.map_or("?".to_owned(), |seq| seq.to_string());
    match entry {
        Entry::Record(record) => record.seq.to_string(),
        Entry::Gap(Gap { from, to, reason }) => {
            format!("[{}-{} {}]", number(*from), number(*to), reason.as_str())
        }
    }
}

#[test]
fn concurrent_appends_are_numbered_without_a_hole() {
    let journal = Journal::new(JournalOptions {
        capacity: 10_000,
        first_seq: 41,
        run_id: RUN_ID,
        continues_previous_run: true,
    });
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|count| append(&journal, count % 5)));
        }
    });
    let expected: Vec<_> = (41..41 + 800).map(|seq| seq.to_string()).collect();
    assert_eq!(read(&mut journal.from_start()), expected.join(" "));
}

#[test]
fn reader_begins_at_the_requested_record() {
    let journal = journal(10);
    let [mut early, mut early_too] = [journal.from_start(), journal.follow()];
    append(&journal, 3);
    let mut readers = [
        journal.from_start(),
        journal.after(None, 0),
        journal.after(Some(RUN_ID), 1),
        journal.after(None, 3),
        journal.follow(),
    ];
    assert_eq!(readers.each_mut().map(read), ["1 2 3", "1 2 3", "2 3", "", ""]);
    append(&journal, 1);
    assert_eq!(readers.each_mut().map(read), ["4"; 5]);
    assert_eq!([read(&mut early), read(&mut early_too)], ["1 2 3 4"; 2]);
}

#[test]
fn overtaken_reader_gets_a_gap_and_reads_on() {
    let journal = journal(3);
    let mut slow = journal.from_start();
    append(&journal, 2);
    assert_eq!(read(&mut slow), "1 2");
    append(&journal, 8);
    assert_eq!(read(&mut slow), "[3-7 overrun] 8 9 10");
    append(&journal, 4);
    assert_eq!(read(&mut slow), "[11-11 overrun] 12 13 14");
    // A late reader gets the same gap as a slow one.
    assert_eq!(read(&mut journal.after(Some(RUN_ID), 1)), "[2-11 overrun] 12 13 14");
    assert_eq!(read(&mut journal.from_start()), "12 13 14");
}

#[test]
fn ring_of_no_length_keeps_one_record() {
    let journal = journal(0);
    append(&journal, 2);
    assert_eq!(read(&mut journal.after(None, 0)), "[1-1 overrun] 2");
}

#[test]
fn reader_from_an_earlier_run_gets_one_gap() {
    // Nothing of the earlier run was kept, so the range of the gap is unknown.
    let anew = Journal::new(JournalOptions {
        capacity: 10,
        run_id: RUN_ID + 1,
        ..JournalOptions::default()
    });
    let mut reader = anew.after(Some(RUN_ID), 2);
    assert_eq!(read(&mut reader), "[?-? restarted]");
    append(&anew, 3);
    assert_eq!(read(&mut reader), "1 2 3");
    assert_eq!(read(&mut anew.after(Some(RUN_ID), 2)), "[?-? restarted] 1 2 3");
}

#[test]
fn reader_from_the_future_waits_for_new_records() {
    let journal = journal(10);
    append(&journal, 3);
    let mut readers = [journal.after(None, 4), journal.after(Some(RUN_ID), u64::MAX)];
    assert_eq!(readers.each_mut().map(read), ["", ""]);
    assert_eq!(readers.each_ref().map(Reader::position), [3, 3]);
    append(&journal, 1);
    assert_eq!(readers.each_mut().map(read), ["4", "4"]);
    journal.close();
    assert_eq!(readers.each_mut().map(read), ["end", "end"]);
}

#[test]
fn continued_numbering_makes_the_gap_known() {
    let goes_on = Journal::new(JournalOptions {
        capacity: 10,
        first_seq: 5,
        run_id: RUN_ID + 1,
        continues_previous_run: true,
    });
    append(&goes_on, 2);
    assert_eq!(read(&mut goes_on.after(Some(RUN_ID), 2)), "[3-4 restarted] 5 6");
    // A reader with all records of the earlier run has missed nothing.
    assert_eq!(read(&mut goes_on.after(Some(RUN_ID), 4)), "5 6");
    // If that run crashed, its readers may have more records than its file.
    let after_a_crash = Journal::new(JournalOptions {
        capacity: 10,
        first_seq: 5,
        run_id: RUN_ID + 1,
        ..JournalOptions::default()
    });
    append(&after_a_crash, 2);
    assert_eq!(read(&mut after_a_crash.after(Some(RUN_ID), 4)), "[?-? restarted] 5 6");
}

#[test]
fn closed_journal_is_read_to_its_end() {
    let journal = journal(1000);
    let mut reader = journal.from_start();
    append(&journal, 600);
    journal.close();
    let expected: Vec<_> = (1..=600).map(|seq| seq.to_string()).chain(["end".to_owned()]).collect();
    assert_eq!(read(&mut reader), expected.join(" "));
    assert_eq!(read(&mut reader), "end");
    assert_eq!(
        [read(&mut journal.follow()), read(&mut journal.after(None, 599))],
        ["end", "600 end"]
    );
}

#[test]
fn reader_that_catches_up_gets_one_batch_at_a_time() {
    let journal = journal(1000);
    append(&journal, BATCH + 1);
    let mut reader = journal.from_start();
    let sizes = [reader.next_batch().now_or_never(), reader.next_batch().now_or_never()];
    assert_eq!(sizes.map(|batch| batch.expect("a batch").len()), [BATCH, 1]);
}

#[tokio::test]
async fn waiting_reader_is_woken_by_a_record_and_the_end() {
    let journal = journal(10);
    let mut reader = journal.follow();
    // The reader waits first, without an entry to read; then `happens` runs.
    let mut read_while = async |happens: &dyn Fn()| {
        let read = tokio::time::timeout(Duration::from_secs(30), reader.next_batch());
        let (batch, ()) = tokio::join!(read, async { happens() });
        batch.expect("is woken").len()
    };
    assert_eq!(read_while(&|| append(&journal, 2)).await, 2);
    assert_eq!(read_while(&|| journal.close()).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_all_get_everything() {
    let journal = journal(2000);
    let readers: Vec<_> = (0..200)
        .map(|_| {
            let mut reader = journal.from_start();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                loop {
                    let batch = reader.next_batch().await;
                    if batch.is_empty() {
                        return seen;
                    }
                    seen.extend(batch.iter().map(word));
                }
            })
        })
        .collect();
    for count in 0..60 {
        append(&journal, count);
        tokio::task::yield_now().await;
    }
    journal.close();
    let expected: Vec<_> = (1..=1770).map(|seq| seq.to_string()).collect();
    for reader in readers {
        // Far longer than reading takes: only a reader that was not woken reaches the timeout.
        let read = tokio::time::timeout(Duration::from_secs(30), reader).await;
        assert_eq!(read.expect("is woken").expect("reads"), expected);
    }
}

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Follow,
    FromStart,
    After(u64),
    /// One of the readers takes one batch.
    Read(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0usize..12).prop_map(Step::Append),
        1 => Just(Step::Follow),
        1 => Just(Step::FromStart),
        1 => (0u64..60).prop_map(Step::After),
        4 => any::<prop::sample::Index>().prop_map(Step::Read),
    ];
    prop::collection::vec(step, 0..80)
}

/// A reader, and the number that it must get next.
struct Reading(Reader, u64);

impl Reading {
    /// Reads one batch. Its records and gaps must neither leave out nor repeat a number.
    fn take(&mut self) -> Result<(), TestCaseError> {
        for entry in self.0.try_batch().0 {
            match entry {
                Entry::Record(record) => prop_assert_eq!(record.seq, self.1),
                Entry::Gap(gap) => {
                    prop_assert_eq!((gap.from, gap.reason), (Some(self.1), GapReason::Overrun));
                    self.1 = gap.to.expect("it is known what is missing");
                    prop_assert!(gap.to >= gap.from);
                }
            }
            self.1 += 1;
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_reader_misses_a_record_without_a_gap(capacity in 1usize..20, steps in steps()) {
        let journal = journal(capacity);
        let (mut readings, mut appended) = (Vec::<Reading>::new(), 0u64);
        for step in steps {
            match step {
                Step::Append(count) => {
                    append(&journal, count);
                    appended += count as u64;
                }
                Step::Follow => readings.push(Reading(journal.follow(), appended + 1)),
                Step::FromStart => {
                    let oldest = appended.saturating_sub(capacity as u64) + 1;
                    readings.push(Reading(journal.from_start(), oldest));
                }
                Step::After(seq) if seq <= appended => readings.push(Reading(journal.after(None, seq), seq + 1)),
                Step::After(_) => {}
                Step::Read(_) if readings.is_empty() => {}
                Step::Read(index) => index.get_mut(&mut readings).take()?,
            }
        }
        for mut reading in readings {
            reading.take()?;
            prop_assert_eq!(reading.1, appended + 1);
        }
    }
}
