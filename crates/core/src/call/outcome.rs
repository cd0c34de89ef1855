//! The outcome of a call, and how it follows from Asterisk's causes.
//!
//! Only the hangup cause of the gateway's own leg is reliable. The halves of the Local channel and
//! OriginateResponse's `Reason` have a wrong cause or none (see the table in `asterisk/README.md`).

mod members;

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use strum::{EnumCount, IntoStaticStr, VariantArray};

pub use members::EndMembers;

use super::machine::Timestamps;
use super::{Number, hide};

/// How a call ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, EnumCount, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The callee answered, and either side hung up later.
    Completed,
    /// The callee answered, and the call ended before the callee joined the room. Only used where a
    /// join would have been seen.
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
    /// Gateway or Asterisk has no free line, or does not work for now.
    Congestion,
    /// The call was hung up by the API before the callee answered.
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

    /// The outcome of an unanswered call by the Q.850 cause of the gateway's leg. `None` where the
    /// cause tells nothing, as after a CANCEL of our own.
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

/// The error for a text that is not in [`Outcome::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome")]
pub struct NotAnOutcome;

impl FromStr for Outcome {
    type Err = NotAnOutcome;

    fn from_str(text: &str) -> Result<Self, NotAnOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(NotAnOutcome)
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
    /// The hangup cause of the gateway's leg, or else of a half of the Local channel.
    pub cause: Option<Cause>,
    /// The gateway's reply, as `SIP 500 FLOOD_WAIT 291`.
    pub gateway_reply: Option<Box<str>>,
    /// From the first ring (else from acceptance) to the answer, or to the end, if both were seen.
    pub ring: Option<Duration>,
    /// From the answer to the end, if both were seen.
    pub talk: Option<Duration>,
    /// The key that asked for the hang-up, if one did.
    pub hung_up_by: Option<Arc<str>>,
    /// The earliest and the latest time of the end, if no event of it was received.
    pub ended_between: Option<(SystemTime, SystemTime)>,
    /// When the call reached its steps. In the journal each step has a record of its own.
    pub moments: Timestamps,
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

    /// How many seconds Telegram wants the gateway to wait.
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

    /// Bounds of the ring time, if [`ring`](Self::ring) is unknown and they are known.
    pub(crate) fn ring_bounds(&self) -> Option<Bounds> {
        let Timestamps { ringing, answered, .. } = self.moments;
        let from = ringing.filter(|_| self.ring.is_none())?;
        match (answered, self.ended_between) {
            // The answer was found in a later channel list.
            (Some(answered), _) => {
                Some(Bounds { min: Duration::ZERO, max: Some(since(from, answered)) })
            }
            (None, Some((after, before))) => {
                Some(Bounds { min: since(from, after), max: Some(since(from, before)) })
            }
            (None, None) => None,
        }
    }

    /// Bounds of the talk time, if [`talk`](Self::talk) is unknown and they are known.
    pub fn talk_bounds(&self) -> Option<Bounds> {
        let Timestamps { queued, ringing, answered, ended, .. } = self.moments;
        let answered = answered.filter(|_| self.talk.is_none())?;
        // A known ring time means that the answer was seen. Otherwise the callee answered at any
        // time after the previous step. A step with the same time was found in the same list.
        let before_it = ringing.or(queued.filter(|queued| *queued < answered));
        let earliest = if self.ring.is_some() { Some(answered) } else { before_it };
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

/// The time between two steps; zero if the wall clock was set back in between.
fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_wait_seconds_are_parsed_from_the_gateway_reply() {
        let end = |tech: Option<&str>| End {
            outcome: Outcome::FloodWait,
            answered: false,
            cause: None,
            gateway_reply: tech.map(Into::into),
            ring: None,
            talk: None,
            hung_up_by: None,
            ended_between: None,
            moments: Timestamps::default(),
        };
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT 291")).flood_wait_seconds(), Some(291));
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT_3")).flood_wait_seconds(), Some(3));
        // The dialplan sample drops the punctuation.
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
