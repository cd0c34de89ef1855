//! The view, as ConfBridge's events make it.

use super::*;
use crate::call::RoomPatterns;
use crate::room::{GuestChange, RoomChange};

#[test]
fn guests_come_and_go_in_order() {
    let mut bench = Bench::with_rooms(&[]);
    bench.receive("Event: ConfbridgeStart\nConference: Blue");
    bench.join("Blue", &Member { caller: "Ann", ..member("1795.1") });
    bench.join("Blue", &member("1795.2"));
    assert_eq!(bench.take_events(), ["room.started", "guest.joined", "guest.joined"]);
    let room = bench.room("bLUE");
    assert_eq!((&*room.room.room, room.room.participant_count), ("Blue", 2));
    assert_eq!(room.room.started, Some(bench.now().wall));
    let ids: Vec<_> = room.participants.iter().map(|one| &*one.id).collect();
    assert_eq!(ids, ["1795.1", "1795.2"]);
    assert_eq!(&*bench.participant("blue", "1795.1").caller_id, "Ann");

    bench.conf("Leave", "blue", "1795.1");
    bench.conf("Leave", "blue", "1795.2");
    // The end comes after the prompt.
    assert!(bench.engine.room("blue").is_some());
    bench.end_room("Blue");
    assert_eq!(bench.take_events(), ["guest.left", "guest.left", "room.ended"]);
    assert!(bench.engine.room("Blue").is_none());
    assert_nothing_left(&bench);
}

#[test]
fn room_without_start_and_end_events_follows_joins_and_leaves() {
    let mut bench = Bench::with_rooms(&[]);
    bench.conf("Join", "R1", "1795.1");
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(bench.take_events(), ["room.started", "guest.joined", "guest.left", "room.ended"]);
    assert!(bench.engine.room("R1").is_none());
}

#[test]
fn call_joins_its_room_after_the_room_started() {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    bench.records.clear();
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    assert_eq!(bench.room("r1").invited.len(), 1);
    bench.conf("Join", "R1", &id);
    assert_eq!(bench.take_events()[..1], ["room.started"]);
    let one = bench.participant("R1", &id);
    assert_eq!(one.call_id.map(|id| id.to_string()), Some(id.clone()));
    assert!(one.joined.is_some() && bench.room("R1").invited.is_empty());
    bench.conf("Leave", "R1", &id);
    bench.end_room("R1");
    assert_eq!(bench.take_events(), ["call.left", "room.ended"]);
    bench.hang_up_halves(&id, "7001", 16);
}

#[test]
fn callee_who_never_came_stays_invited_until_the_end() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.pass(Duration::from_secs(1));
    let id = bench.call(1, "7001");
    bench.hang_up_halves(&id, "7001", 17);
    bench.pass(Duration::from_secs(1));
    let invited = bench.room("R1").invited;
    assert_eq!(invited.iter().map(|call| call.info.id.to_string()).collect::<Vec<_>>(), [id]);
}

#[test]
fn mute_of_somebody_else_is_recorded_once() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.conf("Mute", "R1", "1795.1");
    bench.conf("Mute", "R1", "1795.1");
    assert!(bench.participant("R1", "1795.1").muted && bench.room("R1").room.muted);
    assert_eq!(bench.last_by(), None);
    bench.conf("Unmute", "R1", "1795.1");
    assert_eq!(bench.take_events(), ["guest.muted", "guest.unmuted"]);
    assert!(!bench.room("R1").room.muted);
}

#[test]
fn room_is_muted_if_all_but_admins_are() {
    let mut bench = Bench::with_rooms(&[]);
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    bench.join("R1", &Member { admin: true, ..member("1795.1") });
    assert!(!bench.room("R1").room.muted, "there is nobody else");
    bench.join("R1", &Member { muted: true, ..member("1795.2") });
    assert!(bench.room("R1").room.muted);
    assert!(bench.participant("R1", "1795.1").admin);
}

#[test]
fn talking_is_summed_up() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    assert_eq!(bench.participant("R1", "1795.1").talking, None, "nothing tells");
    for status in ["on", "off", "on"] {
        bench.receive(&format!(
            "Event: ConfbridgeTalking\nConference: R1\nUniqueid: 1795.1\nTalkingStatus: {status}"
        ));
        bench.pass(Duration::from_secs(1));
    }
    assert_eq!(bench.participant("R1", "1795.1").talking, Some(true));
    bench.conf("Leave", "R1", "1795.1");
    let (Event::Guest { change: GuestChange::Left(left), .. }, _) = &bench.records[0] else {
        panic!("{:?}", bench.records)
    };
    assert_eq!(left.talked, Some(Duration::from_secs(2)));
}

#[test]
fn second_start_ends_the_conference_whose_end_was_missed() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let first = bench.room("R1").room.conference_id;
    bench.pass(Duration::from_millis(5));
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    let ended = &bench.records[1].0;
    let Event::Room { change: RoomChange::Ended { after, .. }, .. } = ended else {
        panic!("{ended:?}")
    };
    assert!(after.is_some());
    assert_eq!(bench.take_events(), ["guest.left", "room.ended", "room.started"]);
    assert_ne!(bench.room("R1").room.conference_id, first);
}

#[test]
fn rooms_are_sorted_and_counted() {
    let mut bench = Bench::with_rooms(&[]);
    for room in ["b", "C", "A"] {
        bench.room_of(room, &["1795.1"]);
    }
    let rooms = bench.engine.rooms(&RoomPatterns::default(), 2);
    let names: Vec<_> = rooms.rooms.iter().map(|room| &*room.room).collect();
    assert_eq!((names, rooms.total), (vec!["A", "b"], 3));
    assert_eq!(bench.engine.stats().rooms, 3);
    assert!(!rooms.rooms[0].stale);
    bench.engine.disconnected(bench.now(), "cut");
    assert!(bench.engine.rooms(&RoomPatterns::default(), 1).rooms[0].stale);
}
