//! The facts of one call in any order, with some of them lost or doubled.

use proptest::prelude::*;

use super::*;

/// Causes of the gateway's leg and replies of the gateway, each with the outcome of its call.
pub(super) const CAUSES: [(u8, Option<&str>, Outcome); 11] = [
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

fn facts_of_a_call() -> impl Strategy<Value = Vec<Fact>> {
    let failed = (prop::sample::select(CAUSES.to_vec()), any::<bool>())
        .prop_map(|((code, reply, _), ringing)| unanswered(code, reply, ringing));
    prop_oneof![failed, Just(answered())]
}

proptest! {
    #[test]
    fn any_order_of_facts_has_same_outcome(facts in facts_of_a_call(), seed in any::<u64>()) {
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
    fn lost_or_doubled_facts_end_call_once(
        facts in facts_of_a_call(),
        lost in prop::collection::vec(any::<bool>(), 16),
        doubled in prop::collection::vec(any::<bool>(), 16),
    ) {
        let mut played = Vec::new();
        for ((fact, lost), doubled) in facts.into_iter().zip(lost).zip(doubled) {
            // The Hangup of ;1 ends the call. If it is lost, reconciling ends the call, not the machine.
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
            // The leg's Hangup was lost. Asterisk's channel list then lacks the leg.
            call.apply(now(5000), Fact::Absent(CallChannel::Leg(leg)), |change| changes.push(change));
            call.tick(now(6000), |change| changes.push(change));
        }
        prop_assert_eq!(outcomes(&changes).len(), 1);
        prop_assert_eq!(changes.iter().filter(|change| **change == Change::Freed).count(), 1);
        prop_assert_eq!(call.state(), State::Ended);
    }
}
