//! A participant is redirected to another room; or it, or the callee's own leg, is redirected out of
//! the call: by AMI `Redirect`, a transfer or a park.
//!
//! Every destination but a room answers at once, with sound on both sides.

use std::time::Duration;

use super::super::{Event, Pbx, room::Left};
use super::{Call, Phase, Step};
use crate::channel::State;
use crate::dialplan;
use crate::wire::Headers;
use originatord_core::clock::Now;

/// Time from the redirect until Asterisk has optimised the Local channel away.
const OPTIMISED_AFTER: Duration = Duration::from_millis(500);

impl Pbx {
    /// Redirects the channel with this unique id or name to the first priority of an extension;
    /// false if there is no such channel. Has no effect on a channel whose call was not answered.
    pub fn redirect(&mut self, now: Now, channel: &str, context: &str, exten: &str) -> bool {
        let Some((key, channel)) = self.find(channel) else { return false };
        let call = channel.call;
        let (context, exten) = (context.to_owned(), exten.to_owned());
        self.schedule(now.instant, call, Step::Redirect { channel: key, context, exten });
        true
    }

    pub(super) fn apply_redirect(
        &mut self,
        now: Now,
        key: u64,
        call: &mut Call,
        channel: u64,
        (context, exten): (String, String),
    ) {
        if call.leg == Some(channel) {
            self.redirect_leg(now, key, call);
        } else if call.one == Some(channel) && dialplan::enters_room(&context, &exten) {
            self.move_to_room(now, key, call, (context, exten));
        } else if call.one == Some(channel) {
            self.redirect_participant(now, key, call);
        }
    }

    /// The redirect takes place when the join sound is over. Until then only the channel's extension
    /// shows it.
    pub(super) fn defer_redirect(
        &mut self,
        call: &mut Call,
        channel: u64,
        (context, exten): (String, String),
    ) {
        if call.one == Some(channel) {
            self.change(call.one, |one| {
                (one.context, one.exten, one.priority) = (context.clone(), exten.clone(), 1);
            });
        }
        call.deferred.push(Step::Redirect { channel, context, exten });
    }

    /// `;1` goes to another room. Its ConfbridgeLeave shows the new extension already.
    fn move_to_room(
        &mut self,
        now: Now,
        key: u64,
        call: &mut Call,
        (context, exten): (String, String),
    ) {
        self.change(call.one, |one| {
            (one.context, one.exten, one.priority) = (context, exten, 1);
        });
        let mut pause = Duration::ZERO;
        if call.phase == Phase::Conference {
            let left = self.leave(call);
            self.events.extend(left.events);
            pause = left.pause;
        }
        self.run_room_dialplan(now, key, call, pause);
    }

    /// The leg leaves the call. The Local channel has no callee any more and is hung up.
    fn redirect_leg(&mut self, now: Now, key: u64, call: &mut Call) {
        let was_in_conference = call.phase == Phase::Conference;
        let left = if was_in_conference { self.leave(call) } else { Left::default() };
        call.phase = Phase::Redirected;
        let two = self.hangup_two(now, key, call, 16, Vec::new());
        self.dial_other(now, key, call, call.leg);
        self.emit_mixed(vec![left.events, two]);
        self.schedule(now.instant + left.pause, key, Step::HangUpFirst);
    }

    /// `;1` runs another Dial. Without `/n` both halves are optimised away, and the leg is bridged
    /// with the dialled channel.
    fn redirect_participant(&mut self, now: Now, key: u64, call: &mut Call) {
        if call.phase == Phase::Conference {
            let left = self.leave(call);
            self.events.extend(left.events);
        }
        call.phase = Phase::Redirected;
        self.dial_other(now, key, call, call.one);
        let options = call.request.channel.rsplit_once('/').map_or("", |(_, options)| options);
        if call.two.is_some() && !options.starts_with('n') {
            self.schedule(now.instant + OPTIMISED_AFTER, key, Step::Optimise);
        }
    }

    /// Dials the channel that answers at the destination. It has the call's `Linkedid`.
    fn dial_other(&mut self, now: Now, key: u64, call: &mut Call, from: Option<u64>) {
        let Some(linkedid) =
            from.and_then(|from| self.channels.get(&from)).map(|from| from.linkedid.clone())
        else {
            return;
        };
        self.change(from, |from| {
            (from.context, from.exten, from.priority) = ("elsewhere".into(), "s".into(), 1);
            (from.application, from.data) = ("Dial", "PJSIP/elsewhere".into());
            from.bridge.clear();
        });
        call.other = Some(self.add_dialled(now, key, "elsewhere", "elsewhere", linkedid));
        let made = self.channel_event("Newchannel", call.other, Headers::new());
        let up = self.set_state(call.other, State::Up);
        self.events.extend(made.into_iter().chain(up));
    }

    pub(super) fn optimise(&mut self, now: Now, key: u64, call: &mut Call) {
        let one = self.hangup(&mut call.one, 16, None);
        let two = self.hangup_two(now, key, call, 16, Vec::new());
        self.emit_mixed(vec![one, two]);
    }

    /// Hangs up all channels, as Asterisk does when any of them hangs up.
    pub(super) fn end_redirected(&mut self, now: Now, key: u64, call: &mut Call) {
        let one = self.hangup(&mut call.one, 16, None);
        let two: Vec<Event> = self.hangup_two(now, key, call, 16, Vec::new());
        let leg = self.hangup(&mut call.leg, 16, None);
        let other = self.hangup(&mut call.other, 16, None);
        self.emit_mixed(vec![one, two, leg, other]);
    }
}
