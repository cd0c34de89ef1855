//! The story of conferences: how records become rows, over restarts, gaps, erasure and old age.

mod deletion;
mod queries;

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::history::conferences::{ConferenceFilter, Tracker, apply};
use crate::journal::sink::{OpenCalls, OpenRooms};
use originatord_core::call::{CallInfo, Room};
use originatord_core::record::Entry;
use originatord_core::room::{ConferenceId, Guest, GuestChange, LeaveReason, Left, RoomChange};

/// Writes records, one a second, and remembers what a journal would know of open calls and rooms.
struct Story {
    case: Case,
    seq: u64,
    calls: OpenCalls,
    rooms: OpenRooms,
}

impl Story {
    fn new() -> Self {
        Self::of(Case::new(36_500 * DAY, 1 << 30))
    }

    fn of(case: Case) -> Self {
        Self { case, seq: 0, calls: OpenCalls::default(), rooms: OpenRooms::default() }
    }

    fn write(&mut self, event: Event, call: Option<&CallInfo>) -> &mut Self {
        let entry = self.entry(event, call);
        self.case.sink.write(&[entry]).unwrap();
        self
    }

    fn entry(&mut self, event: Event, call: Option<&CallInfo>) -> Entry {
        self.seq += 1;
        let call = call.cloned().map(Arc::new);
        let entry = Entry::Record(Arc::new(Record::new(self.seq, at(self.seq), event, call)));
        self.calls.entry(&entry);
        self.rooms.entry(&entry);
        entry
    }

    /// A record that the history does not get.
    fn lose(&mut self, event: Event, call: Option<&CallInfo>) -> &mut Self {
        self.entry(event, call);
        self
    }

    /// The daemon starts again. `journal` is whether it finds its journal.
    fn restart(&mut self, journal: bool) -> &mut Self {
        let empty = Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() });
        let sink = HistorySink::new(self.case.history.clone(), empty, None);
        self.case.sink =
            if journal { sink.continuing(self.calls.clone(), self.rooms.clone()) } else { sink };
        self.case.sink.write(&[]).unwrap();
        self
    }

    fn detail(&self, n: u64) -> Value {
        let connection = open_to_read(&self.case.path()).unwrap();
        let found = crate::history::conferences::find(&connection, id(n)).unwrap();
        serde_json::to_value(found.expect("the conference")).unwrap()
    }

    fn list(&self, filter: &ConferenceFilter, limit: usize) -> Vec<Value> {
        let connection = open_to_read(&self.case.path()).unwrap();
        let page = crate::history::conferences::page(&connection, filter, limit, |_| true);
        page.unwrap().iter().map(|view| serde_json::to_value(view).unwrap()).collect()
    }
}

fn at(second: u64) -> SystemTime {
    samples::time() + Duration::from_secs(second)
}

fn time(second: u64) -> String {
    originatord_core::clock::rfc3339(at(second))
}

fn id(n: u64) -> ConferenceId {
    ConferenceId::new(at(n), n.into())
}

fn callee(n: u32) -> CallInfo {
    let number = format!("7999000{n:04}").parse().unwrap();
    let room: Room = "R1".parse().unwrap();
    CallInfo { id: CallId::new(samples::time(), n.into()), number, room, ..samples::call() }
}

fn guest(n: u32) -> Arc<Guest> {
    Arc::new(Guest::new(&format!("1795521600.{n}"), &format!("7998000{n:04}"), "Телефон"))
}

fn by(key: &str) -> Option<Arc<str>> {
    Some(key.into())
}

fn room(room: &str, change: RoomChange) -> Event {
    Event::Room { room: room.into(), change }
}

fn started(name: &str, n: u64) -> Event {
    room(name, RoomChange::Started { id: id(n), after: None })
}

fn ended(name: &str, n: u64) -> Event {
    room(name, RoomChange::Ended { id: id(n), after: None, by: None })
}

fn joined(name: &str) -> Event {
    Event::CallJoined { conference: name.into(), after: None }
}

fn left(name: &str) -> Event {
    Event::CallLeft { conference: name.into(), after: None, talked: None }
}

fn of_guest(name: &str, n: u32, change: GuestChange) -> Event {
    Event::Guest { guest: guest(n), room: name.into(), change }
}

fn guest_joined(name: &str, n: u32) -> Event {
    of_guest(name, n, GuestChange::Joined { after: None })
}

fn guest_left(name: &str, n: u32) -> Event {
    of_guest(name, n, GuestChange::Left(Left::default()))
}

/// Records of one conference from its start to its end.
fn whole_story() -> Vec<(Event, Option<CallInfo>)> {
    let (bob, eve) = (Some(callee(1)), Some(callee(2)));
    let conference: Arc<str> = "R1".into();
    let moved = Left {
        reason: Some(LeaveReason::Moved),
        by: by("op"),
        moved_to: Some("R2".into()),
        talked: Some(Duration::from_millis(2500)),
        ..Left::default()
    };
    vec![
        (started("R1", 1), None),
        (joined("R1"), bob.clone()),
        (guest_joined("R1", 1), None),
        (room("R1", RoomChange::Locked { by: by("op") }), None),
        (of_guest("R1", 1, GuestChange::Muted { by: by("desk") }), None),
        (of_guest("R1", 1, GuestChange::Unmuted { by: None }), None),
        (Event::CallKicked { conference: conference.clone(), by: "op".into() }, bob.clone()),
        (
            Event::CallLeft { conference: conference.clone(), after: None, talked: None },
            bob.clone(),
        ),
        (room("R1", RoomChange::Muted { by: by("op") }), None),
        (joined("r1"), eve.clone()),
        (Event::CallMuted { conference: conference.clone(), by: by("op") }, eve.clone()),
        (of_guest("R1", 1, GuestChange::Left(moved)), None),
        (room("R1", RoomChange::Unlocked { by: None }), None),
        (joined("R1"), bob),
        (left("R1"), eve),
        (room("R1", RoomChange::Ended { id: id(1), after: None, by: by("op") }), None),
    ]
}

#[test]
fn records_become_the_story_of_a_conference() {
    let mut story = Story::new();
    // A call that rang during the conference, one before it, and one into another room.
    let (busy, end) = (callee(7), samples::end(Outcome::Busy));
    let during = Timestamps { ended: Some(at(9)), ..Timestamps::default() };
    let before = Timestamps { ended: Some(at(0)), ..Timestamps::default() };
    let elsewhere = CallInfo { room: "R3".parse().unwrap(), ..callee(9) };
    for (call, timestamps) in [(&busy, during), (&callee(8), before), (&elsewhere, during)] {
        story.case.write(&[(call.clone(), End { timestamps, ..end.clone() })]);
    }
    for (event, call) in whole_story() {
        story.write(event, call.as_ref());
    }
    let mut detail = story.detail(1);
    let invited = detail.as_object_mut().unwrap().remove("invited").unwrap();
    assert_eq!(invited.as_array().unwrap().len(), 1, "{invited}");
    assert_eq!(invited[0]["call_id"], busy.id.to_string());
    let (bob, eve) = (callee(1).id.to_string(), callee(2).id.to_string());
    let visit = |joined: u64, left: u64, reason: &str| {
        let seconds = (left - joined) as f64;
        json!({ "joined": time(joined), "left": time(left), "seconds": seconds, "reason": reason })
    };
    let with = |mut visit: Value, more: Value| {
        let more = more.as_object().unwrap().clone();
        visit.as_object_mut().unwrap().extend(more);
        visit
    };
    let expected = json!({
        "conference_id": id(1).to_string(), "room": "R1", "started": time(1), "ended": time(16),
        "ended_by": "op", "participant_count": 3, "most_at_once": 2,
        "participants": [
            { "id": bob, "call_id": bob, "number": "+79990000001", "caller_id": "Боб Smith", "visits": [
                with(visit(2, 8, "kicked"), json!({ "by": "op" })),
                with(visit(14, 16, "room_ended"), json!({ "by": "op" })),
            ], "mutes": [] },
            { "id": "1795521600.1", "call_id": null, "number": "+79980000001", "caller_id": "Телефон",
              "visits": [with(visit(3, 12, "moved"),
                  json!({ "by": "op", "moved_to": "R2", "talked_seconds": 2.5 }))],
              "mutes": [{ "from": time(5), "to": time(6), "by": "desk" }] },
            { "id": eve, "call_id": eve, "number": "+79990000002", "caller_id": "Боб Smith",
              "visits": [visit(10, 15, "left")],
              "mutes": [{ "from": time(11), "to": time(15), "by": "op" }] },
        ],
        "room_mutes": [{ "from": time(9), "to": time(16), "by": "op" }],
        "locks": [{ "from": time(4), "to": time(13), "by": "op" }],
    });
    assert_eq!(detail, expected);
}

#[test]
fn repeated_batch_changes_nothing() {
    let dump = |repeats: usize| {
        let mut story = Story::new();
        story.case.sink.write(&[]).unwrap();
        let events = whole_story();
        let entries: Vec<_> =
            events.into_iter().map(|(event, call)| story.entry(event, call.as_ref())).collect();
        let connection = Connection::open(story.case.path()).unwrap();
        for half in entries.chunks(7) {
            let mut tracker = Tracker::default();
            // The tracker sees all of the story up to here.
            tracker.steps(&entries[..entries.iter().position(|e| same(e, &half[0])).unwrap()]);
            let steps = tracker.steps(half);
            for _ in 0..repeats {
                steps.iter().for_each(|step| apply(&connection, step).unwrap());
            }
        }
        story.detail(1)
    };
    assert_eq!(dump(1), dump(3));
}

fn same(a: &Entry, b: &Entry) -> bool {
    match (a, b) {
        (Entry::Record(a), Entry::Record(b)) => a.seq == b.seq,
        _ => false,
    }
}

#[test]
fn open_conference_continues_after_a_restart() {
    let mut story = Story::new();
    story.write(started("R1", 1), None).write(joined("R1"), Some(&callee(1)));
    story.write(guest_joined("R1", 1), None).restart(true);
    story.write(guest_left("R1", 1), None).write(left("R1"), Some(&callee(1)));
    story.write(ended("R1", 1), None);
    let detail = story.detail(1);
    assert_eq!((&detail["ended"], detail.get("ended_after")), (&json!(time(6)), None));
    assert_eq!(detail["participants"][0]["visits"][0]["seconds"], 3.0);
    assert_eq!((&detail["participant_count"], &detail["most_at_once"]), (&json!(2), &json!(2)));
}

#[test]
fn conference_without_a_journal_ends_at_the_next_start() {
    let mut story = Story::new();
    story.write(started("R1", 1), None).write(joined("R1"), Some(&callee(1)));
    story.write(room("R1", RoomChange::Locked { by: None }), None).restart(false);
    let detail = story.detail(1);
    assert_eq!(detail["ended_after"], time(2));
    let visit = &detail["participants"][0]["visits"][0];
    assert_eq!((&visit["left_after"], &visit["seconds"]), (&json!(time(2)), &Value::Null));
    assert_eq!(detail["locks"][0]["to"], detail["ended"]);
    // Asterisk goes on with it, under another id.
    story.write(started("R1", 9), None).write(ended("R1", 9), None);
    assert_eq!(story.list(&ConferenceFilter::default(), 10).len(), 2);
}

#[test]
fn lost_records_leave_times_between_which_it_happened() {
    let mut story = Story::new();
    story.write(started("R1", 1), None);
    // A join, an end and a start are lost.
    story.lose(guest_joined("R1", 1), None).write(guest_left("R1", 1), None);
    story.write(guest_joined("R1", 2), None).lose(guest_left("R1", 2), None);
    story.write(guest_joined("R1", 2), None);
    story.lose(ended("R1", 1), None).write(started("r1", 8), None);
    let detail = story.detail(1);
    let visits = |n: usize| detail["participants"][n]["visits"].clone();
    let lost_join = json!([{ "joined": time(3), "joined_after": time(1), "left": time(3),
        "seconds": null, "reason": null }]);
    assert_eq!(visits(0), lost_join);
    let lost_left = &visits(1)[0];
    assert_eq!((&lost_left["left"], &lost_left["left_after"]), (&json!(time(6)), &json!(time(4))));
    assert_eq!((&detail["ended"], &detail["ended_after"]), (&json!(time(8)), &json!(time(6))));
    assert_eq!((&detail["participant_count"], &detail["most_at_once"]), (&json!(2), &json!(1)));
    // The start of this one is lost, but its id has the time.
    story.write(ended("R2", 9), None);
    assert_eq!(
        (story.detail(9)["started"].clone(), story.detail(8)["ended"].clone()),
        (json!(time(9)), Value::Null)
    );
}

#[test]
fn call_that_nobody_saw_leave_leaves_with_its_end() {
    let mut story = Story::new();
    story.write(started("R1", 1), None).write(joined("R1"), Some(&callee(1)));
    let end = End { ended_between: Some((at(1), at(3))), ..samples::end(Outcome::Unknown) };
    story.write(Event::CallEnded(Box::new(end)), Some(&callee(1)));
    let visit = story.detail(1)["participants"][0]["visits"][0].clone();
    assert_eq!((&visit["left"], &visit["left_after"]), (&json!(time(3)), &json!(time(1))));
}

#[test]
fn new_file_gets_the_open_conferences() {
    let mut story = Story::new();
    story.write(started("R1", 1), None).write(Event::CallQueued, Some(&callee(1)));
    story.write(joined("R1"), Some(&callee(1))).write(guest_joined("R1", 1), None);
    fs::rename(story.case.path(), story.case.folder.path().join("old.db")).unwrap();
    story.write(guest_left("R1", 1), None).write(ended("R1", 1), None);
    let detail = story.detail(1);
    assert_eq!((&detail["ended"], &detail["participant_count"]), (&json!(time(6)), &json!(2)));
    assert_eq!(detail["participants"][1]["visits"][0]["seconds"], 1.0);
}
