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
        bench.receive(&format!("Response: Error\nActionID: {}\nMessage: Authentication failed", bench.id_of("Login")));
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
    assert!(matches!(bench.refusal(), Some(Refusal::LinkDown(why)) if &**why == "Asterisk is starting"));
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
