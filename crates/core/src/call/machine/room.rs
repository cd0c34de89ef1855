//! Decides whether an answered callee without a join event was certainly never in the room.

/// Evidence that the daemon would have seen a join of this call.
///
/// A missing join event proves nothing by itself: the AMI user's event filter may remove join
/// events, the context may lead into a queue instead of a conference, or the callee may have joined
/// while the daemon or the link was down. Only if the evidence excludes all three, an answered call
/// without a join is `not_joined`. Otherwise it is `completed`.
#[derive(Debug, Default)]
pub(super) struct RoomWatch {
    /// This link has carried a join event of a call of this daemon. So join events arrive, and the
    /// context leads into conferences.
    pub(super) joins_arrive: bool,
    /// The link was down, or the daemon did not run, when the callee may already have answered.
    pub(super) events_missed: bool,
    /// A leg appeared or remained after the answer, outside the room: the dialplan dials a person,
    /// or someone redirected the callee.
    pub(super) connected_elsewhere: bool,
}

impl RoomWatch {
    /// Whether the daemon would have seen a join.
    pub(super) fn is_complete(&self) -> bool {
        self.joins_arrive && !self.events_missed && !self.connected_elsewhere
    }
}
