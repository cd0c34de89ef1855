//! The shell around the engine: one task that connects, reads, writes, sleeps, and does what the
//! engine says.
//!
//! The connection is always read: a write that Asterisk does not take waits in the session's
//! output, and never in the way of reading. Commands are taken only while that output is short, so
//! a stalled Asterisk is seen by the bots as a full queue.

mod decoder;
mod heard;

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
use crate::ami::parser::Received;
use crate::call::limits::Policy;
use crate::call::{CallId, CallInfo};
use crate::clock::Now;
use crate::connector::{Connector, Stream};
use crate::engine::request::{HangUpError, OriginateError};
use crate::engine::{Effect, Engine};
use crate::handle::{Command, Handle, QUEUE, ReplyTo};
use crate::journal::Journal;
use crate::record::Event;

/// Output beyond which no further command is taken, in bytes: about a thousand Originates.
const OUTPUT_LIMIT: usize = 512 * 1024;

/// Most commands taken between two looks at the connection.
const COMMANDS_AT_ONCE: usize = 64;

/// How much is read at once, in bytes.
const READ_BUFFER: usize = 64 * 1024;

/// Most that is read before a deadline that has passed is judged, in bytes: more than Linux keeps
/// for a socket.
const CATCH_UP: usize = 8 * 1024 * 1024;

/// How long the goodbye to Asterisk may take.
const GOODBYE: Duration = Duration::from_millis(500);

type OriginateReply = ReplyTo<Result<CallId, OriginateError>>;
type HangUpReply = ReplyTo<Result<(), HangUpError>>;

/// The driver of one Asterisk.
pub struct Driver {
    engine: Engine<OriginateReply, HangUpReply>,
    connector: Connector,
    journal: Journal,
    commands: mpsc::Receiver<Command>,
    ready: watch::Sender<Result<(), Arc<str>>>,
    policy: watch::Receiver<Policy>,
    link: Link,
    /// Whether calls could be made over the link, since it was last made.
    was_ready: bool,
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
    /// Something was written that may still wait in a TLS layer.
    unflushed: bool,
}

/// What the driver woke up for.
enum Woken {
    Connected(std::io::Result<Stream>),
    Read(std::io::Result<usize>),
    Wrote(std::io::Result<()>),
    Commands(usize),
    Deadline,
}

impl Driver {
    /// A driver for `engine`, and the handle to ask it by.
    pub fn new(
        engine: Engine<OriginateReply, HangUpReply>,
        connector: Connector,
        journal: Journal,
    ) -> (Self, Handle) {
        let (sender, commands) = mpsc::channel(QUEUE);
        let (ready, ready_seen) = watch::channel(Err("not connected yet".into()));
        let (policy_sender, policy) = watch::channel(Policy::default());
        let (link, records) = (Link::Down, Vec::new());
        let was_ready = false;
        let driver =
            Self { engine, connector, journal, commands, ready, policy, link, was_ready, records };
        (driver, Handle::new(sender, ready_seen, policy_sender))
    }

    /// Runs until told to stop by [`Command::Stop`], and until nobody waits for an answer any
    /// longer; that takes no longer than the reply timeout, or the action timeout if a hang-up is
    /// under way. Calls in Asterisk go on.
    pub async fn run(mut self) {
        let mut batch = Vec::with_capacity(COMMANDS_AT_ONCE);
        let mut stopping = false;
        self.advance(Now::read());
        while !(stopping && self.engine.is_idle()) {
            let woken = self.wait(&mut batch).await;
            match woken {
                Woken::Connected(result) => self.finish_connect(Now::read(), result),
                Woken::Read(result) => self.finish_read(Now::read(), result),
                Woken::Wrote(Err(error)) => {
                    self.lose(Now::read(), &format!("writing to Asterisk failed: {error}"))
                }
                Woken::Wrote(Ok(())) | Woken::Deadline => {}
                // Every handle is gone, so nobody is left to stop us properly.
                Woken::Commands(0) => stopping = true,
                Woken::Commands(_) => stopping |= self.obey(&mut batch),
            }
            let now = self.catch_up().await;
            self.advance(now);
        }
        self.say_goodbye().await;
    }

    /// Waits for the first thing to do. Dropping any of these futures loses nothing.
    async fn wait(&mut self, batch: &mut Vec<Command>) -> Woken {
        let deadline = self.engine.deadline();
        let output = self.engine.output();
        let takes_commands = output.as_ref().is_none_or(|output| output.len() < OUTPUT_LIMIT);
        let io = async {
            match &mut self.link {
                Link::Down => future::pending().await,
                Link::Connecting(connecting) => Woken::Connected(connecting.await),
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
            woken = io => woken,
            taken = self.commands.recv_many(batch, COMMANDS_AT_ONCE), if takes_commands => Woken::Commands(taken),
            () = due => Woken::Deadline,
        }
    }

    /// Reads what Asterisk has sent by now, if a deadline has passed. Without this a process that
    /// was stopped for longer than Asterisk has to answer would judge first, and take the answers
    /// that wait in the socket for none. Returns the time that the deadlines are to be judged by.
    async fn catch_up(&mut self) -> Now {
        let now = Now::read();
        if self.engine.deadline().is_none_or(|deadline| deadline > now.instant) {
            return now;
        }
        // The runtime knows of what has arrived once it has looked at the sockets again.
        yield_now().await;
        let mut budget = CATCH_UP;
        while let Some(woken) = self.poll_link() {
            match woken {
                Woken::Connected(result) => self.finish_connect(now, result),
                Woken::Read(result) => {
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

    /// The next input of the link, if one is there already.
    fn poll_link(&mut self) -> Option<Woken> {
        match &mut self.link {
            Link::Down => None,
            Link::Connecting(connecting) => connecting.now_or_never().map(Woken::Connected),
            Link::Up(connection) => {
                let Connection { reader, input, .. } = &mut **connection;
                input.reserve(READ_BUFFER / 4);
                unconstrained(reader.read_buf(input)).now_or_never().map(Woken::Read)
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
            Err(error) => {
                self.lose(now, &format!("cannot connect to {}: {error}", self.connector.address()))
            }
        }
    }

    fn finish_read(&mut self, now: Now, result: std::io::Result<usize>) {
        let ended = match result {
            Ok(0) => Some("Asterisk closed the connection".to_owned()),
            Ok(_) => None,
            // Over TLS, it has done so without the goodbye that TLS asks for.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Some("Asterisk closed the connection".to_owned())
            }
            Err(error) => Some(format!("reading from Asterisk failed: {error}")),
        };
        // What arrived before the end still counts.
        let ended = self.hear(now).err().map(|error| error.to_string()).or(ended);
        if let Some(reason) = ended {
            self.lose(now, &reason);
        }
    }

    /// Gives the engine what was received.
    fn hear(&mut self, now: Now) -> Result<(), DecodeError> {
        let Link::Up(connection) = &mut self.link else { return Ok(()) };
        while let Some(received) = connection.decoder.decode(&mut connection.input)? {
            if let Received::Frame(frame) = &received {
                heard::note(frame);
                if let Some(event) = frame.event_name() {
                    self.journal.metrics().ami_event(event);
                }
            }
            self.engine.receive(now, received);
        }
        Ok(())
    }

    fn lose(&mut self, now: Now, reason: &str) {
        self.link = Link::Down;
        self.connector.report_end(std::mem::take(&mut self.was_ready));
        self.engine.disconnected(now, reason);
    }

    /// Gives the engine what was asked; says whether it was told to stop.
    fn obey(&mut self, batch: &mut Vec<Command>) -> bool {
        let (now, mut stop) = (Now::read(), false);
        if self.policy.has_changed().unwrap_or(false) {
            self.engine.set_policy(self.policy.borrow_and_update().clone());
        }
        for command in batch.drain(..) {
            match command {
                // Whoever has hung up meanwhile wants no call.
                Command::Originate(_, reply) if reply.is_closed() => {}
                Command::Originate(request, reply) => self.engine.originate(now, *request, reply),
                Command::HangUp(id, key, reply) => self.engine.hang_up(now, id, key, reply),
                Command::List(filter, [live, ended], reply) => {
                    send(reply, self.engine.list(&filter, live, ended))
                }
                Command::Show(id, reply) => send(reply, self.engine.show(id)),
                Command::Erase(number, reply) => send(reply, self.engine.erase(number)),
                Command::Stop => {
                    stop = true;
                    self.engine.stop();
                }
            }
        }
        stop
    }

    /// Lets the engine do what is due, and does what it says.
    fn advance(&mut self, now: Now) {
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
                Effect::Refusing(None) => tracing::info!("Asterisk takes actions again"),
            }
        }
        metrics.census(&self.engine.census());
        if !self.records.is_empty() {
            self.journal.append(self.records.drain(..));
        }
    }

    /// Logs off, so that Asterisk does not take our leaving for a failure.
    async fn say_goodbye(mut self) {
        self.engine.log_off(Now::read());
        let give_up = Instant::now() + GOODBYE;
        if let (Link::Up(connection), Some(output)) = (&mut self.link, self.engine.output()) {
            let goodbye = async {
                connection.writer.write_all_buf(output).await?;
                connection.writer.shutdown().await
            };
            // If it cannot be said in time, closing the connection says it too.
            let _ = tokio::time::timeout_at(give_up.into(), goodbye).await;
        }
    }
}

impl Connection {
    async fn read_or_write(&mut self, output: Option<&mut BytesMut>) -> Woken {
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
            result = reader.read_buf(input) => Woken::Read(result),
            result = write => Woken::Wrote(result),
        }
    }
}

/// Who no longer waits needs no answer.
fn send<T>(reply: oneshot::Sender<T>, answer: T) {
    let _ = reply.send(answer);
}
