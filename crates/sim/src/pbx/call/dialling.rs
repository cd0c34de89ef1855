//! The beginning of a call: the two halves of the Local channel, the leg to the gateway, and the
//! callee's reaction.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::{Destination, MAX_CALLS, Pbx};
use super::{Call, Phase, Step};
use crate::callee::Reaction;
use crate::channel::{Channel, Party, State};
use crate::dialplan;
use crate::wire::Headers;
use originatord_core::clock::Now;

impl Pbx {
    pub(super) fn begin(&mut self, now: Now, key: u64, call: &mut Call) {
        let request = &call.request;
        let local = request.channel.strip_prefix("Local/").and_then(|rest| rest.rsplit_once('@'));
        let is_taken = |pbx: &Self, id: &Option<String>| {
            id.as_ref().is_some_and(|id| pbx.by_uniqueid.contains_key(id))
        };
        let Some((exten, context)) = local.filter(|_| self.calls.len() < MAX_CALLS) else {
            return self.fail_before_dialling(now, call);
        };
        if is_taken(self, &request.channel_id) {
            return self.fail_before_dialling(now, call);
        }
        let (exten, context) =
            (exten.to_owned(), context.split('/').next().unwrap_or_default().to_owned());
        let one_id = request.channel_id.clone().unwrap_or_else(|| self.uniqueid(now));
        let name = format!("Local/{exten}@{context}-{:08x}", self.next_local);
        self.next_local = self.next_local.wrapping_add(1);
        let half = |name: String, uniqueid: String, state| Channel {
            call: key,
            name,
            uniqueid,
            linkedid: one_id.clone(),
            state,
            caller: Party::default(),
            connected: Party::default(),
            language: "en".into(),
            context: context.clone(),
            exten: exten.clone(),
            priority: 1,
            application: "",
            data: String::new(),
            bridge: String::new(),
            created: now.instant,
            variables: BTreeMap::new(),
        };
        call.one = Some(self.add_channel(half(format!("{name};1"), one_id.clone(), State::Down)));
        let one_made = self.channel_event("Newchannel", call.one, Headers::new());
        self.events.extend(one_made);
        if is_taken(self, &request.other_channel_id) {
            let gone = self.hangup(&mut call.one, 0, None);
            self.events.extend(gone);
            return self.fail_before_dialling(now, call);
        }
        // If only `ChannelId` is given, Asterisk derives the other id from it.
        let derived = request.channel_id.as_ref().map(|id| format!("{id};2"));
        let two_id =
            request.other_channel_id.clone().or(derived).unwrap_or_else(|| self.uniqueid(now));
        call.two = Some(self.add_channel(half(format!("{name};2"), two_id, State::Ring)));
        let two_made = self.channel_event("Newchannel", call.two, Headers::new());
        self.events.extend(two_made);
        let caller = request.caller.clone();
        for half in [call.one, call.two] {
            self.change(half, |half| {
                (half.caller, half.connected) = (caller.clone(), caller.clone())
            });
        }
        if context != dialplan::DIAL || !dialplan::is_dialled(&exten) {
            let halves = [self.hangup(&mut call.two, 0, None), self.hangup(&mut call.one, 0, None)];
            self.events.extend(halves.into_iter().flatten());
            return self.fail_before_dialling(now, call);
        }
        self.change(call.one, |one| {
            (one.application, one.data) = ("AppDial2", "(Outgoing Line)".into())
        });
        self.schedule(now.instant + self.scenario.timing.dial, key, Step::Dial);
        self.schedule(now.instant + call.request.timeout, key, Step::Timeout);
    }

    pub(super) fn dial(&mut self, now: Now, key: u64, call: &mut Call) {
        let Some(two) = call.two.and_then(|two| self.channels.get(&two)) else { return };
        let (number, linkedid) = (two.exten.clone(), two.linkedid.clone());
        call.leg = Some(self.add_dialled(now, key, "telegram", "from-telegram", linkedid));
        let made = self.channel_event("Newchannel", call.leg, Headers::new());
        self.events.extend(made);
        let caller = call.request.caller.clone();
        let callee = Party { number: number.clone(), name: caller.name.clone() };
        self.change(call.leg, |leg| {
            (leg.caller, leg.connected, leg.exten) = (callee.clone(), caller, number.clone());
        });
        self.change(call.two, |two| {
            (two.connected, two.priority, two.application) = (callee, 2, "Dial");
            two.data = format!("PJSIP/+{number}@telegram");
        });
        let behaviour = self.scenario.behaviour(&number);
        if let Some(after) = behaviour.ring_after {
            self.schedule(now.instant + after, key, Step::Ring);
        }
        match behaviour.reaction {
            Reaction::Silence => {}
            Reaction::Answer { after, talk } => {
                self.schedule(now.instant + after, key, Step::Answer);
                if let Some(talk) = talk {
                    self.schedule(now.instant + after + talk, key, Step::CalleeLeaves);
                }
            }
            Reaction::Refuse { after, sip, words, cause } => {
                self.schedule(now.instant + after, key, Step::Refuse { sip, words, cause });
            }
        }
    }

    /// Adds the channel that a Dial of `PJSIP/<endpoint>` makes.
    pub(super) fn add_dialled(
        &mut self,
        now: Now,
        call: u64,
        endpoint: &str,
        context: &str,
        linkedid: String,
    ) -> u64 {
        let name = format!("PJSIP/{endpoint}-{:08x}", self.next_leg);
        self.next_leg = self.next_leg.wrapping_add(1);
        let uniqueid = self.uniqueid(now);
        self.add_channel(Channel {
            call,
            name,
            uniqueid,
            linkedid,
            state: State::Down,
            caller: Party::default(),
            connected: Party::default(),
            language: "en".into(),
            context: context.into(),
            exten: "s".into(),
            priority: 1,
            application: "AppDial",
            data: "(Outgoing Line)".into(),
            bridge: String::new(),
            created: now.instant,
            variables: BTreeMap::new(),
        })
    }

    pub(super) fn ring(&mut self, call: &mut Call) {
        call.gateway_reply = Some("SIP 180 Ringing".into());
        self.show_callee(call);
        let ringing =
            [self.set_state(call.leg, State::Ringing), self.set_state(call.one, State::Ringing)];
        self.events.extend(ringing.into_iter().flatten());
    }

    /// Shows the callee as the caller of `;1`, as Asterisk does from the gateway's first reply on.
    pub(super) fn show_callee(&mut self, call: &Call) {
        let callee = call.leg.and_then(|leg| self.channels.get(&leg)).map(|leg| leg.caller.clone());
        if let Some(callee) = callee {
            self.change(call.one, |one| one.caller = callee);
        }
    }

    pub(super) fn answer(&mut self, now: Now, key: u64, call: &mut Call) {
        call.phase = Phase::Up;
        self.show_callee(call);
        let up = [call.leg, call.two, call.one].map(|channel| self.set_state(channel, State::Up));
        let response = self.originate_response(call, Some(4));
        self.emit_mixed(up.into_iter().chain([vec![response]]).collect());
        let bridge = self.uuid();
        for side in [call.leg, call.two] {
            self.change(side, |side| side.bridge.clone_from(&bridge));
        }
        self.change(call.leg, |leg| leg.exten.clear());
        match &call.request.destination {
            Destination::Dialplan { context, exten } if dialplan::enters_room(context, exten) => {
                let (context, exten) = (context.clone(), exten.clone());
                self.change(call.one, |one| (one.context, one.exten) = (context, exten));
                self.run_room_dialplan(now, key, call, Duration::ZERO);
            }
            // Any other destination ends at once.
            _ => self.end_up(now, key, call, 16),
        }
    }
}
