//! Legs that outlive the Local channel of their call: redirected ones, and ones whose Hangup was
//! lost.

use super::*;
use crate::call::outcome::Outcome;
use crate::call::progress::Progress;

/// A call whose leg is up; returns the call's id.
fn call_with_leg(bench: &mut Bench, number: &str, leg: &str) -> String {
    let id = bench.call(1, number);
    bench.event("Newchannel", leg, &id, "");
    bench.event("Newstate", leg, &id, "ChannelStateDesc: Up");
    id
}

/// A call in its room whose leg was redirected, so that both halves have gone. Returns its id and
/// the leg's.
fn redirected(bench: &mut Bench, number: &str) -> (String, String) {
    let leg = format!("leg-{number}");
    let id = call_with_leg(bench, number, &leg);
    bench.event("ConfbridgeJoin", &id, &id, "Conference: R1");
    bench.event("ConfbridgeLeave", &id, &id, "Conference: R1");
    bench.hang_up_halves(&id, number, 16);
    (id, leg)
}

fn listed_leg(id: &str, leg: &str) -> String {
    format!("Uniqueid: {leg}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: Dial")
}

fn number(text: &str) -> Number {
    text.parse().unwrap()
}

fn live(bench: &Bench) -> Vec<CallView> {
    bench.calls().live
}

fn assert_taken(bench: &mut Bench, number: &str, by: &str) {
    bench.originate(2, number);
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: by.parse().ok() }));
}

fn last_end(bench: &Bench) -> &crate::call::outcome::End {
    match bench.records.last() {
        Some((Event::CallEnded(end), _)) => end,
        other => panic!("{other:?}"),
    }
}

#[test]
fn redirected_leg_keeps_number_taken_until_its_hangup() {
    let mut bench = Bench::ready();
    let (id, leg) = redirected(&mut bench, "7001");
    // The channel to which the leg is connected now is no leg of the call.
    bench.event("Newchannel", "operator", &id, "");
    bench.idle(Duration::from_millis(1600));
    bench.list(&[listed_leg(&id, &leg), listed_leg(&id, "operator")]);
    bench.idle(Duration::from_secs(60));
    bench.list(&[listed_leg(&id, &leg), listed_leg(&id, "operator")]);
    assert_taken(&mut bench, "7001", &id);
    assert_eq!(live(&bench).iter().map(|call| call.state).collect::<Vec<_>>(), [State::Left]);
    bench.event("Hangup", &leg, &id, "Cause: 16");
    assert_eq!(last_end(&bench).outcome, Outcome::Completed);
    assert_eq!(last_end(&bench).timestamps.ended, Some(bench.now().wall));
    assert!(bench.engine.registry.holds_nothing());
}

#[test]
fn lost_hangup_of_leg_frees_number_within_seconds() {
    let mut bench = Bench::ready();
    let (id, _) = redirected(&mut bench, "7001");
    assert_taken(&mut bench, "7001", &id);
    for _ in 0..2 {
        bench.idle(Duration::from_millis(1600));
        bench.list(&[]);
    }
    bench.idle(Duration::from_secs(1));
    assert_eq!(last_end(&bench).outcome, Outcome::Unknown);
    assert!(bench.engine.registry.holds_nothing());
}

#[test]
fn absent_channels_are_gone_and_others_stay() {
    let mut bench = Bench::ready();
    let id = call_with_leg(&mut bench, "7001", "leg");
    // The link is down while the leg is redirected.
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::from_secs(3));
    bench.log_in();
    bench.list(&[listed_leg(&id, "leg")]);
    assert_eq!(bench.ready, Ok(()));
    assert_taken(&mut bench, "7001", &id);
    assert_eq!(live(&bench).len(), 1);
    bench.event("Hangup", "leg", &id, "Cause: 16");
    bench.idle(Duration::from_secs(1));
    assert_eq!(last_end(&bench).outcome, Outcome::Completed);
    assert!(bench.engine.registry.holds_nothing());
}

#[test]
fn leg_is_found_after_restart_by_its_linkedid() {
    let mut bench = Bench::new();
    let (ours, gone) = (CallId::new(UNIX_EPOCH, 1), CallId::new(UNIX_EPOCH, 2));
    let open = |id: CallId, number: Number| {
        let info = Arc::new(CallInfo { number, ..bench.request("7001").into_info(id) });
        OpenCall { info, progress: Progress::of(State::Left) }
    };
    // The journal masks numbers, and the lock channel, whose id has the number, is gone.
    let calls = vec![open(ours, number("79991234567").masked()), open(gone, number("79997654321"))];
    let earlier = EarlierRuns { calls, last_event: Some(UNIX_EPOCH), ..EarlierRuns::default() };
    bench.engine.remember(bench.now(), earlier);
    bench.log_in();
    bench.list(&[listed_leg(&ours.to_string(), "leg"), listed_leg(&ours.to_string(), "operator")]);
    assert_taken(&mut bench, "79991234567", &ours.to_string());
    assert_eq!(live(&bench).len(), 1);
    // Either channel could be the callee's leg.
    for (leg, calls) in [("leg", 1), ("operator", 0)] {
        bench.event("Hangup", leg, &ours.to_string(), "Cause: 16");
        bench.pass(Duration::from_secs(1));
        assert_eq!(live(&bench).len(), calls, "{leg}");
    }
}

#[test]
fn hang_up_of_redirected_call_hangs_up_its_leg() {
    let mut bench = Bench::ready();
    let (id, leg) = redirected(&mut bench, "7001");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::ZERO);
    assert!(bench.sent.contains(&format!("\r\nChannel: {leg}\r\n")), "{}", bench.sent);
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Hangup")));
    assert_eq!(bench.hung_up, [(5, Ok(()))]);
    bench.event("Hangup", &leg, &id, "Cause: 16");
    assert_eq!(last_end(&bench).hung_up_by.as_deref(), Some("operator"));
}

#[test]
fn hang_up_reaches_leg_if_half_is_gone() {
    let mut bench = Bench::ready();
    let id = call_with_leg(&mut bench, "7001", "leg");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    for channel in [&id, "leg"] {
        bench.pass(Duration::ZERO);
        assert!(bench.sent.contains(&format!("\r\nChannel: {channel}\r\n\r\n")), "{channel}");
        assert!(bench.hung_up.is_empty());
        let hang_up = bench.id_of("Hangup");
        bench.receive(&format!("Response: Error\nActionID: {hang_up}\nMessage: No such channel"));
    }
    assert_eq!(bench.hung_up, [(5, Err(HangUpError::AlreadyEnded))]);
}

/// The second half is known to be gone, and the first half is gone as well, but its Hangup event is
/// still under way.
#[test]
fn leg_answers_hang_up_between_hangups_of_halves() {
    let mut bench = Bench::ready();
    let id = call_with_leg(&mut bench, "7001", "leg");
    bench.event("Hangup", &lock("7001"), &id, "Cause: 16");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::ZERO);
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: No such channel",
        bench.id_of("Hangup")
    ));
    bench.pass(Duration::ZERO);
    assert_eq!(bench.sent.matches("\r\nChannel: leg\r\n\r\n").count(), 1);
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Hangup")));
    assert_eq!(bench.hung_up, [(5, Ok(()))]);
}

#[test]
fn hang_up_during_redirect_reaches_leg() {
    for two_is_gone in [true, false] {
        let mut bench = Bench::ready();
        let id = call_with_leg(&mut bench, "7001", "leg");
        // The leg was redirected, and the first half hears an announcement in the empty room.
        if two_is_gone {
            bench.event("Hangup", &lock("7001"), &id, "Cause: 16");
        }
        bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
        bench.pass(Duration::ZERO);
        let hang_ups = bench.ids_of("Hangup");
        assert_eq!(hang_ups.len(), 1);
        bench.receive(&format!("Response: Success\nActionID: {}", hang_ups[0]));
        bench.pass(Duration::ZERO);
        assert_eq!(
            (bench.hung_up.pop(), bench.count("Hangup")),
            (Some((5, Ok(()))), if two_is_gone { 2 } else { 1 })
        );
        bench.hang_up_halves(&id, "7001", 16);
        bench.idle(Duration::from_millis(600));
        assert!(bench.sent.contains("\r\nChannel: leg\r\n\r\n"), "{}", bench.sent);
    }
}

#[test]
fn call_without_channels_cannot_be_hung_up() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7001");
    // The gateway's leg was not seen, so the daemon waits for the reason of the failure.
    bench.hang_up_halves(&id, "7001", 17);
    let shown = live(&bench).pop().unwrap();
    assert_eq!(
        (shown.state, shown.timestamps.ended, shown.end.is_some()),
        (State::Queued, None, false)
    );
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        (bench.hung_up.pop(), bench.count("Hangup")),
        (Some((5, Err(HangUpError::AlreadyEnded))), 0)
    );
    assert_eq!(
        (last_end(&bench).outcome, last_end(&bench).hung_up_by.clone()),
        (Outcome::Busy, None)
    );
    let ended = bench.engine.show(id.parse().unwrap()).unwrap();
    assert!(ended.state == State::Ended && ended.timestamps.ended.is_some() && ended.end.is_some());
}

/// No header may hold a NUL, so the hang-up cannot be sent. Its request gets an answer all the same.
#[test]
fn leg_that_no_header_can_name_is_not_hung_up() {
    let mut bench = Bench::ready();
    let id = call_with_leg(&mut bench, "7999", "leg\0");
    bench.hang_up_halves(&id, "7999", 16);
    bench.pass(Duration::from_secs(1));
    let now = bench.now();
    bench.engine.hang_up(now, id.parse().unwrap(), "k".into(), 9);
    bench.pass(Duration::ZERO);
    assert!(matches!(bench.hung_up.last(), Some((9, Err(HangUpError::Rejected(_))))));
}
