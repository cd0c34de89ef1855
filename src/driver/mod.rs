//! The shell around the engine: one task that connects, reads, writes, sleeps, and carries out the
//! engine's effects.
//!
//! The task always reads from the connection: bytes that Asterisk does not accept wait in the
//! session's output, and never keep the task from reading. The task takes commands only while that
//! output is short. So if Asterisk stalls, the queue of commands fills up, and bots are refused.

mod decoder;
mod trace;

use std::future::{self, Future};
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{unconstrained, yield_now};
use tokio::time::sleep_until;
use tokio_util::codec::Decoder;

use self::decoder::{AmiDecoder, DecodeError};
use self::trace::trace_frame;
use crate::handle::{Command, Handle, QUEUE, ReplyTo};
use crate::journal::Journal;
use crate::state::State;
use originatord_core::ami::parser::Received;
use originatord_core::call::limits::Policy;
use originatord_core::call::{CallId, CallInfo};
use originatord_core::clock::Now;
use originatord_core::engine::request::{HangUpError, OriginateError, Replies};
use originatord_core::engine::room_request::{RoomAnswer, RoomError};
use originatord_core::engine::{Effect, Engine};
use originatord_core::record::Event;
use originatord_net::connector::{Connector, Stream};

/// The driver takes no command while this much output waits, in bytes: about a thousand Originates.
const OUTPUT_LIMIT: usize = 512 * 1024;

/// Most commands that are handled before the connection is read again.
const COMMANDS_AT_ONCE: usize = 64;

/// Size of the read buffer, in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// Most bytes that the driver reads before a passed deadline takes effect: more than Linux buffers
/// for a socket.
const CATCH_UP_LIMIT: usize = 8 * 1024 * 1024;

/// How long logging off may take.
const LOG_OFF_TIMEOUT: Duration = Duration::from_millis(500);

/// The engine's requests are answered through channels.
#[derive(Debug)]
pub(crate) struct Channels;

impl Replies for Channels {
    type Originate = ReplyTo<Result<CallId, OriginateError>>;
    type HangUp = ReplyTo<Result<(), HangUpError>>;
    type Room = ReplyTo<Result<RoomAnswer, RoomError>>;
}

/// The driver of one Asterisk.
pub(crate) struct Driver {
    engine: Engine<Channels>,
    connector: Connector,
    journal: Journal,
    state: State,
    commands: mpsc::Receiver<Command>,
    ready: watch::Sender<Result<(), Arc<str>>>,
    policy: watch::Receiver<Policy>,
    link: Link,
    /// Whether calls could be made at any time since the link was made.
    was_ready: bool,
    /// The records of one `apply_effects`, which appends them to the journal together.
    records: Vec<(std::time::SystemTime, Event, Option<Arc<CallInfo>>)>,
}

enum Link {
    Down,
    Connecting(Pin<Box<dyn Future<Output = std::io::Result<Stream>> + Send>>),
    Up(Box<Connection>),
}

struct Connection {
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    decoder: AmiDecoder,
    input: BytesMut,
    /// Whether written bytes may still wait in the TLS layer.
    unflushed: bool,
}

/// The reason why the driver woke up.
enum Wakeup {
    Connected(std::io::Result<Stream>),
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<()>),
    Commands(usize),
    Deadline,
}

impl Driver {
    /// A driver for `engine`, and the handle that sends it commands. What the engine promises goes
    /// into `state`.
    pub(crate) fn new(
        engine: Engine<Channels>,
        connector: Connector,
        journal: Journal,
        state: State,
    ) -> (Self, Handle) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let (ready, ready_seen) = watch::channel(Err("not connected yet".into()));
        let (policy_sender, policy) = watch::channel(Policy::default());
        let driver = Self {
            engine,
            connector,
            journal,
            state,
            commands,
            ready,
            policy,
            link: Link::Down,
            was_ready: false,
            records: Vec::new(),
        };
        (driver, Handle::new(sender, ready_seen, policy_sender))
    }

    /// Runs until [`Command::Stop`], and then until no request waits for its answer. That takes no
    /// longer than the reply timeout, or the action timeout if a hang-up is under way. Calls in
    /// Asterisk go on.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
        let mut stopping = false;
        self.apply_effects(Now::read());
        while !(stopping && self.engine.is_idle()) {
            let wakeup = self.wait(&mut batch).await;
            match wakeup {
                Wakeup::Connected(result) => self.finish_connect(Now::read(), result),
                Wakeup::Read(result) => self.finish_read(Now::read(), result),
                Wakeup::Wrote(Err(error)) => {
                    self.link_lost(Now::read(), &format!("writing to Asterisk failed: {error}"))
                }
                Wakeup::Wrote(Ok(())) | Wakeup::Deadline => {}
                // Every handle is gone, so no Stop will come.
                Wakeup::Commands(0) => stopping = true,
                Wakeup::Commands(_) => stopping |= self.handle_commands(&mut batch),
            }
            let now = self.catch_up().await;
            self.apply_effects(now);
        }
        self.log_off().await;
    }

    /// Waits for the connection, a command or a deadline. All these futures are cancel-safe.
    async fn wait(&mut self, batch: &mut Vec<Command>) -> Wakeup {
        let deadline = self.engine.deadline();
        let output = self.engine.output();
        let takes_commands = output.as_ref().is_none_or(|output| output.len() < OUTPUT_LIMIT);
        let io = async {
            match &mut self.link {
                Link::Down => future::pending().await,
                Link::Connecting(connecting) => Wakeup::Connected(connecting.await),
                Link::Up(connection) => connection.read_or_write(output).await,
            }
        };
        let due = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            wakeup = io => wakeup,
            taken = self.commands.recv_many(batch, COMMANDS_AT_ONCE), if takes_commands => Wakeup::Commands(taken),
            () = due => Wakeup::Deadline,
        }
    }

    /// If a deadline has passed, first reads the bytes that Asterisk has sent. A process that was
    /// stopped (SIGSTOP, a suspended machine) wakes up with all deadlines passed and the responses
    /// in its socket; without this the engine would count them as missing. Returns the time before
    /// the reading, by which the engine judges its deadlines.
    async fn catch_up(&mut self) -> Now {
        let now = Now::read();
        if self.engine.deadline().is_none_or(|deadline| deadline > now.instant) {
            return now;
        }
        // The runtime polls the sockets for new input only while the task yields.
        yield_now().await;
        let mut budget = CATCH_UP_LIMIT;
        while let Some(wakeup) = self.poll_link() {
            match wakeup {
                Wakeup::Connected(result) => self.finish_connect(now, result),
                Wakeup::Read(result) => {
                    budget = budget.saturating_sub(*result.as_ref().unwrap_or(&0));
                    self.finish_read(now, result);
                }
                _ => {}
            }
            if budget == 0 {
                break;
            }
        }
        now
    }

    /// The next input of the link, if it has arrived already.
    fn poll_link(&mut self) -> Option<Wakeup> {
        match &mut self.link {
            Link::Down => None,
            Link::Connecting(connecting) => connecting.now_or_never().map(Wakeup::Connected),
            Link::Up(connection) => {
                let Connection { reader, input, .. } = &mut **connection;
                input.reserve(READ_BUFFER / 4);
                unconstrained(reader.read_buf(input)).now_or_never().map(Wakeup::Read)
            }
        }
    }

    fn finish_connect(&mut self, now: Now, result: std::io::Result<Stream>) {
        match result {
            Ok(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                let input = BytesMut::with_capacity(READ_BUFFER);
                self.link = Link::Up(Box::new(Connection {
                    reader,
                    writer,
                    decoder: AmiDecoder::default(),
                    input,
                    unflushed: false,
                }));
                self.engine.connected(now);
            }
            Err(error) => self.link_lost(
                now,
                &format!("cannot connect to {}: {error}", self.connector.address()),
            ),
        }
    }

    fn finish_read(&mut self, now: Now, result: std::io::Result<usize>) {
        let ended = match result {
            Ok(0) => Some("Asterisk closed the connection".to_owned()),
            Ok(_) => None,
            // Asterisk closed a TLS connection without `close_notify`.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Some("Asterisk closed the connection".to_owned())
            }
            Err(error) => Some(format!("reading from Asterisk failed: {error}")),
        };
        // Bytes that arrived before the end still count.
        let ended = self.decode_input(now).err().map(|error| error.to_string()).or(ended);
        if let Some(reason) = ended {
            self.link_lost(now, &reason);
        }
    }

    /// Passes the received bytes to the engine, frame by frame.
    fn decode_input(&mut self, now: Now) -> Result<(), DecodeError> {
        let Link::Up(connection) = &mut self.link else { return Ok(()) };
        while let Some(received) = connection.decoder.decode(&mut connection.input)? {
            if let Received::Frame(frame) = &received {
                trace_frame(frame);
                if let Some(event) = frame.event_name() {
                    self.journal.metrics().ami_event(event);
                }
            }
            self.engine.receive(now, received);
        }
        Ok(())
    }

    fn link_lost(&mut self, now: Now, reason: &str) {
        self.link = Link::Down;
        self.connector.report_end(std::mem::take(&mut self.was_ready));
        self.engine.disconnected(now, reason);
    }

    /// Passes commands to the engine; returns whether one of them is to stop.
    fn handle_commands(&mut self, batch: &mut Vec<Command>) -> bool {
        let now = Now::read();
        let mut stop = false;
        if self.policy.has_changed().unwrap_or(false) {
            self.engine.set_policy(self.policy.borrow_and_update().clone());
        }
        for command in batch.drain(..) {
            match command {
                // The bot has closed its connection, so it does not wait for the call any more.
                Command::Originate(_, reply) if reply.is_closed() => {}
                Command::Originate(request, reply) => self.engine.originate(now, *request, reply),
                Command::HangUp(id, key, reply) => self.engine.hang_up(now, id, key, reply),
                Command::List(filter, limits, reply) => {
                    send(reply, self.engine.list(&filter, limits))
                }
                Command::Show(id, reply) => send(reply, self.engine.show(id)),
                Command::ListRooms(rooms, limit, reply) => {
                    send(reply, self.engine.rooms(&rooms, limit))
                }
                Command::ShowRoom(name, reply) => send(reply, self.engine.room(&name)),
                Command::ChangeRoom(request, reply) => {
                    self.engine.change_room(now, *request, reply)
                }
                Command::Erase(number, reply) => send(reply, self.engine.erase(number)),
                Command::Stop => {
                    stop = true;
                    self.engine.stop();
                }
            }
        }
        stop
    }

    /// Lets the engine act on its deadlines, and carries out its effects.
    fn apply_effects(&mut self, now: Now) {
        self.engine.tick(now);
        let metrics = self.journal.metrics();
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Connect => {
                    metrics.connecting();
                    self.link = Link::Connecting(Box::pin(self.connector.connect()));
                }
                Effect::Disconnect => {
                    self.link = Link::Down;
                    self.connector.report_end(std::mem::take(&mut self.was_ready));
                }
                Effect::Originated(reply, answer) => send(reply, answer),
                Effect::HungUp(reply, answer) => send(reply, answer),
                Effect::RoomAnswered(reply, answer) => send(reply, answer),
                Effect::Keep(room) => self.state.keep(room),
                Effect::Record(now, event, call) => self.records.push((now.wall, event, call)),
                Effect::Ready(ready) => {
                    metrics.ready(ready.is_ok());
                    self.was_ready |= ready.is_ok();
                    let _ = self.ready.send_replace(ready);
                }
                Effect::RoundTrip(time) => metrics.round_trip(time),
                Effect::Refusing(Some(reason)) => {
                    tracing::warn!(%reason, "Asterisk refuses all actions: no calls are made until a Ping succeeds");
                }
                Effect::Refusing(None) => tracing::info!("Asterisk accepts actions again"),
            }
        }
        metrics.engine(&self.engine.stats());
        if !self.records.is_empty() {
            self.journal.append(self.records.drain(..));
        }
    }

    /// Logs off, so that Asterisk does not report a broken connection.
    async fn log_off(mut self) {
        self.engine.log_off(Now::read());
        let deadline = Instant::now() + LOG_OFF_TIMEOUT;
        if let (Link::Up(connection), Some(output)) = (&mut self.link, self.engine.output()) {
            let log_off = async {
                connection.writer.write_all_buf(output).await?;
                connection.writer.shutdown().await
            };
            // After the timeout the connection is closed, and Asterisk notices that as well.
            let _ = tokio::time::timeout_at(deadline.into(), log_off).await;
        }
    }
}

impl Connection {
    async fn read_or_write(&mut self, output: Option<&mut BytesMut>) -> Wakeup {
        self.input.reserve(READ_BUFFER / 4);
        let Self { reader, writer, input, unflushed, .. } = self;
        let write = async {
            match output {
                Some(output) if !output.is_empty() => {
                    let written = writer.write(output).await?;
                    output.advance(written);
                    *unflushed = true;
                    Ok(())
                }
                _ if *unflushed => {
                    writer.flush().await?;
                    *unflushed = false;
                    Ok(())
                }
                _ => future::pending().await,
            }
        };
        tokio::select! {
            result = reader.read_buf(input) => Wakeup::Read(result),
            result = write => Wakeup::Wrote(result),
        }
    }
}

/// Answers a command, unless its sender no longer waits.
fn send<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
