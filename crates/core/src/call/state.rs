//! The states of a call.

/// The state of a call. Later states are greater.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    strum::EnumString,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// A bot requested the call. Asterisk has not accepted it yet.
    Requested,
    /// Asterisk accepted the call.
    Queued,
    /// The gateway reports ringing.
    Ringing,
    /// The callee answered.
    Answered,
    /// The callee is in the conference.
    Joined,
    /// The callee left the conference, and some channel of the call is still up.
    Left,
    /// The call ended, and its outcome is known.
    Ended,
}

impl State {
    /// The states of an active call.
    pub const LIVE: [Self; 6] =
        [Self::Requested, Self::Queued, Self::Ringing, Self::Answered, Self::Joined, Self::Left];

    /// The state's name in the API and in records.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
