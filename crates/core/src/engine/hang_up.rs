//! Hanging a call up on request.
//!
//! While the Local channel is whole, the call ends with its first half. Somebody may have
//! redirected the callee's leg, though: then both halves end and the leg stays up, so the daemon
//! has to hang up the leg as well (`channels_to_hang_up`).
//!
//! The daemon hangs up the first channel that Asterisk still has, answers the request, and only
//! then hangs up the others. If it sent all hang-ups at once, the first channel could be gone
//! already, and the second could be gone by the time of its turn: the answer would be "the call is
//! over", about a call that this very request has ended.

use std::sync::Arc;

use super::link::NotSent;
use super::purpose::Purpose;
use super::request::{HangUpError, Replies};
use super::{Effect, Engine};
use crate::ami::action::Action;
use crate::ami::message::Response;
use crate::call::machine::{Call, CallChannel, Fact};
use crate::call::{CallId, lock_id};
use crate::clock::Now;

impl<R: Replies> Engine<R> {
    /// Hangs up a call on behalf of `key`.
    pub fn hang_up(&mut self, now: Now, id: CallId, key: Arc<str>, reply: R::HangUp) {
        let problem = match self.registry.get(id) {
            // Its outcome is still open, but it has no channel left to hang up.
            Some(call) if call.is_over() => Some(HangUpError::AlreadyEnded),
            Some(_) => self.readiness().err().map(HangUpError::LinkDown),
            None if self.registry.show(id, false).is_some() => Some(HangUpError::AlreadyEnded),
            None => Some(HangUpError::NoSuchCall),
        };
        if let Some(problem) = problem {
            return self.effects.push(Effect::HungUp(reply, Err(problem)));
        }
        self.apply_fact(now, id, Fact::HangUpAsked(key));
        self.hang_up_first(now, id, reply);
    }

    /// Hangs up the leg of a call that has lost both halves, if a hang-up of the call was
    /// requested. That hang-up reached only the Local channel, as somebody redirected the leg at
    /// the same time.
    pub(super) fn hang_up_remaining_leg(&mut self, now: Now, id: CallId) {
        if self.registry.get(id).is_some_and(Call::is_to_be_hung_up) {
            for channel in self.channels_to_hang_up(id) {
                self.send_hang_up(now, id, channel, None);
            }
        }
    }

    /// Hangs up the call's first channel, whose response answers the request.
    fn hang_up_first(&mut self, now: Now, id: CallId, reply: R::HangUp) {
        match self.channels_to_hang_up(id).into_iter().next() {
            Some(first) => self.send_hang_up(now, id, first, Some(reply)),
            None => self.effects.push(Effect::HungUp(reply, Err(HangUpError::AlreadyEnded))),
        }
    }

    /// Hangs up the call's channels besides this one.
    fn hang_up_others(&mut self, now: Now, id: CallId, hung_up: &CallChannel) {
        for channel in self.channels_to_hang_up(id) {
            if channel != *hung_up {
                self.send_hang_up(now, id, channel, None);
            }
        }
    }

    fn channels_to_hang_up(&self, id: CallId) -> Vec<CallChannel> {
        self.registry.get(id).map(channels_to_hang_up).unwrap_or_default()
    }

    fn send_hang_up(
        &mut self,
        now: Now,
        id: CallId,
        channel: CallChannel,
        reply: Option<R::HangUp>,
    ) {
        let Some(number) = self.registry.get(id).map(|call| call.info.number) else { return };
        let uniqueid = match &channel {
            CallChannel::Local1 => id.to_string(),
            CallChannel::Local2 => lock_id(number),
            CallChannel::Leg(leg) => leg.to_string(),
        };
        let action = Action::Hangup { channel: uniqueid };
        let purpose = Purpose::HangUp { id, channel, reply };
        let not_sent = self.link.send_or_return(now, &action, purpose).err();
        if let Some((reason, Purpose::HangUp { reply: Some(reply), .. })) = not_sent {
            let error = match reason {
                NotSent::LinkDown => HangUpError::LinkDown("the link was lost".into()),
                NotSent::Unsendable(error) => HangUpError::Rejected(error.to_string().into()),
            };
            self.effects.push(Effect::HungUp(reply, Err(error)));
        }
    }

    /// Asterisk's response to a hang-up.
    pub(super) fn receive_hang_up_response(
        &mut self,
        now: Now,
        id: CallId,
        channel: CallChannel,
        reply: Option<R::HangUp>,
        response: &Response,
    ) {
        // A call of which no channel was seen may have none yet, so it is not over.
        let has_channel = self.registry.get(id).is_none_or(|call| call.has_channel());
        let is_gone =
            !response.success && has_channel && response.message.starts_with("No such channel");
        if is_gone && self.registry.get(id).is_some_and(|call| call.has_leg_up()) {
            // The channel is gone, and its Hangup event is under way or was lost.
            self.apply_fact(now, id, Fact::Absent(channel));
            let Some(reply) = reply else { return };
            if self.registry.get(id).is_some_and(|call| !call.is_over()) {
                return self.hang_up_first(now, id, reply);
            }
            return self.effects.push(Effect::HungUp(reply, Err(HangUpError::AlreadyEnded)));
        }
        let answer = match response.success {
            true => Ok(()),
            // The call ended between the request and now.
            false if is_gone => Err(HangUpError::AlreadyEnded),
            false => {
                // If the call ends now, this hang-up did not end it.
                self.apply_fact(now, id, Fact::HangUpRefused);
                Err(HangUpError::Rejected(response.message.as_str().into()))
            }
        };
        let Some(reply) = reply else { return };
        if answer.is_ok() {
            self.hang_up_others(now, id, &channel);
        }
        self.effects.push(Effect::HungUp(reply, answer));
    }
}

/// The channels to hang up so that all channels of the call end. While the Local channel is whole,
/// the other channels end with its first half. If a half is missing, the legs were redirected, and
/// do not end with the other half.
fn channels_to_hang_up(call: &Call) -> Vec<CallChannel> {
    let legs = call.legs_up().map(|leg| CallChannel::Leg(leg.into()));
    match (call.has_local1(), call.has_local2()) {
        (true, true) => vec![CallChannel::Local1],
        (true, false) => std::iter::once(CallChannel::Local1).chain(legs).collect(),
        (false, _) => legs.collect(),
    }
}
