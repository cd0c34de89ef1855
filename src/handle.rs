//! The HTTP side's handle of the engine: a bounded queue of commands, each with a channel for its
//! answer.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use originatord_core::call::filter::Filter;
use originatord_core::call::limits::Policy;
use originatord_core::call::view::CallView;
use originatord_core::call::{CallId, Number, Refusal, RoomPatterns};
use originatord_core::engine::request::{
    Calls, EraseError, HangUpError, ListLimits, OriginateError, Request, SubmitError,
};
use originatord_core::engine::room_request::{RoomAnswer, RoomError, RoomRequest, Rooms};
use originatord_core::room::RoomDetail;

/// Most commands that wait for the engine; the next one is refused.
pub(crate) const QUEUE: usize = 1024;

/// The channel for the answer to a command.
pub(crate) type ReplyTo<T> = oneshot::Sender<T>;

/// A command to the engine.
#[derive(Debug)]
pub enum Command {
    /// Make a call.
    Originate(Box<Request>, ReplyTo<Result<CallId, OriginateError>>),
    /// End a call, on behalf of the API key with this name.
    HangUp(CallId, Arc<str>, ReplyTo<Result<(), HangUpError>>),
    /// List the newest calls that the filter accepts.
    List(Box<Filter>, ListLimits, ReplyTo<Calls>),
    /// Show one call.
    Show(CallId, ReplyTo<Option<CallView>>),
    /// List those of these rooms that exist by name, as many as this.
    ListRooms(RoomPatterns, usize, ReplyTo<Rooms>),
    /// Show one room with its participants.
    ShowRoom(Arc<str>, ReplyTo<Option<RoomDetail>>),
    /// Change a room or a participant.
    ChangeRoom(Box<RoomRequest>, ReplyTo<Result<RoomAnswer, RoomError>>),
    /// Forget the ended calls to this number.
    Erase(Number, ReplyTo<Result<(), EraseError>>),
    /// Refuse new calls from now on, and end once no request waits for its answer.
    Stop,
}

/// Sends commands to the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    ready: watch::Receiver<Result<(), Arc<str>>>,
    policy: watch::Sender<Policy>,
}

impl Handle {
    /// A handle of the queue `commands`; [`ready`](Self::ready) returns the value of `ready`, and
    /// [`set_policy`](Self::set_policy) sets `policy`.
    pub fn new(
        commands: mpsc::Sender<Command>,
        ready: watch::Receiver<Result<(), Arc<str>>>,
        policy: watch::Sender<Policy>,
    ) -> Self {
        Self { commands, ready, policy }
    }

    /// Makes a call, and returns once Asterisk has accepted it.
    pub async fn originate(&self, request: Request) -> Result<CallId, OriginateError> {
        let request = Box::new(request);
        let slot = match self.slot() {
            Ok(slot) => slot,
            Err(error) => return Err(OriginateError::NotSubmitted(error, request)),
        };
        let (reply, answer) = oneshot::channel();
        slot.send(Command::Originate(request, reply));
        answer.await.unwrap_or(Err(OriginateError::Refused(Refusal::Stopping)))
    }

    /// Ends a call on behalf of `key`.
    pub async fn hang_up(&self, id: CallId, key: Arc<str>) -> Result<(), HangUpError> {
        self.submit(|reply| Command::HangUp(id, key, reply))
            .await
            .unwrap_or_else(|error| Err(HangUpError::NotSubmitted(error)))
    }

    /// The newest calls that the filter accepts.
    pub async fn calls(&self, filter: Filter, limits: ListLimits) -> Result<Calls, SubmitError> {
        self.submit(|reply| Command::List(Box::new(filter), limits, reply)).await
    }

    /// One call.
    pub async fn call(&self, id: CallId) -> Result<Option<CallView>, SubmitError> {
        self.submit(|reply| Command::Show(id, reply)).await
    }

    /// The first `limit` of these rooms by name.
    pub async fn rooms(&self, rooms: RoomPatterns, limit: usize) -> Result<Rooms, SubmitError> {
        self.submit(|reply| Command::ListRooms(rooms, limit, reply)).await
    }

    /// One room, with its participants.
    pub async fn room(&self, name: &str) -> Result<Option<RoomDetail>, SubmitError> {
        self.submit(|reply| Command::ShowRoom(name.into(), reply)).await
    }

    /// Changes a room or a participant, and returns once Asterisk has confirmed it.
    pub async fn change_room(&self, request: RoomRequest) -> Result<RoomAnswer, RoomError> {
        self.submit(|reply| Command::ChangeRoom(Box::new(request), reply)).await?
    }

    /// Makes the engine forget the ended calls to this number.
    pub async fn erase(&self, number: Number) -> Result<(), EraseError> {
        self.submit(|reply| Command::Erase(number, reply))
            .await
            .unwrap_or_else(|error| Err(EraseError::NotSubmitted(error)))
    }

    /// Sets new limits for all later requests.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.send_replace(policy);
    }

    /// Makes the engine refuse new calls from now on, and end once no request waits for its answer.
    pub async fn stop(&self) {
        // The send waits while the queue is full, and fails only if the driver has ended already.
        let _ = self.commands.send(Command::Stop).await;
    }

    /// Returns the reason if no calls can be made now.
    pub fn ready(&self) -> Result<(), Arc<str>> {
        self.ready.borrow().clone()
    }

    async fn submit<T>(
        &self,
        command: impl FnOnce(ReplyTo<T>) -> Command,
    ) -> Result<T, SubmitError> {
        let (reply, answer) = oneshot::channel();
        self.slot()?.send(command(reply));
        // The engine drops a command without an answer only when it ends.
        answer.await.map_err(|_| SubmitError::Stopping)
    }

    /// Reserves a slot of the queue.
    fn slot(&self) -> Result<mpsc::Permit<'_, Command>, SubmitError> {
        self.commands.try_reserve().map_err(|error| match error {
            TrySendError::Full(()) => SubmitError::Overloaded,
            TrySendError::Closed(()) => SubmitError::Stopping,
        })
    }
}
