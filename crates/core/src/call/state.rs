//! How far a call can come.

/// How far a call has come.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum State {
    /// Asked for; Asterisk has not yet accepted it.
    Requested,
    /// Accepted by Asterisk.
    Queued,
    /// The gateway says it rings.
    Ringing,
    /// Answered.
    Answered,
    /// In the conference.
    Joined,
    /// Out of the conference, and not yet hung up.
    Left,
    /// Over.
    Ended,
}

impl State {
    /// Those of a call that is not over.
    pub const LIVE: [Self; 6] =
        [Self::Requested, Self::Queued, Self::Ringing, Self::Answered, Self::Joined, Self::Left];

    /// The word, as in the API.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
