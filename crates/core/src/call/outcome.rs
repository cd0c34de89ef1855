//! How a call ended, in words a bot can use, and how that is told from what Asterisk says.
//!
//! Only the hangup cause of the gateway's own leg tells the truth: the Local channel's halves and
//! OriginateResponse's `Reason` name a wrong cause or none (the table is in `asterisk/README.md`).

mod members;

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use strum::{EnumCount, IntoStaticStr, VariantArray};

pub use members::EndMembers;

use super::machine::Moments;
use super::{Number, hide};

/// How a call ended.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, EnumCount, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// Answered, and hung up later by whoever.
    Completed,
    /// Answered, and over before the callee came into the room. Only where a join would have been
    /// seen.
    NotJoined,
    /// Rang, and nobody picked up.
    NoAnswer,
    /// Busy, or the gateway takes no second call.
    Busy,
    /// The callee declined.
    Declined,
    /// The gateway knows no such number on Telegram.
    NotOnTelegram,
    /// The gateway takes no such number.
    InvalidNumber,
    /// Telegram rate-limits the gateway.
    FloodWait,
    /// No way through: gateway or Asterisk out of lines, or broken for now.
    Congestion,
    /// Hung up through our API before it was answered.
    Canceled,
    /// Failed in another way.
    Failed,
    /// Ended while nobody could watch.
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

    /// What the Q.850 cause of the gateway's leg says of a call nobody answered; `None` where it
    /// says nothing, as after a CANCEL of our own.
    pub fn from_cause(cause: u8) -> Option<Self> {
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

    /// What `Reason` of a failed OriginateResponse says (the control frame that ended the dialling:
    /// `include/asterisk/frame.h`, `enum ast_control_frame_type`).
    pub fn from_reason(reason: u8) -> Self {
        match reason {
            1 | 3 => Outcome::NoAnswer,
            5 => Outcome::Busy,
            8 => Outcome::Congestion,
            _ => Outcome::Failed,
        }
    }
}

/// The text is none of [`Outcome::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an outcome")]
pub struct NotAnOutcome;

impl FromStr for Outcome {
    type Err = NotAnOutcome;

    fn from_str(text: &str) -> Result<Self, NotAnOutcome> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text).ok_or(NotAnOutcome)
    }
}

/// Whether the gateway says that Telegram rate-limits it. tg2sip has several words for that:
/// Telegram's own, with which the call fails that goes too far, as `500 429; Too Many Requests:
/// retry after 291` or `500 400; PEER_FLOOD`; and `500 FLOOD_WAIT 261` for those that it no longer
/// tries (`DialTg` in its `gateway.cpp`).
pub fn is_flood_wait(tech: &str) -> bool {
    ["FLOOD", "Too Many Requests"].iter().any(|words| tech.contains(words))
}

/// A hangup cause as Asterisk gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The Q.850 number.
    pub code: u8,
    /// Asterisk's name for it.
    pub text: Box<str>,
}

/// What the end of a call adds to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// How it ended.
    pub outcome: Outcome,
    /// Whether it is known to have been answered, whatever the outcome.
    pub answered: bool,
    /// The hangup cause of the gateway's leg, else of a half of the Local channel.
    pub cause: Option<Cause>,
    /// What the gateway said, as `SIP 500 FLOOD_WAIT 291`.
    pub tech: Option<Box<str>>,
    /// From the first ring (else from acceptance) to the answer, or to the end, if both were seen.
    pub ring: Option<Duration>,
    /// From the answer to the end, if both were seen.
    pub talk: Option<Duration>,
    /// The key that asked for the hang-up, if one did.
    pub hung_up_by: Option<Arc<str>>,
    /// When it ended at the earliest and at the latest, if nobody could watch.
    pub unseen: Option<(SystemTime, SystemTime)>,
    /// When it did what it did. In the log these are records of their own.
    pub moments: Moments,
}

impl End {
    /// The same end, without the middle of the call's number in the words of others.
    pub fn masked(&self, number: Number) -> Self {
        let mut end = self.clone();
        if let Some(cause) = &mut end.cause {
            cause.text = hide(number, &cause.text).into();
        }
        end.tech = end.tech.map(|tech| hide(number, &tech).into());
        end
    }

    /// The seconds Telegram wants the gateway to wait.
    pub fn flood_wait_seconds(&self) -> Option<u32> {
        let tech = self.tech.as_deref()?;
        let (_, wait) = tech.split_once("FLOOD_WAIT").or_else(|| tech.split_once("retry after"))?;
        wait.trim_start_matches([' ', '_'])
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }

    /// How long it rang at least and at most, where [`ring`](Self::ring) is not known and this much
    /// is.
    pub fn ring_bounds(&self) -> Option<Bounds> {
        let Moments { ringing, answered, .. } = self.moments;
        let from = ringing.filter(|_| self.ring.is_none())?;
        match (answered, self.unseen) {
            // The answer was found later.
            (Some(answered), _) => {
                Some(Bounds { min: Duration::ZERO, max: Some(since(from, answered)) })
            }
            (None, Some((after, before))) => {
                Some(Bounds { min: since(from, after), max: Some(since(from, before)) })
            }
            (None, None) => None,
        }
    }

    /// How long they talked at least and at most, where [`talk`](Self::talk) is not known and this
    /// much is.
    pub fn talk_bounds(&self) -> Option<Bounds> {
        let Moments { queued, ringing, answered, ended, .. } = self.moments;
        let answered = answered.filter(|_| self.talk.is_none())?;
        // Where the ringing is known, the answer was seen. Else the callee answered at any time
        // since the step before; a step of the same moment was found in the same list.
        let before_it = ringing.or(queued.filter(|queued| *queued < answered));
        let earliest = if self.ring.is_some() { Some(answered) } else { before_it };
        let (after, before) = self.unseen.or(ended.map(|ended| (ended, ended)))?;
        Some(Bounds {
            min: since(answered, after),
            max: earliest.map(|earliest| since(earliest, before)),
        })
    }
}

/// A duration that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// It was at least this.
    pub min: Duration,
    /// It was at most this; `None` if not even that is known.
    pub max: Option<Duration>,
}

/// From one moment to another; nothing if the clock of the day was set back in between.
fn since(from: SystemTime, to: SystemTime) -> Duration {
    to.duration_since(from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flood_wait_seconds_are_read_from_what_the_gateway_said() {
        let end = |tech: Option<&str>| End {
            outcome: Outcome::FloodWait,
            answered: false,
            cause: None,
            tech: tech.map(Into::into),
            ring: None,
            talk: None,
            hung_up_by: None,
            unseen: None,
            moments: Moments::default(),
        };
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT 291")).flood_wait_seconds(), Some(291));
        assert_eq!(end(Some("SIP 500 FLOOD_WAIT_3")).flood_wait_seconds(), Some(3));
        // As our dialplan sends it up, without the punctuation.
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
