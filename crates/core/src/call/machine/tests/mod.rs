//! Tests of one call: each file applies facts and checks the changes and the outcome.

mod ending;
mod legs;
mod order;
mod room;
mod states;

use std::time::UNIX_EPOCH;

use super::*;
use crate::call::CallId;
use crate::call::outcome::{Cause, End, Outcome};

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

/// Applies the facts one millisecond apart, then ticks at the deadline, when `GRACE` has passed.
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

/// The facts of an unanswered call whose gateway leg ends with cause `leg` and the gateway's `reply`,
/// in the order of the recordings from a real Asterisk.
fn unanswered(leg: u8, reply: Option<&str>, ringing: bool) -> Vec<Fact> {
    let mut facts =
        vec![Fact::Accepted, Fact::Local1Seen, Fact::Local2Seen, Fact::LegSeen("leg".into())];
    facts.extend(ringing.then_some(Fact::Ringing));
    facts.extend(reply.map(|text| Fact::GatewayReply(text.into())));
    facts.extend([
        Fact::LegGone("leg".into(), cause(leg)),
        Fact::Local2Gone(cause(34)),
        Fact::Local1Gone(cause(0)),
        Fact::Response(Err(8)),
    ]);
    facts
}

/// The facts of a call that the callee answers, joins and leaves.
fn answered() -> Vec<Fact> {
    vec![
        Fact::Accepted,
        Fact::Local1Seen,
        Fact::Local2Seen,
        Fact::LegSeen("leg".into()),
        Fact::Ringing,
        Fact::Answered,
        Fact::Response(Ok(())),
        Fact::Joined { conference: "R1".into(), after: None },
        Fact::Left("R1".into()),
        Fact::LegGone("leg".into(), cause(16)),
        Fact::Local2Gone(cause(16)),
        Fact::Local1Gone(cause(16)),
    ]
}

/// Applies each fact at its millisecond, and returns the end of the call.
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
