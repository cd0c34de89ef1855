//! Rooms: the view, the changes that keys ask for, and what the daemon keeps.

mod actions;
mod hostile;
mod kept;
mod lists;
mod moves;
mod restart;
mod view;

use super::*;
use crate::engine::room_request::{RoomAction, RoomRequest};
use crate::room::{LeaveReason, ParticipantView, RoomDetail};

impl Bench {
    /// Logged in, with this list of rooms.
    fn with_rooms(rooms: &[ListedRoom<'_>]) -> Self {
        Self::configured(settings(), rooms)
    }

    fn configured(settings: EngineSettings, rooms: &[ListedRoom<'_>]) -> Self {
        let mut bench = Self::with(settings);
        bench.log_in();
        bench.list(&[]);
        bench.list_rooms(rooms);
        bench.records.clear();
        bench
    }

    /// Answers ConfbridgeListRooms, each ConfbridgeList, and the Ping after them.
    fn list_rooms(&mut self, rooms: &[ListedRoom<'_>]) {
        if rooms.is_empty() {
            return self.list_no_rooms();
        }
        let id = self.id_of("ConfbridgeListRooms");
        self.receive(&format!("Response: Success\nActionID: {id}"));
        let before = self.count("ConfbridgeList");
        for room in rooms {
            let (name, locked) = (room.name, if room.locked { "Yes" } else { "No" });
            self.receive(&format!(
                "Event: ConfbridgeListRooms\nConference: {name}\nLocked: {locked}\nMuted: No"
            ));
        }
        self.receive(&format!("Event: ConfbridgeListRoomsComplete\nActionID: {id}"));
        for (index, room) in rooms.iter().enumerate() {
            let id = self.ids_of("ConfbridgeList")[before + index].clone();
            self.receive(&format!("Response: Success\nActionID: {id}"));
            for member in room.members {
                let headers = member_headers(room.name, member);
                self.receive(&format!("Event: ConfbridgeList\n{headers}"));
            }
            self.receive(&format!("Event: ConfbridgeListComplete\nActionID: {id}"));
        }
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Ping")));
    }

    /// Waits for the next round, and answers it.
    fn next_round(&mut self, rooms: &[ListedRoom<'_>]) {
        let before = self.count("ConfbridgeListRooms");
        while self.count("ConfbridgeListRooms") == before {
            self.idle(Duration::from_millis(500));
        }
        self.list_rooms(rooms);
    }

    fn conf(&mut self, event: &str, room: &str, id: &str) {
        self.receive(&format!("Event: Confbridge{event}\n{}", member_headers(room, &member(id))));
    }

    fn join(&mut self, room: &str, member: &Member<'_>) {
        self.receive(&format!("Event: ConfbridgeJoin\n{}", member_headers(room, member)));
    }

    /// A room that starts with these guests. The records of this are forgotten.
    fn room_of(&mut self, room: &str, ids: &[&str]) {
        self.receive(&format!("Event: ConfbridgeStart\nConference: {room}"));
        for id in ids {
            self.conf("Join", room, id);
        }
        self.records.clear();
    }

    fn end_room(&mut self, room: &str) {
        self.receive(&format!("Event: ConfbridgeEnd\nConference: {room}"));
    }

    fn change(&mut self, who: u32, room: &str, action: RoomAction) {
        let request = RoomRequest { room: room.into(), action, key: "ops".into() };
        self.engine.change_room(self.now(), request, who);
        self.pass(Duration::ZERO);
    }

    /// Asterisk confirms the last action of this name.
    fn confirm(&mut self, action: &str) {
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of(action)));
    }

    /// Asterisk refuses the last action of this name.
    fn refuse(&mut self, action: &str, words: &str) {
        let id = self.id_of(action);
        self.receive(&format!("Response: Error\nActionID: {id}\nMessage: {words}"));
    }

    /// The answer to this request, which has exactly one.
    fn answer(&self, who: u32) -> &Result<RoomAnswer, RoomError> {
        let answers: Vec<_> = self.room_answers.iter().filter(|(id, _)| *id == who).collect();
        let [(_, answer)] = answers[..] else { panic!("answers to {who}: {answers:?}") };
        answer
    }

    fn error(&self, who: u32) -> &RoomError {
        self.answer(who).as_ref().expect_err("an error")
    }

    /// The headers of the last action of this name, without its ActionID.
    fn headers_of(&self, action: &str) -> Vec<&str> {
        let frames = self.sent.split("\r\n\r\n");
        let start = format!("Action: {action}\r\n");
        let last = frames.filter(|frame| frame.starts_with(&start)).last();
        let last = last.unwrap_or_else(|| panic!("no {action} in {}", self.sent));
        last.lines().skip(1).filter(|line| !line.starts_with("ActionID")).collect()
    }

    /// The view of a room.
    fn room(&self, room: &str) -> RoomDetail {
        self.engine.room(room).unwrap_or_else(|| panic!("no room {room}"))
    }

    /// A participant of a room.
    fn participant(&self, room: &str, id: &str) -> ParticipantView {
        let participants = self.room(room).participants;
        participants.into_iter().find(|one| &*one.id == id).unwrap_or_else(|| panic!("no {id}"))
    }

    /// Takes the names of the records so far.
    fn take_events(&mut self) -> Vec<&'static str> {
        self.records.drain(..).map(|(event, _)| event.name()).collect()
    }

    /// The key that asked for the last record about a mute, a lock or an end.
    fn last_by(&self) -> Option<&str> {
        use crate::room::{GuestChange, RoomChange};
        let by = match &self.records.last().expect("a record").0 {
            Event::CallMuted { by, .. } | Event::CallUnmuted { by, .. } => by,
            Event::Room { change, .. } => match change {
                RoomChange::Started { .. } => return None,
                RoomChange::Ended { by, .. }
                | RoomChange::Locked { by }
                | RoomChange::Unlocked { by }
                | RoomChange::Muted { by }
                | RoomChange::Unmuted { by } => by,
            },
            Event::Guest { change, .. } => match change {
                GuestChange::Joined { .. } => return None,
                GuestChange::Left(left) => &left.by,
                GuestChange::Muted { by } | GuestChange::Unmuted { by } => by,
            },
            other => panic!("{other:?}"),
        };
        by.as_deref()
    }
}

/// A conference of a list.
struct ListedRoom<'a> {
    name: &'a str,
    locked: bool,
    members: &'a [Member<'a>],
}

/// A channel in a conference.
#[derive(Clone, Copy, Default)]
struct Member<'a> {
    id: &'a str,
    muted: bool,
    admin: bool,
    waiting: bool,
    caller: &'a str,
}

fn member(id: &str) -> Member<'_> {
    Member { id, ..Member::default() }
}

fn listed_room<'a>(name: &'a str, members: &'a [Member<'a>]) -> ListedRoom<'a> {
    ListedRoom { name, locked: false, members }
}

fn member_headers(room: &str, member: &Member<'_>) -> String {
    let Member { id, caller, .. } = member;
    let yes = |is: bool| if is { "Yes" } else { "No" };
    let [muted, admin, waiting] = [member.muted, member.admin, member.waiting].map(yes);
    format!(
        "Conference: {room}\nChannel: PJSIP/{id}\nUniqueid: {id}\nLinkedid: {id}\n\
         CallerIDNum: 100\nCallerIDName: {caller}\nAdmin: {admin}\nWaiting: {waiting}\nMuted: {muted}"
    )
}

fn lock_room(locked: bool) -> RoomAction {
    RoomAction::Change { locked: Some(locked), muted: None }
}

fn mute_room(muted: bool) -> RoomAction {
    RoomAction::Change { locked: None, muted: Some(muted) }
}

fn mute(id: &str, muted: bool) -> RoomAction {
    RoomAction::ChangeParticipant { id: id.into(), muted: Some(muted), room: None }
}

fn move_to(id: &str, room: &str) -> RoomAction {
    RoomAction::ChangeParticipant { id: id.into(), muted: None, room: Some(room.parse().unwrap()) }
}

fn kick(id: &str) -> RoomAction {
    RoomAction::Kick { id: id.into() }
}
