//! The channels of one call: both halves of its Local channel, and its legs towards the gateway.

use std::time::Instant;

/// Most legs that a call stores. If a dialplan dials more at a time, the call ignores the later
/// ones.
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
pub(super) enum LocalHalf {
    #[default]
    Unseen,
    Up,
    Gone,
}

impl LocalHalf {
    /// Marks the half as up, unless it is already gone.
    pub(super) fn mark_seen(&mut self) {
        if *self == LocalHalf::Unseen {
            *self = LocalHalf::Up;
        }
    }
}

#[derive(Debug)]
struct Leg {
    uniqueid: Box<str>,
    seen: Instant,
    is_up: bool,
}

/// The known channels of a call.
#[derive(Debug, Default)]
pub(super) struct Channels {
    pub(super) local1: LocalHalf,
    pub(super) local2: LocalHalf,
    /// Legs that are up, and legs that are gone, so that a late event does not add one again.
    legs: Vec<Leg>,
}

impl Channels {
    /// Adds a leg. If there are [`MAX_LEGS`], it replaces the oldest that is gone, or is ignored.
    pub(super) fn add_leg(&mut self, uniqueid: Box<str>, seen: Instant, is_up: bool) {
        if self.legs.iter().any(|leg| leg.uniqueid == uniqueid) {
            return;
        }
        if self.legs.len() == MAX_LEGS {
            let Some(oldest_gone) = self.legs.iter().position(|leg| !leg.is_up) else { return };
            self.legs.remove(oldest_gone);
        }
        // Nearly all calls have exactly one leg.
        self.legs.reserve_exact(1);
        self.legs.push(Leg { uniqueid, seen, is_up });
    }

    /// Marks a leg as gone, and adds an unknown leg as gone. Returns whether the leg was not known
    /// to be gone.
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
        (self.local1, self.local2) = (LocalHalf::Gone, LocalHalf::Gone);
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

    /// The Uniqueids of all legs.
    pub(super) fn legs(&self) -> impl Iterator<Item = &str> {
        self.legs.iter().map(|leg| &*leg.uniqueid)
    }

    /// The channels that are up. Legs count if they were seen before `before`.
    pub(super) fn up(&self, before: Instant) -> impl Iterator<Item = CallChannel> {
        let local1 = (self.local1 == LocalHalf::Up).then_some(CallChannel::Local1);
        let local2 = (self.local2 == LocalHalf::Up).then_some(CallChannel::Local2);
        let legs = self.legs.iter().filter(move |leg| leg.is_up && leg.seen < before);
        local1
            .into_iter()
            .chain(local2)
            .chain(legs.map(|leg| CallChannel::Leg(leg.uniqueid.clone())))
    }
}
