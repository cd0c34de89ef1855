//! Which records the holder of a key that is limited to some rooms may see.

use super::{Event, Record};
use crate::call::RoomPatterns;

impl Record {
    /// Whether a client who may see only these rooms gets the record. It must be about one of them, about a
    /// call into one of them, or about no room at all, as those about the link.
    pub fn is_visible_in(&self, rooms: &RoomPatterns) -> bool {
        if rooms.is_all() {
            return true;
        }
        let of_call = self.call.as_ref().map(|call| call.room.as_str());
        let mut about = of_call.into_iter().chain(room(&self.event)).peekable();
        about.peek().is_none() || about.any(|room| rooms.contains(room))
    }
}

/// The room that the event happened in, as Asterisk spells it; none if it happened in no room.
fn room(event: &Event) -> Option<&str> {
    match event {
        Event::CallJoined { conference, .. }
        | Event::CallLeft { conference, .. }
        | Event::CallMuted { conference, .. }
        | Event::CallUnmuted { conference, .. }
        | Event::CallKicked { conference, .. }
        | Event::CallMoved { conference, .. } => Some(conference),
        Event::Room { room, .. } | Event::Guest { room, .. } => Some(room),
        Event::DaemonStarted { .. }
        | Event::DaemonStopping { .. }
        | Event::AmiConnected { .. }
        | Event::AmiDisconnected { .. }
        | Event::CallRequested
        | Event::CallRefused(_)
        | Event::CallQueued
        | Event::CallAdopted(_)
        | Event::CallRinging
        | Event::CallAnswered { .. }
        | Event::CallEnded(_)
        | Event::Erased => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::samples;

    #[test]
    fn key_sees_its_rooms_and_the_link() {
        let all = samples::all();
        let names = |rooms: &RoomPatterns| -> Vec<&str> {
            let seen = all.iter().filter(|record| record.is_visible_in(rooms));
            seen.map(|record| record.event.name()).collect()
        };
        assert_eq!(names(&RoomPatterns::default()).len(), all.len());
        assert_eq!(names(&RoomPatterns::new(["КОМНАТА1".into()])).len(), all.len());
        let of_link =
            ["daemon.started", "ami.connected", "ami.disconnected", "erased", "daemon.stopping"];
        assert_eq!(names(&RoomPatterns::new(["other".into()])), of_link);
    }

    #[test]
    fn key_sees_who_was_moved_into_its_room() {
        let event = Event::CallJoined { conference: "r2".into(), after: None };
        let joined = samples::of_call(1, event);
        assert!(joined.is_visible_in(&RoomPatterns::new(["R2".into()])));
        assert!(!joined.is_visible_in(&RoomPatterns::new(["R1".into()])));
    }
}
