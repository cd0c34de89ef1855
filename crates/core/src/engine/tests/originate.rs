//! From a request to its answer, and hanging up.

use super::*;

#[test]
fn bot_gets_ok_once_lock_channel_exists() {
    let mut bench = Bench::ready();
    bench.originate(7, "79991234567");
    let id = bench.id_of("Originate");
    assert!(
        bench.sent.contains("Variable: ORIGINATORD=originatord/bot/ru/R1/Bob/B\r\n"),
        "{}",
        bench.sent
    );
    bench.acknowledge(&id);
    bench.event("Newchannel", &id, &id, "");
    assert!(bench.originated.is_empty());
    bench.event("Newchannel", &lock("79991234567"), &id, "");
    assert_eq!(bench.originated, [(7, Ok(id.parse().unwrap()))]);
    bench.hang_up_halves(&id, "79991234567", 17);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.events(), ["ami.connected", "call.requested", "call.queued", "call.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn missing_second_half_makes_daemon_query_lock_owner() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.acknowledge(&id);
    bench.pass(Duration::from_millis(249));
    assert_eq!(bench.count("GetVar"), 0);
    bench.pass(Duration::from_millis(1));
    assert!(
        bench.sent.ends_with(&format!(
            "Channel: {}\r\nVariable: CHANNEL(linkedid)\r\n\r\n",
            lock("7999")
        ))
    );
    // Asterisk has not made a channel yet.
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: No such channel",
        bench.id_of("GetVar")
    ));
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.count("GetVar"), 2);
    bench.receive(&format!("Response: Success\nActionID: {}\nValue: {id}", bench.id_of("GetVar")));
    assert_eq!(bench.originated, [(7, Ok(id.parse().unwrap()))]);
    assert_eq!(bench.events().last(), Some(&"call.queued"));
}

#[test]
fn acknowledged_originate_with_foreign_lock_stays_unconfirmed() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.acknowledge(&id);
    for _ in 0..11 {
        bench.pass(Duration::from_millis(250));
        if bench.originated.is_empty() {
            bench.receive(&format!(
                "Response: Success\nActionID: {}\nValue: od-another",
                bench.id_of("GetVar")
            ));
        }
    }
    assert_eq!(bench.originated, [(7, Err(OriginateError::Unconfirmed(id.parse().unwrap())))]);
    assert!(!bench.events().contains(&"call.queued"));

    // An overloaded Asterisk makes the channel late.
    bench.originate(8, "7998");
    let id = bench.id_of("Originate");
    bench.acknowledge(&id);
    bench.pass(Duration::from_millis(1000));
    bench.event("Newchannel", &id, &id, "");
    bench.event("Hangup", &id, &id, "Cause: 0");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: None }));
}

#[test]
fn number_locked_by_another_daemon_is_in_progress() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.acknowledge(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Hangup", &id, &id, "Cause: 0");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: None }));
    bench.receive(&format!(
        "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
    ));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.events(), ["ami.connected", "call.requested", "call.refused"]);
    assert_eq!(bench.count("Originate"), 1);
    assert_nothing_left(&bench);
}

#[test]
fn lingering_lock_of_own_last_call_is_retried() {
    let mut bench = Bench::ready();
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    let id = bench.id_of("Originate");
    for attempt in 1..=2 {
        bench.acknowledge(&id);
        bench.event("Newchannel", &id, &id, "");
        bench.event("Hangup", &id, &id, "Cause: 0");
        assert_eq!(
            bench.count("Originate"),
            attempt + 1,
            "not before OriginateResponse ends the attempt"
        );
        bench.receive(&format!(
            "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
        ));
        bench.pass(Duration::from_millis(50));
        assert_eq!(bench.count("Originate"), attempt + 2);
    }
    bench.acknowledge(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    assert_eq!(bench.originated.last(), Some(&(2, Ok(id.parse().unwrap()))));
}

#[test]
fn error_response_frees_number_and_refuses_call() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.receive(&format!("Response: Error\nActionID: {id}\nMessage: Extension does not exist."));
    assert_eq!(bench.refusal(), Some(&Refusal::Rejected("Extension does not exist.".into())));
    assert_nothing_left(&bench);
}

#[test]
fn late_response_still_queues_call() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    bench.pass(Duration::from_millis(1400));
    assert!(matches!(bench.originated[..], [(1, Err(OriginateError::Unconfirmed(_)))]));
    bench.acknowledge(&id);
    assert_eq!(bench.events().last(), Some(&"call.queued"));
    bench.hang_up_halves(&id, "7999", 16);
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn burst_is_paced_and_its_rest_refused() {
    let mut bench = Bench::ready();
    let all = Limits { calls_per_second: Some(10), ..Limits::default() };
    bench.engine.set_policy(Policy { all, ..Policy::default() });
    for who in 0..12 {
        bench.originate(who, &format!("700{who}"));
    }
    // 0.9 s of the 1.5 s may be spent waiting for a slot: ten calls.
    assert_eq!((bench.count("Originate"), bench.originated.len()), (1, 2));
    assert!(
        matches!(bench.refusal(), Some(Refusal::Limited(limit)) if limit.name == "calls_per_second")
    );
    for sent in 2..=5 {
        bench.pass(Duration::from_millis(99));
        assert_eq!(bench.count("Originate"), sent - 1);
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.count("Originate"), sent);
    }
    bench.originate(50, "7009");
    assert!(
        matches!(bench.refusal(), Some(Refusal::InProgress { .. })),
        "a call that waits for its slot holds the number"
    );
    bench.engine.disconnected(bench.now(), "gone");
    bench.pass(Duration::ZERO);
    let unsent = bench
        .originated
        .iter()
        .filter(|(_, answer)| matches!(answer, Err(OriginateError::Refused(Refusal::LinkDown(_)))));
    assert_eq!(unsent.count(), 5, "calls that were not sent are refused");
    assert_eq!(bench.calls().live_total, 5);
}

#[test]
fn denied_number_is_not_called() {
    let mut bench = Bench::ready();
    let all = Limits { deny: vec!["7900".into()], ..Limits::default() };
    bench.engine.set_policy(Policy { all, ..Policy::default() });
    bench.originate(1, "79001234567");
    assert_eq!(bench.refusal(), Some(&Refusal::NotAllowed { of_key: None }));
    assert_eq!((bench.count("Originate"), bench.calls().live_total), (0, 0));
    assert_eq!(bench.events()[1..], ["call.requested", "call.refused"]);
}

#[test]
fn hang_up_is_answered_by_asterisks_response() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    let call: CallId = id.parse().unwrap();
    bench.engine.hang_up(bench.now(), call, "operator".into(), 5);
    bench.pass(Duration::ZERO);
    assert!(bench.sent.contains(&format!("\r\nChannel: {id}\r\n\r\n")));
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Hangup")));
    assert_eq!(bench.hung_up, [(5, Ok(()))]);
    bench.engine.hang_up(bench.now(), call, "guest".into(), 8);
    bench.pass(Duration::ZERO);
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: Permission denied",
        bench.id_of("Hangup")
    ));
    assert_eq!(
        bench.hung_up.pop(),
        Some((8, Err(HangUpError::Rejected("Permission denied".into()))))
    );
    bench.hang_up_halves(&id, "7999", 16);
    bench.engine.hang_up(bench.now(), call, "operator".into(), 6);
    bench.engine.hang_up(bench.now(), CallId::new(UNIX_EPOCH, 99), "operator".into(), 7);
    bench.pass(Duration::ZERO);
    assert_eq!(
        bench.hung_up[1..],
        [(6, Err(HangUpError::AlreadyEnded)), (7, Err(HangUpError::NoSuchCall))]
    );
}
