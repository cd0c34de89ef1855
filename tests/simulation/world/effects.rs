//! Carries out the effects of the engines, and compares their records with Asterisk.

use std::time::UNIX_EPOCH;

use originatord_core::engine::Effect;
use originatord_core::engine::request::OriginateError;
use originatord_core::record::Event;

use super::promises::{MAX_LAG, REPLY_TIMEOUT, check_span};
use super::{MAX_STEP, World};

impl World {
    /// Carries out the effects of an engine.
    pub(super) fn apply_effects(&mut self, index: usize) {
        let now = self.now();
        let daemon = &mut self.daemons[index];
        daemon.engine.tick(now);
        if let Some(output) = daemon.engine.output() {
            daemon.to_asterisk.extend_from_slice(&output.split());
        }
        let mut confirmed = Vec::new();
        let mut disconnects = false;
        let effects: Vec<_> = daemon.engine.take_effects().collect();
        for effect in effects {
            if self.is_verbose && !matches!(effect, Effect::Originated(..)) {
                println!("{:>12.6} daemon {index}: {effect:?}", self.time.as_secs_f64());
            }
            match effect {
                Effect::Connect => daemon.wants_to_connect = true,
                Effect::Disconnect => {
                    daemon.wants_to_connect = false;
                    disconnects = true;
                    self.disturbed = self.disturbed.max(now.instant);
                }
                Effect::Originated(bot, answer) => {
                    let requested = daemon.waiting.remove(&bot).expect("one answer for each bot");
                    assert!(
                        now.instant - requested <= REPLY_TIMEOUT,
                        "the bot got its answer after {:?}",
                        now.instant - requested
                    );
                    match answer {
                        Ok(id) => {
                            self.tally.oks += 1;
                            confirmed.push(id);
                        }
                        Err(OriginateError::Refused(refusal)) => {
                            self.tally.in_progress += u64::from(refusal.code() == "in_progress");
                        }
                        Err(OriginateError::Unconfirmed(id)) => {
                            self.tally.unconfirmed += 1;
                            daemon.unconfirmed.insert(id);
                        }
                        Err(error @ OriginateError::NotSubmitted(..)) => {
                            panic!("{error} is not the engine's answer")
                        }
                    }
                }
                Effect::HungUp(..)
                | Effect::RoomAnswered(..)
                | Effect::Keep(_)
                | Effect::RoundTrip(_)
                | Effect::Refusing(_) => {}
                Effect::Record(at, event, call) => {
                    if let Some(journal) = &mut daemon.journal {
                        journal.append(at.wall, &event, call.clone());
                    }
                    if let Some(info) = call {
                        if matches!(event, Event::CallRequested) {
                            self.daemon_of.insert(info.id, index);
                        }
                        if let Some(seen) =
                            self.known_to_asterisk.get(&info.id).filter(|_| !self.has_dropped)
                        {
                            // The journal of an earlier run does not show how old its information
                            // was.
                            let slack = if daemon.remembered.contains(&info.id) {
                                MAX_LAG
                            } else {
                                MAX_STEP
                            };
                            check_span(&event, UNIX_EPOCH + *seen, slack);
                        }
                        daemon.record(&mut self.tally, at.wall, &event, &info);
                    }
                }
                Effect::Ready(ready) => daemon.ready = ready.is_ok().then_some(self.time),
            }
        }
        for id in confirmed {
            assert!(
                daemon.has_accepted(&id),
                "{id} got ok, and no record says that Asterisk accepted it"
            );
            self.confirmed.push(id);
        }
        if disconnects {
            self.close_connection(index);
        }
        let daemon = &mut self.daemons[index];
        if daemon.connection.is_none() {
            daemon.to_asterisk.clear();
        }
        if daemon.is_stopping && daemon.engine.is_idle() {
            assert!(
                daemon.waiting.is_empty(),
                "the daemon ended without an answer to {:?}",
                daemon.waiting
            );
            self.close_connection(index);
            self.restart(index);
        }
    }
}
