//! The metrics of `GET /metrics`.
//!
//! The log's records are counted as they are appended; what is in no record, the driver and the
//! HTTP side tell. To count is an atomic addition or a short lock that nobody holds for long; all
//! else happens when it is read. Names and units are as Prometheus has them, and no label can take
//! a value that somebody outside chooses.

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
use originatord_core::record::{Event, EventKind, Gap};
use register::{ByName, Register};

/// Labels of an answered request. Each combination is a time series.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    path: &'static str,
    code: u16,
    key: KeyName,
}

/// The name of a key of the configuration; empty where none was needed, or the right one was
/// missing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct KeyName(Arc<str>);

impl EncodeLabelValue for KeyName {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0)
    }
}

/// One label, whose values are words of ours.
type Of<const N: usize> = [(&'static str, &'static str); N];

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

/// Names of Asterisk's events that are counted separately; all others count as one.
const AMI_EVENTS: [&str; 11] = [
    "Newchannel",
    "Newstate",
    "Hangup",
    "ConfbridgeJoin",
    "ConfbridgeLeave",
    "OriginateResponse",
    "UserEvent",
    "CoreShowChannel",
    "CoreShowChannelsComplete",
    "FullyBooted",
    "other",
];

/// The outcomes that a call can have that was answered.
const ANSWERED: [Outcome; 3] = [Outcome::Completed, Outcome::NotJoined, Outcome::Unknown];

/// All counters, gauges and histograms.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    records: ByName<{ EventKind::OF_RECORDS.len() }>,
    refused: Family<Of<2>, Counter>,
    ended: ByName<{ Outcome::ALL.len() }>,
    ended_answered: ByName<{ ANSWERED.len() }>,
    receipt: Histogram,
    ringing: Histogram,
    answer: Histogram,
    talk: Histogram,
    ready: Gauge,
    live: [Gauge; State::LIVE.len()],
    link_up: Gauge,
    pending: Gauge,
    attempts: Counter,
    connections: Counter,
    round_trip: Histogram,
    ami_events: ByName<{ AMI_EVENTS.len() }>,
    gaps: Family<Of<1>, Counter>,
    lost: Family<Of<1>, Counter>,
    writers: Family<Of<1>, Gauge>,
}

impl Default for Metrics {
    /// Nothing has happened yet; what can is there with a zero, so that the first time shows as an
    /// increase.
    fn default() -> Self {
        let mut all = Registry::default();
        all.register_collector(Box::new(process::Process::new(SystemTime::now())));
        let all_of_it = all.sub_registry_with_prefix("originatord");
        all_of_it.register(
            "build",
            "This build",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let mut register = Register(all_of_it);
        let live: Family<Of<1>, Gauge> =
            register.add("calls_live", "Calls that have not ended, by the state they are in");
        let metrics = Self {
            requests: register.add(
                "http_requests",
                "HTTP requests answered, by path, status code, and the name of the key that asked",
            ),
            records: register.by_name("records", "Records of the live log, by event", "event", EventKind::OF_RECORDS.map(EventKind::as_str)),
            refused: register
                .add("calls_refused", "Calls asked for and not made, by reason, and by limit where that is the reason"),
            ended: register.by_name(
                "calls_ended",
                "Calls that Asterisk had accepted and that are over, by outcome",
                "outcome",
                Outcome::ALL.map(Outcome::as_str),
            ),
            ended_answered: register.by_name(
                "calls_ended_answered",
                "Calls that had been answered and are over, by outcome",
                "outcome",
                ANSWERED.map(Outcome::as_str),
            ),
            receipt: register.time(
                "call_receipt",
                "From a POST to the answer that Asterisk has accepted the call",
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5],
            ),
            ringing: register.time(
                "call_ringing_delay",
                "From a POST to the gateway's word that it rings",
                &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
            ),
            answer: register.time(
                "call_answer_delay",
                "From a POST to the callee's answer",
                &[
                    0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 7.5, 10.0, 12.5, 15.0, 20.0, 25.0, 30.0, 45.0,
                    60.0,
                ],
            ),
            talk: register.time(
                "call_talk",
                "From the answer to the end, of calls of which both were seen, but for outcome not_joined",
                &[1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0],
            ),
            ready: register.add("ready", "Whether calls can be made (1) or not (0), as /readyz says"),
            live: State::LIVE.map(|state| live.get_or_create_owned(&[("state", state.as_str())])),
            link_up: register.add("ami_up", "Whether we are logged in to Asterisk (1) or not (0)"),
            pending: register.add("ami_actions_pending", "Actions sent to Asterisk and not answered yet"),
            attempts: register.add("ami_connect_attempts", "Attempts to connect to Asterisk"),
            connections: register
                .add("ami_connections", "Times that the link to Asterisk came up; each after the first is a reconnect"),
            round_trip: register.time(
                "ami_round_trip",
                "From a Ping to its answer. Asterisk sends all in one order, so no event was later than that",
                &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0],
            ),
            ami_events: register.by_name(
                "ami_events",
                "Events that Asterisk has sent, by name; those we do not know are other",
                "event",
                AMI_EVENTS,
            ),
            gaps: register.add("journal_gaps", "Times that a reader of the live log fell behind and missed records"),
            lost: register.add("journal_lost_records", "Records that a reader of the live log has missed"),
            writers: register.add("journal_writer_up", "Whether the log can be written down (1) or not (0)"),
            registry: all,
        };
        metrics.touch();
        metrics
    }
}

impl Metrics {
    /// Creates all series whose labels are known, so that they are zero before the first event.
    fn touch(&self) {
        for (reason, limit) in Refusal::CODES {
            self.refused.get_or_create(&[("reason", reason), ("limit", limit)]).inc_by(0);
        }
        for reader in ReaderKind::iter() {
            self.gaps.get_or_create(&[("reader", reader.as_str())]).inc_by(0);
            self.lost.get_or_create(&[("reader", reader.as_str())]).inc_by(0);
        }
    }

    /// All of it in the OpenMetrics text format.
    pub fn open_metrics(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// All of it in the older text format of Prometheus.
    pub fn prometheus(&self) -> String {
        let mut out = String::new();
        let _ = prometheus_text::encode(&mut out, &self.registry);
        out
    }

    /// A request was answered. `path` is one of ours, not the client's; `key` the name of a key
    /// that exists.
    pub fn answered(&self, path: &'static str, code: u16, key: Option<Arc<str>>) {
        let key = KeyName(key.unwrap_or_else(|| "".into()));
        self.requests.get_or_create(&Answered { path, code, key }).inc();
    }

    /// A bot was answered that Asterisk has accepted its call.
    pub fn receipt(&self, after: Duration) {
        self.receipt.observe(after.as_secs_f64());
    }

    /// A record was appended to the journal.
    pub fn record(&self, time: SystemTime, event: &Event, call: Option<&CallInfo>) {
        self.records.inc_at(event.kind() as usize);
        // The id has the time of the request, also after a restart. If the clock was set back
        // meanwhile, the time counts as zero.
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
            // The time of an answer that was found later is unknown.
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

    /// A reader of the journal has missed records.
    pub fn gap(&self, reader: ReaderKind, gap: &Gap) {
        let reader = [("reader", reader.as_str())];
        self.gaps.get_or_create(&reader).inc();
        if let (Some(from), Some(to)) = (gap.from, gap.to) {
            self.lost.get_or_create(&reader).inc_by(to - from + 1);
        }
    }

    /// A writer of the journal works, or fails.
    pub fn writer(&self, reader: ReaderKind, is_up: bool) {
        self.writers.get_or_create(&[("writer", reader.as_str())]).set(is_up.into());
    }

    /// Sets the gauges of the engine's state.
    pub fn engine(&self, stats: &EngineStats) {
        for (gauge, count) in self.live.iter().zip(stats.live) {
            gauge.set(count as i64);
        }
        self.link_up.set(stats.link_up.into());
        self.pending.set(stats.pending as i64);
    }

    /// Calls can be made, or not.
    pub fn ready(&self, is_ready: bool) {
        self.ready.set(is_ready.into());
    }

    /// A connection to Asterisk is attempted.
    pub fn connecting(&self) {
        self.attempts.inc();
    }

    /// Asterisk has answered a Ping.
    pub fn round_trip(&self, time: Duration) {
        self.round_trip.observe(time.as_secs_f64());
    }

    /// Asterisk has sent an event of this name.
    pub fn ami_event(&self, name: &[u8]) {
        self.ami_events.inc(name);
    }
}
