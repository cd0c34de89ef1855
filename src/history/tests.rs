//! The history's database: stored calls, filters, pages, versions and deletion.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::journal::sink::Sink;
use crate::journal::{Journal, JournalOptions};
use originatord_core::call::machine::{State, Timestamps};
use originatord_core::call::outcome::{Bounds, Cause, End, Outcome};
use originatord_core::call::{CallInfo, CallerId, Room, RoomPatterns};
use originatord_core::record::{Entry, Event, Record, samples};

mod aging;
mod changed;
mod conferences;

const DAY: Duration = Duration::from_secs(86_400);

/// A history in a folder of its own.
struct Case {
    folder: TempDir,
    history: History,
    sink: HistorySink,
}

impl Case {
    fn new(keep: Duration, max_size: u64) -> Self {
        let folder = TempDir::new().unwrap();
        let history = History::new(HistorySettings {
            file: folder.path().join("history.db"),
            keep,
            max_size,
        });
        let sink = HistorySink::new(
            history.clone(),
            Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }),
            None,
        );
        Self { folder, history, sink }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("history.db")
    }

    fn write(&mut self, calls: &[(CallInfo, End)]) {
        let entry = |(info, end): &(CallInfo, End)| {
            let event = Event::CallEnded(Box::new(end.clone()));
            Entry::Record(Arc::new(Record::new(
                1,
                samples::time(),
                event,
                Some(Arc::new(info.clone())),
            )))
        };
        let batch: Vec<_> = calls.iter().map(entry).collect();
        self.sink.write(&batch).unwrap();
    }

    async fn ids(&self, filter: Filter, limit: usize) -> Vec<CallId> {
        self.history.page(filter, limit).await.unwrap().iter().map(|call| call.info.id).collect()
    }
}

/// A call that was requested `age` ago.
fn call(age: Duration, n: u128) -> (CallInfo, End) {
    let id = CallId::new(SystemTime::now() - age, n);
    (CallInfo { id, ..samples::call() }, samples::end(Outcome::Completed))
}

#[tokio::test]
async fn stored_call_is_read_unchanged() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let time = samples::time();
    let at = |second| Some(time + Duration::from_secs(second));
    let full = End {
        outcome: Outcome::FloodWait,
        answered: true,
        cause: Some(Cause { code: 38, text: "Network out of order".into() }),
        gateway_reply: Some("SIP 500 FLOOD_WAIT 291".into()),
        ring: Some(Duration::from_millis(1500)),
        talk: Some(Duration::from_millis(61_000)),
        hung_up_by: Some("bot".into()),
        ended_between: None,
        timestamps: Timestamps {
            queued: at(1),
            ringing: at(2),
            answered: at(3),
            joined: at(4),
            left: at(5),
            ended: at(6),
        },
    };
    let unseen = End {
        outcome: Outcome::Unknown,
        ring: None,
        talk: None,
        ended_between: Some((time, time + DAY)),
        timestamps: Timestamps { answered: None, joined: None, left: None, ..full.timestamps },
        answered: false,
        ..full.clone()
    };
    let second = CallInfo { id: CallId::new(time, 100), ..samples::call() };
    let mut calls = vec![(samples::call(), full), (second, unseen)];
    for (n, outcome) in (2..).zip(Outcome::ALL) {
        calls.push((
            CallInfo { id: CallId::new(time, n), ..samples::call() },
            samples::end(outcome),
        ));
    }
    case.write(&calls);
    for (info, end) in calls {
        let expected = CallView {
            requested: info.id.time(),
            state: State::Ended,
            stale: false,
            timestamps: end.timestamps,
            info: Arc::new(info),
            end: Some(Arc::new(end)),
        };
        let found = case.history.find(expected.info.id).await.unwrap().unwrap();
        assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    }
    assert!(case.history.find(CallId::new(time, 999)).await.unwrap().is_none());
}

#[tokio::test]
async fn longest_possible_talk_of_an_earlier_build_becomes_bounds() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let at = |second| samples::time() + Duration::from_secs(second);
    let timestamps = Timestamps {
        ringing: Some(at(1)),
        answered: Some(at(3)),
        ended: Some(at(90)),
        ..Timestamps::default()
    };
    // That build stored the time at which it found the call gone as the end.
    let (ring, talk) = (Some(Duration::from_secs(2)), Some(Duration::from_secs(87)));
    let end = End {
        ring,
        talk,
        timestamps,
        ended_between: Some((at(10), at(90))),
        ..samples::end(Outcome::Unknown)
    };
    case.write(&[(samples::call(), end)]);
    let found = case.history.find(samples::call().id).await.unwrap().unwrap().end.unwrap();
    let (min, max) = (Duration::from_secs(7), Some(Duration::from_secs(87)));
    assert_eq!((found.answered, found.ring, found.talk), (true, ring, None));
    assert_eq!(found.talk_bounds(), Some(Bounds { min, max }));
}

#[tokio::test]
async fn pages_show_each_call_once_despite_new_calls() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let calls: Vec<_> = (1..=25).map(|n| call(n as u32 * DAY, n)).collect();
    case.write(&calls);
    let mut filter = Filter::default();
    let mut seen = Vec::new();
    loop {
        let page = case.ids(filter.clone(), 10).await;
        let Some(last) = page.last() else { break };
        filter.before = Some(*last);
        seen.extend(page);
        // Newer calls, and one that was requested long ago and ended only now.
        case.write(&[call(Duration::ZERO, seen.len() as u128), call(100 * DAY, 7)]);
    }
    let mut expected: Vec<_> = calls.iter().map(|(info, _)| info.id).collect();
    expected.push(call(100 * DAY, 7).0.id);
    let expected: BTreeSet<_> =
        expected.into_iter().map(|id| id.time().elapsed().unwrap().as_secs() / 86_400).collect();
    let days: Vec<_> =
        seen.iter().map(|id| id.time().elapsed().unwrap().as_secs() / 86_400).collect();
    assert!(days.is_sorted(), "{days:?}");
    assert_eq!(days.iter().copied().collect::<BTreeSet<_>>(), expected);
}

fn some_call() -> impl Strategy<Value = (CallInfo, End)> {
    let rooms = prop::sample::select(vec!["R1", "КОМНАТА1", "x"]);
    let outcomes = prop::sample::select(Outcome::ALL.to_vec());
    (0..20u64, 0..1000u128, 0..3u32, rooms, prop::sample::select(vec!["bot", "desk"]), outcomes)
        .prop_map(|(second, n, number, room, key, outcome)| {
            let info = CallInfo {
                id: CallId::new(samples::time() + Duration::from_secs(second), n),
                number: format!("7999{number}").parse().unwrap(),
                room: room.parse().unwrap(),
                key: key.into(),
                ..samples::call()
            };
            (info, samples::end(outcome))
        })
}

/// Rooms that begin as this one.
fn only(room: &Room) -> RoomPatterns {
    let begin: String = room.as_str().chars().take(1).collect();
    RoomPatterns::new([format!("{begin}*").into()])
}

fn some_filter() -> impl Strategy<Value = Filter> {
    let time = || {
        prop::option::of(
            (0..20u64).prop_map(|second| samples::time() + Duration::from_secs(second)),
        )
    };
    let before = prop::option::of((0..20u64, 0..1000u128));
    (prop::option::of(some_call()), prop::array::uniform5(any::<bool>()), time(), time(), before)
        .prop_map(|(like, which, from, to, before)| {
            let like = like.as_ref();
            let take = |index: usize| like.filter(|_| which[index]);
            Filter {
                number: take(0).map(|(call, _)| call.number),
                room: take(1).map(|(call, _)| call.room.clone()),
                key: take(2).map(|(call, _)| call.key.clone()),
                outcome: take(3).map(|(_, end)| end.outcome),
                rooms: take(4).map(|(call, _)| only(&call.room)).unwrap_or_default(),
                from,
                to,
                before: before.map(|(second, n)| {
                    CallId::new(samples::time() + Duration::from_secs(second), n)
                }),
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The engine filters its recently ended calls in Rust, the history filters in SQL.
    #[test]
    fn database_matches_the_same_calls_as_the_engine(
        calls in prop::collection::vec(some_call(), 0..30),
        filters in prop::collection::vec(some_filter(), 20),
    ) {
        let mut case = Case::new(3650 * DAY, 1 << 30);
        case.write(&calls);
        let connection = open_to_read(&case.path()).unwrap();
        for filter in filters {
            let first = |id: CallId| calls.iter().find(|(call, _)| call.id == id).unwrap();
            let ids: BTreeSet<_> = calls.iter().map(|(call, _)| call.id).collect();
            let taken = ids.into_iter().rev().filter(|id| {
                let (call, end) = first(*id);
                filter.matches(call, Some(end.outcome))
            });
            let found = rows::page(&connection, &filter, 10).unwrap();
            let found: Vec<_> = found.iter().map(|call| call.info.id).collect();
            prop_assert_eq!(found, taken.take(10).collect::<Vec<_>>(), "{:?}", filter);
        }
    }
}

#[tokio::test]
async fn oversized_history_drops_oldest_calls_and_shrinks() {
    let mut case = Case::new(3650 * DAY, 1 << 20);
    let caller_id: CallerId = "x".repeat(64).parse().unwrap();
    let calls: Vec<_> = (1..=5000)
        .map(|n| {
            let (info, end) = call(DAY - Duration::from_millis(n as u64), n);
            (CallInfo { caller_id: caller_id.clone(), ..info }, end)
        })
        .collect();
    for batch in calls.chunks(250) {
        case.write(batch);
    }
    let kept = case.ids(Filter::default(), 10_000).await;
    // The newest calls are left, without a hole.
    let newest: Vec<_> = calls.iter().rev().take(kept.len()).map(|(info, _)| info.id).collect();
    assert!(kept.len() > 500 && kept == newest, "{}", kept.len());
    let connection = open_to_read(&case.path()).unwrap();
    let value =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, u64>(0)).unwrap();
    assert!(value("page_count") * value("page_size") <= 1 << 20);
    assert_eq!(value("freelist_count"), 0);
}

#[tokio::test]
async fn file_of_a_later_version_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.db");
    drop(schema::SCHEMA.open_to_write(&path).unwrap());
    let connection = Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    let error = schema::SCHEMA.open_to_write(&path).unwrap_err().to_string();
    assert!(
        error.contains("the history has version 99; this originatord knows up to 3"),
        "{error}"
    );
    connection.pragma_update(None, "user_version", 3).unwrap();
    schema::SCHEMA.open_to_write(&path).unwrap();
}

#[tokio::test]
async fn endless_query_is_interrupted() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    case.write(&[call(DAY, 1)]);
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let asked = case
        .history
        .ask(move |connection| connection.query_row(endless, [], |row| row.get::<_, i64>(0)))
        .await;
    assert!(matches!(asked, Err(QueryError::Slow)), "{asked:?}");
    assert_eq!(case.ids(Filter::default(), 10).await.len(), 1);
}

#[test]
fn erasing_names_other_calls_that_mention_the_number() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let with = |n, number: &str, caller_id: &str| {
        let (info, end) = call(DAY, n);
        let (number, caller_id) = (number.parse().unwrap(), caller_id.parse().unwrap());
        (CallInfo { number, caller_id, ..info }, end)
    };
    case.write(&[
        with(1, "7999123", "x"),
        with(2, "7998", "call +7999123"),
        with(3, "7998", "79991234 x"),
    ]);
    let erased = erase(&case.path(), "7999123".parse().unwrap());
    assert_eq!((erased.count, erased.failed.len(), erased.kept.len()), (1, 0, 1), "{erased:?}");
    assert!(erased.kept[0].contains("1 other calls have the number in their texts"), "{erased:?}");
    std::fs::copy(case.path(), case.path().with_extension("db.bak")).unwrap();
    let erased = erase(&case.path(), "7998".parse().unwrap());
    assert_eq!((erased.count, erased.kept.len()), (2, 1), "{erased:?}");
    assert!(erased.kept[0].contains("history.db.bak is not the daemon's own"), "{erased:?}");
}

#[tokio::test]
async fn number_of_an_earlier_build_is_found_and_erased_by_its_new_form() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let calls: Vec<_> = (1..=5).map(|n| call(DAY, n)).collect();
    case.write(&calls);
    let connection = Connection::open(case.path()).unwrap();
    let recorded = ["+0079991234", "+007•••1234", "+79991234", "+79•••234", "+79991235"];
    for ((info, _), number) in calls.iter().zip(recorded) {
        connection
            .execute("UPDATE calls SET number = ? WHERE id = ?", [number, &info.id.to_string()])
            .unwrap();
    }
    let number = "79991234".parse().unwrap();
    let filter = || Filter { number: Some(number), ..Filter::default() };
    let found = case.history.page(filter(), 10).await.unwrap();
    let shown: BTreeSet<_> = found.iter().map(|call| call.info.number.to_string()).collect();
    assert_eq!(shown, BTreeSet::from(["+79991234", "+007•••1234", "+79•••234"].map(str::to_owned)));
    assert_eq!(found.len(), 4);
    assert_eq!(erase(&case.path(), number).count, 4);
    assert_eq!(case.ids(Filter::default(), 10).await, [calls[4].0.id]);
}

#[tokio::test]
async fn room_is_found_in_any_case_by_its_index() {
    let mut case = Case::new(3650 * DAY, 1 << 30);
    let (mut info, end) = call(DAY, 1);
    info.room = "Room 1".parse().unwrap();
    case.write(&[(info.clone(), end)]);
    let room = Some("rOOM 1".parse().unwrap());
    assert_eq!(case.ids(Filter { room, ..Filter::default() }, 10).await, [info.id]);
    let connection = open_to_read(&case.path()).unwrap();
    let sql = "EXPLAIN QUERY PLAN SELECT id FROM calls WHERE true AND room = 'x' COLLATE NOCASE ORDER BY id DESC";
    let plan: String = connection.query_row(sql, [], |row| row.get(3)).unwrap();
    assert!(plan.contains("calls_by_room"), "{plan}");
}
