//! Whether an answered call was in its room.

use super::*;

/// A call on a link that has carried the join event of another call.
fn call_with_joins_arriving() -> Call {
    let mut call = call();
    call.set_joins_arrive(true);
    call
}

/// The facts of a callee who answers and hangs up before joining the room, one millisecond apart.
fn hung_up_before_room() -> Vec<(u64, Fact)> {
    let facts = answered().into_iter().filter(|fact| {
        !matches!(fact, Fact::Joined { conference: _, after: None } | Fact::Left(_))
    });
    (1..).zip(facts).collect()
}

#[test]
fn answered_call_without_join_is_not_joined() {
    let end = end_of(call_with_joins_arriving(), &hung_up_before_room());
    assert_eq!(
        (end.outcome, end.answered, end.timestamps.joined),
        (Outcome::NotJoined, true, None)
    );
    assert_eq!(end.talk, Some(Duration::from_millis(4)));
    let joined: Vec<_> = (1..).zip(answered()).collect();
    assert_eq!(end_of(call_with_joins_arriving(), &joined).outcome, Outcome::Completed);
    let unanswered: Vec<_> = (1..).zip(unanswered(17, None, true)).collect();
    assert_eq!(end_of(call_with_joins_arriving(), &unanswered).outcome, Outcome::Busy);
}

#[test]
fn missing_join_proves_nothing_if_events_were_missed() {
    let outcome = |call, facts: &[(u64, Fact)]| end_of(call, facts).outcome;
    let facts = hung_up_before_room();
    assert_eq!(
        outcome(call(), &facts),
        Outcome::Completed,
        "no join event ever arrived on the link"
    );
    for state in [State::Queued, State::Answered] {
        let mut adopted = call_with_joins_arriving();
        adopted.adopt(now(0), &Progress::of(state));
        assert_eq!(
            outcome(adopted, &facts),
            Outcome::Completed,
            "the daemon did not run at {state:?}"
        );
    }
    let mut cut_off = call_with_joins_arriving();
    cut_off.mark_events_missed();
    assert_eq!(outcome(cut_off, &facts), Outcome::Completed, "the link was down");
    let mut left = facts.clone();
    left.insert(7, (7, Fact::Left("R1".into())));
    assert_eq!(
        outcome(call_with_joins_arriving(), &left),
        Outcome::Completed,
        "only the leave was seen"
    );
    let mut queue = facts;
    queue.insert(7, (7, Fact::DialledOn));
    assert_eq!(
        outcome(call_with_joins_arriving(), &queue),
        Outcome::Completed,
        "the dialplan dials on"
    );
}

#[test]
fn list_after_outage_decides_whether_join_was_missed() {
    let listed = |up| Fact::Listed { accepted: true, up, synced_until: now(2).wall };
    let outcome = |up| {
        let mut call = call_with_joins_arriving();
        call.mark_events_missed();
        let mut facts = hung_up_before_room();
        facts.insert(5, (5, listed(up)));
        end_of(call, &facts).outcome
    };
    assert_eq!(outcome(false), Outcome::NotJoined, "the callee had not answered by then");
    assert_eq!(outcome(true), Outcome::Completed);
}
