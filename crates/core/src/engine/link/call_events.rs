//! Whether the AMI user receives the events of calls, found out at login.
//!
//! A user without `read = call` can originate and list, so everything seems to work; but the daemon
//! sees no call ringing, answered or ended, and a number is free only once a list lacks its call.
//! The response to a login does not contain what a user may read. `manager.conf` does, and the
//! dialplan function `AST_CONFIG` reads it with the rights that the daemon has anyway.
//!
//! The file does not always name `call` or `all`: it may not be loaded yet, or the user may stand
//! in another file. Then a probe call decides, to an extension that does not exist: it has events
//! within milliseconds, and rings nobody. It decides also after a call of ours that had no event.
//! A probe call leaves a line in Asterisk's log and perhaps a CDR, so it is not made at each login.

use std::time::{Duration, Instant};

use super::Link;
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Response};
use crate::clock::Now;
use crate::engine::purpose::Purpose;

/// How long the daemon waits for the events of the probe call. Asterisk may hold events back until
/// its next input, and a Ping comes within this time.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why calls cannot be made.
pub(in crate::engine) const NO_EVENTS: &str =
    "no events of calls arrive: the AMI user needs read = call,system,user in manager.conf";

/// The probe call's channel. It ends at once, as there is no such context.
const PROBE_CHANNEL: &str = "Local/originatord-check@originatord-check";

/// Whether events of calls arrive, judged by this connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallEvents {
    /// Nothing speaks against it.
    Expected,
    /// One has arrived.
    Seen,
    /// A call was made without an event, which a busy Asterisk may send late: one has to arrive by
    /// the instant.
    Awaited(Instant),
    /// It seems that the user may not read them: the daemon makes no calls until one has arrived,
    /// which has to happen by the instant.
    Doubted(Instant),
}

impl CallEvents {
    pub(super) fn is_doubted(self) -> bool {
        matches!(self, CallEvents::Doubted(_))
    }

    /// When an event has to have arrived.
    pub(super) fn deadline(self) -> Option<Instant> {
        match self {
            CallEvents::Awaited(until) | CallEvents::Doubted(until) => Some(until),
            CallEvents::Expected | CallEvents::Seen => None,
        }
    }
}

impl<H> Link<H> {
    /// Asks what `manager.conf` lets the user read.
    pub(super) fn read_rights(&mut self, now: Now) {
        self.call_events = CallEvents::Expected;
        let user = &self.settings.session.username;
        // Any other character could end the function's argument.
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !user.bytes().all(is_plain) {
            return;
        }
        // The last of several lines counts.
        let variable = format!("AST_CONFIG(manager.conf,{user},read,-1)");
        let action = Action::Other("GetVar", vec![("Variable", variable)]);
        self.send(now, &action, Purpose::ReadRights);
    }

    /// The response to the question what the user may read. Returns whether the answer makes the
    /// link unready.
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

    /// Asterisk has made a call of ours, and no event of any call has arrived on this connection.
    /// The file may name more than the user was given at its login, as before a `manager reload`.
    pub(in crate::engine) fn miss_call_events(&mut self, now: Now, rng: &mut fastrand::Rng) {
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

    /// The response to the probe call. A call that was refused has no events and proves nothing.
    /// Returns whether the doubt is gone.
    pub(in crate::engine) fn receive_probe_call(&mut self, response: &Response) -> bool {
        !response.success && self.note_call_events()
    }

    /// Notes an event. Returns whether it has removed the doubt that events of calls arrive.
    pub(in crate::engine) fn note_event(&mut self, event: &AmiEvent<'_>) -> bool {
        // This one is the dialplan's own, and not one of a call.
        !matches!(event, AmiEvent::GatewayReply { .. }) && self.note_call_events()
    }

    fn note_call_events(&mut self) -> bool {
        std::mem::replace(&mut self.call_events, CallEvents::Seen).is_doubted()
    }

    /// Whether no event has arrived in time. The daemon then logs in again, as a user keeps the
    /// rights that it had at its login.
    pub(in crate::engine) fn call_events_timed_out(&self, now: Now) -> bool {
        self.is_up() && self.call_events.deadline().is_some_and(|until| until <= now.instant)
    }
}
