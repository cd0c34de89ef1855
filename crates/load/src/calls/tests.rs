//! Replies and records in any order, on virtual time.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn id(n: u128) -> CallId {
    CallId::new(UNIX_EPOCH, n)
}

struct Harness {
    start: Instant,
    calls: Calls,
}

impl Harness {
    fn new(hold: Option<Duration>) -> Self {
        Self { start: Instant::now(), calls: Calls::new(hold) }
    }

    /// Requests a call to number 7, scheduled for the start.
    fn requested() -> Self {
        let mut harness = Self::new(None);
        harness.calls.requested(7, harness.start);
        harness
    }

    fn at(&self, ms: u32) -> Instant {
        self.start + MS * ms
    }

    fn apply(&mut self, apply: impl FnOnce(&mut Calls, &mut Vec<Fact>)) -> Vec<Fact> {
        let mut facts = Vec::new();
        apply(&mut self.calls, &mut facts);
        facts
    }

    fn accept(&mut self, n: u128) -> Vec<Fact> {
        self.apply(|calls, facts| calls.accepted(7, id(n), facts))
    }

    /// The stream has a step of call `n` to number 7.
    fn observe(&mut self, ms: u32, n: u128, step: CallStep) -> Vec<Fact> {
        let observed = ObservedStep { at: self.at(ms), id: id(n), number: Some(7), step };
        self.apply(|calls, facts| calls.observe(observed, facts))
    }
}

fn busy() -> CallStep {
    CallStep::Ended("busy".to_owned())
}

fn over() -> [Fact; 2] {
    [Fact::Ended("busy".to_owned()), Fact::Free(7)]
}

#[test]
fn step_counts_once_from_the_scheduled_time() {
    let mut harness = Harness::requested();
    assert_eq!(harness.accept(1), []);
    assert_eq!(harness.calls.awaiting_join(), 1);
    assert_eq!(harness.observe(3, 1, CallStep::Queued), [Fact::Channel(MS * 3)]);
    assert_eq!(harness.observe(1000, 1, CallStep::Answered), [Fact::Answered(MS * 1000)]);
    assert_eq!(harness.observe(2000, 1, CallStep::Joined), [Fact::Joined(MS * 2000)]);
    assert_eq!((harness.calls.awaiting_join(), harness.calls.live()), (0, 1));
    // A callee that left the room and came back counts as joined once.
    assert_eq!(harness.observe(3000, 1, CallStep::Joined), []);
    assert_eq!(harness.observe(4000, 1, busy()), over());
    assert_eq!(harness.observe(4001, 1, busy()), []);
    assert_eq!((harness.calls.outstanding(), harness.calls.awaiting_record()), (0, 0));
    assert_eq!(harness.calls.leftover(), Leftover::default());
}

#[test]
fn records_before_the_reply_count() {
    let mut harness = Harness::requested();
    // A record of an earlier call to this number.
    assert_eq!(harness.observe(0, 9, busy()), []);
    assert_eq!(harness.observe(2, 1, CallStep::Queued), []);
    assert_eq!(harness.observe(3, 1, busy()), []);
    assert_eq!(
        harness.accept(1),
        [Fact::Channel(MS * 2), Fact::Ended("busy".to_owned()), Fact::Free(7)]
    );
}

#[test]
fn refused_request_leaves_a_free_number() {
    let mut harness = Harness::requested();
    harness.observe(1, 9, CallStep::Queued);
    assert_eq!(harness.apply(|calls, facts| calls.refused(7, facts)), [Fact::Free(7)]);
    assert_eq!(harness.observe(2, 9, busy()), []);
    assert_eq!((harness.calls.outstanding(), harness.calls.live()), (0, 0));
}

#[test]
fn call_of_unknown_fate_is_found_in_the_stream() {
    // By the id of the reply.
    let mut harness = Harness::requested();
    assert_eq!(harness.apply(|calls, facts| calls.unconfirmed(7, Some(id(1)), facts)), []);
    assert_eq!(harness.calls.leftover(), Leftover { unknown: 1, ..Leftover::default() });
    assert_eq!(harness.observe(2, 1, CallStep::Queued), [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!(harness.observe(3, 1, busy()), over());

    // Without a reply, by the number: before and after the generator stops waiting for it.
    let mut harness = Harness::requested();
    harness.observe(2, 1, CallStep::Queued);
    assert_eq!(
        harness.apply(|calls, facts| calls.unconfirmed(7, None, facts)),
        [Fact::Found, Fact::Channel(MS * 2)]
    );
    let mut harness = Harness::requested();
    assert_eq!(harness.apply(|calls, facts| calls.unconfirmed(7, None, facts)), []);
    assert_eq!(
        (
            harness.calls.outstanding(),
            harness.calls.awaiting_join(),
            harness.calls.awaiting_record()
        ),
        (0, 0, 1)
    );
    assert_eq!(harness.observe(2, 1, CallStep::Queued), [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!((harness.calls.outstanding(), harness.calls.awaiting_record()), (1, 0));

    // Or the record says that no call was made.
    let mut harness = Harness::requested();
    harness.apply(|calls, facts| calls.unconfirmed(7, Some(id(1)), facts));
    assert_eq!(harness.observe(2, 1, CallStep::Refused), [Fact::Free(7)]);
    assert_eq!(harness.calls.leftover(), Leftover::default());
}

#[test]
fn records_of_other_calls_are_not_kept() {
    let mut harness = Harness::new(None);
    for n in 0..1000 {
        assert_eq!(harness.observe(1, n, CallStep::Queued), []);
    }
    assert!(harness.calls.live.is_empty() && harness.calls.pending.is_empty());
}

#[test]
fn call_is_hung_up_once_after_its_hold_time() {
    let mut harness = Harness::new(Some(MS * 500));
    harness.calls.requested(7, harness.start);
    harness.accept(1);
    harness.observe(1, 1, CallStep::Queued);
    assert_eq!(harness.calls.next_due_hang_up(harness.at(10_000)), None);
    // The record of the answer was missed.
    harness.observe(100, 1, CallStep::Joined);
    assert_eq!(harness.calls.next_due_hang_up(harness.at(599)), None);
    assert_eq!(harness.calls.next_due_hang_up(harness.at(600)), Some(id(1)));
    assert_eq!(harness.calls.next_due_hang_up(harness.at(10_000)), None);
    // The hang-up failed.
    let later = harness.at(11_000);
    harness.calls.retry_hang_up(id(1), later);
    assert_eq!(harness.calls.next_due_hang_up(harness.at(10_999)), None);
    assert_eq!(harness.calls.next_due_hang_up(later), Some(id(1)));
    harness.observe(11_001, 1, busy());
    harness.calls.retry_hang_up(id(1), later);
    assert_eq!(harness.calls.next_due_hang_up(later), None);
}

#[test]
fn hang_up_all_includes_calls_accepted_later() {
    let mut harness = Harness::requested();
    harness.calls.requested(8, harness.start);
    harness.accept(1);
    let now = harness.at(5);
    harness.calls.hang_up_all(now);
    assert_eq!(
        [harness.calls.next_due_hang_up(now), harness.calls.next_due_hang_up(now)],
        [Some(id(1)), None]
    );
    harness.apply(|calls, facts| calls.accepted(8, id(2), facts));
    assert_eq!(
        [harness.calls.next_due_hang_up(now), harness.calls.next_due_hang_up(now)],
        [Some(id(2)), None]
    );
    // According to the daemon call 2 is over; its last record is missing.
    harness.calls.reported_over(id(2));
    harness.calls.reported_over(id(2));
    assert_eq!(
        (harness.calls.live(), harness.calls.outstanding(), harness.calls.awaiting_record()),
        (1, 1, 1)
    );
    assert_eq!(harness.calls.leftover(), Leftover { alive: 1, unseen: 1, unknown: 0 });
    let observed = ObservedStep { at: now, id: id(2), number: Some(8), step: busy() };
    harness.apply(|calls, facts| calls.observe(observed, facts));
    assert_eq!((harness.calls.awaiting_record(), harness.calls.live()), (0, 1));
}

#[test]
fn masked_calls_are_matched_by_their_ids() {
    let mut harness = Harness::new(None);
    let masked = |harness: &mut Harness, ms: u32, n: u128, step: CallStep| {
        let observed = ObservedStep { at: harness.at(ms), id: id(n), number: None, step };
        harness.apply(|calls, facts| calls.observe(observed, facts))
    };
    // This call belongs to another client, as nothing was requested.
    assert_eq!(masked(&mut harness, 0, 9, CallStep::Queued), []);
    harness.calls.requested(7, harness.start);
    harness.calls.requested(8, harness.start);
    assert_eq!(masked(&mut harness, 2, 2, CallStep::Queued), []);
    assert_eq!(masked(&mut harness, 2, 1, CallStep::Queued), []);
    assert_eq!(harness.accept(1), [Fact::Channel(MS * 2)]);
    assert_eq!(masked(&mut harness, 3, 1, CallStep::Answered), [Fact::Answered(MS * 3)]);
    // The other request will get no reply, so call 2 can only belong to it.
    let lost = harness.apply(|calls, facts| calls.unconfirmed(8, None, facts));
    assert_eq!(lost, [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!((harness.calls.live(), harness.calls.awaiting_record()), (2, 0));
    assert_eq!(masked(&mut harness, 4, 2, busy()), [Fact::Ended("busy".to_owned()), Fact::Free(8)]);
    assert!(harness.calls.masked.is_empty());
}
