//! The state after each fact, and the changes that each fact causes.

use super::*;

#[test]
fn each_fact_leads_to_its_state() {
    use State::*;
    let reached: [(&[Fact], State); 7] = [
        (&[], Requested),
        (&[Fact::Local1Seen, Fact::Accepted], Queued),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Ringing], Ringing),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Answered], Answered),
        (
            &[
                Fact::Local1Seen,
                Fact::Accepted,
                Fact::Answered,
                Fact::Joined { conference: "R".into(), after: None },
            ],
            Joined,
        ),
        (
            &[
                Fact::Local1Seen,
                Fact::Accepted,
                Fact::Answered,
                Fact::Joined { conference: "R".into(), after: None },
                Fact::Left("R".into()),
            ],
            Left,
        ),
        (&[Fact::Local1Seen, Fact::Accepted, Fact::Local1Gone(cause(16))], Ended),
    ];
    // Each row has the states after one fact, if the call was Requested, Queued, Ringing, Answered,
    // Joined or Left before. An ended call stays ended. A call without channels keeps its state until
    // its outcome is reported.
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
        (
            Fact::Joined { conference: "R".into(), after: None },
            [Joined, Joined, Joined, Joined, Joined, Joined],
        ),
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
            assert_eq!(is_ended, call.timestamps().ended.is_some(), "{fact:?} after {facts:?}");
        }
    }
    for (facts, expected) in reached {
        assert_eq!(play(facts).0.state(), expected);
    }
}

#[test]
fn steps_are_reported_once_and_acceptance_first() {
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
fn adopted_call_repeats_no_step_and_invents_no_time() {
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
