//! Follows one call in the event stream to its end.

use std::io::{self, Write};

use hyper::{Method, StatusCode, Uri};
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant, sleep_until};

use super::filter::concerns_all;
use super::line::{Entry, Printer};
use super::{CommandError, LostNotes, note};
use originatord_core::call::CallId;
use originatord_core::call::outcome::Outcome;
use originatord_core::record::EventKind;
use originatord_net::client::event_stream::{EventStream, Update};
use originatord_net::client::{Client, ClientError, request};

/// The pause between two requests for the state of the call.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallEnd {
    /// The call ended with an outcome.
    Ended {
        /// The outcome's name.
        outcome: String,
        /// Whether the callee was seen in the room.
        joined: bool,
    },
    /// The call was refused. Holds the reason from the record.
    Refused(String),
    /// The daemon does not know the call any more.
    Forgotten,
}

impl CallEnd {
    /// Whether the outcome is `not_joined`.
    pub(crate) fn is_not_joined(&self) -> bool {
        matches!(self, Self::Ended { outcome, .. } if outcome == Outcome::NotJoined.as_str())
    }
}

/// Follows one call: prints its records from the event stream. After a gap, which may hide the
/// record of its end, it asks the API for the call instead.
pub(crate) struct Follower<W> {
    id: CallId,
    stream: EventStream,
    client: Client,
    /// `None` once the reader of the output has closed the pipe.
    printer: Option<Printer<W>>,
    lost_notes: LostNotes,
    joined: bool,
    /// The time of the next request for the call, while the record of its end may be lost in a gap.
    ask_at: Option<Instant>,
}

impl<W: Write> Follower<W> {
    /// Follows the call `id` in a stream that was opened before the call was requested.
    pub(crate) fn new(
        id: CallId,
        stream: EventStream,
        client: Client,
        printer: Printer<W>,
    ) -> Self {
        let (printer, lost_notes) = (Some(printer), LostNotes::default());
        Self { id, stream, client, printer, lost_notes, joined: false, ask_at: None }
    }

    /// Prints each step until the call has ended.
    ///
    /// # Errors
    ///
    /// The daemon refuses the stream, or the output cannot be written.
    pub(crate) async fn run(mut self) -> Result<CallEnd, CommandError> {
        loop {
            let end = tokio::select! {
                update = self.stream.next() => self.on_update(update?)?,
                () = sleep_until(self.ask_at.unwrap_or_else(Instant::now)), if self.ask_at.is_some() => self.ask().await?,
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    fn on_update(&mut self, update: Update) -> Result<Option<CallEnd>, CommandError> {
        let events = match update {
            Update::Events(events) => events,
            Update::Lost(lost) => {
                self.lost_notes.print(&lost);
                return Ok(None);
            }
        };
        self.lost_notes.clear();
        for entry in events.into_iter().filter_map(Entry::read) {
            if let Some(end) = self.on_entry(&entry)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn on_entry(&mut self, entry: &Entry) -> Result<Option<CallEnd>, CommandError> {
        let record = entry.record();
        if record.call_id != Some(self.id) && !concerns_all(&record) {
            return Ok(None);
        }
        self.print(entry)?;
        match record.kind() {
            Some(EventKind::Gap) => self.ask_at = Some(Instant::now()),
            Some(EventKind::CallJoined) => self.joined = true,
            Some(EventKind::CallEnded) => return Ok(Some(self.ended(entry))),
            Some(EventKind::CallRefused) => {
                return Ok(Some(CallEnd::Refused(record.reason.unwrap_or_default().into_owned())));
            }
            _ => {}
        }
        Ok(None)
    }

    fn ended(&self, entry: &Entry) -> CallEnd {
        CallEnd::Ended { outcome: entry.text("outcome").to_owned(), joined: self.joined }
    }

    /// Asks the daemon for the state of the call, after a gap. Prints the end of the call if it has
    /// ended.
    async fn ask(&mut self) -> Result<Option<CallEnd>, CommandError> {
        self.ask_at = Some(Instant::now() + ASK_INTERVAL);
        // A daemon that has just started knows its calls only once it is ready. Only then does "not
        // found" mean that the call is forgotten.
        let Ok((ready, _)) = self.get("/readyz").await else { return Ok(None) };
        let Ok((status, body)) = self.get(&format!("/api/calls/{}", self.id)).await else {
            return Ok(None);
        };
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(CommandError::Unauthorized),
            StatusCode::NOT_FOUND if ready == StatusCode::OK => {
                note("the daemon does not know the call any more");
                return Ok(Some(CallEnd::Forgotten));
            }
            _ => return Ok(None),
        }
        let Ok(Value::Object(call)) = serde_json::from_str(&body) else { return Ok(None) };
        self.joined |= call.get("joined").is_some_and(|joined| !joined.is_null());
        let entry = as_end(body, call);
        if entry.text("state") == "ended" {
            self.print(&entry)?;
            return Ok(Some(self.ended(&entry)));
        }
        // The call is active, so the stream will have the record of its end.
        self.ask_at = None;
        note(&format!("the call is {}", entry.text("state")));
        Ok(None)
    }

    async fn get(&self, path: &str) -> Result<(StatusCode, String), ClientError> {
        let uri = Uri::try_from(path).unwrap_or_default();
        let answer = self.client.fetch(request(Method::GET, uri)).await?;
        Ok((answer.status(), String::from_utf8_lossy(answer.body()).trim_end().to_owned()))
    }

    fn print(&mut self, entry: &Entry) -> io::Result<()> {
        let Some(printer) = &mut self.printer else { return Ok(()) };
        match printer.print(entry) {
            // Continue without output: the exit code still tells how the call ended.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.printer = None,
            printed => return printed,
        }
        Ok(())
    }
}

/// An entry like the record `call.ended`, made from the call as the API returns it.
fn as_end(json: String, call: Map<String, Value>) -> Entry {
    let ended = call.get("ended").cloned().unwrap_or_default();
    let mut members = Map::from_iter([
        ("time".to_owned(), ended),
        ("event".to_owned(), EventKind::CallEnded.as_str().into()),
    ]);
    // The record has none of these members: whether the state is stale, and the times of the call's
    // records.
    let omitted =
        ["stale", "requested", "queued", "ringing", "answered", "joined", "left", "ended"];
    members.extend(call.into_iter().filter(|(name, _)| !omitted.contains(&&**name)));
    Entry::of(json, members)
}
