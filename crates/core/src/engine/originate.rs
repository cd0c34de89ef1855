//! From a request for a call to its answer.
//!
//! The Originate carries the call's id as `ActionID` and `ChannelId`, and the id of the number's
//! lock channel, which is made of the number, as `OtherChannelId`. Asterisk refuses a second
//! channel of one id. So the call is made exactly if the second half of its Local channel comes to
//! be: that half is the lock channel.
//!
//! 1. The call waits for its slot of the schedule, then its Originate is sent.
//! 2. `Response: Success` says only that Asterisk will try. An error refuses the call.
//! 3. The `Newchannel` of the second Local half answers the request with "ok". A first half that
//!    ends without a second one was locked out: the number is in another call.
//! 4. Neither may come within 250 ms: events are filtered away, or Asterisk is overloaded. Then the
//!    daemon asks for the lock channel's Linkedid, which names the call that holds it, and asks
//!    again every 100 ms.
//! 5. Shortly after a call's end its lock channel can linger. If our own registry freed the number
//!    less than two seconds ago, the daemon sends a locked-out Originate again after 10 to 200 ms:
//!    the locked-out one certainly made no call.
//! 6. 100 ms before the bot's timeout the daemon answers in any case. If Asterisk has not decided,
//!    the answer is 504: the call may still be made.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::purpose::Purpose;
use super::request::{OriginateError, Replies};
use super::rooms::MUTED;
use super::waitlist::{Due, Step};
use super::{Effect, Engine, identity};
use crate::ami::action::{Action, ActionId, Originate};
use crate::ami::message::Response;
use crate::call::machine::Fact;
use crate::call::{CallId, CallInfo, Refusal, lock_id};
use crate::clock::Now;
use crate::record::Event;

/// How long after the response the daemon waits for the second Local half before it asks Asterisk
/// which call holds the number's lock channel. If Asterisk filters the events of that half away,
/// every bot gets its answer this much later.
const ACK_TIMEOUT: Duration = Duration::from_millis(250);

/// The pause before the daemon asks again, if no call or another one holds the lock channel.
const QUERY_INTERVAL: Duration = Duration::from_millis(100);

/// How much earlier than the HTTP side the engine stops waiting, so that its answer gets out in
/// time.
const REPLY_MARGIN: Duration = Duration::from_millis(100);

/// The pauses before further attempts at a number whose lock channel lingers.
const LOCK_RETRIES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// The variable that names the call which holds a lock channel. In a conference the oldest Linkedid
/// spreads to all channels, but a call that was locked out gets into none: a lock channel with the
/// Linkedid of a call belongs to that call.
const LINKEDID: &str = "CHANNEL(linkedid)";

/// The channel variable by which the dialplan lets Asterisk tell when a callee talks.
const TALK: &str = "OD_TALK";

impl<R: Replies> Engine<R> {
    /// Adds a call to the registry, and sends its Originate once its slot has come.
    pub(super) fn begin_originate(
        &mut self,
        now: Now,
        slot: Instant,
        info: Arc<CallInfo>,
        reply: R::Originate,
    ) {
        let deadline = now.instant + self.reply_timeout.saturating_sub(REPLY_MARGIN);
        let step = Step::Paced { slot, slip: self.gate.slip() };
        self.waitlist.add(info.id, reply, deadline, step);
        // `admit` has just seen that the number is free.
        let _ = self.registry.open(now, info.clone());
        if slot <= now.instant {
            self.waitlist.set_step(info.id, Step::Sent);
            self.send_originate(now, &info);
        }
    }

    fn send_originate(&mut self, now: Now, info: &CallInfo) {
        let action = Action::Originate(Box::new(self.originate_action(info)));
        let (id, purpose) = (ActionId::Call(info.id), Purpose::Originate(info.id));
        match self.link.send_with_id(now, id, &action, purpose) {
            Some(Ok(())) => {}
            Some(Err(unsendable)) => {
                self.refuse(now, info.id, Refusal::Rejected(unsendable.to_string().into()))
            }
            None => self.refuse(now, info.id, Refusal::LinkDown("the link was lost".into())),
        }
    }

    fn originate_action(&self, info: &CallInfo) -> Originate {
        let settings = &self.originate;
        let fixed =
            settings.variables.iter().map(|(name, value)| (name.clone().into(), value.clone()));
        let own = [
            ("LANG".into(), info.lang.to_string()),
            (identity::VARIABLE.into(), identity::format(&self.instance, info)),
        ];
        let muted = self.rooms.is_kept_muted(info.room.as_str());
        let of_room = [(MUTED, muted), (TALK, self.rooms.detects_talk())];
        let of_room = of_room.into_iter().filter(|(_, is_set)| *is_set);
        let of_room = of_room.map(|(name, _)| (name.into(), "1".to_owned()));
        Originate {
            channel: settings.channel.replace("{number}", &info.number.digits()),
            context: settings.context.clone(),
            exten: info.room.to_string(),
            priority: settings.priority,
            timeout: settings.ring_timeout,
            caller_id: info.caller_id.to_string(),
            variables: own.into_iter().chain(of_room).chain(fixed).collect(),
            channel_id: info.id.to_string(),
            other_channel_id: lock_id(info.number),
        }
    }

    /// Asterisk's response to an Originate. `Success` says only that Asterisk will try.
    pub(super) fn receive_originate_response(&mut self, now: Now, id: CallId, response: &Response) {
        if !response.success {
            return self.refuse(now, id, Refusal::Rejected(response.message.as_str().into()));
        }
        match self.waitlist.step(id) {
            Some(step) => {
                if let Step::Sent = step {
                    let ack_deadline = now.instant + ACK_TIMEOUT;
                    self.waitlist.set_step(id, Step::Acknowledged { ack_deadline });
                }
                self.answer_if_decided(now, id);
            }
            // The request was already answered with 504; now the call is known to be accepted.
            None => self.apply_fact(now, id, Fact::Accepted),
        }
    }

    /// Answers the request for this call, if the facts known by now decide it.
    pub(super) fn answer_if_decided(&mut self, now: Now, id: CallId) {
        let Some(retries) = self.waitlist.retries(id) else { return };
        let Some(call) = self.registry.get(id) else { return };
        if call.has_lock() || call.is_accepted() {
            self.answer(id, Ok(id));
        } else if call.is_locked_out() {
            let lingers = self.registry.was_freed_recently(now, call.info.number);
            match LOCK_RETRIES.get(retries) {
                // With OriginateResponse the attempt is over for good, and no event of it can be
                // mistaken for one of the next attempt.
                Some(pause) if lingers && call.has_response() => {
                    // The call has not ended: it waits for its next attempt.
                    self.registry.restart(id);
                    self.waitlist.set_step(id, Step::Retry { at: now.instant + *pause });
                }
                Some(_) if lingers => {}
                _ => self.refuse(now, id, Refusal::InProgress { by: None }),
            }
        }
    }

    /// Acts on the deadlines of the waiting requests.
    pub(super) fn tick_waitlist(&mut self, now: Now) {
        while let Some(Due { id, step, is_overdue }) = self.waitlist.pop_due(now.instant) {
            match step {
                // The bot would be gone before Asterisk could answer.
                Step::Paced { .. } if is_overdue => self.refuse(now, id, Refusal::Overloaded),
                Step::Paced { slot, slip } => match self.gate.claim_slot(now.instant, slot, slip) {
                    Ok(()) => self.send_paced(now, id),
                    Err(slot) => {
                        let slip = self.gate.slip();
                        self.waitlist.set_step(id, Step::Paced { slot, slip });
                    }
                },
                Step::Retry { .. } if is_overdue => {
                    self.refuse(now, id, Refusal::InProgress { by: None })
                }
                Step::Retry { .. } => self.retry(now, id),
                Step::Acknowledged { .. } if !is_overdue => self.query_lock_owner(now, id),
                Step::Sent | Step::Acknowledged { .. } | Step::QueryingLock => {
                    self.answer_overdue(now, id)
                }
            }
        }
    }

    /// Asks which call holds the lock channel. The response to the Originate does not show it, as
    /// Asterisk responds before it makes any channel.
    fn query_lock_owner(&mut self, now: Now, id: CallId) {
        let Some(number) = self.registry.get(id).map(|call| call.info.number) else {
            return self.answer_overdue(now, id);
        };
        self.waitlist.set_step(id, Step::QueryingLock);
        let action = Action::GetVar { channel: lock_id(number), variable: LINKEDID };
        self.link.send(now, &action, Purpose::LockOwner(id));
    }

    /// Asterisk's answer to the question which call holds the lock channel.
    pub(super) fn receive_lock_owner(&mut self, now: Now, id: CallId, response: &Response) {
        let Some(Step::QueryingLock) = self.waitlist.step(id) else { return };
        let owner = response.frame.text("Value").filter(|_| response.success);
        if owner.is_some_and(|owner| *owner == *id.to_string()) {
            self.apply_fact(now, id, Fact::Local2Seen);
            self.answer_if_decided(now, id);
            self.link.probe_call_events(now, &mut self.rng);
        } else {
            let ack_deadline = now.instant + QUERY_INTERVAL;
            self.waitlist.set_step(id, Step::Acknowledged { ack_deadline });
        }
    }

    /// Answers a request that has reached its deadline.
    fn answer_overdue(&mut self, now: Now, id: CallId) {
        match self.registry.get(id) {
            Some(call) if call.is_locked_out() => {
                self.refuse(now, id, Refusal::InProgress { by: None })
            }
            _ => self.answer(id, Err(OriginateError::Unconfirmed(id))),
        }
    }

    fn retry(&mut self, now: Now, id: CallId) {
        self.waitlist.count_retry(id);
        let (slot, slip) = (self.gate.reserve_retry(now.instant), self.gate.slip());
        self.waitlist.set_step(id, Step::Paced { slot, slip });
    }

    fn send_paced(&mut self, now: Now, id: CallId) {
        // Forgets the facts of the earlier attempt.
        self.registry.restart(id);
        self.waitlist.set_step(id, Step::Sent);
        if let Some(info) = self.registry.get(id).map(|call| call.info.clone()) {
            self.send_originate(now, &info);
        }
    }

    /// The link is gone: answers every request that waits.
    pub(super) fn answer_all_waiting(&mut self, now: Now) {
        for id in self.waitlist.ids() {
            match self.waitlist.step(id) {
                Some(Step::Paced { .. } | Step::Retry { .. }) => {
                    self.refuse(now, id, Refusal::LinkDown("the link was lost".into()))
                }
                _ => self.answer(id, Err(OriginateError::Unconfirmed(id))),
            }
        }
    }

    /// The call is certainly not made: frees its number and answers the request.
    fn refuse(&mut self, now: Now, id: CallId, refusal: Refusal) {
        if let Some(info) = self.registry.get(id).map(|call| call.info.clone()) {
            self.registry.remove(id);
            self.record(now, Event::CallRefused(refusal.clone()), Some(info));
        }
        self.answer(id, Err(OriginateError::Refused(refusal)));
    }

    fn answer(&mut self, id: CallId, answer: Result<CallId, OriginateError>) {
        if let Some(reply) = self.waitlist.remove(id) {
            self.effects.push(Effect::Originated(reply, answer));
        }
    }
}
