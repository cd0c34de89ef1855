//! Calls on a clock of the test's: the two connections tell in any order.

use std::time::{Duration, UNIX_EPOCH};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn id(n: u128) -> CallId {
    CallId::new(UNIX_EPOCH, n)
}

struct World {
    start: Instant,
    calls: Calls,
}

impl World {
    fn new(hold: Option<Duration>) -> Self {
        Self { start: Instant::now(), calls: Calls::new(hold) }
    }

    /// Asks for a call to number 7, to leave at the start.
    fn asked() -> Self {
        let mut world = Self::new(None);
        world.calls.ask(7, world.start);
        world
    }

    fn at(&self, ms: u32) -> Instant {
        self.start + MS * ms
    }

    fn tell(&mut self, tell: impl FnOnce(&mut Calls, &mut Vec<Fact>)) -> Vec<Fact> {
        let mut facts = Vec::new();
        tell(&mut self.calls, &mut facts);
        facts
    }

    fn accept(&mut self, n: u128) -> Vec<Fact> {
        self.tell(|calls, facts| calls.accepted(7, id(n), facts))
    }

    /// The log tells a step of call `n` to number 7.
    fn see(&mut self, ms: u32, n: u128, step: Step) -> Vec<Fact> {
        let seen = Seen { at: self.at(ms), id: id(n), number: Some(7), step };
        self.tell(|calls, facts| calls.saw(seen, facts))
    }
}

fn busy() -> Step {
    Step::Ended("busy".to_owned())
}

fn over() -> [Fact; 2] {
    [Fact::Ended("busy".to_owned()), Fact::Free(7)]
}

#[test]
fn each_step_is_told_once_with_the_time_since_the_request_was_to_leave() {
    let mut world = World::asked();
    assert_eq!(world.accept(1), []);
    assert_eq!(world.calls.on_their_way(), 1);
    assert_eq!(world.see(3, 1, Step::Queued), [Fact::Channel(MS * 3)]);
    assert_eq!(world.see(1000, 1, Step::Answered), [Fact::Answered(MS * 1000)]);
    assert_eq!(world.see(2000, 1, Step::Joined), [Fact::Joined(MS * 2000)]);
    assert_eq!((world.calls.on_their_way(), world.calls.live()), (0, 1));
    // Who goes out for a moment has joined once.
    assert_eq!(world.see(3000, 1, Step::Joined), []);
    assert_eq!(world.see(4000, 1, busy()), over());
    assert_eq!(world.see(4001, 1, busy()), []);
    assert_eq!((world.calls.outstanding(), world.calls.doubtful()), (0, 0));
    assert_eq!(world.calls.leftover(), Leftover::default());
}

#[test]
fn what_the_log_says_before_the_answer_is_there_counts_all_the_same() {
    let mut world = World::asked();
    // Of another call to this number, which was over just now.
    assert_eq!(world.see(0, 9, busy()), []);
    assert_eq!(world.see(2, 1, Step::Queued), []);
    assert_eq!(world.see(3, 1, busy()), []);
    assert_eq!(
        world.accept(1),
        [Fact::Channel(MS * 2), Fact::Ended("busy".to_owned()), Fact::Free(7)]
    );
}

#[test]
fn a_refused_request_leaves_nothing_but_a_free_number() {
    let mut world = World::asked();
    world.see(1, 9, Step::Queued);
    assert_eq!(world.tell(|calls, facts| calls.refused(7, facts)), [Fact::Free(7)]);
    assert_eq!(world.see(2, 9, busy()), []);
    assert_eq!((world.calls.outstanding(), world.calls.live()), (0, 0));
}

#[test]
fn a_call_of_unknown_fate_is_found_in_the_log() {
    // By the id of the answer.
    let mut world = World::asked();
    assert_eq!(world.tell(|calls, facts| calls.unconfirmed(7, Some(id(1)), facts)), []);
    assert_eq!(world.calls.leftover(), Leftover { unknown: 1, ..Leftover::default() });
    assert_eq!(world.see(2, 1, Step::Queued), [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!(world.see(3, 1, busy()), over());

    // Without an answer, by the number: before and after it is given up.
    let mut world = World::asked();
    world.see(2, 1, Step::Queued);
    assert_eq!(
        world.tell(|calls, facts| calls.unconfirmed(7, None, facts)),
        [Fact::Found, Fact::Channel(MS * 2)]
    );
    let mut world = World::asked();
    assert_eq!(world.tell(|calls, facts| calls.unconfirmed(7, None, facts)), []);
    assert_eq!(
        (world.calls.outstanding(), world.calls.on_their_way(), world.calls.doubtful()),
        (0, 0, 1)
    );
    assert_eq!(world.see(2, 1, Step::Queued), [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!((world.calls.outstanding(), world.calls.doubtful()), (1, 0));

    // Or it turns out that there is none.
    let mut world = World::asked();
    world.tell(|calls, facts| calls.unconfirmed(7, Some(id(1)), facts));
    assert_eq!(world.see(2, 1, Step::Refused), [Fact::Free(7)]);
    assert_eq!(world.calls.leftover(), Leftover::default());
}

#[test]
fn what_the_log_says_of_others_is_not_kept() {
    let mut world = World::new(None);
    for n in 0..1000 {
        assert_eq!(world.see(1, n, Step::Queued), []);
    }
    assert!(world.calls.live.is_empty() && world.calls.asked.is_empty());
}

#[test]
fn a_call_is_hung_up_its_time_after_the_answer_and_once() {
    let mut world = World::new(Some(MS * 500));
    world.calls.ask(7, world.start);
    world.accept(1);
    world.see(1, 1, Step::Queued);
    assert_eq!(world.calls.take_due(world.at(10_000)), None);
    // The record of the answer was missed.
    world.see(100, 1, Step::Joined);
    assert_eq!(world.calls.take_due(world.at(599)), None);
    assert_eq!(world.calls.take_due(world.at(600)), Some(id(1)));
    assert_eq!(world.calls.take_due(world.at(10_000)), None);
    // It did not work.
    let later = world.at(11_000);
    world.calls.hang_up_again(id(1), later);
    assert_eq!(world.calls.take_due(world.at(10_999)), None);
    assert_eq!(world.calls.take_due(later), Some(id(1)));
    world.see(11_001, 1, busy());
    world.calls.hang_up_again(id(1), later);
    assert_eq!(world.calls.take_due(later), None);
}

#[test]
fn at_the_end_all_are_hung_up_and_those_that_come_late_too() {
    let mut world = World::asked();
    world.calls.ask(8, world.start);
    world.accept(1);
    let now = world.at(5);
    world.calls.hang_up_all(now);
    assert_eq!([world.calls.take_due(now), world.calls.take_due(now)], [Some(id(1)), None]);
    world.tell(|calls, facts| calls.accepted(8, id(2), facts));
    assert_eq!([world.calls.take_due(now), world.calls.take_due(now)], [Some(id(2)), None]);
    // One is over, says the daemon; how it ended was missed.
    world.calls.is_over(id(2));
    world.calls.is_over(id(2));
    assert_eq!((world.calls.live(), world.calls.outstanding(), world.calls.doubtful()), (1, 1, 1));
    assert_eq!(world.calls.leftover(), Leftover { alive: 1, unseen: 1, unknown: 0 });
    let seen = Seen { at: now, id: id(2), number: Some(8), step: busy() };
    world.tell(|calls, facts| calls.saw(seen, facts));
    assert_eq!((world.calls.doubtful(), world.calls.live()), (0, 1));
}

#[test]
fn where_numbers_are_masked_calls_are_told_by_their_ids() {
    let mut world = World::new(None);
    let masked = |world: &mut World, ms: u32, n: u128, step: Step| {
        let seen = Seen { at: world.at(ms), id: id(n), number: None, step };
        world.tell(|calls, facts| calls.saw(seen, facts))
    };
    // Nobody's, as nothing was asked for.
    assert_eq!(masked(&mut world, 0, 9, Step::Queued), []);
    world.calls.ask(7, world.start);
    world.calls.ask(8, world.start);
    assert_eq!(masked(&mut world, 2, 2, Step::Queued), []);
    assert_eq!(masked(&mut world, 2, 1, Step::Queued), []);
    assert_eq!(world.accept(1), [Fact::Channel(MS * 2)]);
    assert_eq!(masked(&mut world, 3, 1, Step::Answered), [Fact::Answered(MS * 3)]);
    // The other one will not be answered: call 2 can only be that.
    let lost = world.tell(|calls, facts| calls.unconfirmed(8, None, facts));
    assert_eq!(lost, [Fact::Found, Fact::Channel(MS * 2)]);
    assert_eq!((world.calls.live(), world.calls.doubtful()), (2, 0));
    assert_eq!(masked(&mut world, 4, 2, busy()), [Fact::Ended("busy".to_owned()), Fact::Free(8)]);
    assert!(world.calls.masked.is_empty());
}
