//! The state in memory, and which parts of it the file lacks.

use std::collections::BTreeMap;

use originatord_core::room::{KeptRoom, folded};

/// Most changes that are remembered one by one. Beyond it, everything is written anew, so that a
/// broken disk costs no more memory than the state itself.
const MAX_CHANGED: usize = 20_000;

/// The rooms for which something is kept, by their folded names.
#[derive(Debug, Default)]
pub(super) struct Contents {
    rooms: BTreeMap<Box<str>, KeptRoom>,
    /// The names of rooms that the file has otherwise, with the version of their last change.
    changed: BTreeMap<Box<str>, u64>,
    /// The version in which the file was found to need all rooms, and no others.
    all_changed: Option<u64>,
    /// Number of the last change.
    version: u64,
}

/// Changes to be written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Whether the file must have no other rooms than these.
    pub(super) is_all: bool,
    /// Each room as it is now; empty if nothing is kept for it any more.
    pub(super) rooms: Vec<KeptRoom>,
    /// The version of the contents that the file has with these changes.
    pub(super) version: u64,
}

impl Contents {
    /// The contents of a file with these rooms.
    pub(super) fn new(rooms: &[KeptRoom]) -> Self {
        let rooms = rooms.iter().map(|room| (folded(&room.room).into(), room.clone())).collect();
        Self { rooms, ..Self::default() }
    }

    /// Keeps this for the room; nothing if it is empty.
    pub(super) fn keep(&mut self, room: KeptRoom) {
        self.version += 1;
        let name: Box<str> = folded(&room.room).into();
        if room.is_empty() {
            self.rooms.remove(&name);
        } else {
            self.rooms.insert(name.clone(), room);
        }
        if self.all_changed.is_none() {
            self.changed.insert(name, self.version);
        }
        if self.changed.len() > MAX_CHANGED {
            self.set_all_changed();
        }
    }

    /// Notes that the file has something else: it was replaced, or is new.
    pub(super) fn set_all_changed(&mut self) {
        self.version += 1;
        self.all_changed = Some(self.version);
        self.changed.clear();
    }

    /// Number of the last change.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Whether the file lacks a change.
    pub(super) fn is_changed(&self) -> bool {
        self.all_changed.is_some() || !self.changed.is_empty()
    }

    /// Everything that the file lacks; none if it lacks nothing.
    pub(super) fn batch(&self) -> Option<Batch> {
        if !self.is_changed() {
            return None;
        }
        let is_all = self.all_changed.is_some();
        let rooms = if is_all {
            self.rooms.values().cloned().collect()
        } else {
            let gone = |name: &str| KeptRoom {
                room: name.into(),
                locked_by: None,
                muted_by: None,
                ended: None,
            };
            let names = self.changed.keys();
            names.map(|name| self.rooms.get(name).cloned().unwrap_or_else(|| gone(name))).collect()
        };
        Some(Batch { is_all, rooms, version: self.version })
    }

    /// Notes that the file has everything up to this version.
    pub(super) fn set_written(&mut self, version: u64) {
        self.changed.retain(|_, changed| *changed > version);
        if self.all_changed.is_some_and(|changed| changed <= version) {
            self.all_changed = None;
            // Changes after the version were not noted one by one, as all was to be written.
            if self.version > version {
                self.set_all_changed();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked(room: &str) -> KeptRoom {
        KeptRoom { room: room.into(), locked_by: Some("op".into()), muted_by: None, ended: None }
    }

    fn open(room: &str) -> KeptRoom {
        KeptRoom { locked_by: None, ..locked(room) }
    }

    #[test]
    fn latest_state_of_a_room_is_written_once() {
        let mut contents = Contents::default();
        contents.keep(locked("R1"));
        contents.keep(open("r1"));
        contents.keep(locked("R2"));
        let batch = contents.batch().unwrap();
        assert_eq!((batch.is_all, &batch.rooms), (false, &vec![open("r1"), locked("R2")]));
        contents.keep(locked("R1"));
        contents.set_written(batch.version);
        assert_eq!(contents.batch().unwrap().rooms, [locked("R1")]);
        contents.set_written(contents.version());
        assert_eq!(contents.batch(), None);
    }

    #[test]
    fn many_unwritten_changes_become_one_of_everything() {
        let mut contents = Contents::new(&[locked("old")]);
        for n in 0..=MAX_CHANGED {
            contents.keep(locked(&n.to_string()));
            contents.keep(open(&n.to_string()));
        }
        assert!(contents.changed.is_empty());
        let batch = contents.batch().unwrap();
        assert_eq!((batch.is_all, &batch.rooms), (true, &vec![locked("old")]));
        contents.keep(locked("new"));
        contents.set_written(batch.version);
        let batch = contents.batch().unwrap();
        assert_eq!((batch.is_all, batch.rooms.len()), (true, 2));
        contents.set_written(batch.version);
        assert!(!contents.is_changed());
    }
}
