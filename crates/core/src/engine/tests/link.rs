//! Logging in, and an Asterisk that is silent, starting, or refuses actions.

use super::*;

#[test]
fn refused_login_is_retried_with_growing_pauses() {
    let mut bench = Bench::new();
    let mut attempts = 0;
    while bench.time < Duration::from_secs(600) {
        let before = bench.connects;
        while bench.connects == before && attempts > 0 {
            bench.pass(Duration::from_millis(10));
        }
        attempts += 1;
        bench.engine.connected(bench.now());
        bench.engine.receive(bench.now(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
        bench.pass(Duration::ZERO);
        bench.receive(&format!(
            "Response: Error\nActionID: {}\nMessage: Authentication failed",
            bench.id_of("Login")
        ));
    }
    // 10 s at the most, and 5 s at the least, once the longest pause is reached.
    assert!((60..=130).contains(&attempts), "{attempts}");
    let recorded = bench.events().iter().filter(|event| **event == "ami.disconnected").count();
    assert!((1..=2).contains(&recorded), "{recorded}");
    assert_eq!(bench.ready, Err("login refused: Authentication failed".into()));
}

#[test]
fn silent_asterisk_is_disconnected_after_two_keepalives() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_millis(5999));
    assert_eq!((bench.disconnects, bench.count("Ping")), (0, 2));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.disconnects, 1);
    assert!(bench.ready.is_err());
}

#[test]
fn starting_asterisk_is_not_ready_until_fully_booted() {
    let mut bench = Bench::ready();
    bench.engine.disconnected(bench.now(), "it is restarted");
    bench.pass(Duration::from_secs(1));
    bench.log_in_early();
    bench.list(&[]);
    bench.originate(1, "7999");
    assert!(
        matches!(bench.refusal(), Some(Refusal::LinkDown(why)) if &**why == "Asterisk is starting")
    );
    bench.idle(Duration::from_secs(20));
    assert!(bench.ready.is_err());
    bench.receive("Event: FullyBooted");
    assert_eq!((bench.ready.clone(), bench.events().last()), (Ok(()), Some(&"ami.connected")));
    bench.call(2, "7999");
}

#[test]
fn missing_fully_booted_delays_readiness_three_seconds() {
    let mut bench = Bench::new();
    bench.log_in_early();
    bench.list(&[]);
    bench.idle(Duration::from_millis(2900));
    assert!(bench.ready.is_err());
    bench.idle(Duration::from_millis(100));
    assert_eq!(bench.ready, Ok(()));
    bench.call(1, "7999");
}

/// The message of Asterisk 16 and 22 after `core stop gracefully`.
const SHUTTING_DOWN: &str = "Asterisk is shutting down";

impl Bench {
    /// Lets one keepalive pass and refuses the Ping.
    fn refuse_ping(&mut self) {
        self.pass(Duration::from_secs(3));
        self.receive(&format!(
            "Response: Error\nActionID: {}\nMessage: {SHUTTING_DOWN}",
            self.id_of("Ping")
        ));
    }

    fn answer_ping(&mut self) {
        self.pass(Duration::from_secs(3));
        self.receive(&format!("Response: Success\nActionID: {}\nPing: Pong", self.id_of("Ping")));
    }
}

#[test]
fn refusing_asterisk_is_not_ready_until_ping_succeeds() {
    let refusal = Err(format!("Asterisk refuses all actions: {SHUTTING_DOWN}").into());
    // The response to an Originate shows that Asterisk refuses actions.
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: {SHUTTING_DOWN}",
        bench.id_of("Originate")
    ));
    assert!(matches!(bench.refusal(), Some(Refusal::Rejected(words)) if &**words == SHUTTING_DOWN));
    assert_eq!(bench.ready, refusal);
    bench.originate(2, "7999");
    assert!(
        matches!(bench.refusal(), Some(Refusal::LinkDown(why)) if why.ends_with(SHUTTING_DOWN))
    );
    bench.refuse_ping();
    assert_eq!((&bench.ready, bench.disconnects), (&refusal, 0));
    bench.answer_ping();
    assert_eq!(bench.ready, Ok(()));
    bench.list(&[]);
    // The response to a Ping shows it while there are no calls.
    bench.refuse_ping();
    assert_eq!(bench.ready, refusal);
    bench.answer_ping();
    assert_eq!(bench.ready, Ok(()));
    assert_eq!(bench.events().iter().filter(|event| **event == "ami.connected").count(), 1);
}

#[test]
fn single_refused_call_leaves_daemon_ready() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: Extension does not exist.",
        bench.id_of("Originate")
    ));
    assert_eq!(bench.ready, Ok(()));
}

#[test]
fn refused_list_keeps_link_and_ends_no_call() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    let lists = bench.count("CoreShowChannels");
    while bench.count("CoreShowChannels") == lists {
        bench.idle(Duration::from_secs(1));
    }
    let asked = bench.id_of("CoreShowChannels");
    bench.receive(&format!("Response: Error\nActionID: {asked}\nMessage: {SHUTTING_DOWN}"));
    for _ in 0..60 {
        bench.refuse_ping();
    }
    assert_eq!((bench.disconnects, bench.engine.registry.len()), (0, 1), "{:?}", bench.events());
    // Events go on.
    bench.hang_up_halves(&id, "7999", 17);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    // The refused action is sent again.
    let lists = bench.count("CoreShowChannels");
    bench.answer_ping();
    assert_eq!((bench.count("CoreShowChannels"), &bench.ready), (lists + 1, &Ok(())));
}

#[test]
fn asterisk_that_refuses_first_list_becomes_ready_later() {
    let mut bench = Bench::new();
    bench.log_in();
    let asked = bench.id_of("CoreShowChannels");
    bench.receive(&format!("Response: Error\nActionID: {asked}\nMessage: {SHUTTING_DOWN}"));
    assert!(bench.ready.as_ref().is_err_and(|why| why.ends_with(SHUTTING_DOWN)));
    bench.answer_ping();
    assert_eq!(bench.ready, Err("reconciling the calls with Asterisk".into()));
    bench.list(&[]);
    assert_eq!((&bench.ready, bench.disconnects), (&Ok(()), 0));
    assert_eq!(bench.events(), ["ami.connected"]);
}

/// After SIGSTOP the driver first passes the engine all bytes that wait in the socket, and then the
/// time.
#[test]
fn stopped_daemon_reads_before_deadlines_take_effect() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    let stop = Duration::from_secs(30);
    bench.time += stop;
    bench.engine.receive(
        bench.now(),
        frame(&format!("Event: Hangup\r\nUniqueid: {id}\r\nLinkedid: {id}\r\nCause: 17")),
    );
    bench.pass(Duration::from_secs(1));
    let Some((Event::CallEnded(end), _)) = bench.records.last() else {
        panic!("{:?}", bench.events())
    };
    assert_eq!((end.ended_between, bench.disconnects), (None, 0));
    // The stopped daemon sent no Ping, so Asterisk does not count as silent yet.
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.disconnects, 0);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.disconnects, 1);
}

#[test]
fn stall_during_list_keeps_link() {
    let mut bench = Bench::new();
    bench.log_in();
    let id = bench.id_of("CoreShowChannels");
    bench.time += Duration::from_secs(60);
    bench.engine.receive(
        bench.now(),
        frame(&format!("Response: Success\r\nActionID: {id}\r\nEventList: start")),
    );
    bench
        .engine
        .receive(bench.now(), frame(&format!("Event: CoreShowChannelsComplete\r\nActionID: {id}")));
    bench.pass(Duration::ZERO);
    let pings: Vec<String> = bench.ids_of("Ping");
    for ping in pings {
        bench.receive(&format!("Response: Success\nActionID: {ping}"));
    }
    assert_eq!((&bench.ready, bench.disconnects), (&Ok(()), 0));
}

#[test]
fn stall_during_login_restarts_its_timeout() {
    let mut bench = Bench::new();
    bench.engine.connected(bench.now());
    bench.time += Duration::from_secs(60);
    bench.engine.receive(bench.now(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
    bench.pass(Duration::ZERO);
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Login")));
    bench.receive("Event: FullyBooted");
    bench.list(&[]);
    assert_eq!((&bench.ready, bench.disconnects), (&Ok(()), 0));
}

const PROBE_CALL: &str = "Channel: Local/originatord-check@originatord-check\r\n";

#[test]
fn user_without_call_events_is_found_at_login() {
    let mut bench = Bench::new();
    bench.may_read = "system,user";
    for attempt in 1..4 {
        bench.log_in();
        bench.list(&[]);
        assert_eq!(
            bench.sent.matches(PROBE_CALL).count(),
            attempt,
            "one probe call for each login"
        );
        bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Originate")));
        bench.originate(1, "7999");
        assert!(
            matches!(bench.refusal(), Some(Refusal::LinkDown(why)) if why.contains("read = call"))
        );
        bench.idle(Duration::from_secs(5));
        assert_eq!(bench.disconnects, attempt);
        assert!(bench.ready.as_ref().is_err_and(|why| why.contains("read = call")));
        while bench.connects == attempt {
            bench.pass(Duration::from_millis(100));
        }
    }
    // The same failure is recorded once.
    assert_eq!(
        bench.events().iter().filter(|event| event.starts_with("ami.")).count(),
        1,
        "{:?}",
        bench.events()
    );
    // An operator has corrected manager.conf.
    bench.may_read = "call,system,user";
    bench.log_in();
    bench.list(&[]);
    assert_eq!(bench.ready, Ok(()));
}

#[test]
fn event_of_probe_call_makes_link_ready() {
    for event in ["Newchannel", "Hangup"] {
        let mut bench = Bench::new();
        // The user is in no file that Asterisk can read.
        bench.may_read = "";
        bench.log_in();
        bench.list(&[]);
        assert!(bench.ready.is_err());
        bench.event(event, "originatord-check-1", "originatord-check-1", "");
        assert_eq!((&bench.ready, bench.events().last()), (&Ok(()), Some(&"ami.connected")));
        bench.idle(Duration::from_secs(10));
        assert_eq!(bench.disconnects, 0);
    }
}

#[test]
fn unknown_rights_do_not_block_calls() {
    for may_read in ["-", "call", "all", "log,call"] {
        let mut bench = Bench::new();
        bench.may_read = may_read;
        bench.log_in();
        bench.list(&[]);
        assert_eq!((&bench.ready, bench.count("Originate")), (&Ok(()), 0), "{may_read}");
    }
    // A refused probe call proves nothing.
    let mut bench = Bench::new();
    bench.may_read = "system";
    bench.log_in();
    bench.list(&[]);
    let id = bench.id_of("Originate");
    bench.receive(&format!(
        "Response: Error\nActionID: {id}\nMessage: Originate Access Forbidden: app or data blacklisted"
    ));
    assert_eq!(bench.ready, Ok(()));
}

/// An operator has corrected `manager.conf`, but Asterisk has not loaded it: the file gives the
/// user a right that the session lacks.
#[test]
fn call_without_any_event_leads_to_new_login() {
    for events_arrive in [false, true] {
        let mut bench = Bench::ready();
        bench.originate(1, "7999");
        let id = bench.id_of("Originate");
        bench.acknowledge(&id);
        bench.pass(Duration::from_millis(250));
        bench.receive(&format!(
            "Response: Success\nActionID: {}\nValue: {id}",
            bench.id_of("GetVar")
        ));
        assert_eq!(bench.sent.matches(PROBE_CALL).count(), 1);
        // A busy Asterisk may be late, so calls go on until the timeout.
        assert_eq!(bench.ready, Ok(()));
        if events_arrive {
            bench.event("Newchannel", "originatord-check-1", "originatord-check-1", "");
        }
        bench.idle(Duration::from_secs(5));
        assert_eq!(bench.disconnects, usize::from(!events_arrive));
        assert_eq!(
            bench.ready.as_ref().is_err_and(|why| why.contains("read = call")),
            !events_arrive
        );
    }
}
