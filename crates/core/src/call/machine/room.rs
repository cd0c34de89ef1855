//! Whether a callee whose join was never seen certainly was not in the room.

/// Evidence that a join of this call would have been seen.
///
/// "No join seen" proves nothing by itself: the AMI user's event filter may hold join events back,
/// the context may lead into a queue instead of a conference, or the join may have happened while
/// nobody watched. Only where all of these are ruled out is an answered call without a join
/// `not_joined`; otherwise it stays `completed`.
#[derive(Debug, Default)]
pub(super) struct RoomWatch {
    /// On this link a call of ours was seen to join. So join events arrive, and the context leads
    /// into conferences.
    pub(super) joins_arrive: bool,
    /// The link was down, or the daemon did not run, at a time when the call may already have been
    /// answered.
    pub(super) events_missed: bool,
    /// A leg was born after the answer: the dialplan dials or queues this callee instead of letting
    /// them into a room.
    pub(super) connected_elsewhere: bool,
}

impl RoomWatch {
    /// Whether a join would have been seen.
    pub(super) fn is_complete(&self) -> bool {
        self.joins_arrive && !self.events_missed && !self.connected_elsewhere
    }
}
