//! An engine without a daemon, and a stand-in for Asterisk that answers its actions at once.

#![allow(dead_code, reason = "each benchmark uses its part")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use originatord::config::Config;
use originatord_core::ami::frame::Frame;
use originatord_core::ami::parser::Received;
use originatord_core::call::{CallId, Number, lock_id};
use originatord_core::clock::Now;
use originatord_core::engine::request::{Replies, Request};
use originatord_core::engine::{Effect, Engine};

const CONFIG: &str = "
    [[api_keys]]
    name = 'bot'
    key = 'k3y-of-the-bot'
    [[asterisk]]
    address = '127.0.0.1:5038'
    username = 'originatord'
    secret = 'secret'
    auth = 'plain'
";

const ROOM: &str = "R1";
const CALLER_ID: &str = "Bob";
const LANG: &str = "ru";

/// No request waits for its answer.
#[derive(Debug)]
struct NoReply;

impl Replies for NoReply {
    type Originate = ();
    type HangUp = ();
    type Room = ();
}

/// An engine with live calls.
pub(crate) struct EngineHarness {
    engine: Engine<NoReply>,
    key: Arc<str>,
    /// The virtual time.
    now: Now,
    next: u64,
    answered: usize,
}

impl EngineHarness {
    /// A ready engine with this number of live calls.
    pub(crate) fn new(live: u64) -> Self {
        let config = Config::parse(CONFIG, Path::new(""))
            .unwrap_or_else(|_| panic!("a valid configuration"));
        let now = Now::read();
        let engine = Engine::new(config.engine(), fastrand::Rng::with_seed(1), now);
        let mut harness = Self { engine, key: "bot".into(), now, next: 100_000_000, answered: 0 };
        harness.log_in();
        for _ in 0..live {
            harness.begin();
        }
        assert_eq!(harness.live() as u64, live);
        harness
    }

    /// Number of live calls.
    pub(crate) fn live(&self) -> usize {
        self.engine.stats().live.iter().sum()
    }

    /// Lets time pass. Returns the action id of a list of channels, if the engine asked for one.
    pub(crate) fn advance(&mut self, time: Duration) -> Option<String> {
        self.now = Now { instant: self.now.instant + time, wall: self.now.wall + time };
        let sent = self.process();
        sent.split("\r\n\r\n")
            .find(|action| action.starts_with("Action: CoreShowChannels"))
            .map(action_id)
    }

    fn log_in(&mut self) {
        self.engine.tick(self.now);
        self.engine.connected(self.now);
        self.engine.receive(self.now, Received::Banner("Asterisk Call Manager/11.0.0".into()));
        self.process();
        for answer in [
            "Response: Success\r\nActionID: 1",
            "Event: FullyBooted",
            "Response: Success\r\nActionID: 2\r\nEventList: start",
            "Event: CoreShowChannelsComplete\r\nActionID: 2",
            "Response: Success\r\nActionID: 3",
        ] {
            self.receive(answer.to_owned());
        }
    }

    /// Begins a call, which Asterisk accepts; returns its id and that of its lock channel.
    pub(crate) fn begin(&mut self) -> (String, String) {
        self.next += 1;
        let number: Number = self.next.to_string().parse().expect("a number");
        let request = Request {
            number,
            room: ROOM.parse().expect("a room"),
            caller_id: CALLER_ID.parse().expect("a caller id"),
            lang: LANG.parse().expect("a language"),
            key: self.key.clone(),
        };
        self.engine.originate(self.now, request, ());
        let before = self.answered;
        let id = originated(&self.process());
        let lock = lock_id(number);
        self.receive(format!(
            "Response: Success\r\nActionID: {id}\r\nMessage: Originate successfully queued"
        ));
        self.event("Newchannel", &id, &id);
        self.event("Newchannel", &lock, &id);
        assert_eq!(self.answered, before + 1);
        (id, lock)
    }

    /// The callee answers and joins the conference. Returns how many bytes of strings the engine
    /// keeps for the call.
    pub(crate) fn join(&mut self, (id, lock): &(String, String)) -> usize {
        let leg = format!("1795000000.{}", lock.trim_start_matches("od-lock-"));
        self.event("Newchannel", &leg, id);
        for (event, uniqueid, more) in [
            ("Newstate", &leg, "ChannelStateDesc: Ringing"),
            ("Newstate", id, "ChannelStateDesc: Up"),
            ("ConfbridgeJoin", id, "Conference: R1"),
        ] {
            self.receive(format!(
                "Event: {event}\r\nUniqueid: {uniqueid}\r\nLinkedid: {id}\r\n{more}"
            ));
        }
        self.receive(format!(
            "Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Success\r\nReason: 4"
        ));
        // The call and the index of legs both keep the leg's id.
        ROOM.len() + CALLER_ID.len() + LANG.len() + 2 * leg.len()
    }

    /// Ends a call that was not answered.
    pub(crate) fn end(&mut self, (id, lock): &(String, String)) {
        for (event, uniqueid) in [
            ("Newchannel", &*format!("leg-{id}")),
            ("Hangup", &*format!("leg-{id}")),
            ("Hangup", id),
            ("Hangup", lock),
        ] {
            self.event(event, uniqueid, id);
        }
        self.receive(format!(
            "Event: OriginateResponse\r\nActionID: {id}\r\nResponse: Failure\r\nReason: 5"
        ));
    }

    fn event(&mut self, event: &str, uniqueid: &str, linkedid: &str) {
        self.receive(format!(
            "Event: {event}\r\nUniqueid: {uniqueid}\r\nLinkedid: {linkedid}\r\nCause: 17"
        ));
    }

    /// Handles bytes from Asterisk.
    pub(crate) fn receive(&mut self, frame: String) {
        self.engine.receive(self.now, Received::Frame(Frame::new(frame.into())));
        self.process();
    }

    /// Lets the engine handle its deadlines, and answers its Pings; returns the actions that it
    /// sends.
    pub(crate) fn process(&mut self) -> String {
        self.engine.tick(self.now);
        let output = self.engine.output().map(|output| output.split().to_vec()).unwrap_or_default();
        for effect in self.engine.take_effects() {
            if matches!(effect, Effect::Originated((), Ok(_))) {
                self.answered += 1;
            }
        }
        let sent = String::from_utf8(output).expect("actions");
        for action in sent.split("\r\n\r\n").filter(|action| action.starts_with("Action: Ping")) {
            self.receive(format!(
                "Response: Success\r\nActionID: {}\r\nPing: Pong",
                action_id(action)
            ));
        }
        sent
    }
}

fn action_id(action: &str) -> String {
    action.lines().find_map(|line| line.strip_prefix("ActionID: ")).expect("an id").to_owned()
}

/// The id of the call that this action makes.
fn originated(action: &str) -> String {
    let id = action_id(action);
    assert!(id.parse::<CallId>().is_ok(), "{action}");
    id
}
