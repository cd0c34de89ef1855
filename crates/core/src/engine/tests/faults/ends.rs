//! Ends of calls that were not observed, or are reported late or twice.

use std::time::SystemTime;

use super::*;

impl Bench {
    fn wall(&self) -> SystemTime {
        self.now().wall
    }
}

#[test]
fn unobserved_end_is_dated_from_first_link_loss() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    let seen = bench.wall();
    // The link is lost once more before Asterisk has listed its channels.
    bench.reconnect(Duration::from_secs(3));
    bench.reconnect(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].ended_between, Some((seen, bench.wall())));
}

#[test]
fn unobserved_end_is_dated_from_last_list() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    let seen = bench.wall();
    bench.list(&listed(&id, "7999"));
    bench.idle(Duration::from_secs(60));
    bench.list(&[]);
    bench.idle(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].ended_between, Some((seen, bench.wall())));
    assert_nothing_left(&bench);
}

#[test]
fn clock_set_back_leaves_span_in_order() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    bench.idle(Duration::from_secs(30));
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::from_secs(1));
    bench.set_back = Duration::from_secs(20);
    bench.log_in();
    bench.list(&[]);
    assert_eq!(bench.ends()[0].ended_between, Some((bench.wall(), bench.wall())));
}

#[test]
fn hangup_after_absence_from_list_still_counts() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    // Asterisk has removed the channel and has not sent its Hangup yet.
    bench.list(&[]);
    assert_eq!(bench.ends().len(), 0);
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!((bench.ends()[0].outcome.as_str(), bench.ends()[0].ended_between), ("busy", None));
    assert_nothing_left(&bench);
}

#[test]
fn originate_unread_by_hung_asterisk_stays_open() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    bench.reconnect(Duration::from_secs(60));
    bench.list(&[]);
    assert_eq!((bench.ready.clone(), bench.ends().len()), (Ok(()), 0));
    // Now Asterisk reads the bytes of a minute ago.
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!(bench.events()[4..], ["ami.connected", "call.queued", "call.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn ended_call_listed_again_does_not_end_twice() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    let other = bench.call(2, "7001");
    bench.idle(Duration::from_secs(60));
    bench.list(&[listed(&id, "7999"), listed(&other, "7001")].concat());
    let asked = bench.id_of("GetVar");
    bench.receive(&format!(
        "Response: Success\nActionID: {asked}\nVariable: ORIGINATORD\nValue: originatord/b/ru/R1/c"
    ));
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!(bench.ends().len(), 1);
}

#[test]
fn hangup_of_second_half_alone_ends_call() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // The first half ends just before the link is back, and the second half just after.
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    bench.event("Hangup", &lock("7999"), &id, "Cause: 17");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ends()[0].outcome.as_str(), "busy");
    assert_nothing_left(&bench);
}

#[test]
fn next_run_records_fate_of_unconfirmed_calls() {
    let mut bench = Bench::new();
    let (made, never_made) = (recorded_call(1, "7001"), recorded_call(2, "7002"));
    bench.remember([(&made, State::Requested), (&never_made, State::Requested)], None);
    bench.log_in();
    bench.list(&listed(&made.id.to_string(), "7001"));
    assert_eq!(
        bench.events(),
        ["call.queued", "call.answered", "room.started", "call.joined", "ami.connected"]
    );
    bench.originate(1, "7002");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(never_made.id) }));
    while bench.calls().live_total == 2 {
        bench.idle(Duration::from_secs(3));
        bench.list(&listed(&made.id.to_string(), "7001"));
    }
    assert_eq!(bench.ends()[0].ended_between, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7002");
    assert_eq!(bench.count("Originate"), 1);
}

#[test]
fn call_without_channel_yet_is_not_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7480");
    let id = bench.id_of("Originate");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::ZERO);
    let refused =
        format!("Response: Error\nActionID: {}\nMessage: No such channel", bench.id_of("Hangup"));
    bench.receive(&refused);
    assert!(
        matches!(bench.hung_up[..], [(5, Err(HangUpError::Rejected(_)))]),
        "{:?}",
        bench.hung_up
    );
    bench.acknowledge(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7480"), &id, "");
    bench.hang_up_halves(&id, "7480", 19);
    bench.pass(Duration::from_secs(1));
    assert_eq!(
        (bench.ends()[0].outcome.as_str(), &bench.ends()[0].hung_up_by),
        ("no_answer", &None)
    );
}

#[test]
fn acknowledged_call_ends_once_list_lacks_it() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // The bot already has its answer: the call is unconfirmed.
    bench.pass(Duration::from_secs(2));
    bench.acknowledge(&id);
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].ended_between, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7999");
    assert_eq!(bench.count("Originate"), 2);
}

#[test]
fn busy_asterisk_handles_acknowledged_call_late() {
    let mut bench = Bench::ready();
    let other = bench.call(1, "7001");
    bench.idle(Duration::from_secs(58));
    bench.originate(2, "7999");
    let id = bench.id_of("Originate");
    bench.idle(Duration::from_millis(1400));
    bench.acknowledge(&id);
    // The call is not in these lists, as Asterisk has not begun it.
    for seconds in [1, 1, 1] {
        bench.idle(Duration::from_secs(seconds));
        bench.list(&listed(&other, "7001"));
    }
    assert_eq!(bench.ends().len(), 0);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!((bench.ends().len(), bench.ends()[0].outcome.as_str()), (1, "busy"));
}
