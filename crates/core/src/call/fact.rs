//! Facts about a call, and the changes that follow from them.

use std::sync::Arc;
use std::time::SystemTime;

use super::machine::CallChannel;
use super::outcome::{Cause, End};

/// One observation about a call, from an Asterisk event or from a timeout.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Asterisk acknowledged the Originate, and the number's lock was free.
    Accepted,
    /// The half of the Local channel that enters the conference (`;1`) exists.
    Local1Seen,
    /// The half that holds the number's lock and runs the dialling dialplan (`;2`) exists.
    Local2Seen,
    /// A leg towards the gateway exists.
    LegSeen(Box<str>),
    /// A further channel appeared while a leg of the answered call was up: the dialplan dials
    /// another person.
    DialledOn,
    /// The gateway reports ringing.
    Ringing,
    /// The callee answered.
    Answered,
    /// Asterisk's channel list has `;1` of the call.
    Listed {
        /// Whether `;2` is listed as well: then the call is accepted.
        accepted: bool,
        /// Whether `;1` is up: then the call is answered.
        up: bool,
        /// All events that Asterisk sent before this instant have been received.
        synced_until: SystemTime,
    },
    /// The callee joined this conference.
    Joined {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// Set if the daemon found the join in a channel list: it happened after this time.
        after: Option<SystemTime>,
    },
    /// The callee left this conference.
    Left(Arc<str>),
    /// `;1` is gone.
    Local1Gone(Cause),
    /// `;2` is gone.
    Local2Gone(Cause),
    /// A leg towards the gateway is gone.
    LegGone(Box<str>, Cause),
    /// The gateway's reply to a leg, in the words of its protocol, as `SIP 486 Busy Here`.
    GatewayReply(Box<str>),
    /// OriginateResponse: `Ok` if the callee answered, else the `Reason`.
    Response(Result<(), u8>),
    /// The key of this name asked to hang the call up.
    HangUpAsked(Arc<str>),
    /// Asterisk refused to hang the call up.
    HangUpRefused,
    /// Asterisk's channel list lacks this channel but has others of the call, and the daemon
    /// received no Hangup of it.
    Absent(CallChannel),
    /// Asterisk's channel list lacks the whole call, and the daemon received no event of its end.
    /// The time is the last at which the call was known to be active.
    Vanished(SystemTime),
}

/// A change of a call, for the journal and the bot.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Asterisk has accepted the call.
    Queued,
    /// The callee's phone rings.
    Ringing,
    /// The callee answered.
    Answered {
        /// Set if the daemon found the answer in a channel list: the callee answered after this
        /// time. `None` if the daemon received the event.
        after: Option<SystemTime>,
    },
    /// The callee joined this conference.
    Joined {
        /// The conference as Asterisk names it.
        conference: Arc<str>,
        /// Set if the daemon found the join in a channel list: it happened after this time.
        after: Option<SystemTime>,
    },
    /// The callee left this conference.
    Left(Arc<str>),
    /// Both Local halves are gone, and a leg keeps the number busy. Asterisk's channel list must
    /// confirm that the leg is up.
    HeldByLeg,
    /// The number can be called again.
    Freed,
    /// The call ended, and its outcome is decided.
    Ended(Box<End>),
}
