//! The outcome of a call, and its ring and talk times or their bounds.

use super::order::CAUSES;
use super::*;
use crate::call::outcome::Bounds;

fn bounds(min: u64, max: Option<u64>) -> Option<Bounds> {
    Some(Bounds { min: Duration::from_millis(min), max: max.map(Duration::from_millis) })
}

#[test]
fn cause_of_gateway_leg_decides_outcome() {
    for (code, reply, outcome) in CAUSES {
        let (_, changes) = play(&unanswered(code, reply, false));
        assert_eq!(outcomes(&changes), [outcome], "cause {code}");
    }
    assert_eq!(outcomes(&play(&answered()).1), [Outcome::Completed]);
}

#[test]
fn hang_up_by_key_cancels_unanswered_call() {
    let mut facts = unanswered(16, None, true);
    facts.insert(0, Fact::HangUpAsked("operator".into()));
    let (_, changes) = play(&facts);
    assert_eq!(outcomes(&changes), [Outcome::Canceled]);
    facts.insert(1, Fact::HangUpRefused);
    assert_ne!(
        outcomes(&play(&facts).1),
        [Outcome::Canceled],
        "Asterisk refused the hang-up, so the call ended by itself"
    );
    let mut facts = answered();
    facts.insert(0, Fact::HangUpAsked("operator".into()));
    assert_eq!(outcomes(&play(&facts).1), [Outcome::Completed]);
}

#[test]
fn unobserved_end_is_unknown_and_has_bounds() {
    let mut call = call();
    let mut changes = Vec::new();
    for fact in [Fact::Local2Seen, Fact::Answered, Fact::Vanished(now(50).wall)] {
        call.apply(now(80), fact, |change| changes.push(change));
    }
    let Some(Change::Ended(end)) = changes.last() else { panic!("{changes:?}") };
    assert_eq!(
        (end.outcome, end.ended_between),
        (Outcome::Unknown, Some((now(50).wall, now(80).wall)))
    );
}

#[test]
fn unobserved_end_bounds_ring_and_talk() {
    let seen = |time: u64| Fact::Vanished(now(time).wall);
    let answered =
        [(10, Fact::Local2Seen), (20, Fact::Ringing), (50, Fact::Answered), (900, seen(80))];
    let end = end_of(call(), &answered);
    assert_eq!((end.outcome, end.answered), (Outcome::Unknown, true));
    assert_eq!((end.ring, end.talk), (Some(Duration::from_millis(30)), None));
    assert_eq!((end.ring_bounds(), end.talk_bounds()), (None, bounds(30, Some(850))));
    let ringing = end_of(call(), &[(10, Fact::Local2Seen), (20, Fact::Ringing), (900, seen(80))]);
    assert_eq!((ringing.answered, ringing.ring, ringing.talk), (false, None, None));
    assert_eq!((ringing.ring_bounds(), ringing.talk_bounds()), (bounds(60, Some(880)), None));
}

#[test]
fn acceptance_found_in_list_begins_no_ring_time() {
    let listed = Fact::Listed { accepted: true, up: false, synced_until: now(100).wall };
    let gone = [(900, Fact::Local1Gone(cause(19))), (900, Fact::Local2Gone(cause(19)))];
    let end = end_of(call(), &[vec![(500, listed)], gone.to_vec()].concat());
    assert_eq!((end.ring, end.ring_bounds()), (None, None));
    assert_eq!(
        end_of(call(), &[vec![(500, Fact::Accepted)], gone.to_vec()].concat()).ring,
        Some(Duration::from_millis(400))
    );
}

#[test]
fn answer_found_in_list_bounds_ring_and_talk() {
    let listed = Fact::Listed { accepted: true, up: true, synced_until: now(100).wall };
    let facts = [
        (10, Fact::Local2Seen),
        (20, Fact::Ringing),
        (500, listed.clone()),
        (900, Fact::Local1Gone(cause(16))),
        (900, Fact::Local2Gone(cause(16))),
    ];
    let end = end_of(call(), &facts);
    assert_eq!((end.outcome, end.ring, end.talk), (Outcome::Completed, None, None));
    assert_eq!(
        (end.ring_bounds(), end.talk_bounds()),
        (bounds(0, Some(480)), bounds(400, Some(880)))
    );
    let both = [
        (10, Fact::Listed { accepted: true, up: true, synced_until: now(5).wall }),
        facts[3].clone(),
        facts[4].clone(),
    ];
    let end = end_of(call(), &both);
    assert_eq!(
        (end.ring_bounds(), end.talk_bounds()),
        (None, bounds(890, None)),
        "no earlier step was seen"
    );
    let mut changes = Vec::new();
    let mut late = call();
    for (time, fact) in [(10, Fact::Local2Seen), (500, listed.clone()), (600, listed)] {
        late.apply(now(time), fact, |change| changes.push(change));
    }
    assert_eq!(changes, [Change::Queued, Change::Answered { after: Some(now(100).wall) }]);
}
