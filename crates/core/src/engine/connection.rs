//! Inputs from the link, and their consequences for calls, requests and records.

use std::sync::Arc;

use bytes::BytesMut;

use super::link::{LinkEvent, LinkTick, LostLink, NO_EVENTS};
use super::purpose::Purpose;
use super::request::{HangUpError, Replies};
use super::room_request::RoomError;
use super::rooms::Request as RoomPurpose;
use super::{Effect, Engine};
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Message, Response};
use crate::ami::parser::Received;
use crate::call::CallId;
use crate::clock::Now;

impl<R: Replies> Engine<R> {
    /// The driver has connected to Asterisk: begins the login.
    pub fn connected(&mut self, now: Now) {
        self.link.connected(now);
    }

    /// The driver could not connect, or has lost the connection.
    pub fn disconnected(&mut self, now: Now, reason: &str) {
        if self.link.is_open() {
            self.on_link_lost(now, reason);
        }
    }

    /// The bytes to write to the connection; the driver removes from the front what it has written.
    pub fn output(&mut self) -> Option<&mut BytesMut> {
        self.link.output()
    }

    /// Handles what the parser found in the received bytes.
    pub fn receive(&mut self, now: Now, received: Received) {
        match self.link.receive(now, received) {
            LinkEvent::Nothing => {}
            LinkEvent::LoggedIn => {
                self.begin_reconcile(now);
                self.effects.push(Effect::Ready(self.readiness()));
            }
            LinkEvent::Pong { round_trip, accepts_again } => {
                self.effects.push(Effect::RoundTrip(round_trip));
                if accepts_again {
                    self.effects.push(Effect::Refusing(None));
                    // Asterisk may have refused to list its channels.
                    self.reconcile_now(now);
                    self.obstacle_removed(now);
                }
            }
            LinkEvent::Refusing(words) => self.on_refusing(words),
            LinkEvent::Response { purpose, response, refusing } => {
                if let Some(words) = refusing {
                    self.on_refusing(words);
                }
                self.receive_response(now, purpose, &response);
            }
            LinkEvent::Event(frame) => {
                if let Message::Event(event) = Message::parse(&frame) {
                    self.receive_event(now, &event);
                }
            }
            LinkEvent::Failed(reason) => self.close_link(now, &reason),
        }
    }

    /// Logs off from Asterisk; calls go on.
    pub fn log_off(&mut self, now: Now) {
        self.link.send(now, &Action::Logoff, Purpose::Logoff);
    }

    /// Acts on the link's deadlines.
    pub(super) fn tick_link(&mut self, now: Now) {
        if let Some(event) = self.link.due_record(now) {
            self.record(now, event, None);
        }
        match self.link.tick(now) {
            LinkTick::Nothing => {}
            LinkTick::Connect => self.effects.push(Effect::Connect),
            LinkTick::Failed(reason) => self.close_link(now, &reason),
            LinkTick::TimedOut(purposes) => {
                for purpose in purposes {
                    self.on_response_timeout(now, purpose);
                }
                if self.link.start_timed_out(now) {
                    self.on_asterisk_started(now);
                }
                if self.link.call_events_timed_out(now) {
                    self.close_link(now, NO_EVENTS);
                }
            }
        }
    }

    fn on_refusing(&mut self, words: Arc<str>) {
        self.effects.push(Effect::Refusing(Some(words)));
        self.publish_readiness();
    }

    fn on_asterisk_started(&mut self, now: Now) {
        if self.reconcile.is_done() {
            self.become_ready(now);
        }
    }

    /// One obstacle to readiness is gone. The link is ready if there is no other.
    fn obstacle_removed(&mut self, now: Now) {
        if self.link.is_recorded() {
            self.publish_readiness();
        } else {
            self.become_ready(now);
        }
    }

    /// Publishes the readiness, and if calls can be made now, records that the link is up.
    pub(super) fn become_ready(&mut self, now: Now) {
        if self.readiness().is_ok()
            && let Some(event) = self.link.record_connected(now, self.registry.len())
        {
            self.record(now, event, None);
        }
        self.publish_readiness();
    }

    fn publish_readiness(&mut self) {
        if !self.stopping {
            self.effects.push(Effect::Ready(self.readiness()));
        }
    }

    fn receive_response(&mut self, now: Now, purpose: Purpose<R>, response: &Response) {
        match purpose {
            Purpose::Originate(id) => self.receive_originate_response(now, id, response),
            Purpose::LockOwner(id) => self.receive_lock_owner(now, id, response),
            Purpose::HangUp { id, channel, reply } => {
                self.receive_hang_up_response(now, id, channel, reply, response)
            }
            Purpose::ReadRights => {
                if self.link.receive_rights(now, response, &mut self.rng) {
                    self.publish_readiness();
                }
            }
            Purpose::ProbeCall => {
                if self.link.receive_probe_call(response) {
                    self.obstacle_removed(now);
                }
            }
            Purpose::List => self.receive_list_response(now, response),
            Purpose::CallOwner(id) => self.receive_call_owner(now, id, Some(response)),
            Purpose::ListBarrier => self.receive_list_barrier(now),
            Purpose::Room(request) => self.receive_room_action(now, request, response),
            Purpose::RoomList => self.receive_rooms_response(now, response),
            Purpose::RoomParticipants => self.receive_room_response(now, response),
            Purpose::RoomBarrier => self.receive_room_barrier(now),
            Purpose::Logoff => {}
        }
    }

    /// An action got no response in time.
    fn on_response_timeout(&mut self, now: Now, purpose: Purpose<R>) {
        match purpose {
            Purpose::Originate(_) => self.reconcile.request_soon(now),
            Purpose::HangUp { reply: Some(reply), .. } => {
                self.effects.push(Effect::HungUp(reply, Err(HangUpError::TimedOut)));
            }
            Purpose::List | Purpose::ListBarrier => {
                self.close_link(now, "Asterisk did not list its channels in time")
            }
            Purpose::CallOwner(id) => self.receive_call_owner(now, id, None),
            Purpose::Room(RoomPurpose::Step(pending, _)) => {
                self.answer_room(pending.reply, Err(RoomError::TimedOut));
                self.request_room_round(now);
            }
            Purpose::Room(_) => self.request_room_round(now),
            // A round that is not complete in time is given up.
            Purpose::RoomList | Purpose::RoomParticipants | Purpose::RoomBarrier => {}
            // A request that waited for the lock's owner was answered before this timeout.
            Purpose::LockOwner(_)
            | Purpose::HangUp { reply: None, .. }
            | Purpose::Logoff
            | Purpose::ReadRights
            | Purpose::ProbeCall => {}
        }
    }

    fn receive_event(&mut self, now: Now, event: &AmiEvent<'_>) {
        match event {
            AmiEvent::CoreShowChannel(listed) => self.receive_listed_channel(now, listed),
            AmiEvent::CoreShowChannelsComplete => self.receive_list_end(now),
            AmiEvent::FullyBooted => {
                if self.link.fully_booted() {
                    self.on_asterisk_started(now);
                }
            }
            AmiEvent::Shutdown => self.close_link(now, "Asterisk is shutting down"),
            _ => {
                if self.link.note_event(event) {
                    self.obstacle_removed(now);
                }
                self.update_rooms_first(now, event);
                if let Some(id) = self.registry.handle_event(now, event, &mut self.changes) {
                    // The request is answered before its `call.queued` is recorded.
                    self.answer_if_decided(now, id);
                    self.record_changes(now);
                } else if let AmiEvent::Newchannel(channel) = event
                    && let Ok(id) = channel.uniqueid.parse()
                {
                    self.note_unknown_call(now, id);
                }
                self.update_rooms(now, event);
            }
        }
    }

    /// An unknown call has a new channel. If it was never known to this run, a list decides whether it
    /// is ours.
    fn note_unknown_call(&mut self, now: Now, id: CallId) {
        if self.registry.show(id, false).is_none() {
            self.reconcile.note_unknown_call(now, id);
        }
    }

    /// Closes the connection on the daemon's own decision.
    pub(super) fn close_link(&mut self, now: Now, reason: &str) {
        self.effects.push(Effect::Disconnect);
        self.on_link_lost(now, reason);
    }

    /// The link is gone. An Originate that was sent may or may not have arrived: the next link's
    /// first list of channels will show it. The daemon never sends it again, as that could call the
    /// number twice, and answers its request at once: 504, "the call may still be made". It refuses
    /// a request whose Originate was not sent.
    fn on_link_lost(&mut self, now: Now, reason: &str) {
        let is_reconciled = self.reconcile.is_done();
        let LostLink { unanswered, record } =
            self.link.on_lost(now, reason, is_reconciled, &mut self.rng);
        for purpose in unanswered {
            match purpose {
                Purpose::HangUp { reply: Some(reply), .. } => {
                    let problem = HangUpError::LinkDown(reason.into());
                    self.effects.push(Effect::HungUp(reply, Err(problem)));
                }
                Purpose::Room(RoomPurpose::Step(pending, _)) => {
                    self.answer_room(pending.reply, Err(RoomError::LinkDown(reason.into())));
                }
                _ => {}
            }
        }
        self.rooms.abandon_rounds();
        self.answer_all_waiting(now);
        self.reconcile.abandon();
        if let Some(event) = record {
            self.record(now, event, None);
        }
        self.effects.push(Effect::Ready(Err(reason.into())));
    }
}
