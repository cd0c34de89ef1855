//! The progress of an active call, from which a later run adopts it.

use std::sync::Arc;
use std::time::SystemTime;

use super::CallInfo;
use super::machine::{State, Timestamps};

/// State and timestamps of an active call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The current state.
    pub state: State,
    /// When the call reached its states, where known.
    pub timestamps: Timestamps,
    /// Set if the daemon found the answer in a channel list: the callee answered after this time
    /// and no later than `timestamps.answered`.
    pub answered_after: Option<SystemTime>,
}

/// An active call.
#[derive(Debug, Clone)]
pub struct OpenCall {
    /// The values that never change.
    pub info: Arc<CallInfo>,
    /// State and timestamps.
    pub progress: Progress,
}

impl Progress {
    /// A call in this state, with unknown timestamps.
    pub fn of(state: State) -> Self {
        Self { state, timestamps: Timestamps::default(), answered_after: None }
    }

    /// Records that the call reached `state` at `time`. A callee who joins again has not left.
    pub fn reach(&mut self, state: State, time: Option<SystemTime>) {
        self.state = state;
        let Timestamps { queued, ringing, answered, joined, left, .. } = &mut self.timestamps;
        match state {
            State::Requested | State::Ended => {}
            State::Queued => *queued = queued.or(time),
            State::Ringing => *ringing = ringing.or(time),
            State::Answered => *answered = answered.or(time),
            State::Joined => (*joined, *left) = (joined.or(time), None),
            State::Left => *left = time,
        }
    }
}
