//! The calls that the journal still owes an end.
//!
//! A journal file is deleted after some rotations, and a call can outlive it. So the file's writer
//! keeps the calls that have a line and no end, and writes one `call.carried` line for each at the
//! top of every new file. Whoever reads the newest file finds all open calls there, whatever has
//! become of the older ones.
//!
//! A carried line has no `seq`, as it repeats what records have said: the numbering of the files'
//! records has neither a hole nor a duplicate, and the event streams do not have such lines.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::call::machine::State;
use crate::call::progress::{OpenCall, Progress};
use crate::call::{CallId, CallInfo, Number};
use crate::clock::rfc3339;
use crate::record::member::{IntoMap, Members, Value};
use crate::record::{Entry, Event, Record};

/// The `event` member of a line that repeats how far an open call has come.
pub(super) const CARRIED: &str = "call.carried";

/// The calls that were requested and neither refused nor ended, oldest first.
#[derive(Debug, Default, Clone)]
pub struct OpenCalls {
    calls: BTreeMap<CallId, OpenCall>,
    /// When Asterisk was last heard: until then, the open calls lived.
    pub(super) last_heard: Option<SystemTime>,
}

impl OpenCalls {
    /// Applies what was written.
    pub fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Gap(_) => self.gap(),
            Entry::Record(record) => self.record(record),
        }
    }

    fn record(&mut self, record: &Record) {
        if is_heard(record.event.name()) {
            self.last_heard = Some(record.time);
        }
        let Some(info) = &record.call else { return };
        if let Event::CallAdopted(progress) = &record.event {
            self.insert(info.clone(), **progress);
        } else if let Some(state) = state_after(record.event.name()) {
            self.reach(info.clone(), state, Some(record.time));
        }
        if let Event::CallAnswered { after: Some(after) } = record.event {
            self.answered_after(info.id, after);
        }
    }

    /// Takes a call in as it is.
    pub(super) fn insert(&mut self, info: Arc<CallInfo>, progress: Progress) {
        self.calls.insert(info.id, OpenCall { info, progress });
    }

    /// The call reaches a state; in the last one it is no longer open.
    pub(super) fn reach(&mut self, info: Arc<CallInfo>, state: State, time: Option<SystemTime>) {
        if state == State::Ended {
            self.calls.remove(&info.id);
            return;
        }
        let progress = Progress::of(State::Requested);
        let call =
            self.calls.entry(info.id).or_insert_with(|| OpenCall { info: info.clone(), progress });
        call.info = info;
        call.progress.reach(state, time);
    }

    /// The answer of a call was not seen, and is later than this.
    pub(super) fn answered_after(&mut self, id: CallId, time: SystemTime) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.progress.answered_after = Some(time);
        }
    }

    /// Records are missing: a call that was only requested may have been refused in them.
    pub(super) fn gap(&mut self) {
        self.calls.retain(|_, call| call.progress.state > State::Requested);
    }

    /// Forgets the calls to this number.
    pub(super) fn erase(&mut self, number: Number) {
        self.calls.retain(|_, call| !number.may_be(call.info.number));
    }

    /// The same calls, with their numbers masked.
    pub(super) fn masked(mut self) -> Self {
        for call in self.calls.values_mut() {
            call.info = Arc::new(call.info.masked());
        }
        self
    }

    /// Writes the line of each call behind `lines`. `time` is that of the last record.
    pub(super) fn write_lines(&self, time: SystemTime, lines: &mut Vec<u8>) {
        for call in self.calls.values() {
            // Writing to memory cannot fail, and every key is text.
            let _ = serde_json::to_writer(
                &mut *lines,
                &CarriedLine { time, heard: self.last_heard, call },
            );
            lines.push(b'\n');
        }
    }

    /// All of them, oldest first.
    pub fn into_calls(self) -> Vec<OpenCall> {
        self.calls.into_values().collect()
    }
}

/// The state that a record of this name brings its call to.
pub(super) fn state_after(event: &str) -> Option<State> {
    Some(match event {
        "call.requested" => State::Requested,
        "call.queued" => State::Queued,
        "call.ringing" => State::Ringing,
        "call.answered" => State::Answered,
        "call.joined" => State::Joined,
        "call.left" => State::Left,
        "call.refused" | "call.ended" => State::Ended,
        _ => return None,
    })
}

/// Whether an event is written down at the moment when Asterisk says so. Others are of a time when
/// it may not have been heard for long: bots ask, and daemons start, without it.
pub(super) fn is_heard(event: &str) -> bool {
    matches!(
        event,
        "ami.connected" | "call.ringing" | "call.answered" | "call.joined" | "call.left"
    )
}

/// How far an open call had come at `time`.
struct CarriedLine<'a> {
    time: SystemTime,
    heard: Option<SystemTime>,
    call: &'a OpenCall,
}

impl CarriedLine<'_> {
    fn members<M: Members>(&self, members: &mut M) -> Result<(), M::Error> {
        members.put("event", Value::Text(CARRIED))?;
        members.put("time", Value::Text(&rfc3339(self.time)))?;
        self.call.info.members(members)?;
        self.call.progress.members(self.call.info.id, members)?;
        match self.heard {
            Some(heard) => members.put("heard", Value::Text(&rfc3339(heard))),
            None => Ok(()),
        }
    }
}

impl Serialize for CarriedLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.members(&mut IntoMap(&mut map))?;
        map.end()
    }
}
