//! One call, step by step.

mod ending;

use std::time::Duration;

use self::ending::Failure;
use super::super::callee::Then;
use super::super::channel::{Channel, Party, State};
use super::super::wire::Headers;
use super::super::{Version, dialplan};
use super::{Conference, Destination, Event, MAX_CALLS, Originate, Pbx, call_event};
use crate::clock::Now;

/// How soon one goes who is not the last in a conference: no sound is played.
const LEAVE_OTHERS: Duration = Duration::from_millis(2);

/// What is to happen to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Begin,
    Dial,
    Ring,
    Answer,
    Refuse {
        sip: u16,
        words: String,
        cause: u8,
    },
    Timeout,
    Beep,
    Enter,
    CalleeLeaves,
    HangUp {
        channel: u64,
        cause: Option<u8>,
    },
    /// `;1` goes, after the conference's last sound, and what is left with it.
    Gone {
        cause: u8,
    },
    /// `;2` goes, a little after the rest.
    LockGone {
        cause: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Dialling,
    Up,
    Conference,
    Leaving,
}

pub(super) struct Call {
    pub(super) request: Originate,
    phase: Phase,
    one: Option<u64>,
    two: Option<u64>,
    leg: Option<u64>,
    /// The last that the gateway said.
    heard: Option<String>,
}

impl Call {
    pub(super) fn new(request: Originate) -> Self {
        Self { request, phase: Phase::Dialling, one: None, two: None, leg: None, heard: None }
    }
}

impl Pbx {
    pub(super) fn step(&mut self, now: Now, key: u64, step: Step) {
        // An appointment of a call that is over by now.
        let Some(mut call) = self.calls.remove(&key) else { return };
        match (step, call.phase) {
            (Step::Begin, _) => self.begin(now, key, &mut call),
            (Step::Dial, Phase::Dialling) => self.dial(now, key, &mut call),
            (Step::Ring, Phase::Dialling) => self.ring(&mut call),
            (Step::Answer, Phase::Dialling) => self.answer(now, key, &mut call),
            (Step::Refuse { sip, words, cause }, Phase::Dialling) => {
                call.heard = Some(format!("SIP {sip} {words}"));
                let failure = Failure { halves: cause, leg: cause, tech: Some(sip), reason: 0, by_gateway: true };
                self.fail(now, key, &mut call, &failure);
            }
            (Step::Timeout, Phase::Dialling) => {
                let (halves, leg, tech) = match self.version {
                    Version::V22 => (19, 19, Some(480)),
                    Version::V16 => (0, 16, None),
                };
                self.fail(now, key, &mut call, &Failure { halves, leg, tech, reason: 3, by_gateway: false });
            }
            (Step::Beep, Phase::Up) => self.change(call.one, |one| {
                (one.priority, one.application, one.data) = (4, "Playback", "beep".into());
            }),
            (Step::Enter, Phase::Up) => self.enter(&mut call),
            (Step::CalleeLeaves, Phase::Up) => self.end_up(now, key, &mut call, 16),
            (Step::CalleeLeaves, Phase::Conference) => self.callee_leaves(now, key, &mut call, true),
            (Step::HangUp { channel, cause }, phase) => self.obey(now, key, &mut call, phase, channel, cause),
            (Step::Gone { cause }, _) => self.gone(now, key, &mut call, cause),
            (Step::LockGone { cause }, _) => {
                let gone = self.hangup(&mut call.two, cause, None);
                self.events.extend(gone);
            }
            _ => {}
        }
        if call.one.is_some() || call.two.is_some() || call.leg.is_some() {
            self.calls.insert(key, call);
        }
    }

    fn begin(&mut self, now: Now, key: u64, call: &mut Call) {
        let request = &call.request;
        let local = request.channel.strip_prefix("Local/").and_then(|rest| rest.rsplit_once('@'));
        let is_taken = |pbx: &Self, id: &Option<String>| id.as_ref().is_some_and(|id| pbx.by_uniqueid.contains_key(id));
        let Some((exten, context)) = local.filter(|_| self.calls.len() < MAX_CALLS) else {
            return self.unmade(now, call);
        };
        if is_taken(self, &request.channel_id) {
            return self.unmade(now, call);
        }
        let (exten, context) = (exten.to_owned(), context.split('/').next().unwrap_or_default().to_owned());
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
        };
        call.one = Some(self.add_channel(half(format!("{name};1"), one_id.clone(), State::Down)));
        let one_made = self.channel_event("Newchannel", call.one, Headers::new());
        self.events.extend(one_made);
        if is_taken(self, &request.other_channel_id) {
            let gone = self.hangup(&mut call.one, 0, None);
            self.events.extend(gone);
            return self.unmade(now, call);
        }
        // A Local channel that is given one id makes the other of it.
        let derived = request.channel_id.as_ref().map(|id| format!("{id};2"));
        let two_id = request.other_channel_id.clone().or(derived).unwrap_or_else(|| self.uniqueid(now));
        call.two = Some(self.add_channel(half(format!("{name};2"), two_id, State::Ring)));
        let two_made = self.channel_event("Newchannel", call.two, Headers::new());
        self.events.extend(two_made);
        let caller = request.caller.clone();
        for half in [call.one, call.two] {
            self.change(half, |half| (half.caller, half.connected) = (caller.clone(), caller.clone()));
        }
        if context != dialplan::DIAL || !dialplan::is_dialled(&exten) {
            let halves = [self.hangup(&mut call.two, 0, None), self.hangup(&mut call.one, 0, None)];
            self.events.extend(halves.into_iter().flatten());
            return self.unmade(now, call);
        }
        self.change(call.one, |one| (one.application, one.data) = ("AppDial2", "(Outgoing Line)".into()));
        self.schedule(now.instant + self.scenario.timing.dial, key, Step::Dial);
        self.schedule(now.instant + call.request.timeout, key, Step::Timeout);
    }

    fn dial(&mut self, now: Now, key: u64, call: &mut Call) {
        let Some(two) = call.two.and_then(|two| self.channels.get(&two)) else { return };
        let (number, linkedid) = (two.exten.clone(), two.linkedid.clone());
        let uniqueid = self.uniqueid(now);
        let name = format!("PJSIP/telegram-{:08x}", self.next_leg);
        self.next_leg = self.next_leg.wrapping_add(1);
        call.leg = Some(self.add_channel(Channel {
            call: key,
            name,
            uniqueid,
            linkedid,
            state: State::Down,
            caller: Party::default(),
            connected: Party::default(),
            language: "en".into(),
            context: "from-telegram".into(),
            exten: "s".into(),
            priority: 1,
            application: "AppDial",
            data: "(Outgoing Line)".into(),
            bridge: String::new(),
            created: now.instant,
        }));
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
        match behaviour.then {
            Then::Silence => {}
            Then::Answer { after, talk } => {
                self.schedule(now.instant + after, key, Step::Answer);
                if let Some(talk) = talk {
                    self.schedule(now.instant + after + talk, key, Step::CalleeLeaves);
                }
            }
            Then::Refuse { after, sip, words, cause } => {
                self.schedule(now.instant + after, key, Step::Refuse { sip, words, cause });
            }
        }
    }

    fn ring(&mut self, call: &mut Call) {
        call.heard = Some("SIP 180 Ringing".into());
        self.show_callee(call);
        let ringing = [self.newstate(call.leg, State::Ringing), self.newstate(call.one, State::Ringing)];
        self.events.extend(ringing.into_iter().flatten());
    }

    /// From the gateway's first word on `;1` shows the callee.
    fn show_callee(&mut self, call: &Call) {
        let callee = call.leg.and_then(|leg| self.channels.get(&leg)).map(|leg| leg.caller.clone());
        if let Some(callee) = callee {
            self.change(call.one, |one| one.caller = callee);
        }
    }

    fn answer(&mut self, now: Now, key: u64, call: &mut Call) {
        call.phase = Phase::Up;
        self.show_callee(call);
        let up = [call.leg, call.two, call.one].map(|channel| self.newstate(channel, State::Up));
        let response = self.originate_response(call, Some(4));
        self.emit_mixed(up.into_iter().chain([vec![response]]).collect());
        let bridge = self.uuid();
        for side in [call.leg, call.two] {
            self.change(side, |side| side.bridge.clone_from(&bridge));
        }
        self.change(call.leg, |leg| leg.exten.clear());
        let timing = self.scenario.timing;
        match &call.request.destination {
            Destination::Dialplan { context, exten }
                if context == dialplan::ENTER && exten != "h" && exten != "failed" =>
            {
                let lang = variable(&call.request, "LANG").filter(|lang| !lang.is_empty()).unwrap_or("ru").to_owned();
                let (context, exten) = (context.clone(), exten.clone());
                self.change(call.one, |one| {
                    (one.context, one.exten, one.priority, one.language) = (context, exten, 3, lang);
                    (one.application, one.data) = ("Wait", timing.wait.as_secs_f64().to_string());
                });
                self.schedule(now.instant + timing.wait, key, Step::Beep);
                self.schedule(now.instant + timing.wait + timing.beep, key, Step::Enter);
            }
            // Every other way through the dialplan is at its end at once.
            _ => self.end_up(now, key, call, 16),
        }
    }

    fn enter(&mut self, call: &mut Call) {
        let Some(one) = call.one else { return };
        call.phase = Phase::Conference;
        let room = self.channels.get(&one).map(|one| one.exten.split(',').next().unwrap_or_default().to_owned());
        let room = room.unwrap_or_default();
        let bridge = self.uuid();
        // Asterisk looks a conference up by its name in any case.
        let existing = self.conferences.keys().find(|name| name.eq_ignore_ascii_case(&room)).cloned();
        let name = existing.unwrap_or_else(|| room.clone());
        let conference = self.conferences.entry(name.clone()).or_insert(Conference { bridge, members: Vec::new() });
        conference.members.push(one);
        let bridge = conference.bridge.clone();
        let about = conference_headers(&name, conference);
        self.change(call.one, |one| {
            (one.priority, one.application, one.data, one.bridge) = (5, "ConfBridge", room, bridge);
        });
        let Some(channel) = self.channels.get(&one) else { return };
        let headers = about.and(channel.headers()).with("Admin", "No").with("Muted", "No");
        self.emit(call_event("ConfbridgeJoin", headers));
    }

    /// Takes `;1` out of its conference; how long until it goes.
    fn leave(&mut self, call: &mut Call) -> (Vec<Event>, Duration) {
        call.phase = Phase::Leaving;
        let of_one = |conference: &Conference| call.one.is_some_and(|one| conference.members.contains(&one));
        let name = self.conferences.iter().find(|(_, conference)| of_one(conference)).map(|(name, _)| name.clone());
        let Some((name, one)) = name.zip(call.one) else { return (Vec::new(), LEAVE_OTHERS) };
        let Some(conference) = self.conferences.get_mut(&name) else { return (Vec::new(), LEAVE_OTHERS) };
        let about = conference_headers(&name, conference);
        conference.members.retain(|member| *member != one);
        let pause = if conference.members.is_empty() { self.scenario.timing.leave } else { LEAVE_OTHERS };
        if conference.members.is_empty() {
            self.conferences.remove(&name);
        }
        let channel = self.channels.get(&one).map(Channel::headers).unwrap_or_default();
        let left = call_event("ConfbridgeLeave", about.and(channel).with("Admin", "No"));
        self.change(call.one, |one| one.bridge.clear());
        (vec![left], pause)
    }

    fn callee_leaves(&mut self, now: Now, key: u64, call: &mut Call, by_callee: bool) {
        let requested = match by_callee {
            true => self.hangup_request(call.leg, None),
            false => Vec::new(),
        };
        let one_requested = self.hangup_request(call.one, Some(16));
        let (left, pause) = self.leave(call);
        let leg = requested.into_iter().chain(self.hangup(&mut call.leg, 16, None)).collect();
        let two = self.hangup_two(now, key, call, 16, Vec::new());
        self.emit_mixed(vec![left, one_requested, two, leg]);
        self.schedule(now.instant + pause, key, Step::Gone { cause: 16 });
    }

    /// The AMI hangs up one of the call's channels.
    fn obey(&mut self, now: Now, key: u64, call: &mut Call, phase: Phase, channel: u64, cause: Option<u8>) {
        match phase {
            Phase::Dialling => {
                let halves = cause.unwrap_or(0);
                let leg = if self.version == Version::V16 && halves != 0 { halves } else { 16 };
                self.fail(now, key, call, &Failure { halves, leg, tech: None, reason: 0, by_gateway: false });
            }
            Phase::Up => self.end_up(now, key, call, cause.unwrap_or(0)),
            Phase::Conference if call.one == Some(channel) => {
                let (left, pause) = self.leave(call);
                self.events.extend(left);
                self.schedule(now.instant + pause, key, Step::Gone { cause: cause.unwrap_or(16) });
            }
            Phase::Conference => self.callee_leaves(now, key, call, false),
            Phase::Leaving => {}
        }
    }
}

fn conference_headers(name: &str, conference: &Conference) -> Headers {
    Headers::new()
        .with("Conference", name)
        .with("BridgeUniqueid", &conference.bridge)
        .with("BridgeType", "base")
        .with("BridgeTechnology", "softmix")
        .with("BridgeCreator", "ConfBridge")
        .with("BridgeName", name)
        // The announcer is in the bridge as well.
        .with("BridgeNumChannels", conference.members.len() + 1)
        .with("BridgeVideoSourceMode", "none")
}

/// A channel variable. The underscores that make it inherited are not part of its name.
pub(super) fn variable<'r>(request: &'r Originate, name: &str) -> Option<&'r str> {
    let of_name = |(n, _): &&(String, String)| n.trim_start_matches('_') == name;
    request.variables.iter().rev().find(of_name).map(|(_, value)| value.as_str())
}
