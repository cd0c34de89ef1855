//! Rooms of earlier runs.

use super::*;
use crate::call::RoomPatterns;
use crate::room::{ConferenceId, Guest, OpenGuest, OpenRoom};

fn open_room(id: ConferenceId, guests: &[&str]) -> OpenRoom {
    let guest = |id: &&str| OpenGuest {
        guest: Arc::new(Guest::new(id, "100", "")),
        joined: Some(UNIX_EPOCH),
        joined_after: None,
        muted: false,
    };
    OpenRoom {
        id,
        room: "R1".into(),
        started_after: None,
        guests: guests.iter().map(guest).collect(),
    }
}

fn locked(ended: Option<SystemTime>) -> KeptRoom {
    KeptRoom { room: "r1".into(), locked_by: Some("ops".into()), muted_by: None, ended }
}

/// A run that continues from these, up to the first list.
fn restarted(rooms: Vec<OpenRoom>, kept: Vec<KeptRoom>) -> Bench {
    let mut bench = Bench::starting_at(Duration::from_secs(60));
    let last_event = Some(UNIX_EPOCH + Duration::from_secs(50));
    let earlier = EarlierRuns { rooms, last_event, ..EarlierRuns::default() };
    bench.engine.remember(bench.now(), earlier);
    bench.engine.keep_rooms(bench.now(), kept);
    bench.pass(Duration::ZERO);
    bench.log_in();
    bench.list(&[]);
    bench.records.clear();
    bench
}

#[test]
fn conference_goes_on_with_its_id() {
    let id = ConferenceId::new(UNIX_EPOCH, 7);
    let mut bench = restarted(vec![open_room(id, &["1795.1", "1795.2"])], Vec::new());
    assert_eq!(bench.room("R1").room.participant_count, 2);
    bench.list_rooms(&[listed_room("R1", &[member("1795.2"), member("1795.3")])]);
    let room = bench.room("R1").room;
    assert_eq!((room.conference_id, room.started), (Some(id), Some(UNIX_EPOCH)));
    assert_eq!(bench.take_events(), ["guest.left", "guest.joined"], "only the differences");
    bench.change(1, "R1", mute("1795.2", true));
    bench.confirm("ConfbridgeMute");
    assert!(bench.answer(1).is_ok(), "the list has the channel's name");
}

#[test]
fn conference_that_ended_meanwhile_is_recorded() {
    use crate::room::RoomChange;
    let id = ConferenceId::new(UNIX_EPOCH, 7);
    let mut bench = restarted(vec![open_room(id, &["1795.1"])], Vec::new());
    bench.list_rooms(&[]);
    let (Event::Room { change: RoomChange::Ended { id: ended, after, .. }, .. }, _) =
        bench.records.last().unwrap()
    else {
        panic!("{:?}", bench.records)
    };
    assert_eq!((*ended, *after), (id, Some(UNIX_EPOCH + Duration::from_secs(50))));
    assert_eq!(bench.take_events(), ["guest.left", "room.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn conference_that_started_anew_has_a_new_id() {
    let id = ConferenceId::new(UNIX_EPOCH, 7);
    let mut bench = restarted(vec![open_room(id, &["1795.1"])], Vec::new());
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    assert_eq!(bench.take_events(), ["guest.left", "room.ended", "room.started"]);
    assert_ne!(bench.room("R1").room.conference_id, Some(id));
}

#[test]
fn lock_of_a_live_room_is_kept_as_long_as_it_lives() {
    let id = ConferenceId::new(UNIX_EPOCH, 7);
    let mut bench = restarted(vec![open_room(id, &["1795.1"])], vec![locked(None)]);
    let members = [member("1795.1")];
    let rooms = [ListedRoom { locked: true, ..listed_room("R1", &members) }];
    bench.list_rooms(&rooms);
    for _ in 0..70 {
        bench.next_round(&rooms);
    }
    bench.originate(1, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::RoomLocked));
    bench.conf("Leave", "R1", "1795.1");
    let room = bench.room("R1").room;
    assert_eq!((room.live, room.desired.locked), (false, Some(true)));
}

#[test]
fn kept_lock_of_an_earlier_run_refuses_and_locks() {
    let mut bench = restarted(Vec::new(), vec![locked(Some(UNIX_EPOCH))]);
    bench.originate(1, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::RoomLocked));
    bench.list_rooms(&[listed_room("R1", &[member("1795.1")])]);
    assert_eq!(bench.headers_of("ConfbridgeLock"), ["Conference: R1"]);
}

#[test]
fn kept_lock_of_long_ago_is_forgotten() {
    let mut bench = Bench::starting_at(Duration::from_secs(7200));
    bench.engine.keep_rooms(bench.now(), vec![locked(Some(UNIX_EPOCH))]);
    bench.pass(Duration::ZERO);
    assert_eq!(bench.engine.rooms(&RoomPatterns::default(), 10).total, 0);
}

/// The callees of the last run's calls are not in the view before the first list.
#[test]
fn guest_who_leaves_before_first_list_ends_no_conference() {
    let id = ConferenceId::new(UNIX_EPOCH, 7);
    let mut bench = restarted(vec![open_room(id, &["1795.1"])], Vec::new());
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(bench.take_events(), ["guest.left"]);
    bench.list_rooms(&[listed_room("R1", &[member("1795.2")])]);
    assert_eq!(bench.room("R1").room.conference_id, Some(id));
    assert_eq!(bench.take_events(), ["guest.joined"]);
    bench.conf("Leave", "R1", "1795.2");
    assert_eq!(bench.take_events(), ["guest.left", "room.ended"]);
}
