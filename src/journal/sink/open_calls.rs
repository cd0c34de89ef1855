//! The calls that have records and no end yet.
//!
//! A journal file is deleted after some rotations, and a call can outlive it. So the file's writer
//! keeps the open calls, and begins every new file with a `call.carried` line for each of them. The
//! newest file therefore names all open calls, even if the older files are lost.
//!
//! A carried line has no `seq`, because it repeats earlier records: the numbering of the records has
//! neither holes nor duplicates. Event streams do not have such lines.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use originatord_core::call::machine::State;
use originatord_core::call::progress::{OpenCall, Progress};
use originatord_core::call::{CallId, CallInfo, Number};
use originatord_core::record::{Entry, Event, EventKind, Line, Record};

/// The calls that were requested and neither refused nor ended, oldest first.
#[derive(Debug, Default, Clone)]
pub struct OpenCalls {
    calls: BTreeMap<CallId, OpenCall>,
    /// Time of the last event from Asterisk. Open calls were active until then.
    pub(super) last_event: Option<SystemTime>,
}

impl OpenCalls {
    /// Applies an entry that was written.
    pub fn entry(&mut self, entry: &Entry) {
        match entry {
            Entry::Gap(_) => self.gap(),
            Entry::Record(record) => self.record(record),
        }
    }

    fn record(&mut self, record: &Record) {
        let kind = record.event.kind();
        if is_from_asterisk(kind) {
            self.last_event = Some(record.time);
        }
        let Some(info) = record.call.clone() else { return };
        match &record.event {
            Event::CallAdopted(progress) => self.insert(info, **progress),
            Event::CallAnswered { after } => self.reach(info, kind, Some(record.time), *after),
            _ => self.reach(info, kind, Some(record.time), None),
        }
    }

    /// Adds a call in this state.
    pub(super) fn insert(&mut self, info: Arc<CallInfo>, progress: Progress) {
        self.calls.insert(info.id, OpenCall { info, progress });
    }

    /// Applies a record of this kind to its call. `answered_after` is the time after which an
    /// answer happened that was found later.
    pub(super) fn reach(
        &mut self,
        info: Arc<CallInfo>,
        kind: EventKind,
        time: Option<SystemTime>,
        answered_after: Option<SystemTime>,
    ) {
        let Some(state) = state_after(kind) else { return };
        if state == State::Ended {
            self.calls.remove(&info.id);
            return;
        }
        let progress = Progress::of(State::Requested);
        let call =
            self.calls.entry(info.id).or_insert_with(|| OpenCall { info: info.clone(), progress });
        call.info = info;
        call.progress.reach(state, time);
        call.progress.answered_after = answered_after.or(call.progress.answered_after);
    }

    /// Records are missing here. A call that was only requested may have been refused in them, so it
    /// is no longer open.
    pub(super) fn gap(&mut self) {
        self.calls.retain(|_, call| call.progress.state > State::Requested);
    }

    /// Forgets the calls to this number.
    pub(crate) fn erase(&mut self, number: Number) {
        self.calls.retain(|_, call| !number.may_be(call.info.number));
    }

    /// Masks the numbers of all calls.
    pub(crate) fn masked(mut self) -> Self {
        for call in self.calls.values_mut() {
            call.info = Arc::new(call.info.masked());
        }
        self
    }

    /// Appends the line of each call to `lines`. `time` is that of the last record.
    pub(super) fn write_lines(&self, time: SystemTime, lines: &mut Vec<u8>) {
        for call in self.calls.values() {
            lines.extend_from_slice(Line::carried(call, time, self.last_event).json().as_bytes());
            lines.push(b'\n');
        }
    }

    /// The open call with this id.
    pub(crate) fn get(&self, id: CallId) -> Option<&OpenCall> {
        self.calls.get(&id)
    }

    /// All open calls, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &OpenCall> {
        self.calls.values()
    }

    /// All open calls, oldest first.
    pub fn into_calls(self) -> Vec<OpenCall> {
        self.calls.into_values().collect()
    }
}

/// The state that a record of this kind brings its call to.
fn state_after(kind: EventKind) -> Option<State> {
    Some(match kind {
        EventKind::CallRequested => State::Requested,
        EventKind::CallQueued => State::Queued,
        EventKind::CallRinging => State::Ringing,
        EventKind::CallAnswered => State::Answered,
        EventKind::CallJoined => State::Joined,
        EventKind::CallLeft => State::Left,
        EventKind::CallRefused | EventKind::CallEnded => State::Ended,
        _ => return None,
    })
}

/// Whether a record of this kind has the time at which Asterisk reported the event. Asterisk may
/// have been silent for long when a record of another kind is written: bots ask and daemons start
/// without it.
pub(super) fn is_from_asterisk(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::AmiConnected
            | EventKind::CallRinging
            | EventKind::CallAnswered
            | EventKind::CallJoined
            | EventKind::CallLeft
            | EventKind::CallMuted
            | EventKind::CallUnmuted
            | EventKind::RoomStarted
            | EventKind::RoomEnded
            | EventKind::GuestJoined
            | EventKind::GuestLeft
            | EventKind::GuestMuted
            | EventKind::GuestUnmuted
    )
}
