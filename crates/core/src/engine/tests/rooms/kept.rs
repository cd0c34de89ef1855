//! Locks and mutes that the daemon keeps, and applies again.

use super::*;
use crate::call::RoomPatterns;

/// A room that ended while it was kept locked and muted.
fn kept() -> Bench {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", RoomAction::Change { locked: Some(true), muted: Some(true) });
    bench.confirm("ConfbridgeLock");
    bench.confirm("ConfbridgeMute");
    bench.conf("Leave", "R1", "1795.1");
    bench.end_room("R1");
    bench.sent.clear();
    bench.records.clear();
    bench
}

#[test]
fn kept_lock_outlives_the_conference_and_is_applied_again() {
    let mut bench = kept();
    let room = bench.room("r1").room;
    assert!(!room.live && !room.locked);
    assert_eq!((room.desired.locked, room.desired.muted), (Some(true), Some(true)));
    assert!(bench.kept.last().is_some_and(|kept| kept.ended.is_some()));
    bench.receive("Event: ConfbridgeStart\nConference: r1");
    assert_eq!(bench.headers_of("ConfbridgeLock"), ["Conference: r1"]);
    assert!(bench.kept.last().is_some_and(|kept| kept.ended.is_none()));
    bench.confirm("ConfbridgeLock");
    assert!(bench.room("R1").room.locked);
    assert_eq!(bench.last_by(), Some("ops"));
}

#[test]
fn kept_room_is_forgotten_in_time() {
    let mut bench = kept();
    bench.idle(Duration::from_secs(3590));
    assert!(bench.engine.room("R1").is_some());
    bench.idle(Duration::from_secs(20));
    assert!(bench.engine.room("R1").is_none());
    assert!(bench.kept.last().is_some_and(KeptRoom::is_empty));
}

#[test]
fn nothing_is_kept_if_so_configured() {
    let rooms = RoomSettings { keep: Duration::ZERO, ..RoomSettings::default() };
    let mut bench = Bench::configured(EngineSettings { rooms, ..settings() }, &[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", lock_room(true));
    bench.confirm("ConfbridgeLock");
    bench.conf("Leave", "R1", "1795.1");
    bench.end_room("R1");
    assert!(bench.engine.room("R1").is_none());
    assert!(bench.kept.last().is_some_and(KeptRoom::is_empty));
}

#[test]
fn kept_room_can_be_changed_without_asterisk() {
    let mut bench = kept();
    bench.change(2, "r1", lock_room(true));
    assert!(bench.answer(2).is_ok() && bench.records.is_empty(), "it is so already");
    bench.change(3, "r1", RoomAction::End);
    assert_eq!(*bench.error(3), RoomError::NotLive);
    bench.change(4, "r1", RoomAction::Change { locked: Some(false), muted: Some(false) });
    assert!(matches!(bench.answer(4), Ok(RoomAnswer::Room(_))));
    assert_eq!(bench.take_events(), ["room.unlocked", "room.unmuted"]);
    assert!(bench.engine.room("R1").is_none());
    assert!(bench.kept.last().is_some_and(KeptRoom::is_empty));
    bench.change(5, "r1", lock_room(false));
    assert_eq!(*bench.error(5), RoomError::NoSuchRoom);
}

#[test]
fn invitation_to_a_locked_room_rings_nobody() {
    let mut bench = kept();
    bench.originate(9, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::RoomLocked));
    assert_eq!(bench.count("Originate"), 0);
    assert_eq!(bench.take_events(), ["call.requested", "call.refused"]);
    // A lock by somebody else counts, too.
    let members = [member("1795.1")];
    let locked = ListedRoom { locked: true, ..listed_room("r1", &members) };
    let mut bench = Bench::with_rooms(&[locked]);
    bench.originate(9, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::RoomLocked));
}

#[test]
fn call_into_a_muted_room_starts_muted() {
    let mut bench = kept();
    bench.change(2, "R1", lock_room(false));
    bench.call(3, "7001");
    let variables = bench.headers_of("Originate").join("\n");
    assert!(variables.contains("OD_MUTED=1"), "{variables}");
    assert!(!variables.contains("OD_TALK"), "{variables}");
}

#[test]
fn talk_detection_is_asked_for_where_configured() {
    let rooms = RoomSettings { talk_detection: true, ..RoomSettings::default() };
    let mut bench = Bench::configured(EngineSettings { rooms, ..settings() }, &[]);
    let id = bench.call(1, "7001");
    let variables = bench.headers_of("Originate").join("\n");
    assert!(variables.contains("OD_TALK=1") && !variables.contains("OD_MUTED"), "{variables}");
    bench.room_of("R1", &[&id]);
    assert_eq!(bench.participant("R1", &id).talking, Some(false));
}

#[test]
fn later_joiner_of_a_muted_room_is_muted_at_once() {
    let mut bench = kept();
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    bench.join("R1", &Member { admin: true, ..member("1795.2") });
    assert_eq!(bench.count("ConfbridgeMute"), 0, "admins are never muted");
    bench.conf("Join", "R1", "1795.3");
    let headers = ["Conference: R1", "Channel: PJSIP/1795.3"];
    assert_eq!(bench.headers_of("ConfbridgeMute"), headers);
    bench.confirm("ConfbridgeMute");
    bench.conf("Mute", "R1", "1795.3");
    assert_eq!(bench.last_by(), Some("ops"));
    // Somebody else unmutes them.
    bench.conf("Unmute", "R1", "1795.3");
    assert_eq!(bench.count("ConfbridgeMute"), 2);
    bench.confirm("ConfbridgeMute");
    assert!(bench.participant("R1", "1795.3").muted);
    let events = ["room.started", "guest.joined", "guest.joined"];
    assert_eq!(bench.take_events()[..3], events);
}

#[test]
fn list_shows_whom_to_mute_and_what_to_lock() {
    let mut bench = kept();
    bench.room_of("R1", &[]);
    bench.confirm("ConfbridgeLock");
    bench.join("R1", &Member { muted: true, ..member("1795.2") });
    let before = bench.count("ConfbridgeLock");
    bench.next_round(&[listed_room("R1", &[member("1795.2")])]);
    assert_eq!(bench.count("ConfbridgeLock"), before + 1);
    assert_eq!(bench.headers_of("ConfbridgeMute")[1], "Channel: PJSIP/1795.2");
}

#[test]
fn callee_who_starts_muted_in_an_unmuted_room_is_heard() {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    bench.join("R1", &Member { muted: true, ..member(&id) });
    assert_eq!(bench.headers_of("ConfbridgeUnmute")[1], format!("Channel: PJSIP/{id}"));
    // A guest may have muted themselves.
    bench.join("R1", &Member { muted: true, ..member("1795.1") });
    assert_eq!(bench.count("ConfbridgeUnmute"), 1);
}

#[test]
fn callee_whom_somebody_muted_stays_muted_over_a_restart() {
    let mut bench = Bench::new();
    let info = recorded_call(1, "7001");
    let id = info.id.to_string();
    bench.remember([(&info, State::Joined)], Some(UNIX_EPOCH));
    bench.log_in();
    bench.list(&[
        format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b"),
        format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock("7001")),
    ]);
    bench.list_rooms(&[listed_room("R1", &[Member { muted: true, ..member(&id) }])]);
    assert!(bench.participant("R1", &id).muted);
    assert_eq!(bench.count("ConfbridgeUnmute"), 0);
}

#[test]
fn callees_on_the_way_learn_of_a_mute() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let id = bench.call(1, "7001");
    for (muted, value) in [(true, "Value: 1"), (false, "Value: 0")] {
        bench.change(2, "R1", mute_room(muted));
        let headers = [format!("Channel: {id}"), "Variable: OD_MUTED".into(), value.into()];
        assert_eq!(bench.headers_of("Setvar"), headers);
        bench.confirm(if muted { "ConfbridgeMute" } else { "ConfbridgeUnmute" });
    }
}

#[test]
fn refused_lock_is_not_asked_for_all_the_time() {
    let mut bench = kept();
    bench.receive("Event: ConfbridgeStart\nConference: R1");
    bench.join("R1", &Member { muted: true, ..member("1795.2") });
    bench.refuse("ConfbridgeLock", "Permission denied");
    let members = [Member { muted: true, ..member("1795.2") }];
    let before = bench.time;
    for _ in 0..3 {
        bench.next_round(&[listed_room("R1", &members)]);
        bench.refuse("ConfbridgeLock", "Permission denied");
    }
    assert!(bench.time - before > Duration::from_secs(150));
}

#[test]
fn kept_rooms_are_bounded() {
    let mut bench = Bench::with_rooms(&[]);
    for n in 0..60 {
        let room = format!("r{n}");
        bench.room_of(&room, &["1795.1"]);
        bench.change(n, &room, lock_room(true));
        if n < 50 {
            bench.confirm("ConfbridgeLock");
        }
        bench.conf("Leave", &room, "1795.1");
        bench.end_room(&room);
    }
    assert!(bench.answer(49).is_ok());
    assert!(matches!(bench.error(50), RoomError::NotSubmitted(_)));
    assert_eq!(bench.engine.rooms(&RoomPatterns::default(), 100).total, 50);
}
