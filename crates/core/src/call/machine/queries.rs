//! Questions about a call, answered from its facts.

use std::time::Instant;

use super::channels::{CallChannel, LocalHalf};
use super::{Call, State};

impl Call {
    /// Whether the callee answered.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered.is_some() || self.adopted_in >= State::Answered
    }

    /// Whether Asterisk accepted the call. If so, the journal must get a `call.ended` for it.
    pub(crate) fn is_accepted(&self) -> bool {
        self.queued.is_some() || self.adopted_in >= State::Queued
    }

    /// Whether the daemon ever saw `;2`. If so, this call had the number's lock.
    pub(crate) fn has_lock(&self) -> bool {
        self.channels.local2 != LocalHalf::Unseen
    }

    /// Whether the daemon ever saw a half of the Local channel.
    pub(crate) fn has_channel(&self) -> bool {
        self.channels.local1 != LocalHalf::Unseen || self.has_lock()
    }

    /// Whether Asterisk has no channel of the call any more. The outcome may still be unknown.
    pub fn is_over(&self) -> bool {
        self.ended_at().is_some() && !self.channels.has_leg_up()
    }

    /// The Uniqueids of the legs that are up.
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

    /// Whether another call has the number's lock: `;1` came and went, and `;2` never existed, as
    /// Asterisk refused its id. No phone rang.
    pub(crate) fn is_locked_out(&self) -> bool {
        self.channels.local1 == LocalHalf::Gone && !self.has_lock() && !self.is_answered()
    }

    /// Whether the daemon received OriginateResponse. After a failed Originate no event follows it.
    pub(crate) fn has_response(&self) -> bool {
        self.response.is_some()
    }

    /// Whether a channel that appears now for this call is a leg towards its callee. That leg
    /// exists before the answer. While it is up after the answer, a further channel leads to
    /// another person, to whom someone transferred a participant.
    pub(crate) fn accepts_leg(&self) -> bool {
        !(self.is_answered() && self.channels.has_leg_up())
    }

    /// Whether the call can store one more leg.
    pub(crate) fn has_room_for_leg(&self) -> bool {
        !self.channels.is_full()
    }

    /// The Uniqueids of all legs, including legs that are gone.
    pub fn legs(&self) -> impl Iterator<Item = &str> {
        self.channels.legs()
    }
}
