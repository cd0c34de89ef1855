//! A simulated daemon: its engine, its connection, and its records.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::BytesMut;
use fastrand::Rng;
use originatord::config::Config;
use originatord_core::ami::parser::Parser;
use originatord_core::call::filter::Filter;
use originatord_core::call::machine::State;
use originatord_core::call::progress::{OpenCall, Progress};
use originatord_core::call::view::CallView;
use originatord_core::call::{CallId, CallInfo};
use originatord_core::clock::Now;
use originatord_core::engine::Engine;
use originatord_core::engine::request::{ListLimits, Replies};
use originatord_core::record::Event;
use originatord_sim::simulator::ConnectionId;

use super::Tally;
use super::journal::JournalOnDisk;

/// The handle of each request is a number.
#[derive(Debug)]
pub(super) struct Numbered;

impl Replies for Numbered {
    type Originate = u64;
    type HangUp = u64;
    type Room = u64;
}

/// A daemon without its input and output.
pub(super) struct Daemon {
    pub(super) engine: Engine<Numbered>,
    pub(super) connection: Option<ConnectionId>,
    pub(super) wants_to_connect: bool,
    pub(super) parser: Parser,
    pub(super) from_asterisk: BytesMut,
    pub(super) to_asterisk: Vec<u8>,
    /// When it connected last.
    pub(super) connected: Duration,
    /// Since when it is ready, if it is.
    pub(super) ready: Option<Duration>,
    /// When each unanswered bot sent its request.
    pub(super) waiting: HashMap<u64, Instant>,
    /// Its records of calls.
    pub(super) recorded: RecordedCalls,
    /// Its journal file, if it has one. Without one, no record is lost.
    pub(super) journal: Option<JournalOnDisk>,
    /// Calls of unknown fate: their bot got a 504.
    pub(super) unconfirmed: HashSet<CallId>,
    /// Time of its last record of an event from Asterisk.
    pub(super) last_event: SystemTime,
    pub(super) is_stopping: bool,
    /// Calls that it read from its journal when it started.
    pub(super) remembered: HashSet<CallId>,
    /// Its live calls that have ended in Asterisk, and since when.
    pub(super) gone: HashMap<CallId, Instant>,
}

impl Daemon {
    pub(super) fn new(name: usize, keeps_local: bool, seed: u64, now: Now) -> Self {
        Self {
            engine: engine(name, keeps_local, seed, now),
            connection: None,
            wants_to_connect: false,
            parser: Parser::default(),
            from_asterisk: BytesMut::new(),
            to_asterisk: Vec::new(),
            connected: Duration::ZERO,
            ready: None,
            waiting: HashMap::new(),
            recorded: RecordedCalls::default(),
            journal: None,
            unconfirmed: HashSet::new(),
            last_event: now.wall,
            is_stopping: false,
            remembered: HashSet::new(),
            gone: HashMap::new(),
        }
    }

    /// Its live calls, as the API lists them.
    pub(super) fn calls(&self) -> Vec<CallView> {
        let limits = ListLimits { live: usize::MAX, ended: 0 };
        self.engine.list(&Filter::default(), limits).live
    }

    /// Notes a record of a call.
    pub(super) fn record(
        &mut self,
        tally: &mut Tally,
        time: SystemTime,
        event: &Event,
        info: &CallInfo,
    ) {
        match event {
            Event::CallRequested | Event::CallRefused(_) => {}
            Event::CallEnded(end) => {
                tally.ended += 1;
                tally.unknown += u64::from(end.ended_between.is_some());
                self.last_event = time;
            }
            Event::CallAdopted(_) => tally.adopted += 1,
            _ => self.last_event = time,
        }
        self.recorded.record(event, info);
    }

    /// Whether its records say that the call has ended, or was never made.
    pub(super) fn is_over(&self, id: &CallId) -> bool {
        self.recorded.is_over(id)
    }

    /// Whether its records say that Asterisk accepted the call.
    pub(super) fn has_accepted(&self, id: &CallId) -> bool {
        self.recorded.has_accepted(id)
    }
}

/// The calls that records name, with the state that follows from the records.
#[derive(Debug, Default, Clone)]
pub(super) struct RecordedCalls {
    pub(super) calls: HashMap<CallId, (CallInfo, State)>,
    refused: HashSet<CallId>,
    ended: HashSet<CallId>,
}

impl RecordedCalls {
    /// Applies a record. Fails if a call has a record after its end.
    pub(super) fn record(&mut self, event: &Event, info: &CallInfo) {
        let state = match event {
            Event::CallRequested => State::Requested,
            Event::CallRefused(_) => {
                assert!(self.refused.insert(info.id), "{} is refused twice", info.id);
                return;
            }
            Event::CallQueued => State::Queued,
            Event::CallAdopted(progress) => progress.state,
            Event::CallRinging => State::Ringing,
            Event::CallAnswered { .. } => State::Answered,
            Event::CallJoined { .. } => State::Joined,
            Event::CallLeft { .. } => State::Left,
            Event::CallEnded(_) => {
                assert!(self.ended.insert(info.id), "{} has ended twice", info.id);
                return;
            }
            _ => return,
        };
        assert!(!self.is_over(&info.id), "{event:?} of {} after its end", info.id);
        self.calls.insert(info.id, (info.clone(), state));
    }

    fn is_over(&self, id: &CallId) -> bool {
        self.ended.contains(id) || self.refused.contains(id)
    }

    pub(super) fn has_accepted(&self, id: &CallId) -> bool {
        self.calls.get(id).is_some_and(|(_, state)| *state > State::Requested)
    }

    /// Asserts that each accepted call has ended.
    pub(super) fn assert_complete(&self) {
        for id in self.calls.keys() {
            assert!(!self.has_accepted(id) || self.ended.contains(id), "{id} has not ended");
        }
    }

    /// The calls that have not ended.
    pub(super) fn open(&self) -> Vec<OpenCall> {
        let open = self.calls.iter().filter(|(id, _)| !self.is_over(id));
        let call = |(info, state): &(CallInfo, State)| OpenCall {
            info: Arc::new(info.clone()),
            progress: Progress::of(*state),
        };
        let mut calls: Vec<_> = open.map(|(_, entry)| call(entry)).collect();
        calls.sort_by_key(|call| call.info.id);
        calls
    }
}

fn engine(name: usize, keeps_local: bool, seed: u64, now: Now) -> Engine<Numbered> {
    let options = if keeps_local { "/n" } else { "" };
    let text = format!(
        "instance = 'd{name}'\n[[api_keys]]\nname = 'bot'\nkey = 'k3y-of-the-bot'\n[[asterisk]]\n\
         address = '127.0.0.1:5038'\nusername = 'originatord'\nsecret = 'change-me'\n\
         [originate]\nchannel = 'Local/{{number}}@telegram-out{options}'\n"
    );
    let config =
        Config::parse(&text, Path::new("")).unwrap_or_else(|problems| panic!("{problems:?}"));
    Engine::new(config.engine(), Rng::with_seed(seed), now)
}
