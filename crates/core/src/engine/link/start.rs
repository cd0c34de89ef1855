//! Waiting until Asterisk has started. An Asterisk that is starting accepts logins, but refuses
//! calls as if it had no dialplan. So the daemon waits for `FullyBooted` after each login, but not
//! for ever: the AMI user may not be allowed to read that event.

use std::time::{Duration, Instant};

/// How long to wait if this Asterisk has sent `FullyBooted` before.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How long to wait if this Asterisk never has.
const TIMEOUT_UNKNOWN: Duration = Duration::from_secs(3);

/// The wait for the start of Asterisk.
#[derive(Default)]
pub(super) struct StartWait {
    /// The end of the wait; `None` if the daemon does not wait.
    until: Option<Instant>,
    /// Whether this Asterisk is known to send `FullyBooted`.
    is_reported: bool,
}

impl StartWait {
    /// A login is done, and the wait begins.
    pub(super) fn begin(&mut self, now: Instant) {
        let timeout = if self.is_reported { TIMEOUT } else { TIMEOUT_UNKNOWN };
        self.until = Some(now + timeout);
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.until.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// Asterisk has sent `FullyBooted`. Returns whether the daemon waited for it.
    pub(super) fn fully_booted(&mut self) -> bool {
        self.is_reported = true;
        self.until.take().is_some()
    }

    /// Ends the wait if its time is over; returns whether it did. From then on this Asterisk counts
    /// as one that does not send `FullyBooted`.
    pub(super) fn time_out(&mut self, now: Instant) -> bool {
        let is_over = self.until.take_if(|until| *until <= now).is_some();
        self.is_reported &= !is_over;
        is_over
    }
}
