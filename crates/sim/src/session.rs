//! One connection to the simulated manager interface: bytes in, messages out.
//!
//! The user is the one of `asterisk/manager.conf`, with its classes and filters.

mod actions;

use std::fmt::Write;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use md5::{Digest, Md5};

use super::faults::Faults;
use super::pbx::{Event, Pbx};
use super::wire::{Headers, Input, Request};
use super::{Class, Version};
use originatord_core::clock::Now;

/// What the user may read: `read = call,system,user`.
const READ: Class = Class::CALL.or(Class::SYSTEM).or(Class::USER);

/// What the user may do: `write = originate,call,reporting`.
const WRITE: Class = Class::ORIGINATE.or(Class::CALL).or(Class::REPORTING);

/// How long Asterisk thinks about a login that it refuses.
const REFUSAL: Duration = Duration::from_secs(1);

/// How long a connection may stay without a login: `authtimeout`.
const LOGIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Who may log in.
#[derive(Debug, Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// The secret.
    pub secret: String,
}

/// One message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// An event, rather than an answer.
    pub is_event: bool,
    /// The answer to an Originate.
    pub is_receipt: bool,
    /// The bytes.
    pub bytes: BytesMut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not logged in.
    Stranger,
    /// A wrong login is about to be refused.
    Refusing { until: Instant },
    /// Logged in.
    User,
    /// Nothing more is read or written.
    Closed,
}

/// The session.
pub struct Session {
    user: User,
    version: Version,
    phase: Phase,
    accepted: Instant,
    /// When Asterisk was started.
    booted: Now,
    input: Input,
    challenge: Option<String>,
    mask: Class,
    refused: Headers,
    /// Every action is refused, as Asterisk is shutting down.
    refuses_all: bool,
    /// The classes of events that the user may read.
    read: Class,
    out: Vec<Outgoing>,
    /// What only the simulator understands, for whoever holds the session.
    faults: Option<Headers>,
}

/// What an action is carried out on.
struct Scene<'w> {
    now: Now,
    pbx: &'w mut Pbx,
    rng: &'w mut fastrand::Rng,
}

impl Session {
    /// A connection that was just made.
    pub fn new(user: User, version: Version, now: Now, booted: Now) -> Self {
        let mut session = Self {
            user,
            version,
            phase: Phase::Stranger,
            accepted: now.instant,
            booted,
            input: Input::default(),
            challenge: None,
            mask: Class::NONE,
            refused: Headers::new(),
            refuses_all: false,
            read: READ,
            out: Vec::new(),
            faults: None,
        };
        let banner = format!("Asterisk Call Manager/{}\r\n", version.ami());
        session.out.push(Outgoing {
            is_event: false,
            is_receipt: false,
            bytes: banner.as_bytes().into(),
        });
        session
    }

    /// Takes what was received. Whatever follows a logoff or a wrong login counts nothing.
    pub fn receive(&mut self, now: Now, pbx: &mut Pbx, rng: &mut fastrand::Rng, mut bytes: &[u8]) {
        while !bytes.is_empty() && matches!(self.phase, Phase::Stranger | Phase::User) {
            let (rest, request) = self.input.read(bytes);
            bytes = rest;
            match request {
                None => {}
                Some(Request::Malformed(headers, problem)) => self.error(&headers, problem),
                Some(Request::Action(action)) => self.act(&mut Scene { now, pbx, rng }, &action),
            }
        }
    }

    /// Hands on an event, if the user asked for its class and may read it.
    pub fn hear(&mut self, event: &Event) {
        if self.phase == Phase::User && event.class.meets(self.read) && event.class.meets(self.mask)
        {
            self.put(true, &event.headers);
        }
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        match self.phase {
            Phase::Refusing { until } if until <= now.instant => {
                let action = std::mem::take(&mut self.refused);
                self.error(&action, "Authentication failed");
                self.phase = Phase::Closed;
            }
            Phase::Stranger if self.accepted + LOGIN_TIMEOUT <= now.instant => {
                self.phase = Phase::Closed
            }
            _ => {}
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Refusing { until } => Some(until),
            Phase::Stranger => Some(self.accepted + LOGIN_TIMEOUT),
            Phase::User | Phase::Closed => None,
        }
    }

    /// What is to be sent.
    pub fn take_output(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.out)
    }

    /// Whether the connection ends once all is sent.
    pub fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// Whether somebody is logged in.
    pub fn is_user(&self) -> bool {
        self.phase == Phase::User
    }

    /// Plays those faults that are Asterisk's own, not the connection's.
    pub fn set_faults(&mut self, faults: &Faults) {
        self.refuses_all = faults.refuse_all;
        self.read = if faults.no_call_events { Class::SYSTEM.or(Class::USER) } else { READ };
    }

    /// Says whether a SimFault was understood.
    pub fn answer_faults(&mut self, action: &Headers, problem: Option<&str>) {
        match problem {
            None => self.success(action, Headers::new().with("Message", "Faults set")),
            Some(problem) => self.error(action, problem),
        }
    }

    /// What a SimFault asked for.
    pub fn take_faults(&mut self) -> Option<Headers> {
        self.faults.take()
    }

    fn log_in(&mut self, scene: &Scene<'_>, action: &Headers) {
        if self.phase == Phase::User {
            return self.success(action, Headers::new().with("Message", "Already authenticated"));
        }
        let is_user = action.get("Username") == Some(&self.user.name);
        let is_proven = match action.filled("AuthType") {
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
        if !is_user || !is_proven {
            self.phase = Phase::Refusing { until: scene.now.instant + REFUSAL };
            self.refused = action.clone();
            return;
        }
        self.phase = Phase::User;
        // Without the header a user gets all that it may read; with a mask that cannot be read,
        // nothing.
        self.mask = action
            .get("Events")
            .map_or(Class::ALL, |mask| Class::parse_mask(mask).unwrap_or(Class::ALL));
        self.success(action, Headers::new().with("Message", "Authentication accepted"));
        let uptime = scene.now.instant.saturating_duration_since(self.booted.instant).as_secs();
        let booted = Headers::new()
            .with("Event", "FullyBooted")
            .with("Privilege", "system,all")
            .with("Uptime", uptime)
            .with("LastReload", uptime)
            .with("Status", "Fully Booted");
        self.hear(&Event { class: Class::SYSTEM, headers: booted });
    }

    fn put(&mut self, is_event: bool, headers: &Headers) {
        let mut bytes = BytesMut::new();
        headers.encode(&mut bytes);
        self.out.push(Outgoing { is_event, is_receipt: false, bytes });
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

    /// Answers with a list: its items, and `<name>Complete`.
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
            // The ActionID stands behind the event's name.
            let mut pairs = item.into_iter();
            let first: Headers = pairs.by_ref().take(1).collect();
            self.put(false, &with_id(first, action).and(pairs.collect()));
        }
        let end = with_id(Headers::new().with("Event", complete), action);
        self.put(false, &end.with("EventList", "Complete").with("ListItems", count).and(more));
    }
}

fn with_id(headers: Headers, action: &Headers) -> Headers {
    match action.filled("ActionID") {
        Some(id) => headers.with("ActionID", id),
        None => headers,
    }
}

#[cfg(test)]
mod tests;
