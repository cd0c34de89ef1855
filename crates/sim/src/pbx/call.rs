//! One call as a state machine: `Pbx::step` performs a scheduled [`Step`] if it fits the call's
//! [`Phase`], and ignores it if the call has moved on. A call is over once all its channels are
//! gone. A [guest](super::guest) is a call that has only the half `;1`.

mod conference;
mod dialling;
mod ending;
mod redirect;

use self::ending::Failure;
use super::super::AsteriskVersion;
use super::{Event, Guest, Originate, Pbx, UserProfile};
use originatord_core::clock::Now;

/// A step of a call, scheduled for some time.
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
    Beep {
        visit: u32,
    },
    /// The dialplan reaches ConfBridge.
    Enter {
        visit: u32,
    },
    /// The join sound is over.
    Join {
        visit: u32,
    },
    /// The prompt that the conference is locked or full is over.
    RefusedPromptOver {
        visit: u32,
    },
    /// The prompt that the participant was kicked is over.
    KickedPromptOver {
        channel: u64,
    },
    /// The participant begins or stops to talk by itself.
    Talk {
        visit: u32,
        talking: bool,
    },
    CalleeLeaves,
    HangUp {
        channel: u64,
        cause: Option<u8>,
    },
    Redirect {
        channel: u64,
        context: String,
        exten: String,
    },
    /// Asterisk optimises the Local channel away.
    Optimise,
    /// Only `;1` is hung up.
    HangUpFirst,
    /// All channels that are left are hung up, after the last sound of the conference.
    HangUpRest {
        cause: u8,
    },
    /// `;2` is hung up, a little later than the other channels.
    HangUpSecond {
        cause: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Dialling,
    Up,
    /// `;1` is listed in the conference and hears the join sound.
    Entering,
    /// `;1` hears that the conference is locked or full.
    Refused,
    Conference,
    Leaving,
    /// A channel was redirected to another dialplan.
    Redirected,
}

pub(super) struct Call {
    /// The Originate; an empty one for a guest.
    pub(super) request: Originate,
    /// The guest that dials in when the call begins.
    pub(super) guest: Option<Guest>,
    phase: Phase,
    /// Key of the half `;1`, which enters the conference.
    one: Option<u64>,
    /// Key of the half `;2`, the lock channel.
    two: Option<u64>,
    /// Key of the leg to the gateway.
    leg: Option<u64>,
    /// Key of the channel that answers at the destination of a redirect.
    other: Option<u64>,
    /// The last reply of the gateway.
    gateway_reply: Option<String>,
    /// The profile that the dialplan has set for `;1` as a participant.
    profile: UserProfile,
    /// Number of times that `;1` went to a room. A step that was scheduled for an earlier one is
    /// void.
    visit: u32,
    /// Steps that Asterisk takes once the join sound is over.
    deferred: Vec<Step>,
    /// Events of the conference that Asterisk sends after the Hangup of `;1`.
    late: Vec<Event>,
}

impl Call {
    pub(super) fn new(request: Originate) -> Self {
        Self {
            request,
            guest: None,
            phase: Phase::Dialling,
            one: None,
            two: None,
            leg: None,
            other: None,
            gateway_reply: None,
            profile: UserProfile::default(),
            visit: 0,
            deferred: Vec::new(),
            late: Vec::new(),
        }
    }

    pub(super) fn of_guest(guest: Guest) -> Self {
        Self { guest: Some(guest), ..Self::new(Originate::default()) }
    }

    /// The guest's channel was made and answered.
    pub(super) fn answered_guest(&mut self, channel: u64, profile: UserProfile) {
        (self.one, self.profile) = (Some(channel), profile);
    }
}

impl Pbx {
    pub(super) fn step(&mut self, now: Now, key: u64, step: Step) {
        // The call may have ended before this step.
        let Some(mut call) = self.calls.remove(&key) else { return };
        match (step, call.phase) {
            (Step::Begin, _) => match call.guest.take() {
                Some(guest) => self.begin_guest(now, key, &mut call, guest),
                None => self.begin(now, key, &mut call),
            },
            (Step::Dial, Phase::Dialling) => self.dial(now, key, &mut call),
            (Step::Ring, Phase::Dialling) => self.ring(&mut call),
            (Step::Answer, Phase::Dialling) => self.answer(now, key, &mut call),
            (Step::Refuse { sip, words, cause }, Phase::Dialling) => {
                call.gateway_reply = Some(format!("SIP {sip} {words}"));
                let failure = Failure {
                    halves: cause,
                    leg: cause,
                    tech: Some(sip),
                    reason: 0,
                    by_gateway: true,
                };
                self.fail(now, key, &mut call, &failure);
            }
            (Step::Timeout, Phase::Dialling) => {
                let (halves, leg, tech) = match self.version {
                    AsteriskVersion::V22 => (19, 19, Some(480)),
                    AsteriskVersion::V16 => (0, 16, None),
                };
                self.fail(
                    now,
                    key,
                    &mut call,
                    &Failure { halves, leg, tech, reason: 3, by_gateway: false },
                );
            }
            (Step::Beep { visit }, Phase::Up) if visit == call.visit => {
                self.change(call.one, |one| {
                    (one.priority, one.application, one.data) = (4, "Playback", "beep".into());
                });
            }
            (Step::Enter { visit }, Phase::Up) if visit == call.visit => {
                self.enter(now, key, &mut call);
            }
            (Step::Join { visit }, Phase::Entering) if visit == call.visit => {
                self.join(now, key, &mut call);
            }
            (Step::RefusedPromptOver { visit }, Phase::Refused) if visit == call.visit => {
                self.end_in_room(now, key, &mut call, 16);
            }
            (Step::KickedPromptOver { channel }, Phase::Conference) => {
                self.end_kicked(now, key, &mut call, channel);
            }
            (Step::Talk { visit, talking }, Phase::Conference) if visit == call.visit => {
                self.talk_by_itself(now, key, &call, talking);
            }
            (Step::CalleeLeaves, Phase::Up) => self.end_up(now, key, &mut call, 16),
            (Step::CalleeLeaves, Phase::Refused) => self.end_in_room(now, key, &mut call, 16),
            (Step::CalleeLeaves, Phase::Entering | Phase::Conference) => {
                self.callee_leaves(now, key, &mut call, true)
            }
            (Step::HangUp { channel, cause }, phase) => {
                self.hang_up_channel(now, key, &mut call, phase, channel, cause)
            }
            (Step::CalleeLeaves, Phase::Redirected) => self.end_redirected(now, key, &mut call),
            (Step::Redirect { channel, context, exten }, Phase::Entering) => {
                self.defer_redirect(&mut call, channel, (context, exten));
            }
            (
                Step::Redirect { channel, context, exten },
                Phase::Up | Phase::Refused | Phase::Conference,
            ) => {
                self.apply_redirect(now, key, &mut call, channel, (context, exten));
            }
            (Step::Optimise, Phase::Redirected) => self.optimise(now, key, &mut call),
            (Step::HangUpFirst, _) => {
                let gone = self.hangup(&mut call.one, 16, None);
                self.events.extend(gone);
            }
            (Step::HangUpRest { cause }, _) => self.hang_up_rest(now, key, &mut call, cause),
            (Step::HangUpSecond { cause }, _) => {
                let gone = self.hangup(&mut call.two, cause, None);
                self.events.extend(gone);
            }
            _ => {}
        }
        if [call.one, call.two, call.leg, call.other].iter().any(Option::is_some) {
            self.calls.insert(key, call);
        }
    }

    /// Handles an AMI Hangup of one of the call's channels.
    fn hang_up_channel(
        &mut self,
        now: Now,
        key: u64,
        call: &mut Call,
        phase: Phase,
        channel: u64,
        cause: Option<u8>,
    ) {
        match phase {
            Phase::Dialling => {
                let halves = cause.unwrap_or(0);
                let leg =
                    if self.version == AsteriskVersion::V16 && halves != 0 { halves } else { 16 };
                self.fail(
                    now,
                    key,
                    call,
                    &Failure { halves, leg, tech: None, reason: 0, by_gateway: false },
                );
            }
            Phase::Up => self.end_up(now, key, call, cause.unwrap_or(0)),
            Phase::Refused => self.end_in_room(now, key, call, cause.unwrap_or(16)),
            Phase::Entering if call.one == Some(channel) => {
                call.deferred.push(Step::HangUp { channel, cause });
            }
            Phase::Conference if call.one == Some(channel) => {
                let left = self.leave_by_hangup(call);
                self.events.extend(left.events);
                self.schedule(
                    now.instant + left.pause,
                    key,
                    Step::HangUpRest { cause: cause.unwrap_or(16) },
                );
            }
            Phase::Entering | Phase::Conference => self.callee_leaves(now, key, call, false),
            Phase::Redirected => self.end_redirected(now, key, call),
            Phase::Leaving => {}
        }
    }
}

/// The value of a channel variable that the Originate sets; the last of several counts. Leading
/// underscores, by which a channel inherits the variable, are not part of its name.
pub(super) fn variable<'r>(request: &'r Originate, name: &str) -> Option<&'r str> {
    let of_name = |(n, _): &&(String, String)| n.trim_start_matches('_') == name;
    request.variables.iter().rev().find(of_name).map(|(_, value)| value.as_str())
}
