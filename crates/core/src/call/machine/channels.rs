//! The channels of one call: both halves of its Local channel, and its legs towards the gateway.

use std::time::Instant;

/// Most legs remembered for one call. A dialplan that rings more gateways than that at a time is
/// still called right, only by the legs that came first.
pub const MAX_LEGS: usize = 8;

/// One channel of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallChannel {
    /// The half that enters the conference (`;1`).
    Local1,
    /// The half that holds the number's lock (`;2`).
    Local2,
    /// A leg towards the gateway, by its Uniqueid.
    Leg(Box<str>),
}

/// A half of the Local channel.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) enum Half {
    #[default]
    Unseen,
    Up,
    Gone,
}

impl Half {
    pub(super) fn seen(&mut self) {
        if *self == Half::Unseen {
            *self = Half::Up;
        }
    }
}

#[derive(Debug)]
struct Leg {
    uniqueid: Box<str>,
    seen: Instant,
    is_up: bool,
}

/// The channels of a call, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub(super) local1: Half,
    pub(super) local2: Half,
    /// A leg that is gone stays here, so that late news of it does not bring it back.
    legs: Vec<Leg>,
}

impl Channels {
    /// Remembers a leg. One that is gone makes room for one that is up.
    pub(super) fn add_leg(&mut self, uniqueid: Box<str>, seen: Instant, is_up: bool) {
        if self.legs.iter().any(|leg| leg.uniqueid == uniqueid) {
            return;
        }
        if self.legs.len() == MAX_LEGS {
            let Some(oldest_gone) = self.legs.iter().position(|leg| !leg.is_up) else { return };
            self.legs.remove(oldest_gone);
        }
        // Nearly all calls have one and no more.
        self.legs.reserve_exact(1);
        self.legs.push(Leg { uniqueid, seen, is_up });
    }

    /// Notes that a leg is gone. An unknown one is remembered as gone. Returns whether that was
    /// news.
    pub(super) fn remove_leg(&mut self, uniqueid: Box<str>, now: Instant) -> bool {
        match self.legs.iter_mut().find(|leg| leg.uniqueid == uniqueid) {
            Some(leg) => std::mem::replace(&mut leg.is_up, false),
            None => {
                self.add_leg(uniqueid, now, false);
                true
            }
        }
    }

    pub(super) fn remove_all(&mut self) {
        (self.local1, self.local2) = (Half::Gone, Half::Gone);
        self.legs.iter_mut().for_each(|leg| leg.is_up = false);
    }

    pub(super) fn legs_up(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().filter(|leg| leg.is_up).map(|leg| &*leg.uniqueid)
    }

    pub(super) fn has_leg_up(&self) -> bool {
        self.legs_up().next().is_some()
    }

    pub(super) fn is_full(&self) -> bool {
        self.legs.len() == MAX_LEGS && self.legs.iter().all(|leg| leg.is_up)
    }

    /// All legs that are remembered, by their Uniqueid.
    pub(super) fn legs(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|leg| &*leg.uniqueid)
    }

    /// The channels that are up, of the legs those that were seen before `before`.
    pub(super) fn up(&self, before: Instant) -> impl Iterator<Item = CallChannel> {
        let local1 = (self.local1 == Half::Up).then_some(CallChannel::Local1);
        let local2 = (self.local2 == Half::Up).then_some(CallChannel::Local2);
        let legs = self.legs.iter().filter(move |leg| leg.is_up && leg.seen < before);
        local1
            .into_iter()
            .chain(local2)
            .chain(legs.map(|leg| CallChannel::Leg(leg.uniqueid.clone())))
    }
}
