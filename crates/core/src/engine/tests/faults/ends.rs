//! Which calls are over, and when they ended, where that was not seen, is told late, or is told
//! twice.

use std::time::SystemTime;

use super::*;

impl Bench {
    fn wall(&self) -> SystemTime {
        self.now().wall
    }
}

#[test]
fn an_end_that_nobody_saw_is_no_later_than_the_first_loss_of_the_link() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    let seen = bench.wall();
    // The link is lost once more before it was known what lives.
    bench.reconnect(Duration::from_secs(3));
    bench.reconnect(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((seen, bench.wall())));
}

#[test]
fn an_end_whose_event_was_lost_may_have_been_any_time_since_the_last_list() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    let seen = bench.wall();
    bench.list(&listed(&id, "7999"));
    bench.idle(Duration::from_secs(60));
    bench.list(&[]);
    bench.idle(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((seen, bench.wall())));
    assert_nothing_left(&bench);
}

#[test]
fn a_clock_that_is_set_back_makes_no_span_that_ends_before_it_begins() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    bench.idle(Duration::from_secs(30));
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::from_secs(1));
    bench.set_back = Duration::from_secs(20);
    bench.log_in();
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((bench.wall(), bench.wall())));
}

#[test]
fn a_call_that_is_missing_from_the_list_may_still_be_told_of() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    // Asterisk has forgotten the channel, and has not got around to saying so.
    bench.list(&[]);
    assert_eq!(bench.ends().len(), 0);
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!((bench.ends()[0].outcome.as_str(), bench.ends()[0].unseen), ("busy", None));
    assert_nothing_left(&bench);
}

#[test]
fn an_originate_that_a_hung_asterisk_has_yet_to_read_is_not_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    bench.reconnect(Duration::from_secs(60));
    bench.list(&[]);
    assert_eq!((bench.ready.clone(), bench.ends().len()), (Ok(()), 0));
    // Now it reads what it was sent a minute ago.
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!(bench.events()[4..], ["ami.connected", "call.queued", "call.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn a_call_that_comes_to_light_after_its_end_was_told_does_not_end_twice() {
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
fn a_call_of_which_the_last_end_alone_was_seen_is_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // Its `;1` goes just before the link is back, and its `;2` just after.
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    bench.event("Hangup", &lock("7999"), &id, "Cause: 17");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ends()[0].outcome.as_str(), "busy");
    assert_nothing_left(&bench);
}

#[test]
fn what_a_bot_was_told_nobody_knew_is_told_by_the_next_run() {
    let mut bench = Bench::new();
    let (made, never_made) = (written(1, "7001"), written(2, "7002"));
    bench.remember([(&made, State::Requested), (&never_made, State::Requested)], None);
    bench.log_in();
    bench.list(&listed(&made.id.to_string(), "7001"));
    assert_eq!(bench.events(), ["call.queued", "call.answered", "call.joined", "ami.connected"]);
    bench.originate(1, "7002");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(never_made.id) }));
    while bench.calls().live_total == 2 {
        bench.idle(Duration::from_secs(3));
        bench.list(&listed(&made.id.to_string(), "7001"));
    }
    assert_eq!(bench.ends()[0].unseen, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7002");
    assert_eq!(bench.count("Originate"), 1);
}

#[test]
fn a_call_that_has_no_channel_yet_is_not_over() {
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
    bench.receipt(&id);
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
fn a_call_known_by_its_receipt_alone_is_over_once_a_list_lacks_it() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // Too late for the bot, which was told that nothing is known.
    bench.pass(Duration::from_secs(2));
    bench.receipt(&id);
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7999");
    assert_eq!(bench.count("Originate"), 2);
}

#[test]
fn a_busy_asterisk_comes_late_to_a_call_that_it_gave_a_receipt_for() {
    let mut bench = Bench::ready();
    let other = bench.call(1, "7001");
    bench.idle(Duration::from_secs(58));
    bench.originate(2, "7999");
    let id = bench.id_of("Originate");
    bench.idle(Duration::from_millis(1400));
    bench.receipt(&id);
    // What is not in these lists has yet to begin.
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
