//! Finding out at login whether the AMI user receives the events of calls.
//!
//! A user without `read = call` can originate and list, so everything seems to work; but the daemon
//! sees no call ringing, answered or ended, and a number is free only once a list lacks its call.
//! The response to a login does not contain the user's read rights. `manager.conf` does, and the
//! dialplan function `AST_CONFIG` reads it; the daemon's AMI rights allow that anyway.
//!
//! If that file does not give the user `call` or `all`, the user may still have the right: its line
//! may stand in another file, or Asterisk may not have loaded a change. Then the daemon makes a
//! probe call to an extension that does not exist: Asterisk sends its events within milliseconds,
//! and nobody's telephone rings. The daemon also makes one after a call of its own that had no
//! event. As a probe call leaves a line in Asterisk's log and perhaps a CDR, it is not made at each
//! login.

use std::time::{Duration, Instant};

use super::Link;
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Response};
use crate::clock::Now;
use crate::engine::purpose::Purpose;
use crate::engine::request::Replies;

/// How long the daemon waits for the events of the probe call. Asterisk may hold events back until
/// its next input, and a Ping comes within this time.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(5);

/// The reason for not making calls while the events of calls do not arrive.
pub(in crate::engine) const NO_EVENTS: &str =
    "no events of calls arrive: the AMI user needs read = call,system,user in manager.conf";

/// The probe call's channel. It ends at once, as there is no such context.
const PROBE_CHANNEL: &str = "Local/originatord-check@originatord-check";

/// Whether events of calls arrive on this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallEvents {
    /// No event of a call has arrived, and none was due.
    Expected,
    /// An event of a call has arrived.
    Seen,
    /// A call was made and no event has arrived. A busy Asterisk may be late, so the daemon goes on
    /// making calls; an event has to arrive by the instant.
    Awaited(Instant),
    /// `manager.conf` does not let the user read them. The daemon makes no calls until an event has
    /// arrived, which has to happen by the instant.
    Doubted(Instant),
}

impl CallEvents {
    pub(super) fn is_doubted(self) -> bool {
        matches!(self, CallEvents::Doubted(_))
    }

    /// The time by which an event has to arrive.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            CallEvents::Awaited(until) | CallEvents::Doubted(until) => Some(until),
            CallEvents::Expected | CallEvents::Seen => None,
        }
    }
}

impl<R: Replies> Link<R> {
    /// Asks Asterisk for the user's `read` line of `manager.conf`.
    pub(super) fn read_rights(&mut self, now: Now) {
        self.call_events = CallEvents::Expected;
        let user = &self.settings.session.username;
        // Any other character could end the argument of `AST_CONFIG`.
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !user.bytes().all(is_plain) {
            return;
        }
        // `-1` is the last of several lines, which is the one that counts.
        let variable = format!("AST_CONFIG(manager.conf,{user},read,-1)");
        let action = Action::Other("GetVar", vec![("Variable", variable)]);
        self.send(now, &action, Purpose::ReadRights);
    }

    /// Handles the response with the user's `read` line. Returns whether calls cannot be made any
    /// more.
    pub(in crate::engine) fn receive_rights(
        &mut self,
        now: Now,
        response: &Response,
        rng: &mut fastrand::Rng,
    ) -> bool {
        let classes = response.frame.text("Value").filter(|_| response.success);
        // An Asterisk without the function proves nothing either way.
        let Some(classes) = classes else { return false };
        if classes.trim().split(',').any(|class| matches!(class, "call" | "all")) {
            return false;
        }
        self.send_probe_call(now, rng);
        self.call_events = CallEvents::Doubted(now.instant + EVENTS_TIMEOUT);
        true
    }

    /// Asterisk has made a call of ours without an event. If no event of any call has arrived on
    /// this connection, a probe call decides: `manager.conf` may give the user more rights than it
    /// had at its login, as before a `manager reload`.
    pub(in crate::engine) fn probe_call_events(&mut self, now: Now, rng: &mut fastrand::Rng) {
        if self.call_events == CallEvents::Expected {
            self.send_probe_call(now, rng);
            self.call_events = CallEvents::Awaited(now.instant + EVENTS_TIMEOUT);
        }
    }

    fn send_probe_call(&mut self, now: Now, rng: &mut fastrand::Rng) {
        let id = format!("originatord-check-{:016x}", rng.u64(..));
        let headers = [
            ("Channel", PROBE_CHANNEL),
            ("Application", "NoOp"),
            ("Async", "true"),
            ("ChannelId", &id),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        self.send(now, &Action::Other("Originate", headers), Purpose::ProbeCall);
    }

    /// Handles the response to the probe call. A refused call has no events and proves nothing, so
    /// the daemon gives up the doubt. Returns whether there was one.
    pub(in crate::engine) fn receive_probe_call(&mut self, response: &Response) -> bool {
        !response.success && self.note_call_events()
    }

    /// Notes an event. Returns whether the link was in doubt, and is not any more.
    pub(in crate::engine) fn note_event(&mut self, event: &AmiEvent<'_>) -> bool {
        // A `GatewayReply` is a UserEvent of the dialplan, which needs another right.
        !matches!(event, AmiEvent::GatewayReply { .. }) && self.note_call_events()
    }

    fn note_call_events(&mut self) -> bool {
        std::mem::replace(&mut self.call_events, CallEvents::Seen).is_doubted()
    }

    /// Whether no event has arrived in time. The daemon then logs in again: an AMI session keeps
    /// the rights that its user had at the login.
    pub(in crate::engine) fn call_events_timed_out(&self, now: Now) -> bool {
        self.is_up() && self.call_events.deadline().is_some_and(|until| until <= now.instant)
    }
}
