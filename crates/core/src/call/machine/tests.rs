//! Each fact in each state, and any order of one call's facts.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::call::CallId;
use crate::call::outcome::{Bounds, Cause, End, Outcome};

fn now(millis: u64) -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    Now {
        instant: start + Duration::from_millis(millis),
        wall: UNIX_EPOCH + Duration::from_millis(millis),
    }
}

fn call() -> Call {
    let info = CallInfo {
        id: CallId::new(UNIX_EPOCH, 1),
        number: "79991234567".parse().unwrap(),
        room: "R1".parse().unwrap(),
        caller_id: "Bob".parse().unwrap(),
        lang: "ru".parse().unwrap(),
        key: "bot".into(),
    };
    Call::new(Arc::new(info), now(0))
}

fn cause(code: u8) -> Cause {
    Cause { code, text: format!("cause {code}").into() }
}

/// Applies the facts a millisecond apart, and lets the grace pass.
fn play(facts: &[Fact]) -> (Call, Vec<Change>) {
    let (mut call, mut changes) = (call(), Vec::new());
    let mut time = 0;
    for fact in facts {
        time += 1;
        call.apply(now(time), fact.clone(), |change| changes.push(change));
    }
    if let Some(deadline) = call.deadline() {
        let passed = deadline.saturating_duration_since(now(0).instant).as_millis() as u64;
        call.tick(now(passed), |change| changes.push(change));
    }
    (call, changes)
}

fn outcomes(changes: &[Change]) -> Vec<Outcome> {
    let ended = |change: &Change| match change {
        Change::Ended(end) => Some(end.outcome),
        _ => None,
    };
    changes.iter().filter_map(ended).collect()
}

/// The facts of an unanswered call whose gateway leg ends with cause `leg`, as in the recordings.
fn unanswered(leg: u8, tech: Option<&str>, ringing: bool) -> Vec<Fact> {
    let mut facts =
        vec![Fact::Accepted, Fact::Local1Seen, Fact::Local2Seen, Fact::LegSeen("leg".into())];
    facts.extend(ringing.then_some(Fact::Ringing));
    facts.extend(tech.map(|text| Fact::GatewayReply(text.into())));
    facts.extend([
        Fact::LegGone("leg".into(), cause(leg)),
        Fact::Local2Gone(cause(34)),
        Fact::Local1Gone(cause(0)),
        Fact::Response(Err(8)),
    ]);
    facts
}

fn answered() -> Vec<Fact> {
    vec![
        Fact::Accepted,
        Fact::Local1Seen,
        Fact::Local2Seen,
        Fact::LegSeen("leg".into()),
        Fact::Ringing,
        Fact::Answered,
        Fact::Response(Ok(())),
        Fact::Joined("R1".into()),
        Fact::Left("R1".into()),
        Fact::LegGone("leg".into(), cause(16)),
        Fact::Local2Gone(cause(16)),
        Fact::Local1Gone(cause(16)),
    ]
}

/// The outcomes that the gateway's causes stand for.
const CAUSES: [(u8, Option<&str>, Outcome); 11] = [
    (1, None, Outcome::NotOnTelegram),
    (3, None, Outcome::InvalidNumber),
    (17, None, Outcome::Busy),
    (19, None, Outcome::NoAnswer),
    (21, None, Outcome::Declined),
    (34, None, Outcome::Congestion),
    (38, Some("SIP 500 FLOOD_WAIT 291"), Outcome::FloodWait),
    (38, Some("SIP 500 429 Too Many Requests retry after 291"), Outcome::FloodWait),
    (38, Some("SIP 500 400 PEER_FLOOD"), Outcome::FloodWait),
    (38, Some("SIP 500 SIP_MEDIA_NOT_READY"), Outcome::Congestion),
    (27, None, Outcome::Failed),
];

#[test]
fn the_cause_of_the_gateways_leg_tells_the_outcome() {
    for (code, tech, outcome) in CAUSES {
        let (_, changes) = play(&unanswered(code, tech, false));
        assert_eq!(outcomes(&changes), [outcome], "cause {code}");
    }
    assert_eq!(outcomes(&play(&answered()).1), [Outcome::Completed]);
}

#[test]
fn each_fact_in_each_state() {
    use State::*;
    let reached: [(&[Fact], State); 7] = [
        (&[], Requested),
        (&[Fact::Local1Seen, Fact::Accepted], Queued),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Ringing], Ringing),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Answered], Answered),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Answered, Fact::Joined("R".into())], Joined),
        (
            &[
                Fact::Local1Seen,
                Fact::Accepted,
                Fact::Answered,
                Fact::Joined("R".into()),
                Fact::Left("R".into()),
            ],
            Left,
        ),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Local1Gone(cause(16))], Ended),
    ];
    // The state after each fact, from Requested, Queued, Ringing, Answered, Joined and Left. An ended
    // call stays ended. Until its outcome is reported, a call without channels keeps its state.
    let table: [(Fact, [State; 6]); 23] = [
        (Fact::Accepted, [Queued, Queued, Ringing, Answered, Joined, Left]),
        (Fact::Local1Seen, [Requested, Queued, Ringing, Answered, Joined, Left]),
        (Fact::Local2Seen, [Queued, Queued, Ringing, Answered, Joined, Left]),
        (Fact::LegSeen("x".into()), [Requested, Queued, Ringing, Answered, Joined, Left]),
        (Fact::DialledOn, [Requested, Queued, Ringing, Answered, Joined, Left]),
        (Fact::Ringing, [Ringing, Ringing, Ringing, Answered, Joined, Left]),
        (Fact::Answered, [Answered, Answered, Answered, Answered, Joined, Left]),
        (
            Fact::Listed { accepted: true, up: true, synced_until: now(50).wall },
            [Answered, Answered, Answered, Answered, Joined, Left],
        ),
        (
            Fact::Listed { accepted: false, up: false, synced_until: now(50).wall },
            [Requested, Queued, Ringing, Answered, Joined, Left],
        ),
        (Fact::Joined("R".into()), [Joined, Joined, Joined, Joined, Joined, Joined]),
        (Fact::Left("R".into()), [Left, Left, Left, Left, Left, Left]),
        (
            Fact::GatewayReply("SIP 500".into()),
            [Requested, Queued, Ringing, Answered, Joined, Left],
        ),
        (Fact::HangUpAsked("k".into()), [Requested, Queued, Ringing, Answered, Joined, Left]),
        (Fact::HangUpRefused, [Requested, Queued, Ringing, Answered, Joined, Left]),
        (
            Fact::LegGone("x".into(), cause(16)),
            [Requested, Queued, Ringing, Answered, Joined, Left],
        ),
        (Fact::Local2Gone(cause(16)), [Queued, Queued, Ringing, Answered, Joined, Left]),
        (Fact::Local1Gone(cause(16)), [Requested, Queued, Ringing, Answered, Left, Left]),
        (Fact::Absent(CallChannel::Local1), [Requested, Queued, Ringing, Answered, Left, Left]),
        (Fact::Absent(CallChannel::Local2), [Requested, Queued, Ringing, Answered, Joined, Left]),
        (
            Fact::Absent(CallChannel::Leg("x".into())),
            [Requested, Queued, Ringing, Answered, Joined, Left],
        ),
        (Fact::Response(Ok(())), [Answered, Answered, Answered, Answered, Joined, Left]),
        (Fact::Response(Err(5)), [Requested, Queued, Ringing, Answered, Joined, Left]),
        (Fact::Vanished(now(50).wall), [Ended, Ended, Ended, Ended, Ended, Ended]),
    ];
    for (fact, states) in table {
        for ((facts, _), expected) in reached.iter().zip(states.into_iter().chain([Ended])) {
            let (mut call, mut changes) = play(facts);
            call.apply(now(100), fact.clone(), |change| changes.push(change));
            assert_eq!(call.state(), expected, "{fact:?} after {facts:?}");
            assert!(outcomes(&changes).len() <= 1, "{fact:?} after {facts:?}: {changes:?}");
            let is_ended = call.state() == Ended;
            assert_eq!(is_ended, call.moments().ended.is_some(), "{fact:?} after {facts:?}");
        }
    }
    for (facts, expected) in reached {
        assert_eq!(play(facts).0.state(), expected);
    }
}

#[test]
fn steps_are_told_once_and_acceptance_first() {
    let (_, changes) = play(&[
        Fact::Answered,
        Fact::Ringing,
        Fact::Accepted,
        Fact::Answered,
        Fact::Response(Ok(())),
    ]);
    assert_eq!(changes, [Change::Queued, Change::Answered { after: None }]);
}

#[test]
fn the_number_is_free_when_both_halves_are_gone_and_not_before() {
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
    assert_eq!((call.state(), call.is_over(), call.moments().ended), (State::Left, false, None));
    apply(&mut call, 60_000, Fact::LegGone("leg".into(), cause(16)));
    let [.., Change::Freed, Change::Ended(end)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((end.outcome, end.moments.ended), (Outcome::Completed, Some(now(60_000).wall)));
    // Answered after 6 ms.
    assert_eq!(end.talk, Some(Duration::from_millis(59_994)));
}

#[test]
fn leg_in_doubt_is_looked_up_once() {
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
fn late_news_of_a_leg_that_is_gone_holds_nothing() {
    let leg = || Box::<str>::from("leg");
    let facts =
        [Fact::LegGone(leg(), cause(17)), Fact::LegSeen(leg()), Fact::Local2Gone(cause(17))];
    let (_, changes) =
        play(&[&facts[..], &[Fact::Local1Gone(cause(17)), Fact::Response(Err(5))]].concat());
    assert_eq!(outcomes(&changes), [Outcome::Busy]);
}

#[test]
fn leg_that_is_gone_makes_room_for_one_that_is_up() {
    let mut call = call();
    for leg in 0..3 * MAX_LEGS {
        call.apply(now(1), Fact::LegSeen(leg.to_string().into()), |_| {});
        assert!(call.legs_up().any(|up| up == leg.to_string()));
        call.apply(now(2), Fact::LegGone(leg.to_string().into(), cause(34)), |_| {});
    }
    assert_eq!(call.legs().count(), MAX_LEGS);
}

#[test]
fn a_hangup_that_never_comes_holds_the_number_no_longer_than_the_grace() {
    let (_, changes) = play(&[Fact::Local2Seen, Fact::Response(Err(3))]);
    assert_eq!(
        (&changes[..2], outcomes(&changes)),
        (&[Change::Queued, Change::Freed][..], vec![Outcome::NoAnswer])
    );
}

#[test]
fn who_asked_for_the_end_is_told() {
    let mut facts = unanswered(16, None, true);
    facts.insert(0, Fact::HangUpAsked("operator".into()));
    let (_, changes) = play(&facts);
    assert_eq!(outcomes(&changes), [Outcome::Canceled]);
    facts.insert(1, Fact::HangUpRefused);
    assert_ne!(outcomes(&play(&facts).1), [Outcome::Canceled], "it ended of itself");
    let mut facts = answered();
    facts.insert(0, Fact::HangUpAsked("operator".into()));
    assert_eq!(outcomes(&play(&facts).1), [Outcome::Completed]);
}

#[test]
fn an_end_that_nobody_saw_is_unknown_and_says_when_it_may_have_been() {
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

/// The end of a call that these facts are applied to, each at its millisecond.
fn end_of(mut call: Call, facts: &[(u64, Fact)]) -> End {
    let mut changes = Vec::new();
    for (time, fact) in facts {
        call.apply(now(*time), fact.clone(), |change| changes.push(change));
    }
    call.tick(now(100_000), |change| changes.push(change));
    match changes.pop() {
        Some(Change::Ended(end)) => *end,
        other => panic!("{other:?}"),
    }
}

fn bounds(min: u64, max: Option<u64>) -> Option<Bounds> {
    Some(Bounds { min: Duration::from_millis(min), max: max.map(Duration::from_millis) })
}

/// A call on a link on which another call was seen to join.
fn call_among_others() -> Call {
    let mut call = call();
    call.set_joins_arrive(true);
    call
}

/// A callee who answers and hangs up before the room, each step a millisecond after the one before.
fn hung_up_before_the_room() -> Vec<(u64, Fact)> {
    let facts =
        answered().into_iter().filter(|fact| !matches!(fact, Fact::Joined(_) | Fact::Left(_)));
    (1..).zip(facts).collect()
}

#[test]
fn answered_call_without_a_join_is_not_joined() {
    let end = end_of(call_among_others(), &hung_up_before_the_room());
    assert_eq!((end.outcome, end.answered, end.moments.joined), (Outcome::NotJoined, true, None));
    assert_eq!(end.talk, Some(Duration::from_millis(4)));
    let joined: Vec<_> = (1..).zip(answered()).collect();
    assert_eq!(end_of(call_among_others(), &joined).outcome, Outcome::Completed);
    let unanswered: Vec<_> = (1..).zip(unanswered(17, None, true)).collect();
    assert_eq!(end_of(call_among_others(), &unanswered).outcome, Outcome::Busy);
}

#[test]
fn missing_join_proves_nothing_where_joins_may_be_missed() {
    let outcome = |call, facts: &[(u64, Fact)]| end_of(call, facts).outcome;
    let facts = hung_up_before_the_room();
    assert_eq!(outcome(call(), &facts), Outcome::Completed, "no join event was ever seen");
    for state in [State::Queued, State::Answered] {
        let mut adopted = call_among_others();
        adopted.adopt(now(0), &Progress::of(state));
        assert_eq!(
            outcome(adopted, &facts),
            Outcome::Completed,
            "the daemon did not run at {state:?}"
        );
    }
    let mut cut_off = call_among_others();
    cut_off.miss_events();
    assert_eq!(outcome(cut_off, &facts), Outcome::Completed, "the link was down");
    let mut left = facts.clone();
    left.insert(7, (7, Fact::Left("R1".into())));
    assert_eq!(outcome(call_among_others(), &left), Outcome::Completed, "only the leave was seen");
    let mut queue = facts;
    queue.insert(7, (7, Fact::DialledOn));
    assert_eq!(outcome(call_among_others(), &queue), Outcome::Completed, "the dialplan dials on");
}

#[test]
fn list_after_an_outage_shows_whether_a_join_was_missed() {
    let listed = |up| Fact::Listed { accepted: true, up, synced_until: now(2).wall };
    let outcome = |up| {
        let mut call = call_among_others();
        call.miss_events();
        let mut facts = hung_up_before_the_room();
        facts.insert(5, (5, listed(up)));
        end_of(call, &facts).outcome
    };
    assert_eq!(outcome(false), Outcome::NotJoined, "the callee had not answered by then");
    assert_eq!(outcome(true), Outcome::Completed);
}

#[test]
fn end_that_nobody_saw_bounds_ring_and_talk() {
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
fn acceptance_found_in_a_list_begins_no_ringing() {
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
fn answer_found_in_a_list_bounds_ring_and_talk() {
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
        "no step before was seen"
    );
    let mut changes = Vec::new();
    let mut late = call();
    for (time, fact) in [(10, Fact::Local2Seen), (500, listed.clone()), (600, listed)] {
        late.apply(now(time), fact, |change| changes.push(change));
    }
    assert_eq!(changes, [Change::Queued, Change::Answered { after: Some(now(100).wall) }]);
}

#[test]
fn a_call_met_in_the_middle_is_not_told_again_and_its_times_are_not_made_up() {
    let mut call = call();
    call.adopt(now(0), &Progress::of(State::Joined));
    let mut changes = Vec::new();
    for fact in
        [Fact::Answered, Fact::Ringing, Fact::Local1Gone(cause(16)), Fact::Local2Gone(cause(16))]
    {
        call.apply(now(9), fact, |change| changes.push(change));
    }
    call.tick(now(10_000), |change| changes.push(change));
    let [Change::Freed, Change::Ended(end)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((end.outcome, end.ring, end.talk), (Outcome::Completed, None, None));
}

fn scenario() -> impl Strategy<Value = Vec<Fact>> {
    let failed = (prop::sample::select(CAUSES.to_vec()), any::<bool>())
        .prop_map(|((code, tech, _), ringing)| unanswered(code, tech, ringing));
    prop_oneof![failed, Just(answered())]
}

proptest! {
    #[test]
    fn any_order_of_a_calls_facts_ends_in_the_same_outcome(facts in scenario(), seed in any::<u64>()) {
        let expected = outcomes(&play(&facts).1);
        let mut shuffled = facts;
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        let (call, changes) = play(&shuffled);
        prop_assert_eq!(outcomes(&changes), expected, "{:?}", shuffled);
        prop_assert_eq!(changes.iter().filter(|change| **change == Change::Freed).count(), 1);
        prop_assert_eq!(changes.iter().filter(|change| **change == Change::Queued).count(), 1);
        prop_assert_eq!(call.state(), State::Ended);
        prop_assert_eq!(call.deadline(), None);
    }

    #[test]
    fn facts_that_are_lost_or_doubled_still_end_the_call_once(
        facts in scenario(),
        lost in prop::collection::vec(any::<bool>(), 16),
        doubled in prop::collection::vec(any::<bool>(), 16),
    ) {
        let mut played = Vec::new();
        for ((fact, lost), doubled) in facts.into_iter().zip(lost).zip(doubled) {
            // The Hangup of ;1 is the end itself; without it reconciling ends the call.
            if !lost || matches!(fact, Fact::Local1Gone(_)) {
                played.push(fact.clone());
            }
            if doubled && !lost {
                played.push(fact);
            }
        }
        let (mut call, mut changes) = play(&played);
        let leg = call.legs_up().next().map(Into::into);
        if let Some(leg) = leg {
            prop_assert_eq!(changes.last(), Some(&Change::HeldByLeg));
            // The leg's Hangup was lost. Asterisk lists the leg no longer.
            call.apply(now(5000), Fact::Absent(CallChannel::Leg(leg)), |change| changes.push(change));
            call.tick(now(6000), |change| changes.push(change));
        }
        prop_assert_eq!(outcomes(&changes).len(), 1);
        prop_assert_eq!(changes.iter().filter(|change| **change == Change::Freed).count(), 1);
        prop_assert_eq!(call.state(), State::Ended);
    }
}
