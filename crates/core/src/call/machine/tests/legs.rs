//! When the number of a call is free again, and the legs that keep it busy.

use super::*;

#[test]
fn number_is_free_once_both_halves_are_gone() {
    let mut call = call();
    let mut changes = Vec::new();
    for fact in [Fact::Local2Seen, Fact::Local1Gone(cause(0))] {
        call.apply(now(1), fact, |change| changes.push(change));
    }
    assert_eq!(changes, [Change::Queued]);
    call.apply(now(2), Fact::Local2Gone(cause(17)), |change| changes.push(change));
    assert_eq!(changes, [Change::Queued, Change::Freed]);
}

#[test]
fn redirected_leg_keeps_number_until_it_is_gone() {
    let (mut call, mut changes) = (call(), Vec::new());
    let mut apply =
        |call: &mut Call, time, fact| call.apply(now(time), fact, |change| changes.push(change));
    let halves_gone = [Fact::Local2Gone(cause(16)), Fact::Local1Gone(cause(16))];
    for (time, fact) in (1..).zip(answered().into_iter().take(9).chain(halves_gone)) {
        apply(&mut call, time, fact);
    }
    assert_eq!((call.state(), call.is_over(), call.timestamps().ended), (State::Left, false, None));
    apply(&mut call, 60_000, Fact::LegGone("leg".into(), cause(16)));
    let [.., Change::Freed, Change::Ended(end)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((end.outcome, end.timestamps.ended), (Outcome::Completed, Some(now(60_000).wall)));
    // The callee answered at 6 ms.
    assert_eq!(end.talk, Some(Duration::from_millis(59_994)));
}

#[test]
fn leg_without_local_channel_is_checked_once() {
    let (mut call, mut changes) = (call(), Vec::new());
    for fact in
        [Fact::LegSeen("leg".into()), Fact::Local2Gone(cause(0)), Fact::Local1Gone(cause(0))]
    {
        call.apply(now(1), fact, |change| changes.push(change));
    }
    call.tick(now(600), |change| changes.push(change));
    assert_eq!((&changes[..], call.deadline()), (&[Change::Queued, Change::HeldByLeg][..], None));
    call.apply(now(2000), Fact::Absent(CallChannel::Leg("leg".into())), |change| {
        changes.push(change)
    });
    assert_eq!(changes.last(), Some(&Change::Freed));
}

#[test]
fn late_event_of_gone_leg_keeps_no_number() {
    let leg = || Box::<str>::from("leg");
    let facts =
        [Fact::LegGone(leg(), cause(17)), Fact::LegSeen(leg()), Fact::Local2Gone(cause(17))];
    let (_, changes) =
        play(&[&facts[..], &[Fact::Local1Gone(cause(17)), Fact::Response(Err(5))]].concat());
    assert_eq!(outcomes(&changes), [Outcome::Busy]);
}

#[test]
fn new_leg_replaces_one_that_is_gone() {
    let mut call = call();
    for leg in 0..3 * MAX_LEGS {
        call.apply(now(1), Fact::LegSeen(leg.to_string().into()), |_| {});
        assert!(call.legs_up().any(|up| up == leg.to_string()));
        call.apply(now(2), Fact::LegGone(leg.to_string().into(), cause(34)), |_| {});
    }
    assert_eq!(call.legs().count(), MAX_LEGS);
}

#[test]
fn missing_hangup_keeps_number_for_grace_only() {
    let (_, changes) = play(&[Fact::Local2Seen, Fact::Response(Err(3))]);
    assert_eq!(
        (&changes[..2], outcomes(&changes)),
        (&[Change::Queued, Change::Freed][..], vec![Outcome::NoAnswer])
    );
}
