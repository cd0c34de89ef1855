//! Corrections of the view by lists.

use super::*;
use crate::room::GuestChange;

#[test]
fn first_list_is_proof_at_once() {
    let mut bench = Bench::new();
    bench.log_in();
    bench.list(&[]);
    bench.list_rooms(&[ListedRoom {
        name: "R1",
        locked: true,
        members: &[Member { waiting: true, ..member("1795.1") }],
    }]);
    assert_eq!(
        bench.take_events(),
        ["ami.connected", "room.started", "guest.joined", "room.locked"]
    );
    let room = bench.room("R1").room;
    assert!(room.locked && room.started.is_none());
    let one = bench.participant("R1", "1795.1");
    assert!(one.waiting && one.joined.is_none());
}

#[test]
fn first_list_after_outage_names_the_time_of_its_beginning() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.2"]);
    let id = bench.room("R1").room.conference_id;
    bench.idle(Duration::from_secs(1));
    let lost = bench.now().wall;
    bench.reconnect(Duration::from_secs(5));
    bench.list(&[]);
    bench.records.clear();
    bench.list_rooms(&[listed_room("R1", &[member("1795.2"), member("1795.3")])]);
    let after: Vec<_> = bench
        .records
        .iter()
        .map(|(event, _)| match event {
            Event::Guest { change: GuestChange::Left(left), .. } => {
                assert_eq!(left.reason, None, "nobody knows why");
                left.after
            }
            Event::Guest { change: GuestChange::Joined { after }, .. } => *after,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(bench.take_events(), ["guest.left", "guest.joined"]);
    assert!(after.iter().all(|after| after.is_some_and(|after| after <= lost)), "{after:?}");
    assert_eq!(bench.room("R1").room.conference_id, id, "the conference goes on");
}

#[test]
fn missed_leave_needs_two_lists() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.2"]);
    bench.next_round(&[listed_room("R1", &[member("1795.1")])]);
    assert!(bench.take_events().is_empty());
    bench.next_round(&[listed_room("R1", &[member("1795.1")])]);
    assert_eq!(bench.take_events(), ["guest.left"]);
}

#[test]
fn missed_end_needs_two_lists() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.next_round(&[]);
    assert!(bench.take_events().is_empty());
    bench.next_round(&[]);
    assert_eq!(bench.take_events(), ["guest.left", "room.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn missed_join_is_found_once_no_prompt_can_play_any_more() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let members = [member("1795.1"), member("1795.2")];
    bench.next_round(&[listed_room("R1", &members)]);
    let shown = bench.time;
    while bench.take_events().is_empty() {
        bench.next_round(&[listed_room("R1", &members)]);
    }
    assert!(bench.time - shown >= Duration::from_secs(5));
    assert_eq!(bench.room("R1").room.participant_count, 2);
}

/// Asterisk lists a kicked participant for 2.4 s after the ConfbridgeLeave.
#[test]
fn kicked_participant_who_is_still_listed_does_not_come_back() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.2"]);
    bench.idle(Duration::from_secs(59));
    bench.conf("Leave", "R1", "1795.2");
    bench.records.clear();
    let left = bench.time;
    let members = [member("1795.1"), member("1795.2")];
    while bench.time - left < Duration::from_millis(2400) {
        bench.next_round(&[listed_room("R1", &members)]);
    }
    for _ in 0..3 {
        bench.next_round(&[listed_room("R1", &members[..1])]);
    }
    assert!(bench.take_events().is_empty());
}

#[test]
fn joiner_listed_before_the_join_is_recorded_once() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let members = [member("1795.1"), member("1795.2")];
    bench.next_round(&[listed_room("R1", &members)]);
    bench.conf("Join", "R1", "1795.2");
    bench.next_round(&[listed_room("R1", &members)]);
    bench.next_round(&[listed_room("R1", &members)]);
    assert_eq!(bench.take_events(), ["guest.joined"]);
}

#[test]
fn participant_who_joined_after_the_request_is_exempt() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let before = bench.count("ConfbridgeListRooms");
    while bench.count("ConfbridgeListRooms") == before {
        bench.idle(Duration::from_millis(500));
    }
    bench.pass(Duration::from_millis(1));
    bench.conf("Join", "R1", "1795.2");
    bench.list_rooms(&[listed_room("R1", &[member("1795.1")])]);
    bench.next_round(&[listed_room("R1", &[member("1795.1"), member("1795.2")])]);
    assert_eq!(bench.take_events(), ["guest.joined"]);
}

#[test]
fn lock_by_somebody_else_is_found() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let members = [member("1795.1")];
    bench.next_round(&[ListedRoom { locked: true, ..listed_room("R1", &members) }]);
    assert_eq!(bench.last_by(), None);
    bench.next_round(&[listed_room("R1", &members)]);
    assert_eq!(bench.take_events(), ["room.locked", "room.unlocked"]);
    assert_eq!(bench.count("ConfbridgeLock"), 0, "nobody asked for a lock");
}

#[test]
fn idle_daemon_lists_no_rooms() {
    let mut bench = Bench::with_rooms(&[]);
    let before = bench.count("ConfbridgeListRooms");
    bench.idle(Duration::from_secs(300));
    assert_eq!(bench.count("ConfbridgeListRooms"), before);
}

#[test]
fn unanswered_round_is_repeated() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    for rounds in 2..4 {
        while bench.count("ConfbridgeListRooms") < rounds {
            bench.idle(Duration::from_secs(1));
        }
    }
    assert_eq!(bench.room("R1").room.participant_count, 1);
}
