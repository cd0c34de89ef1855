//! The outcome of a call, and how it follows from Asterisk's causes.
//!
//! Only the hangup cause of the gateway's own leg is reliable. The halves of the Local channel and
//! OriginateResponse's `Reason` have a wrong cause or none (see the table in `asterisk/README.md`).

mod members;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use strum::{EnumCount, EnumString, IntoStaticStr, VariantArray};

pub use members::EndMembers;
pub(crate) use members::seconds;

use super::machine::Timestamps;
use super::{Number, hide};

/// How a call ended.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    EnumCount,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The callee answered, and either side hung up later.
    Completed,
    /// The callee answered, and the call ended before the callee joined the room. A call has this
    /// outcome only if the daemon would have seen a join.
    NotJoined,
    /// The phone rang, and nobody answered.
    NoAnswer,
    /// The callee is busy, or the gateway cannot place a second call.
    Busy,
    /// The callee declined.
    Declined,
    /// The number has no Telegram account.
    NotOnTelegram,
    /// The gateway rejects the format of the number.
    InvalidNumber,
    /// Telegram rate-limits the gateway.
    FloodWait,
    /// The gateway or Asterisk has no free line, or has a temporary failure.
    Congestion,
    /// A user of the API hung the call up before the callee answered.
    Canceled,
    /// The call failed for another reason.
    Failed,
    /// The call ended while the daemon or the link was down.
    Unknown,
}

impl Outcome {
    /// All outcomes, in the order of the enum.
    pub const ALL: [Self; Self::COUNT] = match Self::VARIANTS.first_chunk() {
        Some(all) => *all,
        None => unreachable!(),
    };

    /// The word, as in records and in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The outcome of an unanswered call by the Q.850 cause of the gateway's leg. `None` if the
    /// cause does not decide it, as after a CANCEL by Asterisk itself.
    pub(crate) fn from_cause(cause: u8) -> Option<Self> {
        match cause {
            0 | 16 | 127 => None,
            1 => Some(Outcome::NotOnTelegram),
            3 | 28 => Some(Outcome::InvalidNumber),
            17 => Some(Outcome::Busy),
            18..=20 => Some(Outcome::NoAnswer),
            21 => Some(Outcome::Declined),
            34 | 38 | 41 | 42 | 44 | 47 => Some(Outcome::Congestion),
            _ => Some(Outcome::Failed),
        }
    }

    /// The outcome by `Reason` of a failed OriginateResponse. The number is the control frame that
    /// ended the dialling (`enum ast_control_frame_type` in `include/asterisk/frame.h`).
    pub(crate) fn from_reason(reason: u8) -> Self {
        match reason {
            1 | 3 => Outcome::NoAnswer,
            5 => Outcome::Busy,
            8 => Outcome::Congestion,
            _ => Outcome::Failed,
        }
    }
}

/// Whether the gateway's reply means that Telegram rate-limits it. tg2sip has several such replies.
/// The call that exceeds the limit fails with Telegram's own words, as `500 429; Too Many Requests:
/// retry after 291` or `500 400; PEER_FLOOD`. Calls that tg2sip does not try after that fail with
/// `500 FLOOD_WAIT 261` (`DialTg` in its `gateway.cpp`).
pub(crate) fn is_flood_wait(reply: &str) -> bool {
    ["FLOOD", "Too Many Requests"].iter().any(|words| reply.contains(words))
}

/// A hangup cause in Asterisk's form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The Q.850 number.
    pub code: u8,
    /// Asterisk's name for it.
    pub text: Box<str>,
}

/// The end of a call, as `call.ended` has it.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The outcome.
    pub outcome: Outcome,
    /// Whether the callee is known to have answered. This is independent of the outcome.
    pub answered: bool,
    /// The hangup cause of the gateway's leg; if no leg had one, that of a half of the Local
    /// channel.
    pub cause: Option<Cause>,
    /// The gateway's reply, as `SIP 500 FLOOD_WAIT 291`.
    pub gateway_reply: Option<Box<str>>,
    /// Ring time: from the first ring (or from the acceptance if there was no ring) to the answer,
    /// or to the end of an unanswered call. `None` unless the daemon saw both.
    pub ring: Option<Duration>,
    /// Talk time: from the answer to the end. `None` unless the daemon saw both.
    pub talk: Option<Duration>,
    /// The name of the key that asked to hang the call up, if one did.
    pub hung_up_by: Option<Arc<str>>,
    /// The earliest and the latest time of the end, if no event of it was received.
    pub ended_between: Option<(SystemTime, SystemTime)>,
    /// When the call reached its steps. `call.ended` leaves them out, as each step has its own
    /// record.
    pub timestamps: Timestamps,
}

impl End {
    /// The same end, with the call's number masked in the texts of Asterisk and the gateway.
    pub fn masked(&self, number: Number) -> Self {
        let mut end = self.clone();
        if let Some(cause) = &mut end.cause {
            cause.text = hide(number, &cause.text).into();
        }
        end.gateway_reply = end.gateway_reply.map(|reply| hide(number, &reply).into());
        end
    }

    /// How many seconds Telegram wants the gateway to wait, from the gateway's reply.
    pub fn flood_wait_seconds(&self) -> Option<u32> {
        let reply = self.gateway_reply.as_deref()?;
        let (_, wait) =
            reply.split_once("FLOOD_WAIT").or_else(|| reply.split_once("retry after"))?;
        wait.trim_start_matches([' ', '_'])
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }

    /// Bounds of the ring time; `None` if [`ring`](Self::ring) is known, or no bound is.
    pub(crate) fn ring_bounds(&self) -> Option<Bounds> {
        let Timestamps { ringing, answered, .. } = self.timestamps;
        let from = ringing.filter(|_| self.ring.is_none())?;
        match (answered, self.ended_between) {
            // The ring time is unknown although the answer has a time: a later channel list had it.
            (Some(answered), _) => {
                Some(Bounds { min: Duration::ZERO, max: Some(since(from, answered)) })
            }
            (None, Some((after, before))) => {
                Some(Bounds { min: since(from, after), max: Some(since(from, before)) })
            }
            (None, None) => None,
        }
    }

    /// Bounds of the talk time; `None` if [`talk`](Self::talk) is known, or no bound is.
    pub fn talk_bounds(&self) -> Option<Bounds> {
        let Timestamps { queued, ringing, answered, ended, .. } = self.timestamps;
        let answered = answered.filter(|_| self.talk.is_none())?;
        // A known ring time means that the daemon saw the answer. Otherwise the callee answered at
        // any time after the previous step. An acceptance with the answer's time is no such step:
        // the daemon found both in the same channel list.
        let previous_step = ringing.or(queued.filter(|queued| *queued < answered));
        let earliest = if self.ring.is_some() { Some(answered) } else { previous_step };
        let (after, before) = self.ended_between.or(ended.map(|ended| (ended, ended)))?;
        Some(Bounds {
            min: since(answered, after),
            max: earliest.map(|earliest| since(earliest, before)),
        })
    }
}

/// Bounds of a duration that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The shortest possible duration.
    pub min: Duration,
    /// The longest possible duration; `None` if there is no known limit.
    pub max: Option<Duration>,
}

/// The time between two steps; zero if someone set the wall clock back in between.
fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_wait_seconds_come_from_gateway_reply() {
        let end = |reply: Option<&str>| End {
            outcome: Outcome::FloodWait,
            answered: false,
            cause: None,
            gateway_reply: reply.map(Into::into),
            ring: None,
            talk: None,
            hung_up_by: None,
            ended_between: None,
            timestamps: Timestamps::default(),
        };
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT 291")).flood_wait_seconds(), Some(291));
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT_3")).flood_wait_seconds(), Some(3));
        // The sample dialplan removes the punctuation.
        assert_eq!(
            end(Some("SIP 500 429 Too Many Requests retry after 7")).flood_wait_seconds(),
            Some(7)
        );
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT")).flood_wait_seconds(), None);
        assert_eq!(end(Some("SIP 500 400 PEER_FLOOD")).flood_wait_seconds(), None);
        assert_eq!(end(Some("SIP 486 Busy")).flood_wait_seconds(), None);
        assert_eq!(end(None).flood_wait_seconds(), None);
    }
}
