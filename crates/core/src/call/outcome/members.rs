//! The end of a call as JSON members of `call.ended` and of calls in the operators' API.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bounds, End};
use crate::call::lenient;
use crate::clock::Rfc3339;

/// The members in their order. An unknown member with `skip_serializing_if` is absent; any other
/// unknown member is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndMembers<'a> {
    /// The name of an [`Outcome`](super::Outcome), perhaps one that only a later build knows.
    #[serde(borrow)]
    pub outcome: Cow<'a, str>,
    /// The Q.850 number of the hangup cause.
    pub cause: Option<u8>,
    /// Asterisk's name for the cause.
    #[serde(borrow)]
    pub cause_text: Option<Cow<'a, str>>,
    /// The gateway's reply, as `SIP 500 FLOOD_WAIT 291`.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub gateway_reply: Option<Cow<'a, str>>,
    /// Seconds that Telegram wants the gateway to wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood_wait_seconds: Option<u32>,
    /// Ring time; see [`End::ring`].
    pub ring_seconds: Option<f64>,
    /// Talk time; see [`End::talk`].
    pub talk_seconds: Option<f64>,
    /// The shortest possible ring time, if `ring_seconds` is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_seconds_min: Option<f64>,
    /// The longest possible ring time. `Some(None)` is written as `null`: no limit is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ring_seconds_max: Option<Option<f64>>,
    /// The shortest possible talk time, if `talk_seconds` is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_seconds_min: Option<f64>,
    /// The longest possible talk time, with `null` as in `ring_seconds_max`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub talk_seconds_max: Option<Option<f64>>,
    /// The name of the key that asked to hang the call up.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub hung_up_by: Option<Cow<'a, str>>,
    /// The earliest possible end, if the daemon received no event of the end.
    #[serde(
        default,
        deserialize_with = "lenient::from_str",
        skip_serializing_if = "Option::is_none"
    )]
    pub ended_after: Option<Rfc3339>,
    /// The latest possible end, if the daemon received no event of the end.
    #[serde(
        default,
        deserialize_with = "lenient::from_str",
        skip_serializing_if = "Option::is_none"
    )]
    pub ended_before: Option<Rfc3339>,
}

impl<'a> From<&'a End> for EndMembers<'a> {
    fn from(end: &'a End) -> Self {
        let cause = end.cause.as_ref();
        let (ring, talk) = (end.ring_bounds(), end.talk_bounds());
        let min = |bounds: Option<Bounds>| bounds.map(|bounds| seconds(bounds.min));
        let max = |bounds: Option<Bounds>| bounds.map(|bounds| bounds.max.map(seconds));
        Self {
            outcome: end.outcome.as_str().into(),
            cause: cause.map(|cause| cause.code),
            cause_text: cause.map(|cause| (*cause.text).into()),
            gateway_reply: end.gateway_reply.as_deref().map(Cow::from),
            flood_wait_seconds: end.flood_wait_seconds(),
            ring_seconds: end.ring.map(seconds),
            talk_seconds: end.talk.map(seconds),
            ring_seconds_min: min(ring),
            ring_seconds_max: max(ring),
            talk_seconds_min: min(talk),
            talk_seconds_max: max(talk),
            hung_up_by: end.hung_up_by.as_deref().map(Cow::from),
            ended_after: end.ended_between.map(|(after, _)| Rfc3339(after)),
            ended_before: end.ended_between.map(|(_, before)| Rfc3339(before)),
        }
    }
}

/// Seconds, cut to three decimals.
pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_millis() as f64 / 1000.0
}
