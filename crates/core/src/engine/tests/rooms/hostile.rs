//! An Asterisk, or somebody at it, that means harm.

use super::*;
use crate::call::RoomPatterns;
use crate::engine::rooms::{MAX_PARTICIPANTS, MAX_ROOMS};

#[test]
fn events_of_unknown_rooms_change_nothing() {
    let mut bench = Bench::with_rooms(&[]);
    for event in ["Leave", "Mute", "Unmute", "Talking", "End", "List"] {
        bench.conf(event, "R9", "1795.1");
    }
    bench.receive("Event: ConfbridgeStart");
    bench.receive("Event: ConfbridgeJoin\nUniqueid: 1795.1");
    bench.receive("Event: ConfbridgeListRooms\nConference: R9");
    bench.receive("Event: ConfbridgeListRoomsComplete");
    bench.receive("Event: ConfbridgeListComplete");
    assert!(bench.take_events().is_empty());
    assert_nothing_left(&bench);
}

#[test]
fn rooms_and_participants_are_bounded() {
    let mut bench = Bench::with_rooms(&[]);
    for n in 0..MAX_ROOMS + 5 {
        bench.conf("Join", &format!("r{n}"), "1795.1");
    }
    for n in 0..MAX_PARTICIPANTS + 5 {
        bench.conf("Join", "r0", &format!("1796.{n}"));
    }
    let stats = bench.engine.stats();
    assert_eq!((stats.rooms, stats.participants), (MAX_ROOMS, MAX_PARTICIPANTS));
    for n in 0..MAX_ROOMS + 5 {
        bench.end_room(&format!("r{n}"));
    }
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn endless_lists_are_bounded() {
    let mut bench = Bench::new();
    bench.log_in();
    bench.list(&[]);
    let names: Vec<_> = (0..MAX_ROOMS + 20).map(|n| format!("r{n}")).collect();
    let ids: Vec<_> = (0..MAX_PARTICIPANTS + 20).map(|n| format!("1795.{n}")).collect();
    let members: Vec<_> = ids.iter().map(|id| member(id)).collect();
    let list = bench.id_of("ConfbridgeListRooms");
    bench.receive(&format!("Response: Success\nActionID: {list}"));
    for name in &names {
        bench.receive(&format!("Event: ConfbridgeListRooms\nConference: {name}"));
    }
    bench.receive("Event: ConfbridgeListRoomsComplete");
    assert_eq!(bench.count("ConfbridgeList"), 8, "so many at once");
    let mut listed = 0;
    while listed < bench.count("ConfbridgeList") {
        for member in members.iter().filter(|_| listed == 0) {
            bench.receive(&format!("Event: ConfbridgeList\n{}", member_headers("r0", member)));
        }
        bench.receive("Event: ConfbridgeListComplete");
        listed += 1;
    }
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Ping")));
    let stats = bench.engine.stats();
    assert_eq!((listed, stats.participants), (MAX_ROOMS, MAX_PARTICIPANTS));
}

#[test]
fn flood_of_events_closes_the_link() {
    let mut bench = Bench::with_rooms(&[]);
    let before = bench.disconnects;
    for _ in 0..2000 {
        bench.conf("Join", "R1", "1795.1");
        bench.conf("Leave", "R1", "1795.1");
        if bench.disconnects > before {
            break;
        }
    }
    assert_eq!(bench.disconnects, before + 1);
    assert!(bench.records.len() < 4000, "{}", bench.records.len());
}

#[test]
fn endless_unmutes_do_not_keep_the_link_busy() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", mute_room(true));
    bench.confirm("ConfbridgeMute");
    let before = bench.disconnects;
    for _ in 0..4000 {
        bench.conf("Unmute", "R1", "1795.1");
        bench.confirm("ConfbridgeMute");
        if bench.disconnects > before {
            break;
        }
    }
    assert_eq!(bench.disconnects, before + 1);
}

#[test]
fn huge_texts_are_cut() {
    let mut bench = Bench::with_rooms(&[]);
    let huge = "x".repeat(5000);
    let caller = format!("{huge}\u{1b}[2J");
    bench.join(&huge, &Member { caller: &caller, ..member(&huge) });
    let rooms = bench.engine.rooms(&RoomPatterns::default(), 10);
    let room = bench.room(&rooms.rooms[0].room);
    let one = &room.participants[0];
    for text in [&*room.room.room, &*one.id, &*one.caller_id] {
        assert!(text.len() <= 256, "{}", text.len());
    }
}

#[test]
fn same_id_in_two_rooms_is_counted_twice_and_leaves_twice() {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    for room in ["R1", "R2", "R1"] {
        bench.conf("Join", room, &id);
    }
    assert_eq!(bench.engine.stats().participants, 2);
    bench.hang_up_halves(&id, "7001", 16);
    bench.pass(Duration::from_secs(1));
    for room in ["R1", "R2"] {
        bench.end_room(room);
    }
    assert_nothing_left(&bench);
}

#[test]
fn answers_to_nothing_are_ignored() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    for id in ["0", "999999", "od-x", ""] {
        bench.receive(&format!("Response: Success\nActionID: {id}"));
    }
    // A late answer to a request that has timed out.
    bench.change(1, "R1", lock_room(true));
    bench.idle(Duration::from_secs(6));
    bench.confirm("ConfbridgeLock");
    assert_eq!(*bench.error(1), RoomError::TimedOut);
    assert!(!bench.room("R1").room.locked, "the next list shows it");
}

/// No header may hold a NUL, so the action cannot be sent. Its request gets an answer all the same.
#[test]
fn channel_name_that_no_header_may_hold_is_refused() {
    let mut bench = Bench::with_rooms(&[]);
    bench.conf("Join", "R1", "1795.1\0");
    for who in 1..300 {
        bench.change(who, "R1", mute("1795.1\0", true));
        assert!(matches!(bench.error(who), RoomError::Rejected(_)), "{:?}", bench.error(who));
    }
    bench.end_room("R1");
    assert_nothing_left(&bench);
}
