//! A call as the operators' API shows it.

use std::sync::Arc;
use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::CallInfo;
use super::machine::{Moments, State};
use super::outcome::End;
use crate::clock::rfc3339;
use crate::record::member::IntoMap;

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

impl Serialize for CallView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("call_id", &self.info.id)?;
        map.serialize_entry("number", &self.info.number)?;
        map.serialize_entry("room", &self.info.room)?;
        map.serialize_entry("caller_id", &self.info.caller_id)?;
        map.serialize_entry("lang", &self.info.lang)?;
        map.serialize_entry("key", &self.info.key)?;
        map.serialize_entry("state", &self.state)?;
        map.serialize_entry("stale", &self.stale)?;
        map.serialize_entry("requested", &rfc3339(self.requested))?;
        let Moments { queued, ringing, answered, joined, left, ended } = self.moments;
        let moments = [
            ("queued", queued),
            ("ringing", ringing),
            ("answered", answered),
            ("joined", joined),
            ("left", left),
        ];
        for (name, moment) in moments.into_iter().chain([("ended", ended)]) {
            map.serialize_entry(name, &moment.map(rfc3339))?;
        }
        if let Some(end) = &self.end {
            end.members(&mut IntoMap(&mut map))?;
        }
        map.end()
    }
}
