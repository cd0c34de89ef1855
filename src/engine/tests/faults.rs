//! What must not happen when things go wrong in an order that nobody would choose.

use super::*;
use crate::call::outcome::End;

impl Bench {
    fn ends(&self) -> Vec<&End> {
        let ends = self.records.iter().filter_map(|(event, _)| match event {
            Event::CallEnded(end) => Some(&**end),
            _ => None,
        });
        ends.collect()
    }

    /// Asterisk refuses the Originate: its number's lock is taken.
    fn lock_out(&mut self, id: &str) {
        self.receipt(id);
        self.event("Newchannel", id, id, "");
        self.event("Hangup", id, id, "Cause: 0");
        self.receive(&format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"));
    }

    fn pace(&mut self, calls_per_second: u32) {
        let all = Limits { calls_per_second: Some(calls_per_second), ..Limits::default() };
        self.engine.set_policy(Policy { all, ..Policy::default() });
    }
}

const MS: Duration = Duration::from_millis(1);

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
    assert_eq!(bench.events()[log..].iter().filter(|event| **event == "call.ended").count(), 1, "that of the first");
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
    bench.pass(10 * MS);
    assert_eq!(bench.count("Originate"), 4, "and comes to its own turn");
}

#[test]
fn what_came_to_its_turn_too_late_is_not_sent() {
    let mut bench = Bench::with(&format!("{CONFIG}\n[http]\nreply_timeout = '200ms'"));
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
fn a_call_that_has_no_channel_yet_is_not_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7480");
    let id = bench.id_of("Originate");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::ZERO);
    let refused = format!("Response: Error\nActionID: {}\nMessage: No such channel", bench.id_of("Hangup"));
    bench.receive(&refused);
    assert!(matches!(bench.hung_up[..], [(5, Err(HangUpError::Rejected(_)))]), "{:?}", bench.hung_up);
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7480"), &id, "");
    bench.hang_up_halves(&id, "7480", 19);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.ends()[0].outcome.as_str(), &bench.ends()[0].hung_up_by), ("no_answer", &None));
}
