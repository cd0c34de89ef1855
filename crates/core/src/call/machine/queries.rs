//! Questions about a call, answered from its facts.

use std::time::Instant;

use super::channels::{CallChannel, LocalHalf};
use super::{Call, State};

impl Call {
    /// Whether the callee answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered.is_some() || self.adopted_in >= State::Answered
    }

    /// Whether Asterisk accepted the call. If so, the journal must get a `call.ended`.
    pub(crate) fn is_accepted(&self) -> bool {
        self.queued.is_some() || self.adopted_in >= State::Queued
    }

    /// Whether `;2` was ever seen. If so, this call had the number's lock.
    pub(crate) fn has_lock(&self) -> bool {
        self.channels.local2 != LocalHalf::Unseen
    }

    /// Whether either half of the Local channel was seen.
    pub(crate) fn has_channel(&self) -> bool {
        self.channels.local1 != LocalHalf::Unseen || self.has_lock()
    }

    /// Whether Asterisk has no channel of the call any more. The outcome may still be unknown.
    pub fn is_over(&self) -> bool {
        self.ended_at().is_some() && !self.channels.has_leg_up()
    }

    /// The legs that are up, by their Uniqueid.
    pub(crate) fn legs_up(&self) -> impl Iterator<Item = &str> {
        self.channels.legs_up()
    }

    /// Whether a leg is up.
    pub(crate) fn has_leg_up(&self) -> bool {
        self.channels.has_leg_up()
    }

    /// Whether `;1` is not known to be gone.
    pub(crate) fn has_local1(&self) -> bool {
        self.channels.local1 != LocalHalf::Gone
    }

    /// Whether `;2` is not known to be gone.
    pub(crate) fn has_local2(&self) -> bool {
        self.channels.local2 != LocalHalf::Gone
    }

    /// Whether a key asked to hang the call up.
    pub(crate) fn is_to_be_hung_up(&self) -> bool {
        self.ending.as_ref().is_some_and(|ending| ending.hung_up_by.is_some())
    }

    /// The channels that are up. Legs count if they were seen before `before`.
    pub(crate) fn channels_up(&self, before: Instant) -> impl Iterator<Item = CallChannel> {
        self.channels.up(before)
    }

    /// Whether the number's lock was taken: `;1` came and went, and `;2` never existed, as another
    /// call has its id. No call was made.
    pub(crate) fn is_locked_out(&self) -> bool {
        self.channels.local1 == LocalHalf::Gone && !self.has_lock() && !self.is_answered()
    }

    /// Whether OriginateResponse was received. A failed Originate sends no event after it.
    pub(crate) fn has_response(&self) -> bool {
        self.response.is_some()
    }

    /// Whether a channel that appears now for this call is a leg towards its callee. The callee's leg
    /// exists before the answer. Once it is up, a further channel belongs to another person, to whom
    /// a participant was transferred.
    pub(crate) fn takes_leg(&self) -> bool {
        !(self.is_answered() && self.channels.has_leg_up())
    }

    /// Whether one more leg can be kept.
    pub(crate) fn has_room_for_leg(&self) -> bool {
        !self.channels.is_full()
    }

    /// The Uniqueids of all legs towards the gateway, also of those that are gone.
    pub fn legs(&self) -> impl Iterator<Item = &str> {
        self.channels.legs()
    }
}
