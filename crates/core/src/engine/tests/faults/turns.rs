//! Requests that wait for their turn: for the pace, or to be tried again.

use super::*;

const MS: Duration = Duration::from_millis(1);

impl Bench {
    /// Asterisk refuses the Originate: its number's lock is taken.
    fn lock_out(&mut self, id: &str) {
        self.receipt(id);
        self.event("Newchannel", id, id, "");
        self.event("Hangup", id, id, "Cause: 0");
        self.receive(&format!(
            "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
        ));
    }
}

#[test]
fn what_waits_to_be_tried_again_has_not_ended_meanwhile() {
    let mut bench = Bench::ready();
    bench.pace(3);
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    bench.pass(334 * MS);
    let id = bench.id_of("Originate");
    bench.originate(3, "7001");
    bench.lock_out(&id);
    let log = bench.events().len();
    // Its next turn is when a call whose end was seen is no longer waited for.
    bench.pass(700 * MS);
    assert_eq!(bench.count("Originate"), 4);
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    assert_eq!(bench.originated.last(), Some(&(2, Ok(id.parse().unwrap()))));
    assert_eq!(
        bench.events()[log..].iter().filter(|event| **event == "call.ended").count(),
        1,
        "that of the first"
    );
}

#[test]
fn what_waits_to_be_tried_again_holds_up_no_other() {
    let mut bench = Bench::ready();
    bench.pace(1000);
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    bench.pass(MS);
    let id = bench.id_of("Originate");
    bench.lock_out(&id);
    bench.originate(3, "7001");
    bench.pass(MS);
    assert_eq!(bench.count("Originate"), 3);
    // What is said twice is no word on the next attempt.
    bench.receive(&format!(
        "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
    ));
    bench.pass(10 * MS);
    assert_eq!(bench.count("Originate"), 4, "and comes to its own turn");
    bench.receipt(&id);
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.calls().live_total, 2);
}

#[test]
fn what_came_to_its_turn_too_late_is_not_sent() {
    let mut bench =
        Bench::with(EngineSettings { reply_timeout: Duration::from_millis(200), ..settings() });
    bench.log_in();
    bench.list(&[]);
    bench.pace(9);
    bench.originate(1, "7001");
    bench.originate(2, "7002");
    bench.pass(MS * 200);
    assert!(bench.originated.contains(&(2, Err(OriginateError::Refused(Refusal::Overloaded)))));
    assert_eq!(bench.count("Originate"), 1);
}

#[test]
fn what_comes_after_a_hold_up_waits_behind_what_waits_and_is_put_off_once() {
    let mut bench = Bench::ready();
    bench.pace(10);
    bench.originate(1, "7001");
    bench.originate(2, "7002");
    // We are held up, and the driver hears of a crowd before it looks at the clock.
    bench.time += 800 * MS;
    for who in 3..=11 {
        let request = bench.request(&format!("70{who:02}"));
        bench.engine.originate(bench.now(), request, who);
    }
    bench.pass(Duration::ZERO);
    assert_eq!(bench.count("Originate"), 2);
    assert!(bench.sent.contains(&lock("7002")), "{}", bench.sent);
    bench.pass(900 * MS);
    assert_eq!(bench.count("Originate"), 11);
}
