//! Reconciling with Asterisk's list: after a lost link, a restart, a lost event.

use super::*;
use crate::call::outcome::Outcome;

#[test]
fn unconfirmed_call_keeps_its_number_until_list_decides() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id: CallId = bench.id_of("Originate").parse().unwrap();
    // Asterisk answers Pings, but sends no event of the call.
    bench.idle(Duration::from_secs(6));
    assert_eq!(bench.originated, [(1, Err(OriginateError::Unconfirmed(id)))]);
    bench.originate(2, "7999");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(id) }));
    assert_eq!(bench.count("Originate"), 1);
    // The action's deadline has passed, so the daemon asks for the list. The call is not in it, but
    // may still come.
    for lists in [2, 3, 4] {
        bench.idle(Duration::from_millis(3500));
        assert_eq!(
            (bench.count("CoreShowChannels"), bench.events().last()),
            (lists, Some(&"call.refused"))
        );
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

#[test]
fn lost_link_ends_no_call_before_asterisk_lists() {
    let mut bench = Bench::ready();
    let (stays, goes) = (bench.call(1, "7001"), bench.call(2, "7002"));
    bench.originate(3, "7003");
    let unsure = bench.id_of("Originate");
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::ZERO);
    assert_eq!(
        bench.originated.last(),
        Some(&(3, Err(OriginateError::Unconfirmed(unsure.parse().unwrap()))))
    );
    bench.originate(4, "7004");
    assert!(matches!(bench.refusal(), Some(Refusal::LinkDown(_))));
    assert!(bench.calls().live.iter().all(|call| call.stale));

    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.connects, 2);
    bench.log_in();
    assert!(bench.ready.is_err());
    let listed = |id: &str, number: &str| {
        [
            format!(
                "Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b"
            ),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
        ]
    };
    bench.list(&[listed(&stays, "7001"), listed(&unsure, "7003")].concat());
    assert_eq!(bench.ready, Ok(()));
    let ended: Vec<_> =
        bench.records.iter().filter(|(event, _)| event.name() == "call.ended").collect();
    let [(Event::CallEnded(end), Some(info))] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!((info.id.to_string(), end.outcome), (goes, crate::call::outcome::Outcome::Unknown));
    // The unconfirmed call is alive: its records say that it is queued, answered and joined.
    let joined = |id: &str| {
        bench.records.iter().any(|(event, info)| {
            event.name() == "call.joined"
                && info.as_ref().is_some_and(|info| info.id.to_string() == id)
        })
    };
    assert!(joined(&stays) && joined(&unsure));
    assert_eq!(bench.count("Originate"), 3);
}

#[test]
fn restarted_daemon_adopts_only_its_own_calls() {
    let mut bench = Bench::new();
    bench.log_in();
    let [ours, others] = [1, 2].map(|random| CallId::new(UNIX_EPOCH, random).to_string());
    let channels = [(&ours, "7001"), (&others, "7002")].map(|(id, number)| {
        [
            format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b"),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
            format!("Uniqueid: leg-{id}\nLinkedid: {id}\nChannelStateDesc: Up"),
        ]
    });
    bench.list(&channels.concat());
    assert!(bench.ready.is_err(), "their owners are not known yet");
    let asked: Vec<_> =
        bench.sent.split("\r\n\r\n").filter(|frame| frame.starts_with("Action: GetVar")).collect();
    let answers = asked.iter().map(|frame| {
        let of = |name| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let instance = if of("Channel: ") == ours { "originatord" } else { "another" };
        format!(
            "Response: Success\nActionID: {}\nVariable: ORIGINATORD\nValue: {instance}/bot/ru/R1/a/b",
            of("ActionID: ")
        )
    });
    for answer in answers.collect::<Vec<_>>() {
        bench.receive(&answer);
    }
    assert_eq!(bench.ready, Ok(()));
    let calls = bench.calls().live;
    assert_eq!(calls.iter().map(|call| call.info.id.to_string()).collect::<Vec<_>>(), [&ours[..]]);
    assert_eq!((calls[0].info.caller_id.as_str(), calls[0].requested), ("a/b", UNIX_EPOCH));
    assert_eq!(bench.events(), ["call.adopted", "ami.connected"], "the adoption is recorded");
    bench.originate(1, "7001");
    assert!(matches!(bench.refusal(), Some(Refusal::InProgress { by: Some(_) })));
    bench.hang_up_halves(&ours, "7001", 16);
    bench.event("Hangup", &format!("leg-{ours}"), &ours, "Cause: 16");
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

/// A busy Asterisk handles the Originate of a killed daemon after the next run's first list.
#[test]
fn call_made_after_first_list_is_adopted() {
    let mut bench = Bench::ready();
    let id = CallId::new(UNIX_EPOCH, 1).to_string();
    let later = CallId::new(UNIX_EPOCH + Duration::from_secs(3600), 1).to_string();
    bench.event("Newchannel", &later, &later, "");
    bench.idle(Duration::from_secs(2));
    assert_eq!(bench.count("CoreShowChannels"), 1, "that call is not of an earlier run");
    bench.event("Newchannel", &id, &id, "");
    bench.idle(Duration::from_secs(2));
    assert_eq!(bench.count("CoreShowChannels"), 2);
    bench.list(&[
        format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Down"),
        format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock("7001")),
    ]);
    let asked = bench.id_of("GetVar");
    bench.receive(&format!(
        "Response: Success\nActionID: {asked}\nVariable: ORIGINATORD\nValue: originatord/bot/ru/R1/a"
    ));
    assert_eq!(bench.events().last(), Some(&"call.adopted"));
    bench.originate(1, "7001");
    assert!(matches!(bench.refusal(), Some(Refusal::InProgress { by: Some(_) })));
}

#[test]
fn next_run_reconciles_request_that_crash_left_open() {
    let mut bench = Bench::new();
    let (asked, alive, refused) =
        (recorded_call(1, "7001"), recorded_call(2, "7002"), recorded_call(3, "7002"));
    let calls = [(&asked, State::Requested), (&alive, State::Joined), (&refused, State::Requested)];
    bench.pass(Duration::from_secs(4));
    bench.remember(calls, None);
    bench.log_in();
    let half =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {}\nChannelState: 6", alive.id);
    let listed = [half(&alive.id.to_string()), half(&lock("7002"))];
    bench.list(&listed);
    assert_eq!(bench.calls().live_total, 2, "the live call has its number");
    bench.originate(1, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(asked.id) }));
    // Asterisk lists no such call, and once its Originate is old enough, none can come any more.
    for lists in 2.. {
        bench.idle(Duration::from_secs(4));
        if bench.engine.registry.get(asked.id).is_none() {
            break;
        }
        assert!(lists < 10 && bench.count("CoreShowChannels") == lists);
        bench.list(&listed);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert!(bench.engine.registry.get(alive.id).is_some());
    bench.call(2, "7001");
}

#[test]
fn recorded_call_goes_on_or_has_ended_unobserved() {
    let mut bench = Bench::new();
    let (alive, over) = (recorded_call(1, "7001"), recorded_call(2, "7002"));
    let last_alive = UNIX_EPOCH + Duration::from_secs(1);
    bench.pass(Duration::from_secs(4));
    bench.remember([(&alive, State::Joined), (&over, State::Answered)], Some(last_alive));
    bench.log_in();
    let half =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {}\nChannelState: 6", alive.id);
    bench.list(&[half(&alive.id.to_string()), half(&lock("7001"))]);
    assert_eq!(bench.count("GetVar"), 0, "its owner is known");
    assert_eq!(bench.calls().live[0].state, State::Joined);
    let (Event::CallEnded(end), Some(info)) = &bench.records[bench.records.len() - 2] else {
        panic!("{:?}", bench.events())
    };
    assert_eq!((info.id, end.ended_between), (over.id, Some((last_alive, bench.now().wall))));
    bench.hang_up_halves(&alive.id.to_string(), "7001", 16);
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn no_call_is_made_before_first_list() {
    let mut bench = Bench::new();
    bench.log_in();
    let reason: Arc<str> = "reconciling the calls with Asterisk".into();
    assert_eq!(bench.ready, Err(reason.clone()));
    bench.originate(1, "7999");
    assert_eq!((bench.refusal(), bench.count("Originate")), (Some(&Refusal::LinkDown(reason)), 0));
    bench.list(&[]);
    bench.originate(2, "7999");
    assert_eq!((&bench.ready, bench.count("Originate")), (&Ok(()), 1));
}

#[test]
fn list_without_progress_closes_link() {
    let mut bench = Bench::new();
    bench.log_in();
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("CoreShowChannels")));
    while bench.disconnects == 0 {
        bench.idle(Duration::from_millis(100));
    }
    assert_eq!(bench.time.as_secs(), 30);
}

#[test]
fn list_makes_up_for_lost_hangup() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    for (lists, seconds) in [(2, 60), (3, 3)] {
        assert_eq!(bench.events().last(), Some(&"call.queued"));
        bench.idle(Duration::from_secs(seconds));
        assert_eq!(bench.count("CoreShowChannels"), lists);
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

#[test]
fn call_from_lost_link_is_decided_within_seconds() {
    let mut bench = Bench::ready();
    bench.idle(Duration::from_secs(1));
    bench.originate(1, "7999");
    bench.engine.disconnected(bench.now(), "cut");
    bench.idle(Duration::from_secs(1));
    bench.log_in();
    bench.list(&[]);
    for lists in [3, 4] {
        assert!(!bench.events().contains(&"call.ended"));
        bench.idle(Duration::from_secs(1));
        assert_eq!(bench.count("CoreShowChannels"), lists);
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    bench.call(2, "7999");
}

/// Makes a call that is answered, perhaps enters the room, and ends; returns its outcome.
fn answered_call(bench: &mut Bench, number: &str, enters_room: bool) -> Outcome {
    let id = bench.call(1, number);
    bench.event("Newstate", &id, &id, "ChannelStateDesc: Up");
    if enters_room {
        bench.event("ConfbridgeJoin", &id, &id, "Conference: R1");
    }
    hang_up(bench, &id, number)
}

/// Ends a call; returns its outcome.
fn hang_up(bench: &mut Bench, id: &str, number: &str) -> Outcome {
    bench.hang_up_halves(id, number, 16);
    bench.idle(Duration::from_secs(1));
    let ended = bench.records.iter().rev().find_map(|record| match record {
        (Event::CallEnded(end), Some(info)) if info.id.to_string() == id => Some(end.outcome),
        _ => None,
    });
    ended.unwrap_or_else(|| panic!("{:?}", bench.records))
}

fn reconnect(bench: &mut Bench, listed: &[String]) {
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::from_secs(3));
    bench.log_in();
    bench.list(listed);
}

#[test]
fn not_joined_needs_a_join_on_the_same_link() {
    let mut bench = Bench::ready();
    assert_eq!(answered_call(&mut bench, "7001", false), Outcome::Completed);
    assert_eq!(answered_call(&mut bench, "7002", true), Outcome::Completed);
    assert_eq!(answered_call(&mut bench, "7003", false), Outcome::NotJoined);
    // A foreign call's join in another daemon's conference proves nothing about our context.
    reconnect(&mut bench, &[]);
    bench.event("ConfbridgeJoin", "1795000000.1", "1795000000.1", "Conference: R1");
    assert_eq!(answered_call(&mut bench, "7004", false), Outcome::Completed);
    assert_eq!(answered_call(&mut bench, "7005", true), Outcome::Completed);
    assert_eq!(answered_call(&mut bench, "7006", false), Outcome::NotJoined);
}

#[test]
fn possible_join_during_outage_leaves_call_completed() {
    let mut bench = Bench::ready();
    let [answered, ringing] = [("7001", true), ("7002", false)].map(|(number, is_up)| {
        let id = bench.call(1, number);
        if is_up {
            bench.event("Newstate", &id, &id, "ChannelStateDesc: Up");
        }
        id
    });
    let listed = |id: &str, number: &str, state: &str| {
        [
            format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: {state}\nApplication: Wait"),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
        ]
    };
    reconnect(
        &mut bench,
        &[listed(&answered, "7001", "Up"), listed(&ringing, "7002", "Ringing")].concat(),
    );
    assert_eq!(answered_call(&mut bench, "7003", true), Outcome::Completed);
    assert_eq!(hang_up(&mut bench, &answered, "7001"), Outcome::Completed);
    // The daemon saw this call's answer after the outage.
    bench.event("Newstate", &ringing, &ringing, "ChannelStateDesc: Up");
    assert_eq!(hang_up(&mut bench, &ringing, "7002"), Outcome::NotJoined);
}

#[test]
fn join_without_event_ends_trust_in_join_events() {
    let mut bench = Bench::ready();
    assert_eq!(answered_call(&mut bench, "7001", true), Outcome::Completed);
    let id = bench.call(1, "7002");
    bench.event("Newstate", &id, &id, "ChannelStateDesc: Up");
    bench.idle(Duration::from_secs(60));
    let in_room = "ChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b";
    bench.list(&[
        format!("Uniqueid: {id}\nLinkedid: {id}\n{in_room}"),
        format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock("7002")),
    ]);
    assert_eq!(bench.events().last(), Some(&"call.joined"));
    assert_eq!(answered_call(&mut bench, "7003", false), Outcome::Completed);
}

#[test]
fn answer_found_after_outage_names_its_earliest_time() {
    let mut bench = Bench::ready();
    bench.idle(Duration::from_secs(2));
    let id = bench.call(1, "7001");
    reconnect(
        &mut bench,
        &[
            format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: Wait"),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock("7001")),
        ],
    );
    let answer = bench.records.iter().find_map(|(event, _)| match event {
        Event::CallAnswered { after } => Some(*after),
        _ => None,
    });
    let lost = UNIX_EPOCH + Duration::from_secs(2);
    assert!(
        answer.flatten().is_some_and(|after| after >= lost && after < bench.now().wall),
        "{answer:?}"
    );
}

#[test]
fn adopted_call_has_its_times_from_the_journal() {
    let mut bench = Bench::starting_at(Duration::from_secs(60));
    let info = recorded_call(1, "7001");
    let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    let timestamps = crate::call::machine::Timestamps {
        queued: at(1),
        ringing: at(2),
        answered: at(5),
        joined: at(6),
        ..Default::default()
    };
    let progress = Progress { timestamps, ..Progress::of(State::Joined) };
    let calls = vec![OpenCall { info: Arc::new(info.clone()), progress }];
    bench.engine.remember(
        bench.now(),
        EarlierRuns { calls, last_event: at(50), recorded_until: at(50), ..EarlierRuns::default() },
    );
    bench.log_in();
    let half =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {}\nChannelState: 6", info.id);
    bench.list(&[half(&info.id.to_string()), half(&lock("7001"))]);
    let shown = bench.engine.show(info.id).unwrap();
    assert_eq!((shown.state, shown.timestamps), (State::Joined, timestamps));
    assert_eq!(bench.events(), ["ami.connected"], "nothing is recorded twice");
    bench.pass(Duration::from_secs(1));
    bench.hang_up_halves(&info.id.to_string(), "7001", 16);
    bench.pass(Duration::from_secs(1));
    let (Event::CallEnded(end), _) = bench.records.last().unwrap() else {
        panic!("{:?}", bench.events())
    };
    assert_eq!((end.ring, end.talk), (Some(Duration::from_secs(3)), Some(Duration::from_secs(56))));
    assert_eq!((end.timestamps.answered, end.timestamps.ended), (at(5), at(61)));
}
