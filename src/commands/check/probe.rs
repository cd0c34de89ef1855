//! A conversation with Asterisk that asks one thing at a time, and rings nobody.

use std::collections::HashSet;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout_at;

use super::dialplan::{Dialplan, Entry};
use crate::ami::action::{Action, Unsendable};
use crate::ami::frame::Frame;
use crate::ami::message::Response;
use crate::ami::parser::{NotAsterisk, Parser, Received};
use crate::ami::session::{Session, SessionError, SessionEvent};
use crate::call::CallId;
use crate::config::Asterisk;
use crate::connector::{Connector, Stream};

/// How long the events of a call that is over at once are waited for.
const EVENTS: Duration = Duration::from_secs(2);

/// How long those of a participant are. With `announce_only_user` it has joined only once it was
/// told that nobody else is there, which takes some three seconds.
const CONFERENCE_EVENTS: Duration = Duration::from_secs(8);

/// A channel that is up at once and rings nobody: audio to the discard port of Asterisk's own
/// machine.
const NOBODY: &str = "UnicastRTP/127.0.0.1:9";

/// The events that every call has.
pub(super) const OF_ANY_CALL: [&str; 3] = ["Newchannel", "Hangup", "OriginateResponse"];

/// The events of a call that is answered and enters a conference, and our dialplan's own.
pub(super) const OF_A_CONFERENCE: [&str; 4] =
    ["Newstate", "ConfbridgeJoin", "ConfbridgeLeave", "UserEvent"];

/// Most contexts, and most of their steps, that are listed: a real dialplan has far fewer.
const MAX_CONTEXTS: usize = 32;
const MAX_STEPS: usize = 10_000;

/// The answer to ShowDialPlan for one context.
pub(super) enum Listing {
    Listed(Dialplan),
    /// No such context, or nothing is in it.
    Missing,
    /// The user may not look.
    Unlisted,
}

/// Why there is nothing more to be learnt.
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
    Late,
    #[error("it does not greet in time")]
    Mute,
    #[error("Asterisk closed the connection")]
    Closed,
}

/// The conversation.
pub(super) struct Probe {
    stream: Stream,
    parser: Parser,
    input: BytesMut,
    session: Session<()>,
    patience: Duration,
}

impl Probe {
    /// Connects, and waits for the greeting.
    pub(super) async fn connect(
        connector: &Connector,
        asterisk: &Asterisk,
    ) -> Result<Self, ProbeError> {
        let give_up = Instant::now() + asterisk.connect_timeout;
        let stream = timeout_at(give_up.into(), connector.connect())
            .await
            .map_err(|_| ProbeError::Late)??;
        let session = Session::new(asterisk.session.clone(), Instant::now());
        let (parser, input) = (Parser::default(), BytesMut::new());
        let mut probe =
            Self { stream, parser, input, session, patience: asterisk.session.action_timeout };
        let banner = probe.receive(give_up).await.map_err(|error| match error {
            ProbeError::Late => ProbeError::Mute,
            other => other,
        })?;
        probe.session.receive(Instant::now(), banner)?;
        Ok(probe)
    }

    pub(super) fn banner(&self) -> &str {
        self.session.banner()
    }

    pub(super) async fn log_in(&mut self) -> Result<(), ProbeError> {
        let give_up = Instant::now() + self.patience;
        while !self.session.is_up() {
            self.hear(give_up).await?;
        }
        Ok(())
    }

    /// Whether the user may use this action; asked such that it does nothing.
    pub(super) async fn is_allowed(&mut self, action: &'static str) -> Result<bool, ProbeError> {
        let headers = match action {
            "Hangup" | "GetVar" => {
                vec![("Channel", "originatord-check".to_owned()), ("Variable", "X".to_owned())]
            }
            // Without the headers it needs, an action that is allowed says what is missing.
            _ => Vec::new(),
        };
        let response = self.ask(&Action::Other(action, headers)).await?;
        Ok(!is_denied(&response))
    }

    /// The steps of a context and of those that it includes.
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

    /// The entries of one context, none if there is no such context; `None` if the user may not
    /// look.
    async fn list(&mut self, context: &str) -> Result<Option<Vec<Entry>>, ProbeError> {
        let give_up = Instant::now() + self.patience;
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
            let SessionEvent::Event(frame) = self.hear(give_up).await? else { continue };
            match frame.event_name() {
                Some(b"ListDialplan") if entries.len() < MAX_STEPS => {
                    entries.extend(Entry::of(&frame))
                }
                Some(b"ShowDialPlanComplete") => return Ok(Some(entries)),
                _ => {}
            }
        }
    }

    /// The value of a dialplan function or a global variable; `None` if the user may not ask.
    pub(super) async fn value(&mut self, expression: &str) -> Result<Option<String>, ProbeError> {
        let response =
            self.ask(&Action::Other("GetVar", vec![("Variable", expression.to_owned())])).await?;
        Ok(response
            .frame
            .text("Value")
            .filter(|_| response.success)
            .map(|value| value.into_owned()))
    }

    /// The value of a dialplan function that answers with 1 or 0; `None` if Asterisk does not have
    /// it, too.
    pub(super) async fn holds(&mut self, expression: &str) -> Result<Option<bool>, ProbeError> {
        Ok(match self.value(expression).await?.as_deref() {
            Some("1") => Some(true),
            Some("0") => Some(false),
            _ => None,
        })
    }

    /// Which of [`OF_ANY_CALL`] arrive of a call to an extension that does not exist: its channels
    /// come and go at once, and nothing of the dialplan runs.
    pub(super) async fn events_of_a_call_to_nowhere(
        &mut self,
    ) -> Result<HashSet<String>, ProbeError> {
        let id = self.originate("Local/originatord-check@originatord-check", "NoOp", "")?;
        self.watch(EVENTS, &[id], &OF_ANY_CALL, None).await.map(|(seen, _)| seen)
    }

    /// Which of [`OF_A_CONFERENCE`] arrive of a participant that is nobody, in a conference of its
    /// own, and of a word such as our dialplan's; none where Asterisk has no channel for that.
    pub(super) async fn events_of_a_participant(
        &mut self,
    ) -> Result<Option<HashSet<String>>, ProbeError> {
        let teller = self.originate(NOBODY, "UserEvent", "OriginatordLeg,Tech: check")?;
        let participant = self.originate(NOBODY, "ConfBridge", "originatord-check")?;
        let channels = [teller, participant.clone()];
        let (seen, failed) =
            self.watch(CONFERENCE_EVENTS, &channels, &OF_A_CONFERENCE, Some(&participant)).await?;
        // It is gone already, unless the event that it had come was not heard.
        self.ask(&Action::Hangup { channel: participant }).await?;
        Ok(if failed { None } else { Some(seen) })
    }

    /// Has a channel run an application, and returns its id.
    fn originate(
        &mut self,
        channel: &str,
        application: &str,
        data: &str,
    ) -> Result<String, ProbeError> {
        let id = CallId::new(SystemTime::now(), fastrand::u128(..)).to_string();
        let headers = [
            ("Channel", channel),
            ("Application", application),
            ("Data", data),
            // Whatever becomes of us, it ends.
            ("Variable", "TIMEOUT(absolute)=10"),
            ("Async", "true"),
            ("ChannelId", &id),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned())).to_vec();
        self.session.send(Instant::now(), &Action::Other("Originate", headers), ())?;
        Ok(id)
    }

    /// Which events arrive of these channels, until those that are wanted have or time is up, and
    /// whether the channels could not be made. The participant is hung up once it has joined.
    async fn watch(
        &mut self,
        patience: Duration,
        ids: &[String],
        wanted: &[&str],
        participant: Option<&str>,
    ) -> Result<(HashSet<String>, bool), ProbeError> {
        let (mut seen, give_up) = (HashSet::new(), Instant::now() + patience);
        while !wanted.iter().all(|event| seen.contains(*event)) {
            let frame = match self.hear(give_up).await {
                Ok(SessionEvent::Event(frame)) if ids.iter().any(|id| is_of(&frame, id)) => frame,
                Ok(_) => continue,
                Err(ProbeError::Late) => break,
                Err(error) => return Err(error),
            };
            let name = frame.text("Event").unwrap_or_default().into_owned();
            match (&*name, participant) {
                ("OriginateResponse", Some(_)) if frame.get("Response") != Some(b"Success") => {
                    return Ok((seen, true));
                }
                ("ConfbridgeJoin", Some(id)) => self.session.send(
                    Instant::now(),
                    &Action::Hangup { channel: id.to_owned() },
                    (),
                )?,
                _ => {}
            }
            seen.insert(name);
        }
        Ok((seen, false))
    }

    async fn ask(&mut self, action: &Action) -> Result<Response, ProbeError> {
        let give_up = Instant::now() + self.patience;
        self.session.send(Instant::now(), action, ())?;
        loop {
            if let SessionEvent::Response((), response) = self.hear(give_up).await? {
                return Ok(response);
            }
        }
    }

    /// Sends what there is to send, and hears one thing.
    async fn hear(&mut self, give_up: Instant) -> Result<SessionEvent<()>, ProbeError> {
        let output = self.session.output().split();
        self.stream.write_all(&output).await?;
        self.stream.flush().await?;
        let received = self.receive(give_up).await?;
        Ok(self.session.receive(Instant::now(), received)?)
    }

    async fn receive(&mut self, give_up: Instant) -> Result<Received, ProbeError> {
        loop {
            if let Some(received) = self.parser.parse(&mut self.input)? {
                return Ok(received);
            }
            let read = timeout_at(give_up.into(), self.stream.read_buf(&mut self.input));
            if read.await.map_err(|_| ProbeError::Late)?? == 0 {
                return Err(ProbeError::Closed);
            }
        }
    }
}

fn is_denied(response: &Response) -> bool {
    ["Permission denied", "Access Forbidden"].iter().any(|words| response.message.contains(words))
}

/// Whether the frame is about the call of this id.
fn is_of(frame: &Frame, id: &str) -> bool {
    ["Uniqueid", "Linkedid"].iter().any(|name| frame.get(name) == Some(id.as_bytes()))
}
