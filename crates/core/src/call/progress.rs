//! How far a call has come: what a later run of the daemon needs to know to go on with it.

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use super::CallInfo;
use super::machine::{Moments, State};

/// State and times of a call that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The state it is in.
    pub state: State,
    /// When it reached its states, where that is known.
    pub moments: Moments,
    /// The answer was found in a list of channels: it was at `moments.answered` at the latest, and
    /// after this time.
    pub answered_after: Option<SystemTime>,
}

/// A call that has not ended.
#[derive(Debug, Clone)]
pub struct OpenCall {
    /// Who is called, and for whom.
    pub info: Arc<CallInfo>,
    /// How far the call has come.
    pub progress: Progress,
}

impl Progress {
    /// A call that is in this state; nobody knows since when.
    pub fn of(state: State) -> Self {
        Self { state, moments: Moments::default(), answered_after: None }
    }

    /// The call reaches `state` at `time`, if the time is known. A callee who comes back to the
    /// conference has not left it.
    pub fn reach(&mut self, state: State, time: Option<SystemTime>) {
        self.state = state;
        let Moments { queued, ringing, answered, joined, left, .. } = &mut self.moments;
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

/// The text is none of [`State::LIVE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a state of a live call")]
pub struct NotALiveState;

impl FromStr for State {
    type Err = NotALiveState;

    fn from_str(text: &str) -> Result<Self, NotALiveState> {
        Self::LIVE.into_iter().find(|state| state.as_str() == text).ok_or(NotALiveState)
    }
}
