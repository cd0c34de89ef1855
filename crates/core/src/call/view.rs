//! A call as the operators' API shows it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::CallInfo;
use super::machine::{State, Timestamps};
use super::outcome::{End, EndMembers};
use crate::clock::Rfc3339;

/// A snapshot of a call.
#[derive(Debug, Clone)]
pub struct CallView {
    /// The values that never change.
    pub info: Arc<CallInfo>,
    /// The state.
    pub state: State,
    /// Whether the state may be outdated, as the link is down.
    pub stale: bool,
    /// When the call was requested.
    pub requested: SystemTime,
    /// When the call reached its steps.
    pub timestamps: Timestamps,
    /// The end, once the call has ended.
    pub end: Option<Arc<End>>,
}

impl CallView {
    /// The same call, with its number masked.
    pub fn masked(self) -> Self {
        let end = self.end.as_ref().map(|end| Arc::new(end.masked(self.info.number)));
        Self { info: Arc::new(self.info.masked()), end, ..self }
    }
}

/// The JSON members in their order. An unknown time is `null`.
#[derive(Serialize)]
struct ViewMembers<'a> {
    #[serde(flatten)]
    info: &'a CallInfo,
    state: State,
    stale: bool,
    requested: Rfc3339,
    queued: Option<Rfc3339>,
    ringing: Option<Rfc3339>,
    answered: Option<Rfc3339>,
    joined: Option<Rfc3339>,
    left: Option<Rfc3339>,
    ended: Option<Rfc3339>,
    #[serde(flatten)]
    end: Option<EndMembers<'a>>,
}

impl Serialize for CallView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Timestamps { queued, ringing, answered, joined, left, ended } = self.timestamps;
        let members = ViewMembers {
            info: &self.info,
            state: self.state,
            stale: self.stale,
            requested: Rfc3339(self.requested),
            queued: queued.map(Rfc3339),
            ringing: ringing.map(Rfc3339),
            answered: answered.map(Rfc3339),
            joined: joined.map(Rfc3339),
            left: left.map(Rfc3339),
            ended: ended.map(Rfc3339),
            end: self.end.as_deref().map(EndMembers::from),
        };
        members.serialize(serializer)
    }
}
