//! The age of stored calls, with a clock that is right, wrong or set back.

use super::*;

/// Ages of the calls that are left, in days, newest first.
fn days(case: &Case) -> Vec<u64> {
    let connection = open_to_read(&case.path()).unwrap();
    let calls = rows::page(&connection, &Filter::default(), 1000).unwrap();
    calls.iter().map(|call| call.requested.elapsed().unwrap().as_secs() / 86_400).collect()
}

/// A history with calls of these ages, in days. No clean-up has run yet.
fn with_calls(keep: Duration, days: impl IntoIterator<Item = u32>) -> Case {
    let mut case = Case::new(keep, 1 << 30);
    let calls: Vec<_> = days.into_iter().map(|age| call(age * DAY, age.into())).collect();
    case.sink.cleaned_up = Some(Instant::now());
    case.write(&calls);
    case.sink.cleaned_up = None;
    case
}

/// Lets the daemon run for ten minutes by its own clock, and clean up then.
fn ten_minutes_later(case: &mut Case, now: SystemTime) {
    case.sink.clean_up(now, Duration::from_secs(600)).unwrap();
}

#[test]
fn calls_older_than_keep_are_deleted_a_quarter_at_a_time() {
    let mut case = with_calls(30 * DAY, 0..100);
    let now = SystemTime::now();
    case.sink.clean_up(now, Duration::ZERO).unwrap();
    assert_eq!(days(&case), (0..75).collect::<Vec<_>>());
    case.sink.clean_up(now, Duration::ZERO).unwrap();
    assert_eq!(days(&case).len(), 56);
    for _ in 0..20 {
        ten_minutes_later(&mut case, now);
    }
    assert_eq!(days(&case), (0..30).collect::<Vec<_>>());
}

#[test]
fn clock_years_ahead_deletes_no_young_call() {
    let mut case = with_calls(30 * DAY, 0..25);
    let (now, ahead) = (SystemTime::now(), SystemTime::now() + 3650 * DAY);
    case.sink.clean_up(ahead, Duration::ZERO).unwrap();
    ten_minutes_later(&mut case, ahead);
    assert_eq!(days(&case).len(), 25);
    // A call ends under the wrong clock, and the clock is wrong at the next start again.
    let (info, end) = call(DAY, 1);
    case.write(&[(CallInfo { id: CallId::new(ahead, 1), ..info }, end)]);
    case.sink = HistorySink::new(
        case.history.clone(),
        Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }),
        Some(ahead),
    );
    case.sink.write(&[]).unwrap();
    case.sink.clean_up(ahead, Duration::ZERO).unwrap();
    let connection = open_to_read(&case.path()).unwrap();
    assert_eq!(rows::page(&connection, &Filter::default(), 1000).unwrap().len(), 26);
    // The clock is corrected, and calls age as usual.
    case.sink.clean_up(now + 10 * DAY, Duration::ZERO).unwrap();
    ten_minutes_later(&mut case, now + 10 * DAY);
    assert_eq!(rows::page(&connection, &Filter::default(), 1000).unwrap().len(), 26);
}

#[test]
fn daemon_that_was_off_for_a_month_cleans_up_in_the_end() {
    let mut case = with_calls(30 * DAY, 30..60);
    let now = SystemTime::now();
    case.sink.write(&[]).unwrap();
    assert_eq!(days(&case), (30..60).collect::<Vec<_>>());
    // The daemon runs for a day and a half, with restarts.
    for run in 0..9 {
        case.sink = HistorySink::new(
            case.history.clone(),
            Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }),
            None,
        );
        case.sink.write(&[]).unwrap();
        for _ in 0..24 {
            ten_minutes_later(&mut case, now + run * DAY / 6);
        }
    }
    assert_eq!(days(&case), [0; 0]);
}

#[test]
fn empty_history_gets_its_time_from_the_journal() {
    let mut case = Case::new(30 * DAY, 1 << 30);
    let (now, ahead) = (SystemTime::now(), SystemTime::now() + 3650 * DAY);
    case.sink = HistorySink::new(
        case.history.clone(),
        Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }),
        Some(now - DAY),
    );
    case.sink.opened = Some(database::OpenDatabase::open(&schema::SCHEMA, &case.path()).unwrap());
    case.sink.clean_up(ahead, Duration::ZERO).unwrap();
    case.write(&[call(10 * DAY, 1)]);
    ten_minutes_later(&mut case, ahead);
    assert_eq!(days(&case), [10]);
}

#[test]
fn clock_that_is_set_back_deletes_nothing() {
    let mut case = with_calls(30 * DAY, 0..25);
    case.sink.clean_up(SystemTime::now(), Duration::ZERO).unwrap();
    ten_minutes_later(&mut case, SystemTime::UNIX_EPOCH);
    assert_eq!(days(&case).len(), 25);
    ten_minutes_later(&mut case, SystemTime::now());
    assert_eq!(days(&case).len(), 25);
}
