//! What is said of a call, and what follows from it.

use std::sync::Arc;
use std::time::SystemTime;

use super::machine::CallChannel;
use super::outcome::{Cause, End};

/// A thing that Asterisk, or nobody but the clock, says of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Asterisk has taken the Originate and nothing speaks against it.
    Accepted,
    /// The half of the Local channel that enters the conference (`;1`) exists.
    Local1Seen,
    /// The half that holds the number's lock and runs the dialling dialplan (`;2`) exists.
    Local2Seen,
    /// A leg towards the gateway exists.
    LegSeen(Box<str>),
    /// While a leg of the answered call was up, a further channel was born for it: the dialplan
    /// dials somebody else.
    DialledOn,
    /// The gateway says that it rings.
    Ringing,
    /// Answered.
    Answered,
    /// Asterisk's list of channels has `;1` of the call.
    Listed {
        /// Whether `;2` is listed, too, so that the call is accepted.
        accepted: bool,
        /// Whether it was up, which means answered.
        up: bool,
        /// All events that Asterisk sent before this instant have been received.
        synced_until: SystemTime,
    },
    /// Entered a conference.
    Joined(Arc<str>),
    /// Left it.
    Left(Arc<str>),
    /// `;1` is gone.
    Local1Gone(Cause),
    /// `;2` is gone.
    Local2Gone(Cause),
    /// A leg towards the gateway is gone.
    LegGone(Box<str>, Cause),
    /// What the gateway said of a leg, in its own protocol's words.
    Tech(Box<str>),
    /// OriginateResponse: whether the call was answered, and the `Reason` if not.
    Response(Result<(), u8>),
    /// Somebody with this key wants it hung up.
    HangUpAsked(Arc<str>),
    /// Asterisk did not do it.
    HangUpRefused,
    /// Asterisk no longer has this channel of the call, and its Hangup was not seen. It has others
    /// of the call.
    Absent(CallChannel),
    /// Asterisk no longer has the call, and its end was not seen; it was last known alive at this
    /// time.
    Vanished(SystemTime),
}

/// What a fact changed, to be told to the world.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Asterisk has accepted the call.
    Queued,
    /// It rings.
    Ringing,
    /// It was answered.
    Answered {
        /// The answer was found in a list of channels, and happened after this instant. `None` if
        /// it was seen itself.
        after: Option<SystemTime>,
    },
    /// The callee entered a conference.
    Joined(Arc<str>),
    /// The callee left it.
    Left(Arc<str>),
    /// Both halves are gone, and a leg holds the number: Asterisk's list has to confirm that the
    /// leg is up.
    HeldByLeg,
    /// Nothing of the call holds the number any longer.
    Freed,
    /// All that will be known of its end is known.
    Ended(Box<End>),
}
