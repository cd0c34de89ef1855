//! Whether the AMI user is sent the events of calls, found out at login.
//!
//! A user without `read = call` can originate and list, so that all seems well; but no call is seen
//! ringing, answered or ended, and a number is free only once a list lacks its call. The answer to
//! a login does not say what a user may read. `manager.conf` does, and the dialplan function
//! `AST_CONFIG` reads it with the rights that the daemon has anyway. Where the file does not say
//! `call` or `all` (it may not be loaded yet, or the user may stand somewhere else) a call to an
//! extension that does not exist decides: it has events within milliseconds, and rings nobody. So
//! it does when a call of ours was made and had no event. Each such call leaves a line in
//! Asterisk's log and perhaps a CDR, which is why it is not made at every login.

use std::time::{Duration, Instant};

use super::{Engine, Purpose};
use crate::ami::action::Action;
use crate::ami::message::{Event as AmiEvent, Response};
use crate::clock::Now;

/// How long the events of the call to nowhere are waited for. Asterisk may hold events back until
/// its next input, and a Ping comes within this time.
const EVENTS_TIMEOUT: Duration = Duration::from_secs(5);

/// Why calls cannot be made.
pub(super) const NO_EVENTS: &str =
    "no events of calls arrive: the AMI user needs read = call,system,user in manager.conf";

/// A channel that comes and goes at once, as there is no such context.
const NOWHERE: &str = "Local/originatord-check@originatord-check";

/// Whether events of calls arrive, as far as this link has shown.
pub(super) enum CallEvents {
    /// There is no reason to doubt that they arrive.
    Expected,
    /// One has arrived.
    Seen,
    /// A call was made without an event, which a busy Asterisk may send late: one has to come by
    /// the instant.
    Awaited(Instant),
    /// The user may not read them, it seems: no calls are made before one has come, which it has to
    /// by the instant.
    Doubted(Instant),
}

impl CallEvents {
    /// When an event has to have come.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            CallEvents::Awaited(until) | CallEvents::Doubted(until) => Some(*until),
            CallEvents::Expected | CallEvents::Seen => None,
        }
    }
}

impl<O, H> Engine<O, H> {
    /// Asks what `manager.conf` lets the user read.
    pub(super) fn ask_rights(&mut self, now: Now) {
        self.link.call_events = CallEvents::Expected;
        let user = &self.settings.session.username;
        // Another name could end the function's argument.
        if !user
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
        {
            return;
        }
        // The last of several lines counts.
        let variable = format!("AST_CONFIG(manager.conf,{user},read,-1)");
        if let Some(session) = self.link.session() {
            let action = Action::Other("GetVar", vec![("Variable", variable)]);
            // A name of these letters holds nothing that could be unsendable.
            let _ = session.send(now.instant, &action, Purpose::Rights);
        }
    }

    pub(super) fn receive_rights(&mut self, now: Now, response: &Response) {
        let classes = response.frame.text("Value").filter(|_| response.success);
        // An Asterisk without the function proves nothing either way.
        let Some(classes) = classes else { return };
        if !classes.trim().split(',').any(|class| matches!(class, "call" | "all")) {
            self.call_nowhere(now);
            self.link.call_events = CallEvents::Doubted(now.instant + EVENTS_TIMEOUT);
            self.say_ready();
        }
    }

    /// Asterisk has made a call of ours, and no event of any call has come on this link. The file
    /// may say more than the user was given when it logged in, as before a `manager reload`.
    pub(super) fn miss_call_events(&mut self, now: Now) {
        if let CallEvents::Expected = self.link.call_events {
            self.call_nowhere(now);
            self.link.call_events = CallEvents::Awaited(now.instant + EVENTS_TIMEOUT);
        }
    }

    fn call_nowhere(&mut self, now: Now) {
        let id = format!("originatord-check-{:016x}", self.rng.u64(..));
        let Some(session) = self.link.session() else { return };
        let headers =
            [("Channel", NOWHERE), ("Application", "NoOp"), ("Async", "true"), ("ChannelId", &id)];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        // None of these holds anything that could be unsendable.
        let _ =
            session.send(now.instant, &Action::Other("Originate", headers), Purpose::CallToNowhere);
    }

    /// The answer to the call to nowhere. One that is refused has no events and proves nothing.
    pub(super) fn receive_call_to_nowhere(&mut self, now: Now, response: &Response) {
        if !response.success {
            self.call_events_arrive(now);
        }
    }

    /// Takes note of an event of any call, ours or not.
    pub(super) fn note_call_event(&mut self, now: Now, event: &AmiEvent<'_>) {
        let is_of_call = !matches!(event, AmiEvent::GatewayReply { .. });
        if is_of_call && !matches!(self.link.call_events, CallEvents::Seen) {
            self.call_events_arrive(now);
        }
    }

    fn call_events_arrive(&mut self, now: Now) {
        if let CallEvents::Doubted(_) =
            std::mem::replace(&mut self.link.call_events, CallEvents::Seen)
        {
            self.ready_again(now);
        }
    }

    /// Logs in anew after a while: a user's rights are those that it had at its login.
    pub(super) fn tick_rights(&mut self, now: Now) {
        if self.link.call_events.deadline().is_some_and(|until| until <= now.instant)
            && self.link.is_up()
        {
            self.drop_link(now, NO_EVENTS);
        }
    }
}
