//! Changes that keys ask for, and their errors.

use super::*;

#[test]
fn room_is_locked_and_unlocked() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "r1", lock_room(true));
    assert_eq!(bench.headers_of("ConfbridgeLock"), ["Conference: R1"]);
    assert!(bench.room_answers.is_empty(), "Asterisk has not confirmed it yet");
    bench.confirm("ConfbridgeLock");
    let Ok(RoomAnswer::Room(room)) = bench.answer(1) else { panic!("{:?}", bench.answer(1)) };
    assert!(room.room.locked && room.room.desired.locked.is_none());
    assert_eq!(bench.last_by(), Some("ops"));
    assert_eq!(bench.kept.last().and_then(|kept| kept.locked_by.as_deref()), Some("ops"));
    // A repeated request changes nothing, but is sent: Asterisk may differ.
    bench.change(2, "R1", lock_room(true));
    bench.confirm("ConfbridgeLock");
    assert!(bench.answer(2).is_ok());
    bench.change(3, "R1", lock_room(false));
    bench.confirm("ConfbridgeUnlock");
    assert_eq!(bench.take_events(), ["room.locked", "room.unlocked"]);
    assert!(bench.kept.last().is_some_and(KeptRoom::is_empty));
}

#[test]
fn muted_room_mutes_all_but_admins() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.2"]);
    bench.join("R1", &Member { admin: true, ..member("1795.3") });
    bench.records.clear();
    bench.change(1, "R1", mute_room(true));
    let headers = ["Conference: R1", "Channel: participants"];
    assert_eq!(bench.headers_of("ConfbridgeMute"), headers);
    bench.confirm("ConfbridgeMute");
    for id in ["1795.1", "1795.2"] {
        bench.conf("Mute", "R1", id);
    }
    assert_eq!(bench.take_events(), ["room.muted", "guest.muted", "guest.muted"]);
    assert!(!bench.participant("R1", "1795.3").muted);
    bench.change(2, "R1", mute("1795.1", false));
    assert_eq!(*bench.error(2), RoomError::RoomMuted);
    bench.change(3, "R1", mute_room(false));
    bench.confirm("ConfbridgeUnmute");
    assert_eq!(bench.last_by(), Some("ops"));
    assert_eq!(bench.take_events(), ["room.unmuted", "guest.unmuted", "guest.unmuted"]);
    assert!(bench.kept.last().is_some_and(KeptRoom::is_empty));
}

#[test]
fn steps_of_a_request_follow_each_other() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    let both = RoomAction::Change { locked: Some(true), muted: Some(true) };
    bench.change(1, "R1", both.clone());
    assert_eq!(bench.count("ConfbridgeMute"), 0);
    bench.confirm("ConfbridgeLock");
    bench.confirm("ConfbridgeMute");
    assert!(bench.answer(1).is_ok());
    // The second step fails: the first stays.
    bench.change(2, "R1", both);
    bench.confirm("ConfbridgeLock");
    bench.refuse("ConfbridgeMute", "Permission denied");
    assert_eq!(*bench.error(2), RoomError::Rejected("Permission denied".into()));
    assert!(bench.room("R1").room.locked);
}

#[test]
fn participant_is_muted_by_full_channel_name() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.11"]);
    bench.change(1, "R1", mute("1795.1", true));
    assert_eq!(bench.headers_of("ConfbridgeMute")[1], "Channel: PJSIP/1795.1");
    bench.confirm("ConfbridgeMute");
    bench.conf("Mute", "R1", "1795.1");
    let Ok(RoomAnswer::Participant(one)) = bench.answer(1) else { panic!() };
    assert!(one.muted);
    assert_eq!((bench.last_by(), bench.records.len()), (Some("ops"), 1));
    bench.change(2, "R1", mute("1795.1", true));
    bench.confirm("ConfbridgeMute");
    assert!(bench.answer(2).is_ok());
    assert_eq!(bench.take_events(), ["guest.muted"]);
}

#[test]
fn kicked_guest_leaves_as_kicked() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1", "1795.2"]);
    bench.change(1, "R1", kick("1795.1"));
    let headers = ["Conference: R1", "Channel: PJSIP/1795.1"];
    assert_eq!(bench.headers_of("ConfbridgeKick"), headers);
    bench.confirm("ConfbridgeKick");
    assert!(matches!(bench.answer(1), Ok(RoomAnswer::Done)));
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(bench.last_by(), Some("ops"));
    assert_eq!(left_reason(&bench), Some(LeaveReason::Kicked));
    bench.change(2, "R1", kick("1795.1"));
    assert_eq!(*bench.error(2), RoomError::NoSuchParticipant);
}

#[test]
fn kicked_call_has_a_record_of_it() {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    bench.room_of("R1", &[&id]);
    bench.change(2, "R1", kick(&id));
    bench.confirm("ConfbridgeKick");
    bench.conf("Leave", "R1", &id);
    assert_eq!(bench.take_events(), ["call.kicked", "call.left"]);
}

/// ConfBridge ignores a kick during the join sound, and refuses all later ones.
#[test]
fn participant_whom_asterisk_does_not_kick_is_hung_up() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", kick("1795.1"));
    bench.refuse("ConfbridgeKick", "No Channel by that name found in Conference.");
    assert_eq!(bench.headers_of("Hangup"), ["Channel: PJSIP/1795.1"]);
    bench.confirm("Hangup");
    assert!(matches!(bench.answer(1), Ok(RoomAnswer::Done)));
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(left_reason(&bench), Some(LeaveReason::Kicked));
}

#[test]
fn participant_just_listed_is_hung_up_instead_of_kicked() {
    let mut bench = Bench::with_rooms(&[listed_room("R1", &[member("1795.1")])]);
    bench.change(1, "R1", kick("1795.1"));
    assert_eq!((bench.count("ConfbridgeKick"), bench.count("Hangup")), (0, 1));
    bench.confirm("Hangup");
    assert!(bench.answer(1).is_ok());
}

#[test]
fn ended_room_takes_everybody_out() {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    bench.room_of("R1", &[&id, "1795.1"]);
    bench.change(2, "R1", RoomAction::End);
    assert_eq!(bench.headers_of("ConfbridgeKick"), ["Conference: R1", "Channel: all"]);
    bench.confirm("ConfbridgeKick");
    assert!(matches!(bench.answer(2), Ok(RoomAnswer::Done)));
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(left_reason(&bench), Some(LeaveReason::RoomEnded));
    bench.conf("Leave", "R1", &id);
    bench.end_room("R1");
    assert_eq!(bench.last_by(), Some("ops"));
    let events = ["call.kicked", "guest.left", "call.left", "room.ended"];
    assert_eq!(bench.take_events(), events);
    bench.change(3, "R1", RoomAction::End);
    assert_eq!(*bench.error(3), RoomError::NoSuchRoom);
}

/// During the join sound nobody is kicked, so the daemon hangs them up at their join.
#[test]
fn participant_in_the_join_sound_does_not_outlive_the_end() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", RoomAction::End);
    bench.confirm("ConfbridgeKick");
    bench.pass(Duration::from_millis(800));
    bench.conf("Join", "R1", "1795.2");
    assert_eq!(bench.headers_of("Hangup"), ["Channel: PJSIP/1795.2"]);
    bench.pass(Duration::from_secs(2));
    bench.conf("Join", "R1", "1795.3");
    assert_eq!(bench.count("Hangup"), 1, "this one came later");
}

#[test]
fn end_long_ago_is_no_reason_of_a_later_one() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", RoomAction::End);
    bench.confirm("ConfbridgeKick");
    bench.idle(Duration::from_secs(11));
    bench.conf("Leave", "R1", "1795.1");
    assert_eq!(left_reason(&bench), Some(LeaveReason::Left));
    bench.end_room("R1");
    assert_eq!(bench.last_by(), None);
}

#[test]
fn errors_of_asterisk_have_their_meaning() {
    let cases = [
        ("No active conferences.", RoomError::NoSuchRoom),
        ("No Conference by that name found.", RoomError::NoSuchRoom),
        ("No Channel by that name found in Conference.", RoomError::NoSuchParticipant),
        ("Permission denied", RoomError::Rejected("Permission denied".into())),
    ];
    for (words, error) in cases {
        let mut bench = Bench::with_rooms(&[]);
        bench.room_of("R1", &["1795.1"]);
        bench.change(1, "R1", mute("1795.1", true));
        bench.refuse("ConfbridgeMute", words);
        assert_eq!(*bench.error(1), error);
        assert!(bench.take_events().is_empty());
        // A list shows soon what is so.
        let before = bench.count("ConfbridgeListRooms");
        bench.pass(Duration::from_secs(1));
        assert_eq!(bench.count("ConfbridgeListRooms"), before + 1);
    }
}

#[test]
fn unknown_rooms_and_participants_are_not_found() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R2", lock_room(true));
    assert_eq!(*bench.error(1), RoomError::NoSuchRoom);
    for (who, id) in (2..).zip(["all", "participants", "PJSIP/", "PJSIP/1795.1", "1795", ""]) {
        bench.change(who, "R1", kick(id));
        assert_eq!(*bench.error(who), RoomError::NoSuchParticipant, "{id}");
    }
    assert_eq!(bench.count("ConfbridgeKick"), 0);
}

#[test]
fn silent_asterisk_is_a_timeout() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", lock_room(true));
    bench.idle(Duration::from_secs(6));
    assert_eq!(*bench.error(1), RoomError::TimedOut);
    assert!(bench.kept.is_empty() && bench.take_events().is_empty());
}

#[test]
fn lost_link_answers_requests_under_way() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", lock_room(true));
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::ZERO);
    assert_eq!(*bench.error(1), RoomError::LinkDown("cut".into()));
    bench.change(2, "R1", lock_room(true));
    assert!(matches!(bench.error(2), RoomError::LinkDown(_)));
}

#[test]
fn nothing_changes_before_the_first_list() {
    let mut bench = Bench::ready();
    bench.room_of("R1", &["1795.1"]);
    bench.change(1, "R1", lock_room(true));
    assert!(matches!(bench.error(1), RoomError::LinkDown(_)));
}

#[test]
fn requests_under_way_are_bounded() {
    let mut bench = Bench::with_rooms(&[]);
    bench.room_of("R1", &["1795.1"]);
    for who in 0..300 {
        bench.change(who, "R1", lock_room(true));
    }
    assert_eq!(bench.room_answers.len(), 300 - 256);
    assert!(matches!(bench.error(299), RoomError::NotSubmitted(_)));
}

/// Why the guest of the last record left.
fn left_reason(bench: &Bench) -> Option<LeaveReason> {
    use crate::room::GuestChange;
    match &bench.records.last()?.0 {
        Event::Guest { change: GuestChange::Left(left), .. } => left.reason,
        other => panic!("{other:?}"),
    }
}
