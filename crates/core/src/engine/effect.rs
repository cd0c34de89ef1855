//! The engine's outputs: effects to carry out, and figures for the metrics.

use std::sync::Arc;
use std::time::Duration;

use super::request::{HangUpError, OriginateError, Replies};
use super::room_request::{RoomAnswer, RoomError};
use crate::call::machine::State;
use crate::call::{CallId, CallInfo};
use crate::clock::Now;
use crate::record::Event;
use crate::room::KeptRoom;

/// An effect that the driver has to carry out.
#[derive(Debug)]
pub enum Effect<R: Replies> {
    /// Connect to Asterisk.
    Connect,
    /// Close the connection, or abort the attempt to make it.
    Disconnect,
    /// Answer the request for a call.
    Originated(R::Originate, Result<CallId, OriginateError>),
    /// Answer the request for a hang-up.
    HungUp(R::HangUp, Result<(), HangUpError>),
    /// Answer the request about a room.
    RoomAnswered(R::Room, Result<RoomAnswer, RoomError>),
    /// Store what is kept for this room from now on; nothing if it is empty.
    Keep(KeptRoom),
    /// Append a record to the journal.
    Record(Now, Event, Option<Arc<CallInfo>>),
    /// Publish that calls can be made now, or why they cannot.
    Ready(Result<(), Arc<str>>),
    /// Measure the time from a Ping to its response.
    RoundTrip(Duration),
    /// Log that Asterisk refuses every action from now on, with this message, or (`None`) accepts
    /// actions again.
    Refusing(Option<Arc<str>>),
}

/// The engine's figures for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStats {
    /// How many calls are in each state of [`State::LIVE`].
    pub live: [usize; State::LIVE.len()],
    /// How many rooms are live.
    pub rooms: usize,
    /// How many participants are in them.
    pub participants: usize,
    /// Whether the daemon is logged in to Asterisk.
    pub link_up: bool,
    /// How many actions wait for their response.
    pub pending: usize,
}
