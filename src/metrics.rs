//! The metrics of `GET /metrics`.
//!
//! The journal counts its records as it appends them; the driver and the HTTP server count all else.
//! Counting costs an atomic addition or a short lock, and the text is made when a client asks for it.
//! Names and units follow the conventions of Prometheus. Label values come from fixed sets and from
//! the configuration, so no client can create time series.

mod process;
mod register;
#[cfg(test)]
mod tests;

use std::fmt::{self, Write};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus_client::encoding::{
    EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, prometheus_text, text,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use strum::{EnumIter, IntoEnumIterator, IntoStaticStr};

use originatord_core::call::machine::State;
use originatord_core::call::outcome::Outcome;
use originatord_core::call::{CallInfo, Refusal};
use originatord_core::engine::EngineStats;
use originatord_core::engine::room_request::RoomAction;
use originatord_core::record::{Event, EventKind, Gap};
use register::{ByName, Register};

/// Labels of an answered request. Each combination is a time series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    code: u16,
    key: KeyName,
}

/// The name of a configured key; empty if the request needed no key or had no valid one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KeyName(Arc<str>);

impl EncodeLabelValue for KeyName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0)
    }
}

/// Names and values of labels, all from fixed sets.
type Labels<const N: usize> = [(&'static str, &'static str); N];

/// A kind of journal reader, as the label of its gaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReaderKind {
    /// The writer to stdout.
    Stdout,
    /// The writer of the file.
    File,
    /// The writer of the history.
    History,
    /// The counter of `GET /api/stats`.
    Stats,
    /// An event stream.
    Stream,
}

impl ReaderKind {
    fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A part of the daemon that writes to disk, as the label of whether it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum WriterKind {
    /// The writer of the journal's file.
    File,
    /// The writer of the history.
    History,
    /// The writer of the state.
    State,
}

/// Names of the events from Asterisk that are counted by name; all others are counted as `other`.
const AMI_EVENTS: [&str; 16] = [
    "Newchannel",
    "Newstate",
    "Hangup",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "ConfbridgeStart",
    "ConfbridgeEnd",
    "ConfbridgeMute",
    "ConfbridgeUnmute",
    "ConfbridgeTalking",
    "OriginateResponse",
    "UserEvent",
    "CoreShowChannel",
    "CoreShowChannelsComplete",
    "FullyBooted",
    "other",
];

/// The possible outcomes of an answered call.
const ANSWERED: [Outcome; 3] = [Outcome::Completed, Outcome::NotJoined, Outcome::Unknown];

/// The result of a change of a room that was made.
const DONE: &str = "done";

/// The result of a change of a room that was not made.
const FAILED: &str = "failed";

/// All counters, gauges and histograms.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    records: ByName<{ EventKind::OF_RECORDS.len() }>,
    refused: Family<Labels<2>, Counter>,
    ended: ByName<{ Outcome::ALL.len() }>,
    ended_answered: ByName<{ ANSWERED.len() }>,
    receipt: Histogram,
    ringing: Histogram,
    answer: Histogram,
    talk: Histogram,
    ready: Gauge,
    live: [Gauge; State::LIVE.len()],
    rooms: Gauge,
    participants: Gauge,
    room_actions: Family<Labels<2>, Counter>,
    link_up: Gauge,
    pending: Gauge,
    attempts: Counter,
    connections: Counter,
    round_trip: Histogram,
    ami_events: ByName<{ AMI_EVENTS.len() }>,
    gaps: Family<Labels<1>, Counter>,
    lost: Family<Labels<1>, Counter>,
    writers: Family<Labels<1>, Gauge>,
}

impl Default for Metrics {
    /// All counts are zero. Every series with known labels exists from the start, because Prometheus
    /// sees no increase in a series that first appears with 1.
    fn default() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(process::Process::new(SystemTime::now())));
        let prefixed = all.sub_registry_with_prefix("originatord");
        prefixed.register(
            "build",
            "This build",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let mut register = Register(prefixed);
        let live: Family<Labels<1>, Gauge> =
            register.add("calls_live", "Calls that have not ended, by state");
        let metrics = Self {
            requests: register.add(
                "http_requests",
                "Answered HTTP requests, by path, status code, and the name of the key",
            ),
            records: register.by_name("records", "Records of the journal, by event", "event", EventKind::OF_RECORDS.map(EventKind::as_str)),
            refused: register
                .add("calls_refused", "Refused calls, by reason, and by limit if a limit is the reason"),
            ended: register.by_name(
                "calls_ended",
                "Ended calls that Asterisk had accepted, by outcome",
                "outcome",
                Outcome::ALL.map(Outcome::as_str),
            ),
            ended_answered: register.by_name(
                "calls_ended_answered",
                "Ended calls that the callee had answered, by outcome",
                "outcome",
                ANSWERED.map(Outcome::as_str),
            ),
            receipt: register.time(
                "call_receipt",
                "Time from a POST to the response that Asterisk has accepted the call",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5],
            ),
            ringing: register.time(
                "call_ringing_delay",
                "Time from a POST until the gateway reports ringing",
                &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            ),
            answer: register.time(
                "call_answer_delay",
                "Time from a POST until the callee answers",
                &[
                    0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0, 45.0,
                    60.0,
                ],
            ),
            talk: register.time(
                "call_talk",
                "Time from answer to end, of calls whose answer and end were observed, without outcome not_joined",
                &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0],
            ),
            ready: register.add("ready", "Whether calls can be made (1) or not (0), as /readyz says"),
            live: State::LIVE.map(|state| live.get_or_create_owned(&[("state", state.as_str())])),
            rooms: register.add("rooms_live", "Rooms that somebody is in"),
            participants: register.add("participants_live", "Participants in all rooms, guests included"),
            room_actions: register.add(
                "room_actions",
                "Changes of rooms and participants that keys asked for, by action and result",
            ),
            link_up: register.add("ami_up", "Whether the daemon is logged in to Asterisk (1) or not (0)"),
            pending: register.add("ami_actions_pending", "Actions sent to Asterisk that have no response yet"),
            attempts: register.add("ami_connect_attempts", "Attempts to connect to Asterisk"),
            connections: register
                .add("ami_connections", "Times that the link to Asterisk came up; each after the first is a reconnect"),
            round_trip: register.time(
                "ami_round_trip",
                "Time from a Ping to its response. Asterisk sends events and responses in one order, so no event was delayed longer",
                &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
            ),
            ami_events: register.by_name(
                "ami_events",
                "Events from Asterisk, by name; unknown names are counted as other",
                "event",
                AMI_EVENTS,
            ),
            gaps: register.add("journal_gaps", "Times that a reader of the journal fell behind and missed records"),
            lost: register.add("journal_lost_records", "Records that a reader of the journal has missed"),
            writers: register.add("journal_writer_up", "Whether the writer of the journal, the history or the state can write (1) or not (0)"),
            registry: all,
        };
        metrics.create_known_series();
        metrics
    }
}

impl Metrics {
    /// Creates all series whose labels are known, so that they are zero before the first event.
    fn create_known_series(&self) {
        for (reason, limit) in Refusal::CODES {
            self.refused.get_or_create(&[("reason", reason), ("limit", limit)]).inc_by(0);
        }
        for action in RoomAction::NAMES {
            for result in [DONE, FAILED] {
                let labels = [("action", action), ("result", result)];
                self.room_actions.get_or_create(&labels).inc_by(0);
            }
        }
        for reader in ReaderKind::iter() {
            self.gaps.get_or_create(&[("reader", reader.as_str())]).inc_by(0);
            self.lost.get_or_create(&[("reader", reader.as_str())]).inc_by(0);
        }
    }

    /// All metrics in the OpenMetrics text format.
    pub fn open_metrics(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// All metrics in the older text format of Prometheus.
    pub fn prometheus(&self) -> String {
        let mut out = String::new();
        let _ = prometheus_text::encode(&mut out, &self.registry);
        out
    }

    /// Counts an answered request. `path` must come from the table of endpoints, not from the client,
    /// and `key` must be the name of a configured key.
    pub fn answered(&self, path: &'static str, code: u16, key: Option<Arc<str>>) {
        let key = KeyName(key.unwrap_or_else(|| "".into()));
        self.requests.get_or_create(&Answered { path, code, key }).inc();
    }

    /// Counts a change of a room or a participant that a key asked for.
    pub fn room_action(&self, action: &'static str, is_done: bool) {
        let result = if is_done { DONE } else { FAILED };
        self.room_actions.get_or_create(&[("action", action), ("result", result)]).inc();
    }

    /// Counts a bot's POST that was answered with "ok" after this time.
    pub fn receipt(&self, after: Duration) {
        self.receipt.observe(after.as_secs_f64());
    }

    /// Counts a record that was appended to the journal.
    pub fn record(&self, time: SystemTime, event: &Event, call: Option<&CallInfo>) {
        self.records.inc_at(event.kind() as usize);
        // The call's id contains the time of the request, even after a restart. If the clock was set
        // back since then, the delay counts as zero.
        let since_post = || {
            call.map(|call| time.duration_since(call.id.time()).unwrap_or_default().as_secs_f64())
        };
        match event {
            Event::CallRefused(refusal) => {
                self.refused
                    .get_or_create(&[("reason", refusal.code()), ("limit", refusal.limit())])
                    .inc();
            }
            Event::CallRinging => _ = since_post().map(|seconds| self.ringing.observe(seconds)),
            // An answer with `after` was found later, and its time is unknown.
            Event::CallAnswered { after: None } => {
                _ = since_post().map(|seconds| self.answer.observe(seconds))
            }
            Event::CallEnded(end) => {
                self.ended.inc(end.outcome.as_str().as_bytes());
                if end.answered {
                    self.ended_answered.inc(end.outcome.as_str().as_bytes());
                }
                // A callee that never joined the room has talked to nobody.
                if let Some(talk) = end.talk.filter(|_| end.outcome != Outcome::NotJoined) {
                    self.talk.observe(talk.as_secs_f64());
                }
            }
            Event::AmiConnected { .. } => _ = self.connections.inc(),
            _ => {}
        }
    }

    /// Counts a gap that a reader of the journal got, and the records it missed.
    pub fn gap(&self, reader: ReaderKind, gap: &Gap) {
        let reader = [("reader", reader.as_str())];
        self.gaps.get_or_create(&reader).inc();
        if let (Some(from), Some(to)) = (gap.from, gap.to) {
            self.lost.get_or_create(&reader).inc_by(to - from + 1);
        }
    }

    /// Sets whether a writer of the journal, the history or the state can write.
    pub fn writer(&self, writer: WriterKind, is_up: bool) {
        self.writers.get_or_create(&[("writer", writer.into())]).set(is_up.into());
    }

    /// Sets the gauges of the engine's state.
    pub fn engine(&self, stats: &EngineStats) {
        for (gauge, count) in self.live.iter().zip(stats.live) {
            gauge.set(count as i64);
        }
        self.rooms.set(stats.rooms as i64);
        self.participants.set(stats.participants as i64);
        self.link_up.set(stats.link_up.into());
        self.pending.set(stats.pending as i64);
    }

    /// Sets whether calls can be made.
    pub fn ready(&self, is_ready: bool) {
        self.ready.set(is_ready.into());
    }

    /// Counts an attempt to connect to Asterisk.
    pub fn connecting(&self) {
        self.attempts.inc();
    }

    /// Counts a Ping that Asterisk answered after this time.
    pub fn round_trip(&self, time: Duration) {
        self.round_trip.observe(time.as_secs_f64());
    }

    /// Counts an event of this name from Asterisk.
    pub fn ami_event(&self, name: &[u8]) {
        self.ami_events.inc(name);
    }
}
