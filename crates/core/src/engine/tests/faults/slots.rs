//! Requests that wait for their slot of the schedule, or for a retry.

use super::*;

const MS: Duration = Duration::from_millis(1);

impl Bench {
    /// Asterisk refuses the Originate: another call has the number's lock channel.
    fn lock_out(&mut self, id: &str) {
        self.acknowledge(id);
        self.event("Newchannel", id, id, "");
        self.event("Hangup", id, id, "Cause: 0");
        self.receive(&format!(
            "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
        ));
    }
}

#[test]
fn call_that_waits_for_retry_has_not_ended() {
    let mut bench = Bench::ready();
    bench.pace(3);
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    bench.pass(334 * MS);
    let id = bench.id_of("Originate");
    bench.originate(3, "7001");
    bench.lock_out(&id);
    let recorded = bench.events().len();
    // When its next slot comes, the wait for the outcome of an ended call would be over.
    bench.pass(700 * MS);
    assert_eq!(bench.count("Originate"), 4);
    bench.acknowledge(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    assert_eq!(bench.originated.last(), Some(&(2, Ok(id.parse().unwrap()))));
    assert_eq!(
        bench.events()[recorded..].iter().filter(|event| **event == "call.ended").count(),
        1,
        "the first call's end"
    );
}

#[test]
fn retry_delays_no_other_call() {
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
    // A repeated OriginateResponse does not end the next attempt.
    bench.receive(&format!(
        "Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"
    ));
    bench.pass(10 * MS);
    assert_eq!(bench.count("Originate"), 4, "it is sent in its own slot");
    bench.acknowledge(&id);
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.calls().live_total, 2);
}

#[test]
fn call_whose_slot_comes_too_late_is_refused() {
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
fn requests_after_stall_queue_behind_waiting_ones() {
    let mut bench = Bench::ready();
    bench.pace(10);
    bench.originate(1, "7001");
    bench.originate(2, "7002");
    // The process stalls, and the driver handles many requests before the next tick.
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
