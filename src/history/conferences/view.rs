//! Conferences as the API shows them.

use originatord_core::call::CallId;
use originatord_core::call::view::CallView;
use originatord_core::clock::Rfc3339;
use originatord_core::room::ConferenceId;
use serde::Serialize;

/// When and where a conference was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Conference {
    /// Its id.
    pub(crate) conference_id: ConferenceId,
    /// The room, as Asterisk spelled it.
    pub(crate) room: String,
    /// When it started.
    pub(crate) started: Rfc3339,
    /// Set if nobody saw the start: it was after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_after: Option<Rfc3339>,
    /// When it ended; none if it is live.
    pub(crate) ended: Option<Rfc3339>,
    /// Set if nobody saw the end: it was after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_after: Option<Rfc3339>,
    /// The key that ended it for everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ended_by: Option<String>,
}

/// A conference in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ConferenceView {
    /// When and where it was.
    #[serde(flatten)]
    pub(crate) conference: Conference,
    /// How many were in it, each counted once.
    pub(crate) participants: u64,
    /// How many were in it at once, at most.
    pub(crate) most_at_once: u64,
}

/// The story of a conference.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConferenceDetail {
    /// When and where it was.
    #[serde(flatten)]
    pub(crate) conference: Conference,
    /// How many were in it, each counted once.
    pub(crate) participant_count: u64,
    /// How many were in it at once, at most.
    pub(crate) most_at_once: u64,
    /// Everybody who was in it, in the order in which they first came.
    pub(crate) participants: Vec<Participant>,
    /// When everybody was muted.
    pub(crate) room_mutes: Vec<Span>,
    /// When the room was locked.
    pub(crate) locks: Vec<Span>,
    /// The calls to the room at that time that never were in it.
    pub(crate) invited: Vec<CallView>,
    /// Set if the conference has more visits than are shown.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) incomplete: bool,
}

/// Somebody who was in a conference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Participant {
    /// The call's id, or the Uniqueid of a guest.
    pub(crate) id: String,
    /// The call, if it was one of the daemon's.
    pub(crate) call_id: Option<CallId>,
    /// The number, if known; perhaps masked.
    pub(crate) number: Option<String>,
    /// The name or number under which they appeared.
    pub(crate) caller_id: String,
    /// Each stay, in order.
    pub(crate) visits: Vec<Visit>,
    /// When they were muted.
    pub(crate) mutes: Vec<Span>,
}

/// One stay of a participant.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Visit {
    /// When they came.
    pub(crate) joined: Rfc3339,
    /// Set if nobody saw it: it was after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) joined_after: Option<Rfc3339>,
    /// When they left; none if they are still there.
    pub(crate) left: Option<Rfc3339>,
    /// Set if nobody saw it: it was after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) left_after: Option<Rfc3339>,
    /// How long they were there, if both ends were seen.
    pub(crate) seconds: Option<f64>,
    /// Why they left, if known.
    pub(crate) reason: Option<String>,
    /// The key that took them out, moved them or ended the conference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
    /// The room that they were moved to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) moved_to: Option<String>,
    /// How long they talked, with talk detection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) talked_seconds: Option<f64>,
}

/// A time during which a room was locked, or somebody was muted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Span {
    /// Its beginning.
    pub(crate) from: Rfc3339,
    /// Its end; none if it lasts.
    pub(crate) to: Option<Rfc3339>,
    /// The key that asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) by: Option<String>,
}
