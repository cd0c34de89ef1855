//! From a bot's request to its answer: sent, acknowledged, and seen to be under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::request::OriginateError;
use super::{Effect, Engine, Purpose};
use crate::ami::action::{Action, ActionId, Originate};
use crate::ami::message::Response;
use crate::call::machine::Fact;
use crate::call::{CallId, CallInfo, Refusal, lock_id};
use crate::clock::Now;
use crate::record::Event;

/// How long after the receipt a sign of `;2` is waited for before Asterisk is asked who holds the
/// number's lock. Where the events that give it are filtered away, every call is answered this much
/// later.
const SIGN_TIMEOUT: Duration = Duration::from_millis(250);

/// The pause before it is asked again, if nobody does or somebody else.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// How much earlier than the HTTP side the engine gives up waiting, so that its answer gets out in
/// time.
const REPLY_MARGIN: Duration = Duration::from_millis(100);

/// The pauses before further attempts at a number whose lock lingers.
const LOCK_RETRIES: [Duration; 5] = [
    Duration::from_millis(10),
    Duration::from_millis(20),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// The channel variable that carries, through any restart of ours, whose a call is.
pub(super) const IDENTITY: &str = "ORIGINATORD";

/// What tells whose a lock is. In a conference the oldest Linkedid spreads to all, but whoever is
/// locked out gets into none: a lock that has the Linkedid of a call is that call's.
const LINKEDID: &str = "CHANNEL(linkedid)";

/// Who waits for an Originate's fate.
pub(super) struct Waiting<O> {
    reply: O,
    give_up: Instant,
    step: Step,
    retries: usize,
}

enum Step {
    /// To be sent when it is its turn; that was given out when the schedule was `late` by so much.
    Paced { turn: Instant, late: Duration },
    /// Sent; no receipt yet.
    Sent,
    /// `Response: Success`; a sign of `;2` is waited for.
    Received { sign_by: Instant },
    /// No sign came, and Asterisk was asked who holds the lock.
    Asked,
    /// The lock of the number's last call lingers.
    Retry { at: Instant },
}

impl<O> Waiting<O> {
    fn deadline(&self) -> Instant {
        match self.step {
            Step::Sent | Step::Asked => self.give_up,
            Step::Paced { turn: at, .. } | Step::Received { sign_by: at } | Step::Retry { at } => {
                at.min(self.give_up)
            }
        }
    }
}

impl<O, H> Engine<O, H> {
    /// Takes a call in and sends its Originate, or will when it is its turn.
    pub(super) fn begin_originate(
        &mut self,
        now: Now,
        turn: Instant,
        info: Arc<CallInfo>,
        reply: O,
    ) {
        let give_up = now.instant + self.settings.reply_timeout.saturating_sub(REPLY_MARGIN);
        let waiting = Waiting {
            reply,
            give_up,
            step: Step::Paced { turn, late: self.gate.late() },
            retries: 0,
        };
        self.waiting_deadlines.insert((waiting.deadline(), info.id));
        self.waiting.insert(info.id, waiting);
        // That the number is free was seen just now.
        let _ = self.registry.open(now, info.clone());
        if turn <= now.instant {
            self.set_step(info.id, Step::Sent);
            self.send_originate(now, &info);
        }
    }

    fn send_originate(&mut self, now: Now, info: &CallInfo) {
        let action = Action::Originate(Box::new(self.originate_action(info)));
        let Some(session) = self.link.session() else {
            return self.refuse(now, info.id, Refusal::LinkDown("the link was lost".into()));
        };
        let (id, purpose) = (ActionId::Call(info.id), Purpose::Originate(info.id));
        if let Err(unsendable) = session.send_with_id(now.instant, id, &action, purpose) {
            self.refuse(now, info.id, Refusal::Rejected(unsendable.to_string().into()));
        }
    }

    fn originate_action(&self, info: &CallInfo) -> Originate {
        let settings = &self.settings.originate;
        let CallInfo { id, number, room, caller_id, lang, key } = info;
        let instance = &self.settings.instance;
        let fixed =
            settings.variables.iter().map(|(name, value)| (name.clone().into(), value.clone()));
        let own = [
            ("LANG".into(), lang.to_string()),
            (IDENTITY.into(), format!("{instance}/{key}/{lang}/{room}/{caller_id}")),
        ];
        Originate {
            channel: settings.channel.replace("{number}", &number.digits()),
            context: settings.context.clone(),
            exten: room.to_string(),
            priority: settings.priority,
            timeout: settings.ring_timeout,
            caller_id: caller_id.to_string(),
            variables: own.into_iter().chain(fixed).collect(),
            channel_id: id.to_string(),
            other_channel_id: lock_id(*number),
        }
    }

    /// Asterisk's `Response` to an Originate. It is only the receipt: `Success` says that a try
    /// will be made.
    pub(super) fn receive_receipt(&mut self, now: Now, id: CallId, response: &Response) {
        if !response.success {
            return self.refuse(now, id, Refusal::Rejected(response.message.as_str().into()));
        }
        match self.waiting.get_mut(&id) {
            Some(waiting) => {
                if matches!(waiting.step, Step::Sent) {
                    self.set_step(id, Step::Received { sign_by: now.instant + SIGN_TIMEOUT });
                }
                self.look_at(now, id);
            }
            // Whoever asked was told that nothing is known; now it is.
            None => self.fact(now, id, Fact::Accepted),
        }
    }

    /// Answers who waits for this call, if what is known of it now is an answer.
    pub(super) fn look_at(&mut self, now: Now, id: CallId) {
        let Some(waiting) = self.waiting.get(&id) else { return };
        let Some(call) = self.registry.get(id) else { return };
        if call.has_lock() || call.is_accepted() {
            self.answer(id, Ok(id));
        } else if call.is_locked_out() {
            let lingers = self.registry.freed_lately(now, call.info.number);
            match LOCK_RETRIES.get(waiting.retries) {
                // With OriginateResponse the attempt is over for good, and no event of it can be
                // taken for one of the next attempt's.
                Some(pause) if lingers && call.has_response() => {
                    // It has not ended while it waits.
                    self.registry.restart(id);
                    self.set_step(id, Step::Retry { at: now.instant + *pause });
                }
                Some(_) if lingers => {}
                _ => self.refuse(now, id, Refusal::InProgress { by: None }),
            }
        }
    }

    pub(super) fn tick_waiting(&mut self, now: Now) {
        while let Some(&(deadline, id)) = self.waiting_deadlines.first() {
            if deadline > now.instant {
                break;
            }
            let Some(waiting) = self.waiting.get_mut(&id) else {
                self.waiting_deadlines.pop_first();
                continue;
            };
            let is_late = now.instant >= waiting.give_up;
            match waiting.step {
                // Whoever asked would be gone before Asterisk could answer.
                Step::Paced { .. } if is_late => self.refuse(now, id, Refusal::Overloaded),
                Step::Paced { turn, late } => match self.gate.take(now.instant, turn, late) {
                    Ok(()) => self.send_paced(now, id),
                    Err(turn) => self.set_step(id, Step::Paced { turn, late: self.gate.late() }),
                },
                Step::Retry { .. } if is_late => {
                    self.refuse(now, id, Refusal::InProgress { by: None })
                }
                Step::Retry { .. } => self.retry(now, id),
                Step::Received { .. } if !is_late => self.ask_holder(now, id),
                Step::Sent | Step::Received { .. } | Step::Asked => self.give_up(now, id),
            }
        }
    }

    /// Neither a sign nor a refusal has come: either the events are filtered away, or Asterisk has
    /// yet to begin. The receipt alone says nothing, as it comes before the lock is asked for.
    fn ask_holder(&mut self, now: Now, id: CallId) {
        let Some(number) = self.registry.get(id).map(|call| call.info.number) else {
            return self.give_up(now, id);
        };
        self.set_step(id, Step::Asked);
        if let Some(session) = self.link.session() {
            let action = Action::GetVar { channel: lock_id(number), variable: LINKEDID };
            // A lock's id holds nothing that could be unsendable.
            let _ = session.send(now.instant, &action, Purpose::Holder(id));
        }
    }

    /// Asterisk's word on whose the number's lock is.
    pub(super) fn receive_holder(&mut self, now: Now, id: CallId, response: &Response) {
        if !self.waiting.get(&id).is_some_and(|waiting| matches!(waiting.step, Step::Asked)) {
            return;
        }
        let holder = response.frame.text("Value").filter(|_| response.success);
        if holder.is_some_and(|holder| *holder == *id.to_string()) {
            self.fact(now, id, Fact::Local2Seen);
            self.look_at(now, id);
            self.miss_call_events(now);
        } else {
            self.set_step(id, Step::Received { sign_by: now.instant + ASK_AGAIN });
        }
    }

    /// There is no more time to wait for what becomes of the call.
    fn give_up(&mut self, now: Now, id: CallId) {
        match self.registry.get(id) {
            Some(call) if call.is_locked_out() => {
                self.refuse(now, id, Refusal::InProgress { by: None })
            }
            _ => self.answer(id, Err(OriginateError::Unconfirmed(id))),
        }
    }

    fn retry(&mut self, now: Now, id: CallId) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            waiting.retries += 1;
        }
        let (turn, late) = (self.gate.again(now.instant), self.gate.late());
        self.set_step(id, Step::Paced { turn, late });
    }

    fn send_paced(&mut self, now: Now, id: CallId) {
        // Whatever was heard up to here, and be it once more, was of an attempt before.
        self.registry.restart(id);
        self.set_step(id, Step::Sent);
        if let Some(info) = self.registry.get(id).map(|call| call.info.clone()) {
            self.send_originate(now, &info);
        }
    }

    /// The link is gone: what was sent may have arrived or not, and is never sent again; what was
    /// not sent is refused.
    pub(super) fn abandon_waiting(&mut self, now: Now) {
        let mut ids: Vec<CallId> = self.waiting.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            match self.waiting.get(&id).map(|waiting| &waiting.step) {
                Some(Step::Paced { .. } | Step::Retry { .. }) => {
                    self.refuse(now, id, Refusal::LinkDown("the link was lost".into()))
                }
                _ => self.answer(id, Err(OriginateError::Unconfirmed(id))),
            }
        }
    }

    /// The call is certainly not made: its number is free again, and who waits is told.
    fn refuse(&mut self, now: Now, id: CallId, refusal: Refusal) {
        if let Some(info) = self.registry.get(id).map(|call| call.info.clone()) {
            self.registry.remove(id);
            self.record(now, Event::CallRefused(refusal.clone()), Some(info));
        }
        self.answer(id, Err(OriginateError::Refused(refusal)));
    }

    fn answer(&mut self, id: CallId, answer: Result<CallId, OriginateError>) {
        if let Some(waiting) = self.waiting.remove(&id) {
            self.waiting_deadlines.remove(&(waiting.deadline(), id));
            self.effects.push(Effect::Originated(waiting.reply, answer));
        }
    }

    fn set_step(&mut self, id: CallId, step: Step) {
        if let Some(waiting) = self.waiting.get_mut(&id) {
            self.waiting_deadlines.remove(&(waiting.deadline(), id));
            waiting.step = step;
            self.waiting_deadlines.insert((waiting.deadline(), id));
        }
    }
}
