//! Logging in, and an Asterisk that says nothing or has yet to start.

use super::*;

#[test]
fn a_refused_login_is_tried_again_after_longer_and_longer_pauses_and_logged_rarely() {
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
    let logged = bench.events().iter().filter(|event| **event == "ami.disconnected").count();
    assert!((1..=2).contains(&logged), "{logged}");
    assert_eq!(bench.ready, Err("login refused: Authentication failed".into()));
}

#[test]
fn a_silent_asterisk_is_left_within_two_keepalives() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_millis(5999));
    assert_eq!((bench.disconnects, bench.count("Ping")), (0, 2));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.disconnects, 1);
    assert!(bench.ready.is_err());
}

#[test]
fn an_asterisk_that_lets_in_before_it_has_started_is_waited_for() {
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
fn who_is_never_told_that_asterisk_has_started_does_not_wait_long() {
    let mut bench = Bench::new();
    bench.log_in_early();
    bench.list(&[]);
    bench.idle(Duration::from_millis(2900));
    assert!(bench.ready.is_err());
    bench.idle(Duration::from_millis(100));
    assert_eq!(bench.ready, Ok(()));
    bench.call(1, "7999");
}

/// The words of Asterisk 16 and 22 after `core stop gracefully`.
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
    // Found by a bot's call.
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
    // Found by a Ping, with nobody calling.
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
    assert_eq!(bench.ready, Err("finding out which calls live".into()));
    bench.list(&[]);
    assert_eq!((&bench.ready, bench.disconnects), (&Ok(()), 0));
    assert_eq!(bench.events(), ["ami.connected"]);
}

/// After SIGSTOP the driver gives the engine everything that waited in the socket, and then the
/// time.
#[test]
fn stopped_daemon_reads_before_it_judges() {
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
    assert_eq!((end.unseen, bench.disconnects), (None, 0));
    // It had pinged nobody meanwhile, so that nobody was silent. From now on it is as ever.
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.disconnects, 0);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.disconnects, 1);
}

#[test]
fn stop_in_the_middle_of_list_does_not_drop_link() {
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
fn stop_during_login_is_no_late_login() {
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

const NOWHERE: &str = "Channel: Local/originatord-check@originatord-check\r\n";

#[test]
fn user_without_call_events_is_found_at_login() {
    let mut bench = Bench::new();
    bench.may_read = "system,user";
    for attempt in 1..4 {
        bench.log_in();
        bench.list(&[]);
        assert_eq!(
            bench.sent.matches(NOWHERE).count(),
            attempt,
            "one call to nowhere for each login"
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
    // The same trouble is recorded once.
    assert_eq!(
        bench.events().iter().filter(|event| event.starts_with("ami.")).count(),
        1,
        "{:?}",
        bench.events()
    );
    // Somebody has corrected manager.conf.
    bench.may_read = "call,system,user";
    bench.log_in();
    bench.list(&[]);
    assert_eq!(bench.ready, Ok(()));
}

#[test]
fn events_of_call_to_nowhere_end_the_doubt() {
    for event in ["Newchannel", "Hangup"] {
        let mut bench = Bench::new();
        // The user stands in no file that can be read.
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
fn unknown_rights_are_no_reason_to_doubt() {
    for may_read in ["-", "call", "all", "log,call"] {
        let mut bench = Bench::new();
        bench.may_read = may_read;
        bench.log_in();
        bench.list(&[]);
        assert_eq!((&bench.ready, bench.count("Originate")), (&Ok(()), 0), "{may_read}");
    }
    // A call to nowhere that is refused proves nothing.
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

/// `manager.conf` was corrected, but Asterisk has not loaded it: the file says more than the user
/// was given.
#[test]
fn call_without_any_event_leads_to_a_new_login() {
    for events_arrive in [false, true] {
        let mut bench = Bench::ready();
        bench.originate(1, "7999");
        let id = bench.id_of("Originate");
        bench.receipt(&id);
        bench.pass(Duration::from_millis(250));
        bench.receive(&format!(
            "Response: Success\nActionID: {}\nValue: {id}",
            bench.id_of("GetVar")
        ));
        assert_eq!(bench.sent.matches(NOWHERE).count(), 1);
        // A busy Asterisk may only be late: calls go on until it is certain.
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
