//! Participants who are moved to another room.

use super::*;

/// A call in `R1`.
fn with_call() -> (Bench, String) {
    let mut bench = Bench::with_rooms(&[]);
    let id = bench.call(1, "7001");
    bench.room_of("R1", &[&id, "1795.1"]);
    (bench, id)
}

#[test]
fn moved_call_leaves_and_joins() {
    let (mut bench, id) = with_call();
    bench.change(2, "R1", move_to(&id, "R2"));
    let variable = [format!("Channel: PJSIP/{id}"), "Variable: OD_MUTED".into(), "Value: 0".into()];
    assert_eq!(bench.headers_of("Setvar"), variable);
    let channel = format!("Channel: PJSIP/{id}");
    let headers = [&*channel, "Context: conf-in", "Exten: R2", "Priority: 1"];
    assert_eq!(bench.headers_of("Redirect"), headers);
    bench.confirm("Redirect");
    let Ok(RoomAnswer::Participant(one)) = bench.answer(2) else { panic!() };
    assert_eq!((&*one.room, one.joined), ("R2", None));
    // The request may be repeated.
    bench.change(3, "R1", move_to(&id, "r2"));
    assert!(bench.answer(3).is_ok());
    assert_eq!(bench.count("Redirect"), 1);
    bench.conf("Leave", "R1", &id);
    bench.receive("Event: ConfbridgeStart\nConference: R2");
    assert_eq!(bench.participant("R2", &id).joined, None, "on the way");
    bench.conf("Join", "R2", &id);
    assert!(bench.participant("R2", &id).joined.is_some());
    assert_eq!(bench.room("R2").participants.len(), 1);
    assert_eq!(bench.take_events(), ["call.moved", "call.left", "room.started", "call.joined"]);
    // Back again.
    bench.change(4, "R2", move_to(&id, "R1"));
    bench.confirm("Redirect");
    bench.conf("Leave", "R2", &id);
    bench.end_room("R2");
    bench.conf("Join", "R1", &id);
    bench.conf("Leave", "R1", &id);
    bench.conf("Leave", "R1", "1795.1");
    bench.end_room("R1");
    bench.hang_up_halves(&id, "7001", 16);
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn guest_leaves_as_moved() {
    use crate::room::GuestChange;
    let (mut bench, _) = with_call();
    bench.change(2, "R1", move_to("1795.1", "R2"));
    bench.confirm("Redirect");
    bench.conf("Leave", "R1", "1795.1");
    let (Event::Guest { change: GuestChange::Left(left), .. }, _) = &bench.records[0] else {
        panic!("{:?}", bench.records)
    };
    assert_eq!((left.reason, left.moved_to.as_deref()), (Some(LeaveReason::Moved), Some("R2")));
}

#[test]
fn nobody_is_moved_into_a_locked_room() {
    let (mut bench, id) = with_call();
    bench.room_of("R2", &["1795.2"]);
    bench.change(2, "R2", lock_room(true));
    bench.confirm("ConfbridgeLock");
    bench.change(3, "R1", move_to(&id, "r2"));
    assert_eq!(*bench.error(3), RoomError::TargetLocked("r2".into()));
    assert_eq!(bench.count("Redirect"), 0);
}

#[test]
fn move_into_own_room_changes_nothing() {
    let (mut bench, id) = with_call();
    bench.change(2, "R1", move_to(&id, "r1"));
    assert!(bench.answer(2).is_ok());
    assert_eq!((bench.count("Redirect"), bench.records.len()), (0, 0));
}

#[test]
fn mover_into_a_muted_room_starts_muted() {
    let (mut bench, id) = with_call();
    bench.room_of("R2", &["1795.2"]);
    bench.change(2, "R2", mute_room(true));
    bench.confirm("ConfbridgeMute");
    bench.change(3, "R1", move_to(&id, "R2"));
    assert_eq!(bench.headers_of("Setvar")[2], "Value: 1");
    let unmuted = RoomAction::ChangeParticipant {
        id: id.as_str().into(),
        muted: Some(false),
        room: Some("R2".parse().unwrap()),
    };
    bench.change(4, "R1", unmuted);
    assert_eq!(*bench.error(4), RoomError::RoomMuted);
}

#[test]
fn mover_with_a_mute_of_their_own_stays_muted() {
    let (mut bench, id) = with_call();
    let muted = RoomAction::ChangeParticipant {
        id: id.as_str().into(),
        muted: Some(true),
        room: Some("R2".parse().unwrap()),
    };
    bench.change(2, "R1", muted);
    assert_eq!(bench.headers_of("Setvar")[2], "Value: 1");
    bench.confirm("Redirect");
    bench.conf("Leave", "R1", &id);
    bench.join("R2", &Member { muted: true, ..member(&id) });
    assert!(bench.participant("R2", &id).muted);
    assert_eq!(bench.count("ConfbridgeUnmute"), 0);
}

#[test]
fn move_that_comes_to_nothing_is_forgotten() {
    let (mut bench, id) = with_call();
    bench.room_of("R2", &["1795.2"]);
    // Asterisk takes any context; the call is hung up where the dialplan has no such room.
    for (who, mover) in [(2, &*id), (3, "1795.1")] {
        bench.change(who, "R1", move_to(mover, "R2"));
        bench.confirm("Redirect");
        bench.conf("Leave", "R1", mover);
    }
    assert_eq!(bench.room("R2").participants.len(), 3);
    bench.hang_up_halves(&id, "7001", 16);
    assert_eq!(bench.room("R2").participants.len(), 2);
    bench.event("Hangup", "1795.1", "1795.1", "Cause: 16");
    assert_eq!(bench.room("R2").participants.len(), 1);
}

#[test]
fn move_without_end_times_out() {
    let (mut bench, _) = with_call();
    bench.room_of("R2", &["1795.2"]);
    bench.change(2, "R1", move_to("1795.1", "R2"));
    bench.confirm("Redirect");
    bench.conf("Leave", "R1", "1795.1");
    bench.idle(Duration::from_secs(31));
    assert_eq!(bench.room("R2").participants.len(), 1);
}

#[test]
fn refused_move_leaves_everything_as_it_is() {
    let (mut bench, id) = with_call();
    bench.change(2, "R1", move_to(&id, "R2"));
    bench.refuse("Redirect", "Channel does not exist: x");
    assert!(matches!(bench.error(2), RoomError::Rejected(_)));
    assert_eq!(bench.room("R1").participants.len(), 2);
    assert!(bench.take_events().is_empty());
}
