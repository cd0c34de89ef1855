//! Rooms and participants as the API shows them.

use std::sync::Arc;
use std::time::SystemTime;

use super::conference::{Conference, Participant, Who};
use super::folded;
use crate::call::RoomPatterns;
use crate::call::filter::Filter;
use crate::call::machine::State;
use crate::call::view::CallView;
use crate::engine::Engine;
use crate::engine::request::Replies;
use crate::engine::room_request::Rooms;
use crate::room::{Desired, KeptRoom, ParticipantView, RoomDetail, RoomView};

/// Most invited calls that a room shows.
const MAX_INVITED: usize = 1000;

impl<R: Replies> Engine<R> {
    /// The first `limit` of these rooms by name: the live ones, and those for which something is kept.
    pub fn rooms(&self, rooms: &RoomPatterns, limit: usize) -> Rooms {
        let live = self.rooms.live.iter().filter(|(key, _)| rooms.contains(key));
        let live = live.map(|(key, conference)| {
            (key.clone(), self.view(Some(conference), self.rooms.kept.get(key)))
        });
        let kept = self.rooms.kept.iter().filter(|kept| {
            rooms.contains(&kept.room) && self.rooms.conference(&kept.room).is_none()
        });
        let kept = kept.map(|kept| (folded(&kept.room).into(), self.view(None, Some(kept))));
        let mut rooms: Vec<(Box<str>, RoomView)> = live.chain(kept).collect();
        let total = rooms.len();
        rooms.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        rooms.truncate(limit);
        Rooms { rooms: rooms.into_iter().map(|(_, room)| room).collect(), total }
    }

    /// One room, with its participants.
    pub fn room(&self, name: &str) -> Option<RoomDetail> {
        let conference = self.rooms.conference(name);
        let kept = self.rooms.kept.get(name);
        if conference.is_none() && kept.is_none() {
            return None;
        }
        let room = self.view(conference, kept);
        let (participants, invited) = match conference {
            Some(conference) => {
                (self.participants(conference), self.invited(name, Some(conference)))
            }
            None => (Vec::new(), self.invited(name, None)),
        };
        Some(RoomDetail { room, participants, invited })
    }

    /// One participant.
    pub(super) fn participant(&self, room: &str, id: &Arc<str>) -> Option<ParticipantView> {
        let conference = self.rooms.conference(room)?;
        let participant = conference.participants.get(id)?;
        Some(self.view_of(conference, id, participant))
    }

    fn view(&self, conference: Option<&Conference>, kept: Option<&KeptRoom>) -> RoomView {
        let locked = conference.is_some_and(|conference| conference.locked);
        let muted = conference.is_some_and(Conference::is_muted);
        let name = conference.map(|conference| &conference.name);
        let kept_name = kept.map(|kept| &kept.room);
        let is_kept =
            |by: fn(&KeptRoom) -> &Option<Arc<str>>| kept.is_some_and(|kept| by(kept).is_some());
        RoomView {
            room: name.or(kept_name).cloned().unwrap_or_else(|| "".into()),
            conference_id: conference.map(|conference| conference.id),
            live: conference.is_some(),
            stale: !self.link.is_up(),
            started: conference.and_then(|conference| conference.started),
            locked,
            muted,
            participant_count: conference.map_or(0, |conference| conference.participants.len()),
            desired: Desired {
                locked: (is_kept(|kept| &kept.locked_by) && !locked).then_some(true),
                muted: (is_kept(|kept| &kept.muted_by) && !muted).then_some(true),
            },
        }
    }

    /// The participants of a room in the order in which they came, then the ones who are on the way from
    /// another room.
    fn participants(&self, conference: &Conference) -> Vec<ParticipantView> {
        let mut present: Vec<_> = conference.participants.iter().collect();
        present.sort_unstable_by_key(|(_, one)| one.order);
        let present = present.into_iter().map(|(id, one)| self.view_of(conference, id, one));
        let is_coming = |to: &str| to.eq_ignore_ascii_case(&conference.name);
        let coming = self.rooms.moves.iter().filter(|(_, moved)| is_coming(&moved.to));
        let coming =
            coming.map(|(id, moved)| participant(id, &moved.participant, &moved.to, None, false));
        present.chain(coming).collect()
    }

    fn view_of(&self, room: &Conference, id: &Arc<str>, one: &Participant) -> ParticipantView {
        let call = one.who.call_id().and_then(|id| self.registry.get(id));
        let joined = one.joined.or_else(|| call?.timestamps().joined);
        participant(id, one, &room.name, joined, self.rooms.detects_talk())
    }

    /// The live calls to a room that are not in it yet, and those that ended since the conference
    /// began and never were in it.
    fn invited(&self, room: &str, conference: Option<&Conference>) -> Vec<CallView> {
        let Ok(room) = room.parse() else { return Vec::new() };
        let filter = Filter { room: Some(room), ..Filter::default() };
        let live = self.registry.live(&filter, MAX_INVITED, !self.link.is_up());
        let live = live.into_iter().filter(|call| call.state < State::Joined);
        let Some(conference) = conference else { return live.collect() };
        let began = conference.started.unwrap_or_else(|| conference.id.time());
        let ended = self.registry.ended(&filter, MAX_INVITED).into_iter().filter(|call| {
            call.timestamps.joined.is_none()
                && call.timestamps.ended.is_some_and(|ended| ended >= began)
        });
        live.chain(ended).collect()
    }
}

/// A participant of this room. `talks`: talk detection is on.
pub(super) fn participant(
    id: &Arc<str>,
    participant: &Participant,
    room: &Arc<str>,
    joined: Option<SystemTime>,
    talks: bool,
) -> ParticipantView {
    let view = match &participant.who {
        Who::Call(info) => ParticipantView::of_call(info, room.clone()),
        Who::Guest(guest) => ParticipantView::of_guest(guest, room.clone()),
    };
    let knows_talk = talks || participant.talked.is_some();
    ParticipantView {
        id: id.clone(),
        joined,
        muted: participant.muted,
        talking: knows_talk.then_some(participant.talking.is_some()),
        waiting: participant.waiting,
        admin: participant.admin,
        ..view
    }
}

/// A room that is neither live nor kept any more.
pub(super) fn absent(room: Arc<str>) -> RoomDetail {
    let room = RoomView {
        room,
        conference_id: None,
        live: false,
        stale: false,
        started: None,
        locked: false,
        muted: false,
        participant_count: 0,
        desired: Desired::default(),
    };
    RoomDetail { room, participants: Vec::new(), invited: Vec::new() }
}
