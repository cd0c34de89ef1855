//! The end of a call: hangs up its channels and emits the events of that.

use std::collections::BTreeMap;

use super::super::{Destination, Event, Pbx, call_event};
use super::{Call, Phase, Step};
use crate::callee::cause_text;
use crate::channel::{Channel, Party, State, or_unknown};
use crate::wire::Headers;
use crate::{AsteriskVersion, Class, dialplan};
use originatord_core::clock::Now;

/// The end of a call that was not answered.
pub(super) struct Failure {
    /// Hangup cause of both halves of the Local channel.
    pub(super) halves: u8,
    /// Hangup cause of the leg.
    pub(super) leg: u8,
    /// SIP status in the leg's `TechCause`.
    pub(super) tech: Option<u16>,
    /// `Reason` of the OriginateResponse.
    pub(super) reason: u8,
    /// The gateway ended the call, rather than Asterisk.
    pub(super) by_gateway: bool,
}

/// Moves a channel to the extension `h`, which Asterisk runs at a hangup and which has one step.
fn enter_h(channel: &mut Channel) {
    channel.exten = "h".into();
    channel.priority = 1;
}

impl Pbx {
    /// Hangs up the remaining channels of a call.
    pub(super) fn hang_up_rest(&mut self, now: Now, key: u64, call: &mut Call, cause: u8) {
        self.change(call.one, enter_h);
        let requested = self.hangup_request(call.two, Some(cause));
        let mut one = self.hangup(&mut call.one, cause, None);
        one.append(&mut call.late);
        let two = self.hangup_two(now, key, call, cause, requested);
        let leg = self.hangup(
            &mut call.leg,
            if self.version == AsteriskVersion::V22 { 16 } else { cause },
            None,
        );
        self.emit_mixed(vec![one, two, leg]);
    }

    /// Ends a call that was answered and is not in a conference yet.
    pub(super) fn end_up(&mut self, now: Now, key: u64, call: &mut Call, cause: u8) {
        call.phase = Phase::Leaving;
        self.change(call.one, enter_h);
        let requested = self.hangup_request(call.two, Some(cause));
        let one = self.hangup(&mut call.one, cause, None);
        let two = self.hangup_two(now, key, call, 16, requested);
        let leg = self.hangup(&mut call.leg, 16, None);
        self.emit_mixed(vec![one, two, leg]);
    }

    pub(super) fn fail(&mut self, now: Now, key: u64, call: &mut Call, failure: &Failure) {
        call.phase = Phase::Leaving;
        self.show_callee(call);
        let mut one = Vec::new();
        let mut leg = Vec::new();
        let mut two = Vec::new();
        if failure.by_gateway {
            self.change(call.two, |two| two.priority = 3);
            leg.extend(self.hangup_request(call.leg, Some(failure.leg)));
            one.extend(self.hangup_request(call.one, Some(failure.halves)));
        } else {
            two.extend(self.hangup_request(call.two, Some(failure.halves)));
        }
        if let Some(reply) = &call.gateway_reply {
            two.extend(self.user_event(call.two, reply));
        }
        one.extend(self.hangup(&mut call.one, failure.halves, None));
        leg.extend(self.hangup(&mut call.leg, failure.leg, failure.tech));
        let two = self.hangup_two(now, key, call, failure.halves, two);
        let response = self.originate_response(call, None).with_reason(failure.reason);
        let failed_extension = self.failed_extension(now, call);
        self.emit_mixed(vec![one, two, leg, vec![response], failed_extension]);
    }

    /// Reports the failure of an Originate whose channels were not made, or are gone already.
    pub(super) fn fail_before_dialling(&mut self, now: Now, call: &Call) {
        let response = self.originate_response(call, None).with_reason(0);
        let failed_extension = self.failed_extension(now, call);
        self.emit_mixed(vec![vec![response], failed_extension]);
    }

    /// The events of the extension `failed`, which Asterisk runs in the context of an Originate
    /// that failed.
    fn failed_extension(&mut self, now: Now, call: &Call) -> Vec<Event> {
        let Destination::Dialplan { context, .. } = &call.request.destination else {
            return Vec::new();
        };
        if context != dialplan::ENTER {
            return Vec::new();
        }
        let uniqueid = self.uniqueid(now);
        let mut failed_extension = Channel {
            call: 0,
            name: "OutgoingSpoolFailed".into(),
            linkedid: uniqueid.clone(),
            uniqueid,
            state: State::Down,
            caller: call.request.caller.clone(),
            connected: Party::default(),
            language: "en".into(),
            context: context.clone(),
            exten: "failed".into(),
            priority: 1,
            application: "",
            data: String::new(),
            bridge: String::new(),
            created: now.instant,
            variables: BTreeMap::new(),
        };
        let made = call_event("Newchannel", failed_extension.headers());
        enter_h(&mut failed_extension);
        vec![made, call_event("Hangup", failed_extension.headers().and(cause_headers(16)))]
    }

    pub(super) fn originate_response(&self, call: &Call, answered: Option<u8>) -> Event {
        let request = &call.request;
        let one = call.one.and_then(|one| self.channels.get(&one));
        let mut headers = Headers::new();
        if let Some(id) = &request.action_id {
            headers = headers.with("ActionID", id);
        }
        let name = one.filter(|_| answered.is_some()).map_or(&request.channel, |one| &one.name);
        headers = headers
            .with("Response", if answered.is_some() { "Success" } else { "Failure" })
            .with("Channel", name);
        headers = match &request.destination {
            Destination::Dialplan { context, exten } => {
                headers.with("Context", context).with("Exten", exten)
            }
            Destination::Application { name, data } => {
                headers.with("Application", name).with("Data", data)
            }
        };
        let uniqueid = one.filter(|_| answered.is_some()).map(|one| one.uniqueid.as_str());
        let uniqueid = uniqueid.or(request.channel_id.as_deref()).unwrap_or_default();
        headers = headers
            .with("Reason", answered.unwrap_or(0))
            .with("Uniqueid", or_unknown(uniqueid))
            .with("CallerIDNum", or_unknown(&request.caller.number))
            .with("CallerIDName", or_unknown(&request.caller.name));
        call_event("OriginateResponse", headers)
    }

    /// The UserEvent of the dialplan's hangup handler, with the characters that its FILTER keeps.
    pub(super) fn user_event(&self, two: Option<u64>, reply: &str) -> Vec<Event> {
        let Some(two) = two.and_then(|two| self.channels.get(&two)) else { return Vec::new() };
        let kept: String = reply
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-'))
            .collect();
        let handler = Channel {
            context: dialplan::HANGUP.into(),
            exten: "s".into(),
            priority: 5,
            ..two.clone()
        };
        let headers = Headers::new()
            .with("Event", "UserEvent")
            .with("Privilege", "user,all")
            .and(handler.headers());
        let headers = headers.with("UserEvent", "OriginatordLeg").with("Tech", kept);
        vec![Event { class: Class::USER, headers }]
    }

    /// The HangupRequest of Asterisk 16. Its `eventfilter` for `Event: Hangup` matches this event,
    /// too; that of 22 does not.
    pub(super) fn hangup_request(&self, channel: Option<u64>, cause: Option<u8>) -> Vec<Event> {
        match (self.version, cause) {
            (AsteriskVersion::V22, _) => Vec::new(),
            (AsteriskVersion::V16, Some(cause)) => {
                self.channel_event("HangupRequest", channel, Headers::new().with("Cause", cause))
            }
            (AsteriskVersion::V16, None) => {
                self.channel_event("HangupRequest", channel, Headers::new())
            }
        }
    }

    /// Hangs up `;2`, at once or `lock_lingers` later; returns `before`, followed by the Hangup
    /// event if it was at once.
    pub(super) fn hangup_two(
        &mut self,
        now: Now,
        key: u64,
        call: &mut Call,
        cause: u8,
        mut before: Vec<Event>,
    ) -> Vec<Event> {
        let lingers = self.scenario.timing.lock_lingers;
        if lingers.is_zero() {
            before.extend(self.hangup(&mut call.two, cause, None));
        } else if call.two.is_some() {
            self.schedule(now.instant + lingers, key, Step::HangUpSecond { cause });
        }
        before
    }

    /// Removes the channel in `slot`; returns its Hangup event.
    pub(super) fn hangup(
        &mut self,
        slot: &mut Option<u64>,
        cause: u8,
        tech: Option<u16>,
    ) -> Vec<Event> {
        let Some(channel) = slot.take().and_then(|key| self.channels.remove(&key)) else {
            return Vec::new();
        };
        self.by_uniqueid.remove(&channel.uniqueid);
        let mut headers = channel.headers().and(cause_headers(cause));
        if let (Some(status), AsteriskVersion::V22) = (tech, self.version) {
            headers = headers.with("TechCause", status);
        }
        vec![call_event("Hangup", headers)]
    }
}

impl Event {
    fn with_reason(mut self, reason: u8) -> Self {
        self.headers.set("Reason", &reason.to_string());
        self
    }
}

fn cause_headers(cause: u8) -> Headers {
    Headers::new().with("Cause", cause).with("Cause-txt", cause_text(cause))
}
