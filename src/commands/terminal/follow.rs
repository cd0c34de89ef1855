//! One call, followed in the live log to its end.

use std::io::{self, Write};

use hyper::{Method, StatusCode, Uri};
use serde_json::{Map, Value};
use tokio::time::{Duration, Instant, sleep_until};

use super::filter::concerns_all;
use super::line::{Entry, Printer};
use super::{CommandError, Troubles, note};
use crate::call::CallId;
use crate::call::outcome::Outcome;
use crate::client::event_stream::{EventStream, Update};
use crate::client::{Client, ClientError, request};

/// How long after a question that brought no certainty the next one is asked.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this outcome.
    Ended {
        /// The word for it.
        outcome: String,
        /// Whether it was seen in its room.
        joined: bool,
    },
    /// It was refused after all, for this reason.
    Refused(String),
    /// The daemon knows nothing of it any more.
    Forgotten,
}

impl End {
    /// Whether its outcome says that the callee never came into the room.
    pub fn is_not_joined(&self) -> bool {
        matches!(self, Self::Ended { outcome, .. } if outcome == Outcome::NotJoined.as_str())
    }
}

/// Follows a call.
pub struct Follower<W> {
    id: CallId,
    log: EventStream,
    client: Client,
    /// None once nobody reads on.
    printer: Option<Printer<W>>,
    troubles: Troubles,
    joined: bool,
    /// When the daemon is to be asked for the call, as its end may be among what the log has lost.
    ask_at: Option<Instant>,
}

impl<W: Write> Follower<W> {
    /// Follows the call `id` in a log that was followed before it was asked for.
    pub fn new(id: CallId, log: EventStream, client: Client, printer: Printer<W>) -> Self {
        let (printer, troubles) = (Some(printer), Troubles::default());
        Self { id, log, client, printer, troubles, joined: false, ask_at: None }
    }

    /// Prints each step until the call has ended.
    ///
    /// # Errors
    ///
    /// The daemon refuses for good, or there is nowhere to print to.
    pub async fn run(mut self) -> Result<End, CommandError> {
        loop {
            let end = tokio::select! {
                told = self.log.next() => self.heard(told?)?,
                () = sleep_until(self.ask_at.unwrap_or_else(Instant::now)), if self.ask_at.is_some() => self.ask().await?,
            };
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }

    fn heard(&mut self, told: Update) -> Result<Option<End>, CommandError> {
        let events = match told {
            Update::Events(events) => events,
            Update::Lost(lost) => {
                self.troubles.lost(&lost);
                return Ok(None);
            }
        };
        self.troubles.over();
        for entry in events.into_iter().filter_map(Entry::read) {
            if let Some(end) = self.read(&entry)? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn read(&mut self, entry: &Entry) -> Result<Option<End>, CommandError> {
        let is_ours = entry.text("call_id") == self.id.to_string();
        if !is_ours && !concerns_all(entry.event()) {
            return Ok(None);
        }
        self.print(entry)?;
        match entry.event() {
            "gap" => self.ask_at = Some(Instant::now()),
            "call.joined" => self.joined = true,
            "call.ended" => return Ok(Some(self.ended(entry))),
            "call.refused" => return Ok(Some(End::Refused(entry.text("reason").to_owned()))),
            _ => {}
        }
        Ok(None)
    }

    fn ended(&self, entry: &Entry) -> End {
        End::Ended { outcome: entry.text("outcome").to_owned(), joined: self.joined }
    }

    /// Asks what has become of the call.
    async fn ask(&mut self) -> Result<Option<End>, CommandError> {
        self.ask_at = Some(Instant::now() + ASK_AGAIN);
        // A daemon that has just started knows its calls once it is ready, so that is asked first.
        let Ok((ready, _)) = self.get("/readyz").await else { return Ok(None) };
        let Ok((status, body)) = self.get(&format!("/api/calls/{}", self.id)).await else {
            return Ok(None);
        };
        match status {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED => return Err(CommandError::Unauthorized),
            StatusCode::NOT_FOUND if ready == StatusCode::OK => {
                note("the daemon knows nothing of the call any more");
                return Ok(Some(End::Forgotten));
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
        // It lives, so that its end will be in the log.
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
            // How the call ends is what the exit code is for.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.printer = None,
            printed => return printed,
        }
        Ok(())
    }
}

/// The end of a call, from how the API shows the call.
fn as_end(json: String, call: Map<String, Value>) -> Entry {
    let ended = call.get("ended").cloned().unwrap_or_default();
    let mut members =
        Map::from_iter([("time".to_owned(), ended), ("event".to_owned(), "call.ended".into())]);
    // These are records of their own.
    let moments =
        ["stale", "requested", "queued", "ringing", "answered", "joined", "left", "ended"];
    members.extend(call.into_iter().filter(|(name, _)| !moments.contains(&&**name)));
    Entry::of(json, members)
}
