//! An AMI session for `check` that waits for each response, and calls nobody.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::dialplan::{Dialplan, Entry};
use crate::config::Asterisk;
use originatord_core::ami::action::{Action, Unsendable};
use originatord_core::ami::frame::Frame;
use originatord_core::ami::message::Response;
use originatord_core::ami::parser::{NotAsterisk, Parser, Received};
use originatord_core::ami::session::{Session, SessionError, SessionEvent};
use originatord_core::call::CallId;
use originatord_net::connector::{Connector, Stream};

/// The time limit for the events of a call that fails at once.
const CALL_EVENT_TIMEOUT: Duration = Duration::from_secs(2);

/// The events that every call has.
pub(super) const CALL_EVENTS: [&str; 3] = ["Newchannel", "Hangup", "OriginateResponse"];

/// The most contexts that are listed; a real dialplan includes far fewer.
const MAX_CONTEXTS: usize = 32;

/// The most steps that are listed; a real dialplan has far fewer.
const MAX_STEPS: usize = 10_000;

/// The answer to ShowDialPlan for one context.
pub(super) enum Listing {
    Listed(Dialplan),
    /// The context does not exist, or is empty.
    Missing,
    /// The user may not list it.
    Unlisted,
}

/// Why the checks end early.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProbeError {
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    NotAsterisk(#[from] NotAsterisk),
    #[error(transparent)]
    Session(#[from] SessionError),
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    #[error("no answer in time")]
    Timeout,
    #[error("no banner in time")]
    NoBanner,
    #[error("Asterisk closed the connection")]
    Closed,
}

/// The AMI session.
pub(super) struct Probe {
    stream: Stream,
    parser: Parser,
    input: BytesMut,
    session: Session<()>,
    action_timeout: Duration,
}

impl Probe {
    /// Connects, and waits for the banner.
    pub(super) async fn connect(
        connector: &Connector,
        asterisk: &Asterisk,
    ) -> Result<Self, ProbeError> {
        let deadline = Instant::now() + asterisk.connect_timeout;
        let stream = timeout_at(deadline.into(), connector.connect())
            .await
            .map_err(|_| ProbeError::Timeout)??;
        let session = Session::new(asterisk.session.clone(), Instant::now());
        let (parser, input) = (Parser::default(), BytesMut::new());
        let mut probe = Self {
            stream,
            parser,
            input,
            session,
            action_timeout: asterisk.session.action_timeout,
        };
        let banner = probe.receive(deadline).await.map_err(|error| match error {
            ProbeError::Timeout => ProbeError::NoBanner,
            other => other,
        })?;
        probe.session.receive(Instant::now(), banner)?;
        Ok(probe)
    }

    pub(super) fn banner(&self) -> &str {
        self.session.banner()
    }

    pub(super) async fn log_in(&mut self) -> Result<(), ProbeError> {
        let deadline = Instant::now() + self.action_timeout;
        while !self.session.is_up() {
            self.next_event(deadline).await?;
        }
        Ok(())
    }

    /// Whether the user may use this action. The action is sent for a channel that does not exist,
    /// or without required headers, so that it does nothing.
    pub(super) async fn is_allowed(&mut self, action: &'static str) -> Result<bool, ProbeError> {
        let headers = match action {
            "Hangup" | "GetVar" => {
                vec![("Channel", "originatord-check".to_owned()), ("Variable", "X".to_owned())]
            }
            // Asterisk answers an allowed action with the error that a header is missing.
            _ => Vec::new(),
        };
        let response = self.ask(&Action::Other(action, headers)).await?;
        Ok(!is_denied(&response))
    }

    /// Lists the steps of a context and of the contexts that it includes.
    pub(super) async fn dialplan(&mut self, context: &str) -> Result<Listing, ProbeError> {
        let mut dialplan = Dialplan::default();
        let mut contexts = vec![context.to_owned()];
        let mut next = 0;
        while let Some(name) = contexts.get(next).cloned() {
            let Some(entries) = self.list(&name).await? else { return Ok(Listing::Unlisted) };
            if entries.is_empty() && next == 0 {
                return Ok(Listing::Missing);
            }
            for entry in entries {
                match entry {
                    Entry::Include(name) if contexts.contains(&name) => {}
                    Entry::Include(name) if contexts.len() < MAX_CONTEXTS => contexts.push(name),
                    Entry::Step(step) if dialplan.steps.len() < MAX_STEPS => {
                        dialplan.steps.push(step)
                    }
                    Entry::Include(_) | Entry::Step(_) | Entry::Switch => {
                        dialplan.is_partial = true
                    }
                }
            }
            next += 1;
        }
        Ok(Listing::Listed(dialplan))
    }

    /// The entries of one context; empty if it does not exist, `None` if the user may not list it.
    async fn list(&mut self, context: &str) -> Result<Option<Vec<Entry>>, ProbeError> {
        let deadline = Instant::now() + self.action_timeout;
        let response =
            self.ask(&Action::Other("ShowDialPlan", vec![("Context", context.to_owned())])).await?;
        if !response.success {
            return Ok((!is_denied(&response)).then(Vec::new));
        }
        if response.frame.get("EventList").is_none() {
            return Ok(None);
        }
        let mut entries = Vec::new();
        loop {
            let SessionEvent::Event(frame) = self.next_event(deadline).await? else { continue };
            match frame.event_name() {
                Some(b"ListDialplan") if entries.len() < MAX_STEPS => {
                    entries.extend(Entry::of(&frame))
                }
                Some(b"ShowDialPlanComplete") => return Ok(Some(entries)),
                _ => {}
            }
        }
    }

    /// The value of a dialplan function or a global variable; `None` if the user may not use
    /// `GetVar`.
    pub(super) async fn value(&mut self, expression: &str) -> Result<Option<String>, ProbeError> {
        let response =
            self.ask(&Action::Other("GetVar", vec![("Variable", expression.to_owned())])).await?;
        Ok(response
            .frame
            .text("Value")
            .filter(|_| response.success)
            .map(|value| value.into_owned()))
    }

    /// The value of a dialplan function that returns 1 or 0; `None` if the user may not use
    /// `GetVar`, or Asterisk does not have the function.
    pub(super) async fn is_true(&mut self, expression: &str) -> Result<Option<bool>, ProbeError> {
        Ok(match self.value(expression).await?.as_deref() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        })
    }

    /// Makes a call to an extension that does not exist, and returns which of [`CALL_EVENTS`]
    /// arrive. Its channels end at once, and no step of the dialplan runs.
    pub(super) async fn events_of_failed_call(&mut self) -> Result<HashSet<String>, ProbeError> {
        let id = self.originate("Local/originatord-check@originatord-check", "NoOp", "", &[])?;
        let (mut seen, deadline) = (HashSet::new(), Instant::now() + CALL_EVENT_TIMEOUT);
        while !CALL_EVENTS.iter().all(|event| seen.contains(*event)) {
            match self.next_event(deadline).await {
                Ok(SessionEvent::Event(frame)) if is_of(&frame, &id) => {
                    seen.insert(frame.text("Event").unwrap_or_default().into_owned());
                }
                Ok(_) => {}
                Err(ProbeError::Timeout) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(seen)
    }

    /// Originates a channel that runs an application, and returns the channel's id.
    pub(super) fn originate(
        &mut self,
        channel: &str,
        application: &str,
        data: &str,
        variables: &[(&str, &str)],
    ) -> Result<String, ProbeError> {
        let id = CallId::new(SystemTime::now(), fastrand::u128(..)).to_string();
        // The channel ends even if this process is killed.
        let limit = ("TIMEOUT(absolute)", "10");
        let variables: Vec<_> = [limit]
            .iter()
            .chain(variables)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut headers = vec![
            ("Channel", channel),
            ("Application", application),
            ("Data", data),
            // With the default codec, slin, Asterisk 16 releases its ulaw format once too often for
            // each UnicastRTP channel, and crashes after some ten of them.
            ("Codecs", "ulaw"),
            ("Async", "true"),
            ("ChannelId", &id),
        ];
        headers.extend(variables.iter().map(|variable| ("Variable", &**variable)));
        self.send("Originate", &headers)?;
        Ok(id)
    }

    /// Sends an action without waiting for its response.
    pub(super) fn send(
        &mut self,
        name: &'static str,
        headers: &[(&'static str, &str)],
    ) -> Result<(), ProbeError> {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.send_action(&Action::Other(name, headers))
    }

    pub(super) fn send_action(&mut self, action: &Action) -> Result<(), ProbeError> {
        Ok(self.session.send(Instant::now(), action, ())?)
    }

    async fn ask(&mut self, action: &Action) -> Result<Response, ProbeError> {
        let deadline = Instant::now() + self.action_timeout;
        self.session.send(Instant::now(), action, ())?;
        loop {
            if let SessionEvent::Response((), response) = self.next_event(deadline).await? {
                return Ok(response);
            }
        }
    }

    /// Writes the session's output, and waits for the next event.
    pub(super) async fn next_event(
        &mut self,
        deadline: Instant,
    ) -> Result<SessionEvent<()>, ProbeError> {
        let output = self.session.output().split();
        self.stream.write_all(&output).await?;
        self.stream.flush().await?;
        let received = self.receive(deadline).await?;
        Ok(self.session.receive(Instant::now(), received)?)
    }

    async fn receive(&mut self, deadline: Instant) -> Result<Received, ProbeError> {
        loop {
            if let Some(received) = self.parser.parse(&mut self.input)? {
                return Ok(received);
            }
            let read = timeout_at(deadline.into(), self.stream.read_buf(&mut self.input));
            if read.await.map_err(|_| ProbeError::Timeout)?? == 0 {
                return Err(ProbeError::Closed);
            }
        }
    }
}

fn is_denied(response: &Response) -> bool {
    ["Permission denied", "Access Forbidden"].iter().any(|words| response.message.contains(words))
}

/// Whether the frame is about the channel `id`, or about one that was created for it.
pub(super) fn is_of(frame: &Frame, id: &str) -> bool {
    ["Uniqueid", "Linkedid"].iter().any(|name| frame.get(name) == Some(id.as_bytes()))
}
