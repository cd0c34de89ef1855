//! Rooms: what Asterisk shows of them, and changing them.

use std::sync::Arc;

use super::request::Replies;
use super::room_request::{RoomError, RoomRequest, Rooms};
use super::{Effect, Engine};
use crate::clock::Now;
use crate::room::{KeptRoom, RoomDetail};

impl<R: Replies> Engine<R> {
    /// Adds what earlier runs have kept for rooms. To be called before the first
    /// [`tick`](Self::tick).
    pub fn keep_rooms(&mut self, _now: Now, _rooms: Vec<KeptRoom>) {}

    /// The first `limit` rooms by name.
    pub fn rooms(&self, _limit: usize) -> Rooms {
        Rooms::default()
    }

    /// One room, with its participants.
    pub fn room(&self, _name: &Arc<str>) -> Option<RoomDetail> {
        None
    }

    /// Changes a room or a participant.
    pub fn change_room(&mut self, _now: Now, _request: RoomRequest, reply: R::Room) {
        self.effects.push(Effect::RoomAnswered(reply, Err(RoomError::NoSuchRoom)));
    }
}
