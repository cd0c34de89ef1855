//! A number has one call, whatever the order of events, and ended calls leave nothing behind.

use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::ami::action::ActionId;
use crate::ami::message::{Channel, ChannelState, Event};
use crate::call::filter::Filter;
use crate::call::lock_id;
use crate::call::outcome::Cause;
use crate::call::progress::Progress;

fn now(millis: u64) -> Now {
    static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let start = *START.get_or_init(Instant::now);
    Now {
        instant: start + Duration::from_millis(millis),
        wall: UNIX_EPOCH + Duration::from_millis(millis),
    }
}

fn info(id: u128, number: &str) -> Arc<CallInfo> {
    Arc::new(CallInfo {
        id: CallId::new(UNIX_EPOCH, id),
        number: number.parse().unwrap(),
        room: "R1".parse().unwrap(),
        caller_id: "Bob".parse().unwrap(),
        lang: "ru".parse().unwrap(),
        key: "bot".into(),
    })
}

fn channel(uniqueid: impl ToString, linkedid: impl ToString) -> Channel<'static> {
    Channel { uniqueid: uniqueid.to_string().into(), linkedid: linkedid.to_string().into() }
}

fn cause(code: u8) -> Cause {
    Cause { code, text: "".into() }
}

/// All events of a call to a busy callee, in the order in which a real Asterisk sent them.
fn busy_call(info: &CallInfo) -> Vec<Event<'static>> {
    let (one, two) = (info.id.to_string(), lock_id(info.number));
    let leg = format!("leg-{}", info.id);
    vec![
        Event::Newchannel(channel(&one, &one)),
        Event::Newchannel(channel(&two, &one)),
        Event::Newchannel(channel(&leg, &one)),
        Event::Newstate(channel(&leg, &one), ChannelState::Ringing),
        Event::GatewayReply { linkedid: one.clone().into(), tech: "SIP 486 Busy Here".into() },
        Event::Hangup(channel(&leg, &one), cause(17)),
        Event::Hangup(channel(&two, &one), cause(17)),
        Event::Hangup(channel(&one, &one), cause(17)),
        Event::OriginateResponse { id: Some(ActionId::Call(info.id)), result: Err(0) },
    ]
}

#[test]
fn number_is_taken_from_request_to_last_channel() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let (first, second) = (info(1, "79991234567"), info(2, "+7 999 123-45-67"));
    assert_eq!(registry.open(now(0), first.clone()), Ok(()));
    // OriginateResponse may come after the channels, and with them the lock, are gone.
    for (time, event) in (1..).zip(busy_call(&first).into_iter().take(8)) {
        let is_taken = registry.open(now(time), second.clone());
        assert_eq!(is_taken, Err(first.id), "before {event:?}");
        registry.handle_event(now(time), &event, &mut changes);
    }
    assert_eq!(registry.open(now(20), second), Ok(()));
    assert_eq!(registry.len(), 2, "the outcome is still open");
    registry.tick(now(1000), &mut changes);
    assert_eq!((registry.len(), registry.ended(&Filter::default(), 9).len()), (1, 1));
}

#[test]
fn lock_of_earlier_call_does_not_confirm_new_one() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let (old, new) = (info(1, "7999"), info(2, "7999"));
    registry.open(now(0), new.clone()).unwrap();
    let lock = lock_id(new.number);
    assert_eq!(
        registry.handle_event(
            now(1),
            &Event::Hangup(channel(&lock, old.id), cause(17)),
            &mut changes
        ),
        None
    );
    let seen = Event::Newchannel(channel(&lock, new.id));
    assert_eq!(registry.handle_event(now(1), &seen, &mut changes), Some(new.id));
}

#[test]
fn channel_with_spread_linkedid_is_no_leg() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let ours = info(1, "7999");
    registry.open(now(0), ours.clone()).unwrap();
    // Before the answer, a channel with this Linkedid is a leg of the call, even if its Newchannel
    // was missed.
    let hangup = |uniqueid: &'static str| Event::Hangup(channel(uniqueid, ours.id), cause(17));
    assert_eq!(registry.handle_event(now(1), &hangup("1795.6"), &mut changes), Some(ours.id));
    registry.apply_fact(now(1), ours.id, Fact::Answered, &mut changes);
    changes.clear();
    assert_eq!(registry.handle_event(now(1), &hangup("1795.7"), &mut changes), None);
    let foreign = Event::Newchannel(channel("1795.8", "1795.8"));
    assert_eq!(registry.handle_event(now(1), &foreign, &mut changes), None);
    assert!(changes.is_empty());
}

#[test]
fn remembered_legs_are_bounded() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let call = info(1, "7999");
    registry.open(now(0), call.clone()).unwrap();
    for leg in 0..1000 {
        registry.handle_event(
            now(1),
            &Event::Newchannel(channel(format!("leg-{leg}"), call.id)),
            &mut changes,
        );
    }
    assert!(registry.by_leg.len() <= 8);
    registry.remove(call.id);
    assert!(registry.holds_nothing());
}

#[test]
fn restarted_call_keeps_nothing_of_last_attempt() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let (call, other) = (info(1, "7999"), info(2, "7001"));
    registry.open(now(0), call.clone()).unwrap();
    let leg = channel("leg", call.id);
    registry.handle_event(now(1), &Event::Newchannel(leg.clone()), &mut changes);
    registry.restart(call.id);
    registry.remove(call.id);
    assert!(registry.holds_nothing());
    // The slab slot of the removed call is free here, and belongs to another call below.
    assert_eq!(
        registry.handle_event(now(2), &Event::Hangup(leg.clone(), cause(17)), &mut changes),
        None
    );
    registry.open(now(3), other).unwrap();
    assert_eq!(
        registry.handle_event(now(4), &Event::Newstate(leg, ChannelState::Up), &mut changes),
        None
    );
}

#[test]
fn newest_calls_are_listed_first() {
    let mut registry = Registry::default();
    for id in [3, 1, 5, 2, 4] {
        registry.open(now(0), info(id, &format!("799{id}"))).unwrap();
    }
    for limit in 0..7 {
        let ids: Vec<_> = registry
            .live(&Filter::default(), limit, false)
            .iter()
            .map(|view| view.info.id)
            .collect();
        let expected: Vec<_> =
            (1..=5).rev().take(limit).map(|id| CallId::new(UNIX_EPOCH, id)).collect();
        assert_eq!(ids, expected, "{limit}");
    }
}

proptest! {
    /// Makes calls to few numbers, and applies their events in any order and without some that are
    /// lost. A number stays taken until every channel of its call is gone, each call ends once, and
    /// no call is left.
    #[test]
    fn random_events_leave_one_call_per_number(
        numbers in prop::collection::vec(0u8..4, 1..12),
        order in any::<u64>(),
        lost in 0u8..4,
    ) {
        let (mut registry, mut changes) = (Registry::default(), Vec::new());
        let mut rng = fastrand::Rng::with_seed(order);
        let (mut accepted, mut events, mut time) = (Vec::new(), Vec::new(), 0);
        for (id, number) in (1..).zip(numbers) {
            let info = info(id, &format!("7999000{number}"));
            let is_freed = |changes: &[CallChange], id| changes.iter().any(|of| of.info.id == id && of.change == Change::Freed);
            let holds = |(other, number): &&(CallId, Number)| *number == info.number && !is_freed(&changes, *other);
            let holder = accepted.iter().find(holds).map(|(id, _)| *id);
            prop_assert_eq!(registry.open(now(time), info.clone()), holder.map_or(Ok(()), Err));
            if holder.is_none() {
                accepted.push((info.id, info.number));
                events.extend(busy_call(&info).into_iter().filter(|_| rng.u8(0..10) >= lost));
            }
            for _ in 0..rng.usize(0..10).min(events.len()) {
                time += rng.u64(0..50);
                let event = events.swap_remove(rng.usize(0..events.len()));
                registry.handle_event(now(time), &event, &mut changes);
                registry.tick(now(time), &mut changes);
            }
        }
        for event in events {
            registry.handle_event(now(time), &event, &mut changes);
        }
        if lost == 0 {
            // Asterisk has sent every Hangup, so all numbers are free.
            prop_assert!(registry.by_number.is_empty(), "{:?}", registry.by_number);
        }
        registry.tick(now(time + 10_000), &mut changes);
        // The list of channels ends the calls whose end Asterisk did not send.
        let left: Vec<CallId> = registry.calls().map(|call| call.info.id).collect();
        for id in left {
            registry.apply_fact(now(time + 20_000), id, Fact::Vanished(now(time).wall), &mut changes);
        }
        assert!(registry.holds_nothing());
        for (id, _) in accepted {
            let ends = changes.iter().filter(|of| of.info.id == id && matches!(of.change, Change::Ended(_)));
            prop_assert_eq!(ends.count(), 1);
        }
    }
}

#[test]
fn older_call_gets_number_back_from_newer() {
    let (mut registry, mut changes) = (Registry::default(), Vec::new());
    let (older, newer) = (info(1, "7999"), info(2, "7999"));
    for call in [&older, &newer] {
        let progress = Progress::of(State::Joined);
        registry.adopt(now(0), OpenCall { info: call.clone(), progress });
    }
    for (call, holder) in [(&newer, Some(older.id)), (&older, None)] {
        registry.apply_fact(now(1), call.id, Fact::Vanished(now(1).wall), &mut changes);
        assert_eq!(registry.holder(call.number), holder);
    }
    assert!(registry.holds_nothing());
}
