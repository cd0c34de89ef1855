//! Misbehaviour on command, between what Asterisk says and what gets onto the wire.
//!
//! Set by `[faults]` of a scenario file, by the action `SimFault` (the same names as headers, in any case; what it
//! does not name goes back to normal), or by [`Simulator::set_faults`].
//!
//! [`Simulator::set_faults`]: super::simulator::Simulator::set_faults

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::{Deserialize, Deserializer, de};

use super::scenario::duration;
use super::session::Outgoing;
use super::wire::Headers;

/// Most bytes that may wait for a reader before the connection is cut, as Asterisk cuts it after `writetimeout`.
const MAX_BACKLOG: usize = 16 * 1024 * 1024;

/// Most bytes or headers that a single fault makes.
const MAX_NOISE: usize = 4 * 1024 * 1024;

/// How often a flood rises.
const FLOOD_EVERY: Duration = Duration::from_millis(10);

/// How long an event waits for another to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(50);

/// What goes wrong. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Nothing more is read.
    pub stop_reading: bool,
    /// Nothing more is written.
    pub stop_writing: bool,
    /// Everything is written this much later.
    #[serde(deserialize_with = "duration")]
    pub delay: Duration,
    /// The connection is cut after so many further bytes.
    pub cut_after: Option<u64>,
    /// The connection is cut where the next answer to an Originate should be.
    pub cut_before_receipt: bool,
    /// How likely an event comes twice.
    #[serde(deserialize_with = "chance")]
    pub repeat: f64,
    /// How likely an event does not come.
    #[serde(deserialize_with = "chance")]
    pub drop: f64,
    /// How likely an event comes after the next one.
    #[serde(deserialize_with = "chance")]
    pub reorder: f64,
    /// So many bytes that mean nothing are written, once.
    #[serde(deserialize_with = "amount")]
    pub garbage: usize,
    /// An event with a line of so many bytes is written, once.
    #[serde(deserialize_with = "amount")]
    pub endless_line: usize,
    /// An event of so many headers is written, once.
    #[serde(deserialize_with = "amount")]
    pub endless_headers: usize,
    /// So many events of others' calls come each second.
    pub flood: u32,
    /// Asterisk is started anew, once: all calls are gone, all connections cut.
    pub restart: bool,
}

impl Faults {
    /// Reads a `SimFault`.
    ///
    /// # Errors
    ///
    /// A header that is none of the names above, or has a value that is none.
    pub fn parse(action: &Headers) -> Result<Self, String> {
        let mut text = String::new();
        for (name, value) in action.iter() {
            let name = name.to_ascii_lowercase();
            if name == "action" || name == "actionid" {
                continue;
            }
            if !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                return Err(format!("no such fault: {name}"));
            }
            let is_plain = value == "true" || value == "false" || value.parse::<f64>().is_ok();
            let is_word = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_alphanumeric());
            match (is_plain, is_word) {
                (true, _) => text.push_str(&format!("{name} = {value}\n")),
                (false, true) => text.push_str(&format!("{name} = \"{value}\"\n")),
                (false, false) => return Err(format!("no such value of {name}")),
            }
        }
        toml::from_str(&text).map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

fn chance<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let chance = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&chance) { Ok(chance) } else { Err(de::Error::custom("a chance is from 0.0 to 1.0")) }
}

fn amount<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let amount = usize::deserialize(deserializer)?;
    if amount <= MAX_NOISE { Ok(amount) } else { Err(de::Error::custom("at most 4194304")) }
}

/// The way from a session to its peer.
pub struct Line {
    faults: Faults,
    rng: fastrand::Rng,
    /// What is to be written, and when.
    queue: VecDeque<(Instant, BytesMut)>,
    queued: usize,
    /// An event that waits for the next one to overtake it.
    held: Option<(Instant, BytesMut)>,
    output: BytesMut,
    is_cut: bool,
    noise_due: bool,
    flooded: Instant,
    foreign: u64,
}

impl Line {
    /// A line to a peer that was just accepted.
    pub fn new(faults: Faults, seed: u64, now: Instant) -> Self {
        let mut line = Self {
            faults: Faults::default(),
            rng: fastrand::Rng::with_seed(seed),
            queue: VecDeque::new(),
            queued: 0,
            held: None,
            output: BytesMut::new(),
            is_cut: false,
            noise_due: false,
            flooded: now,
            foreign: 0,
        };
        line.set(faults, now);
        line
    }

    /// From now on this goes wrong.
    pub fn set(&mut self, faults: Faults, now: Instant) {
        self.faults = faults;
        self.flooded = now;
        self.release(now);
        self.noise_due = true;
    }

    /// Writes what is written once; only somebody who is logged in hears it, lest no login ever succeeds.
    pub fn make_noise(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.noise_due, false) {
            return;
        }
        let noise: Vec<u8> = (0..self.faults.garbage).map(|_| self.rng.u8(..)).collect();
        self.enqueue(now, BytesMut::from(&noise[..]));
        if self.faults.endless_line > 0 {
            let line = format!("Event: Endless\r\nLine: {}\r\n\r\n", "x".repeat(self.faults.endless_line));
            self.enqueue(now, line.as_bytes().into());
        }
        if self.faults.endless_headers > 0 {
            let event = format!("Event: Endless\r\n{}\r\n", "X: y\r\n".repeat(self.faults.endless_headers));
            self.enqueue(now, event.as_bytes().into());
        }
    }

    /// Takes a message of the session's.
    pub fn push(&mut self, now: Instant, message: Outgoing) {
        let Outgoing { is_event, is_receipt, bytes } = message;
        if is_receipt && self.faults.cut_before_receipt {
            self.cut();
        }
        if !is_event {
            return self.enqueue(now, bytes);
        }
        if self.rng.f64() < self.faults.drop {
            return;
        }
        if self.held.is_none() && self.rng.f64() < self.faults.reorder {
            self.held = Some((now + OVERTAKEN_WITHIN, bytes));
            return;
        }
        if self.rng.f64() < self.faults.repeat {
            self.enqueue(now, bytes.clone());
        }
        self.enqueue(now, bytes);
        self.release(now);
    }

    /// Lets the flood rise, if there is one.
    pub fn flood(&mut self, now: Instant) {
        if self.faults.flood == 0 {
            return;
        }
        let elapsed = now.saturating_duration_since(self.flooded).as_micros();
        let count = elapsed * u128::from(self.faults.flood) / 1_000_000;
        if count == 0 {
            return;
        }
        self.flooded = now;
        let mut events = BytesMut::new();
        for _ in 0..count.min(MAX_NOISE as u128 / 64) {
            self.foreign += 1;
            let id = format!("foreign.{}", self.foreign);
            let headers = Headers::new()
                .with("Event", "Newchannel")
                .with("Privilege", "call,all")
                .with("Channel", format!("PJSIP/others-{:08x}", self.foreign))
                .with("ChannelState", 0)
                .with("ChannelStateDesc", "Down");
            headers.with("Uniqueid", &id).with("Linkedid", &id).encode(&mut events);
        }
        self.enqueue(now, events);
    }

    /// Brings onto the wire what is due.
    pub fn tick(&mut self, now: Instant) {
        if self.held.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.release(now);
        }
        // What was on the wire before stays there.
        while !self.faults.stop_writing && self.queue.front().is_some_and(|(due, _)| *due <= now) {
            let Some((_, bytes)) = self.queue.pop_front() else { break };
            self.queued -= bytes.len();
            let limit = self.faults.cut_after.unwrap_or(u64::MAX);
            let passed = bytes.len().min(usize::try_from(limit).unwrap_or(usize::MAX));
            self.output.extend_from_slice(&bytes[..passed]);
            if let Some(left) = &mut self.faults.cut_after {
                *left -= passed as u64;
                if *left == 0 {
                    self.cut();
                }
            }
        }
    }

    /// When [`tick`](Self::tick) or [`flood`](Self::flood) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        let flood = (self.faults.flood > 0).then(|| self.flooded + FLOOD_EVERY);
        let queued = self.queue.front().filter(|_| !self.faults.stop_writing).map(|(due, _)| *due);
        let held = self.held.as_ref().map(|(until, _)| *until);
        queued.into_iter().chain(flood).chain(held).min()
    }

    /// What is to be written now.
    pub fn output(&mut self) -> Option<&mut BytesMut> {
        (!self.output.is_empty()).then_some(&mut self.output)
    }

    /// Whether the peer is read.
    pub fn reads(&self) -> bool {
        !self.faults.stop_reading
    }

    /// Ends the line once what is on the wire is written.
    pub fn cut(&mut self) {
        self.is_cut = true;
        self.queue.clear();
        self.queued = 0;
        self.held = None;
    }

    /// Whether it is cut, or nothing is left to be written if `closing`.
    pub fn is_over(&self, closing: bool) -> bool {
        let is_last = self.queue.is_empty() || self.faults.stop_writing;
        self.output.is_empty() && (self.is_cut || (closing && is_last))
    }

    fn enqueue(&mut self, now: Instant, bytes: BytesMut) {
        if self.is_cut || bytes.is_empty() {
            return;
        }
        let last = self.queue.back().map_or(now, |(due, _)| *due);
        self.queued += bytes.len();
        self.queue.push_back((last.max(now + self.faults.delay), bytes));
        if self.queued + self.output.len() > MAX_BACKLOG {
            self.output.clear();
            self.cut();
        }
    }

    fn release(&mut self, now: Instant) {
        if let Some((_, held)) = self.held.take() {
            self.enqueue(now, held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(faults: Faults) -> (Line, Instant) {
        let now = Instant::now();
        (Line::new(faults, 1, now), now)
    }

    fn event(text: &str) -> Outgoing {
        Outgoing { is_event: true, is_receipt: false, bytes: text.as_bytes().into() }
    }

    fn written(line: &mut Line, now: Instant) -> String {
        line.tick(now);
        line.output().map(|output| String::from_utf8_lossy(&output.split()).into_owned()).unwrap_or_default()
    }

    #[test]
    fn without_faults_all_passes_in_order() {
        let (mut line, now) = line(Faults::default());
        for text in ["a", "b", "c"] {
            line.push(now, event(text));
        }
        assert_eq!(written(&mut line, now), "abc");
        assert!(line.reads() && !line.is_over(false) && line.is_over(true));
    }

    #[test]
    fn events_are_repeated_dropped_and_reordered_and_answers_never() {
        for (faults, expected) in [
            (Faults { repeat: 1.0, ..Faults::default() }, "aabb!"),
            (Faults { drop: 1.0, ..Faults::default() }, "!"),
            (Faults { reorder: 1.0, ..Faults::default() }, "ba!"),
        ] {
            let (mut line, now) = line(faults);
            line.push(now, event("a"));
            line.push(now, event("b"));
            line.push(now, Outgoing { is_event: false, ..event("!") });
            assert_eq!(written(&mut line, now), expected);
        }
    }

    #[test]
    fn what_is_delayed_comes_later_and_in_order() {
        let (mut line, now) = line(Faults { delay: Duration::from_secs(1), ..Faults::default() });
        line.push(now, event("a"));
        line.set(Faults::default(), now);
        line.push(now, event("b"));
        assert_eq!(written(&mut line, now), "");
        assert_eq!(line.deadline(), Some(now + Duration::from_secs(1)));
        assert_eq!(written(&mut line, now + Duration::from_secs(1)), "ab");
    }

    #[test]
    fn a_line_is_cut_after_so_many_bytes_or_before_a_receipt() {
        let (mut cut_after, now) = line(Faults { cut_after: Some(3), ..Faults::default() });
        cut_after.push(now, event("ab"));
        cut_after.push(now, event("cd"));
        assert_eq!(written(&mut cut_after, now), "abc");
        assert!(cut_after.is_over(false));
        let (mut before_receipt, now) = line(Faults { cut_before_receipt: true, ..Faults::default() });
        before_receipt.push(now, Outgoing { is_event: false, is_receipt: true, bytes: b"x"[..].into() });
        assert_eq!(written(&mut before_receipt, now), "");
        assert!(before_receipt.is_over(false));
    }

    #[test]
    fn who_does_not_read_is_cut_off() {
        let (mut line, now) = line(Faults { stop_writing: true, ..Faults::default() });
        for _ in 0..=MAX_BACKLOG / 65536 {
            line.push(now, event(&"x".repeat(65536)));
            line.tick(now);
            assert!(line.output().is_none());
        }
        assert!(line.is_over(false) && line.output.is_empty());
    }

    #[test]
    fn a_flood_has_its_rate() {
        let (mut line, now) = line(Faults { flood: 500, ..Faults::default() });
        for step in 1..=100 {
            line.flood(now + FLOOD_EVERY * step);
        }
        let events = written(&mut line, now + Duration::from_secs(2)).matches("Event: Newchannel").count();
        assert_eq!(events, 500);
    }

    #[test]
    fn faults_are_read_from_an_action() {
        let action = Headers::new().with("Action", "SimFault").with("ActionID", "1").with("Drop", "0.5");
        let faults = Faults::parse(&action.clone().with("Delay", "2s").with("Stop_Writing", "true"));
        let expected = Faults { drop: 0.5, delay: Duration::from_secs(2), stop_writing: true, ..Faults::default() };
        assert_eq!(faults, Ok(expected));
        for (name, value) in
            [("drop", "2.0"), ("dorp", "1.0"), ("a = 1\nb", "1"), ("delay", "\"1s"), ("garbage", "9999999")]
        {
            let bad = Headers::new().with("Action", "SimFault");
            let bad: Headers = bad.into_iter().chain([(name.to_owned().into(), value.to_owned())]).collect();
            assert!(Faults::parse(&bad).is_err(), "{name}");
        }
    }
}
