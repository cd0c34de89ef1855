//! A call as the operators' API shows it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::CallInfo;
use super::machine::{Moments, State};
use super::outcome::{End, EndMembers};
use crate::clock::Rfc3339;

/// A call at one moment.
#[derive(Debug, Clone)]
pub struct CallView {
    /// Who is called, and for whom.
    pub info: Arc<CallInfo>,
    /// How far it has come.
    pub state: State,
    /// The link is down, so that the call may have come further, or be over.
    pub stale: bool,
    /// When it was asked for.
    pub requested: SystemTime,
    /// When it did what it did.
    pub moments: Moments,
    /// How it ended.
    pub end: Option<Arc<End>>,
}

impl CallView {
    /// The same call, with its number masked.
    pub fn masked(self) -> Self {
        let end = self.end.as_ref().map(|end| Arc::new(end.masked(self.info.number)));
        Self { info: Arc::new(self.info.masked()), end, ..self }
    }
}

/// The members in their order; a time that is not known is `null`.
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
        let Moments { queued, ringing, answered, joined, left, ended } = self.moments;
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
