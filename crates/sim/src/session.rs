//! One AMI connection: bytes in, messages out.
//!
//! The AMI user has the rights of the sample user in `asterisk/manager.conf`.

mod actions;
mod channels;
mod rooms;

use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use md5::{Digest, Md5};

use super::faults::Faults;
use super::pbx::{Event, Pbx};
use super::wire::{Headers, Input, Request};
use super::{AsteriskVersion, Class};
use originatord_core::clock::Now;

/// Classes of events that the user gets: `read = call,system,user`.
const READ: Class = Class::CALL.union(Class::SYSTEM).union(Class::USER);

/// Classes of actions that the user may send: `write = originate,call,reporting`.
const WRITE: Class = Class::ORIGINATE.union(Class::CALL).union(Class::REPORTING);

/// How long Asterisk delays the refusal of a login.
const REFUSAL: Duration = Duration::from_secs(1);

/// How long a connection may stay without a login: `authtimeout`.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The AMI user.
#[derive(Debug, Clone)]
pub struct User {
    /// Name, as `Username` carries it.
    pub name: String,
    /// Secret, in plain text.
    pub secret: String,
}

/// One message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The message is an event, not part of a response.
    pub is_event: bool,
    /// The message is the response to an Originate.
    pub answers_originate: bool,
    /// The message on the wire.
    pub bytes: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    NotLoggedIn,
    /// The login was wrong. The session refuses it at this time.
    RefusingLogin {
        until: Instant,
    },
    LoggedIn,
    /// The session reads and writes nothing more.
    Closed,
}

/// One AMI session.
pub struct Session {
    user: User,
    version: AsteriskVersion,
    phase: Phase,
    accepted: Instant,
    /// Start of Asterisk.
    booted: Now,
    input: Input,
    challenge: Option<String>,
    mask: Class,
    refused_login: Headers,
    /// The session refuses every action, like an Asterisk that is shutting down.
    refuses_all: bool,
    /// The user's filters hide the events of [`is_room_event`].
    no_room_events: bool,
    /// The classes of events that the user may read.
    read: Class,
    out: Vec<Outgoing>,
    /// A received `SimFault`, for [`take_faults`](Self::take_faults).
    faults: Option<Headers>,
}

/// The parts of the simulator that an action acts upon.
struct ActionContext<'w> {
    now: Now,
    pbx: &'w mut Pbx,
    rng: &'w mut fastrand::Rng,
}

impl Session {
    /// A session of a client that just connected. It begins with Asterisk's banner.
    pub fn new(user: User, version: AsteriskVersion, now: Now, booted: Now) -> Self {
        let mut session = Self {
            user,
            version,
            phase: Phase::NotLoggedIn,
            accepted: now.instant,
            booted,
            input: Input::default(),
            challenge: None,
            mask: Class::empty(),
            refused_login: Headers::new(),
            refuses_all: false,
            no_room_events: false,
            read: READ,
            out: Vec::new(),
            faults: None,
        };
        let banner = format!("Asterisk Call Manager/{}\r\n", version.ami());
        session.out.push(Outgoing {
            is_event: false,
            answers_originate: false,
            bytes: banner.as_bytes().into(),
        });
        session
    }

    /// Handles received bytes. Anything behind a logoff or a wrong login is ignored.
    pub fn receive(&mut self, now: Now, pbx: &mut Pbx, rng: &mut fastrand::Rng, mut bytes: &[u8]) {
        while !bytes.is_empty() && matches!(self.phase, Phase::NotLoggedIn | Phase::LoggedIn) {
            let (rest, request) = self.input.read(bytes);
            bytes = rest;
            match request {
                None => {}
                Some(Request::Malformed(headers, problem)) => self.error(&headers, problem),
                Some(Request::Action(action)) => {
                    self.act(&mut ActionContext { now, pbx, rng }, &action)
                }
            }
        }
    }

    /// Sends an event, if the user asked for its class and may read it.
    pub(crate) fn send_event(&mut self, event: &Event) {
        if self.phase == Phase::LoggedIn
            && event.class.intersects(self.read)
            && event.class.intersects(self.mask)
            && !(self.no_room_events && is_room_event(event))
        {
            self.put(true, &event.headers);
        }
    }

    /// Sends the refusal of a wrong login, or closes a session without a login, once it is due.
    pub fn tick(&mut self, now: Now) {
        match self.phase {
            Phase::RefusingLogin { until } if until <= now.instant => {
                let action = std::mem::take(&mut self.refused_login);
                self.error(&action, "Authentication failed");
                self.phase = Phase::Closed;
            }
            Phase::NotLoggedIn if self.accepted + LOGIN_TIMEOUT <= now.instant => {
                self.phase = Phase::Closed
            }
            _ => {}
        }
    }

    /// When to call [`tick`](Self::tick) next; none if nothing is scheduled.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::RefusingLogin { until } => Some(until),
            Phase::NotLoggedIn => Some(self.accepted + LOGIN_TIMEOUT),
            Phase::LoggedIn | Phase::Closed => None,
        }
    }

    /// Takes the messages to send.
    pub(crate) fn take_output(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.out)
    }

    /// Whether the connection ends once all messages are sent.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether the client is logged in.
    pub(crate) fn is_logged_in(&self) -> bool {
        self.phase == Phase::LoggedIn
    }

    /// Applies the faults that change Asterisk's behaviour rather than the connection.
    pub fn set_faults(&mut self, faults: &Faults) {
        self.refuses_all = faults.refuse_all;
        self.no_room_events = faults.no_room_events;
        self.read = if faults.no_call_events { Class::SYSTEM.union(Class::USER) } else { READ };
    }

    /// Answers a `SimFault`, with the problem if it was not understood.
    pub(crate) fn answer_faults(&mut self, action: &Headers, problem: Option<&str>) {
        match problem {
            None => self.success(action, Headers::new().with("Message", "Faults set")),
            Some(problem) => self.error(action, problem),
        }
    }

    /// Takes the `SimFault` that was received, if one was.
    pub(crate) fn take_faults(&mut self) -> Option<Headers> {
        self.faults.take()
    }

    fn log_in(&mut self, context: &ActionContext<'_>, action: &Headers) {
        if self.phase == Phase::LoggedIn {
            return self.success(action, Headers::new().with("Message", "Already authenticated"));
        }
        let name_matches = action.get("Username") == Some(&self.user.name);
        let secret_matches = match action.filled("AuthType") {
            Some(kind) if kind.eq_ignore_ascii_case("MD5") => {
                self.challenge.as_ref().is_some_and(|challenge| {
                    let digest = Md5::new()
                        .chain_update(challenge)
                        .chain_update(&self.user.secret)
                        .finalize();
                    let hex = digest.iter().fold(String::new(), |mut hex, byte| {
                        let _ = write!(hex, "{byte:02x}");
                        hex
                    });
                    action.get("Key") == Some(&hex)
                })
            }
            Some(_) => false,
            None => action.get("Secret") == Some(&self.user.secret),
        };
        if !name_matches || !secret_matches {
            self.phase = Phase::RefusingLogin { until: context.now.instant + REFUSAL };
            self.refused_login = action.clone();
            return;
        }
        self.phase = Phase::LoggedIn;
        // Without the header, or with an empty mask, the user gets all events that it may read.
        self.mask = action
            .get("Events")
            .map_or(Class::all(), |mask| Class::parse_mask(mask).unwrap_or(Class::all()));
        self.success(action, Headers::new().with("Message", "Authentication accepted"));
        let uptime = context.now.instant.saturating_duration_since(self.booted.instant).as_secs();
        let booted = Headers::new()
            .with("Event", "FullyBooted")
            .with("Privilege", "system,all")
            .with("Uptime", uptime)
            .with("LastReload", uptime)
            .with("Status", "Fully Booted");
        self.send_event(&Event { class: Class::SYSTEM, headers: booted });
    }

    fn put(&mut self, is_event: bool, headers: &Headers) {
        let mut bytes = BytesMut::new();
        headers.encode(&mut bytes);
        self.out.push(Outgoing { is_event, answers_originate: false, bytes });
    }

    fn respond(&mut self, action: &Headers, response: &'static str, more: Headers) {
        let headers = with_id(Headers::new().with("Response", response), action).and(more);
        self.put(false, &headers);
    }

    fn success(&mut self, action: &Headers, more: Headers) {
        self.respond(action, "Success", more);
    }

    fn error(&mut self, action: &Headers, message: &str) {
        self.respond(action, "Error", Headers::new().with("Message", message));
    }

    /// Answers with a list: a response, the items, and the event `complete` with the headers
    /// `more`.
    fn list(
        &mut self,
        action: &Headers,
        message: &str,
        items: Vec<Headers>,
        complete: &'static str,
        more: Headers,
    ) {
        self.success(action, Headers::new().with("EventList", "start").with("Message", message));
        let count = items.len();
        for item in items {
            // The ActionID follows the event's name.
            let mut pairs = item.into_iter();
            let first: Headers = pairs.by_ref().take(1).collect();
            self.put(false, &with_id(first, action).and(pairs.collect()));
        }
        let end = with_id(Headers::new().with("Event", complete), action);
        self.put(false, &end.with("EventList", "Complete").with("ListItems", count).and(more));
    }
}

/// Whether an earlier sample of manager.conf hides this event.
fn is_room_event(event: &Event) -> bool {
    const HIDDEN: [&str; 5] = [
        "ConfbridgeStart",
        "ConfbridgeEnd",
        "ConfbridgeMute",
        "ConfbridgeUnmute",
        "ConfbridgeTalking",
    ];
    event.headers.get("Event").is_some_and(|name| HIDDEN.contains(&name))
}

fn with_id(headers: Headers, action: &Headers) -> Headers {
    match action.filled("ActionID") {
        Some(id) => headers.with("ActionID", id),
        None => headers,
    }
}

#[cfg(test)]
mod tests;
