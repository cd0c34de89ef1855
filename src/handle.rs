//! What the HTTP side holds of the engine: a bounded queue of commands, each with a place for its
//! answer.

use std::sync::Arc;

use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::call::filter::Filter;
use crate::call::limits::Policy;
use crate::call::view::CallView;
use crate::call::{CallId, Number, Refusal};
use crate::engine::request::{AskError, Calls, EraseError, HangUpError, OriginateError, Request};

/// Most commands waiting for the engine; the next one is refused.
pub const QUEUE: usize = 1024;

/// Where the answer to a command goes.
pub type ReplyTo<T> = oneshot::Sender<T>;

/// What the engine is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Make a call.
    Originate(Box<Request>, ReplyTo<Result<CallId, OriginateError>>),
    /// End a call, on behalf of the key of this name.
    HangUp(CallId, Arc<str>, ReplyTo<Result<(), HangUpError>>),
    /// Of the calls that the filter takes show at most this many live ones, and as many that ended
    /// lately.
    List(Box<Filter>, [usize; 2], ReplyTo<Calls>),
    /// Show one call.
    Show(CallId, ReplyTo<Option<CallView>>),
    /// Forget the calls to this number that ended lately.
    Erase(Number, ReplyTo<Result<(), EraseError>>),
    /// Refuse new calls from now on, and leave once nobody waits for an answer.
    Stop,
}

/// Asks the engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    ready: watch::Receiver<Result<(), Arc<str>>>,
    policy: watch::Sender<Policy>,
}

impl Handle {
    /// A handle onto the queue `commands`; `ready` is what [`ready`](Self::ready) says, and
    /// `policy` takes what [`set_policy`](Self::set_policy) sets.
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
        let place = match self.place() {
            Ok(place) => place,
            Err(error) => return Err(OriginateError::NotAsked(error, request)),
        };
        let (reply, answer) = oneshot::channel();
        place.send(Command::Originate(request, reply));
        answer.await.unwrap_or(Err(OriginateError::Refused(Refusal::Stopping)))
    }

    /// Ends a call on behalf of `key`.
    pub async fn hang_up(&self, id: CallId, key: Arc<str>) -> Result<(), HangUpError> {
        self.ask(|reply| Command::HangUp(id, key, reply))
            .await
            .unwrap_or_else(|error| Err(HangUpError::NotAsked(error)))
    }

    /// At most this many `live` calls that the filter takes, and this many that `ended` lately.
    pub async fn calls(
        &self,
        filter: Filter,
        live: usize,
        ended: usize,
    ) -> Result<Calls, AskError> {
        self.ask(|reply| Command::List(Box::new(filter), [live, ended], reply)).await
    }

    /// One call.
    pub async fn call(&self, id: CallId) -> Result<Option<CallView>, AskError> {
        self.ask(|reply| Command::Show(id, reply)).await
    }

    /// Has the engine forget the calls to this number that ended lately.
    pub async fn erase(&self, number: Number) -> Result<(), EraseError> {
        self.ask(|reply| Command::Erase(number, reply))
            .await
            .unwrap_or_else(|error| Err(EraseError::NotAsked(error)))
    }

    /// Sets new limits, for whatever is asked from now on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.send_replace(policy);
    }

    /// Has new calls refused from now on, and the engine leave once nobody waits for an answer.
    pub async fn stop(&self) {
        // A full queue empties; a driver that is gone has stopped.
        let _ = self.commands.send(Command::Stop).await;
    }

    /// Whether calls can be made, or why not.
    pub fn ready(&self) -> Result<(), Arc<str>> {
        self.ready.borrow().clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(ReplyTo<T>) -> Command) -> Result<T, AskError> {
        let (reply, answer) = oneshot::channel();
        self.place()?.send(command(reply));
        // The engine answers everything it takes, until it leaves.
        answer.await.map_err(|_| AskError::Stopping)
    }

    /// A place in the queue.
    fn place(&self) -> Result<mpsc::Permit<'_, Command>, AskError> {
        self.commands.try_reserve().map_err(|error| match error {
            TrySendError::Full(()) => AskError::Overloaded,
            TrySendError::Closed(()) => AskError::Stopping,
        })
    }
}
