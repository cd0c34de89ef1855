//! The assertions about a scene: every answer during and after the fault, the calls in Asterisk,
//! and the journal at the end.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Call, Scene};
use crate::faults::{Fault, Phase};
use testkit::eventually;
use testkit::http::{PendingReply, Reply};
use testkit::journal_file::{JournalFile, is_unknown_within};

/// The longest time to a reply. The daemon promises `reply_timeout`, 1.5 s, and the simulation
/// checks that to the millisecond. This test runs in real time, on a machine that may be slow.
const REPLY_LIMIT: Duration = Duration::from_secs(5);

impl Scene<'_> {
    /// Requests a call, and asserts that the reply comes in time.
    fn request(&mut self, number: &str) -> Reply {
        let sent = Instant::now();
        let reply = self.daemon.call(number, "R1");
        self.slowest_answer = self.slowest_answer.max(sent.elapsed());
        assert!(
            sent.elapsed() < REPLY_LIMIT,
            "{}: {reply:?} after {:?}",
            self.fault,
            sent.elapsed()
        );
        reply
    }

    /// Whether Asterisk has a call to this number. Asserts that it does not have two.
    pub(super) fn is_alive(&self, number: &str) -> bool {
        let calls = self.pbx.calls_to(number);
        assert!(calls <= 1, "{}: {calls} calls to {number}", self.fault);
        calls == 1
    }

    /// Requests each number that has a call, and a new number, before the daemon has noticed the
    /// fault. Then requests the numbers with a call again, after it has.
    pub(super) fn request_during_fault(&mut self, pending: Vec<PendingReply>) {
        if self.fault == Fault::DaemonKilled {
            return;
        }
        let numbers: Vec<_> = self.calls.iter().map(|call| call.number.clone()).collect();
        for number in &numbers {
            let reply = self.request(number);
            assert!(is_in_progress(&reply) || reply.status == 503, "{}: {reply:?}", self.fault);
        }
        let fresh = self.call(Phase::Unanswered, 2);
        let reply = self.request(&fresh.number);
        assert!([503, 504].contains(&reply.status), "{}: {reply:?}", self.fault);
        if let Some(id) = reply.header("x-call-id") {
            self.calls.push(Call { id: Some(id.to_owned()), ..fresh });
        }
        for (pending, index) in pending.into_iter().zip(numbers.len() - 2..) {
            let reply = pending.reply();
            assert_eq!(reply.status, 504, "{}: {reply:?}", self.fault);
            self.calls[index].id = reply.header("x-call-id").map(str::to_owned);
        }
        self.daemon.wait_for_event("ami.disconnected");
        // The daemon remembers these calls without a link, unless Asterisk hung them up before it
        // ended.
        let has_hung_up = self.fault == Fault::AsteriskRestarted;
        for number in &numbers {
            let reply = self.request(number);
            let is_refused = has_hung_up && reply.status == 503;
            assert!(is_in_progress(&reply) || is_refused, "{}: {reply:?}", self.fault);
        }
    }

    /// Requests every number again. The daemon must refuse a number that has a call, and call every
    /// other one. It must do so at the first request, unless Asterisk never replied to the last
    /// Originate to that number.
    pub(super) fn request_after_recovery(&mut self, over: Instant) {
        let calls: Vec<_> =
            self.calls.iter().map(|call| (call.phase, call.number.clone(), call.ended)).collect();
        let mut replies = Vec::new();
        for (phase, number, _) in &calls {
            let reply = if *phase == Phase::Unanswered {
                self.request_until_known(number)
            } else {
                self.request(number)
            };
            let recovered = self.recovered.entry(phase.to_string()).or_default();
            *recovered = (*recovered).max(over.elapsed());
            replies.push(reply);
        }
        for ((phase, number, ended), reply) in calls.into_iter().zip(replies) {
            assert!(self.is_alive(&number), "{}, {phase}: {reply:?}", self.fault);
            if is_in_progress(&reply) {
                assert_eq!(ended, None, "{}, {phase}: {reply:?}", self.fault);
            } else {
                assert_eq!(
                    reply.body, "{\"message\":\"ok\"}\n",
                    "{}, {phase}: {reply:?}",
                    self.fault
                );
                assert!(
                    ended.is_some() || phase == Phase::Unanswered,
                    "{}, {phase}: {reply:?}",
                    self.fault
                );
                self.later.push(reply.header("x-call-id").expect("an id").to_owned());
            }
        }
    }

    /// Requests a call until the answer agrees with Asterisk.
    fn request_until_known(&mut self, number: &str) -> Reply {
        eventually("the answer agrees with Asterisk", || {
            let is_alive = self.is_alive(number);
            let reply = self.request(number);
            (is_alive == is_in_progress(&reply)).then_some(reply)
        })
    }

    /// Stops the daemon, and checks the end of each call in its journal.
    pub(super) fn check_journal(&mut self) {
        self.daemon.signal("-TERM");
        assert_eq!(self.daemon.wait_exit(), Some(0));
        let journal = JournalFile::read(&self.journal);
        journal.assert_complete();
        for id in &self.later {
            journal.end(id);
        }
        for Call { phase, id, ended, .. } in &self.calls {
            let Some(id) = id else { continue };
            let end = journal.end(id);
            match ended {
                // Asterisk hung up this call before it ended, and the daemon received the event.
                Some(_)
                    if self.fault == Fault::AsteriskRestarted
                        && end["outcome"] == phase.cut_short() => {}
                Some(span) => assert!(
                    is_unknown_within(end, *span),
                    "{}, {phase}, {span:?}: {end}",
                    self.fault
                ),
                None if *phase == Phase::Unanswered && end["outcome"] == "unknown" => {}
                None => {
                    assert_eq!(end["outcome"], phase.hung_up(), "{}, {phase}: {end}", self.fault)
                }
            }
        }
    }
}

fn is_in_progress(reply: &Reply) -> bool {
    reply.status == 200
        && reply.json() == json!({ "message": "error", "text": "call already in progress" })
}
