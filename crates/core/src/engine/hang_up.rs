//! Hanging a call up on request.

use std::sync::Arc;

use super::request::HangUpError;
use super::{Effect, Engine, Purpose};
use crate::ami::action::Action;
use crate::ami::message::Response;
use crate::call::machine::{Call, CallChannel, Fact};
use crate::call::{CallId, lock_id};
use crate::clock::Now;

impl<O, H> Engine<O, H> {
    /// A hang-up that somebody with `key` asks for.
    pub fn hang_up(&mut self, now: Now, id: CallId, key: Arc<str>, reply: H) {
        let problem = match self.registry.get(id) {
            // Its outcome is still open, but nothing of it is left to hang up.
            Some(call) if call.is_over() => Some(HangUpError::AlreadyEnded),
            Some(_) => self.ready().err().map(HangUpError::LinkDown),
            None if self.registry.show(id, false).is_some() => Some(HangUpError::AlreadyEnded),
            None => Some(HangUpError::NoSuchCall),
        };
        if let Some(problem) = problem {
            return self.effects.push(Effect::HungUp(reply, Err(problem)));
        }
        self.fact(now, id, Fact::HangUpAsked(key));
        self.send_hang_ups(now, id, Some(reply));
    }

    /// A leg has outlived both halves. If the call was to be hung up, this leg is, too: the hang-up
    /// came while somebody redirected it, and reached the Local channel only.
    pub(super) fn hang_up_held(&mut self, now: Now, id: CallId) {
        if self.registry.get(id).is_some_and(Call::is_to_be_hung_up) {
            self.send_hang_ups(now, id, None);
        }
    }

    /// Hangs up what the call consists of by now. Somebody who waits for the answer is answered by
    /// the first channel that Asterisk still has; the others follow then. Were all of them sent at
    /// once, the first could be gone, and the second as well by the time that it is asked for
    /// again: "the call is over" would be said of one that we have just hung up.
    fn send_hang_ups(&mut self, now: Now, id: CallId, reply: Option<H>) {
        let mut channels = self.registry.get(id).map(to_hang_up).unwrap_or_default().into_iter();
        match (reply, channels.next()) {
            (Some(reply), Some(first)) => self.send_hang_up(now, id, first, Some(reply)),
            (Some(reply), None) => {
                self.effects.push(Effect::HungUp(reply, Err(HangUpError::AlreadyEnded)))
            }
            (None, first) => first.into_iter().chain(channels).for_each(|channel| {
                self.send_hang_up(now, id, channel, None);
            }),
        }
    }

    /// Hangs up what the call consists of besides this channel.
    fn send_other_hang_ups(&mut self, now: Now, id: CallId, hung_up: &CallChannel) {
        let channels = self.registry.get(id).map(to_hang_up).unwrap_or_default();
        for channel in channels.into_iter().filter(|channel| channel != hung_up) {
            self.send_hang_up(now, id, channel, None);
        }
    }

    fn send_hang_up(&mut self, now: Now, id: CallId, channel: CallChannel, reply: Option<H>) {
        let Some(number) = self.registry.get(id).map(|call| call.info.number) else { return };
        let uniqueid = match &channel {
            CallChannel::Local1 => id.to_string(),
            CallChannel::Local2 => lock_id(number),
            CallChannel::Leg(leg) => leg.to_string(),
        };
        if let Some(session) = self.link.session() {
            // A Uniqueid came out of an AMI header, so it fits into one.
            let _ = session.send(
                now.instant,
                &Action::Hangup { channel: uniqueid },
                Purpose::HangUp(id, channel, reply),
            );
        }
    }

    /// Asterisk's answer to a hang-up.
    pub(super) fn receive_hung_up(
        &mut self,
        now: Now,
        id: CallId,
        channel: CallChannel,
        reply: Option<H>,
        response: &Response,
    ) {
        // A call whose channel nobody has seen may have none yet, and is not over for that.
        let has_channel = self.registry.get(id).is_none_or(|call| call.has_channel());
        let is_gone =
            !response.success && has_channel && response.message.starts_with("No such channel");
        if is_gone && self.registry.get(id).is_some_and(|call| call.has_leg_up()) {
            // Its Hangup is on its way, or was lost.
            self.fact(now, id, Fact::Absent(channel));
            let is_live = self.registry.get(id).is_some_and(|call| !call.is_over());
            match reply {
                Some(reply) if is_live => return self.send_hang_ups(now, id, Some(reply)),
                Some(reply) => {
                    return self
                        .effects
                        .push(Effect::HungUp(reply, Err(HangUpError::AlreadyEnded)));
                }
                None => return,
            }
        }
        let answer = match response.success {
            true => Ok(()),
            // The call ended between the request and now.
            false if is_gone => Err(HangUpError::AlreadyEnded),
            false => {
                // If the call ends now, this hang-up did not end it.
                self.fact(now, id, Fact::HangUpRefused);
                Err(HangUpError::Rejected(response.message.as_str().into()))
            }
        };
        let Some(reply) = reply else { return };
        if answer.is_ok() {
            self.send_other_hang_ups(now, id, &channel);
        }
        self.effects.push(Effect::HungUp(reply, answer));
    }
}

/// The channels to hang up so that nothing is left of the call. While the Local channel is whole,
/// all else goes with its `;1`. Without a half of it the legs do not: they were redirected.
fn to_hang_up(call: &Call) -> Vec<CallChannel> {
    let legs = call.legs_up().map(|leg| CallChannel::Leg(leg.into()));
    match (call.has_local1(), call.has_local2()) {
        (true, true) => vec![CallChannel::Local1],
        (true, false) => std::iter::once(CallChannel::Local1).chain(legs).collect(),
        (false, _) => legs.collect(),
    }
}
