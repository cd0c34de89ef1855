//! Injects [`faults`](super::faults) between the messages of a session and the bytes that its
//! client gets.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::faults::{Faults, MAX_FAULT_SIZE};
use super::session::Outgoing;
use super::wire::Headers;

/// Maximum of bytes that wait for a client that does not read. Beyond it the connection is cut, as
/// Asterisk cuts it after `writetimeout`.
const MAX_BACKLOG: usize = 16 * 1024 * 1024;

/// Interval between two batches of a flood.
const FLOOD_INTERVAL: Duration = Duration::from_millis(10);

/// How long an event is held back for another one to overtake it.
const REORDER_DELAY: Duration = Duration::from_millis(50);

/// The link from a session to its client.
pub(super) struct FaultyLink {
    faults: Faults,
    rng: fastrand::Rng,
    /// Messages to write, each with the earliest time to do so.
    queue: VecDeque<(Instant, BytesMut)>,
    /// Number of bytes in `queue`.
    queued: usize,
    /// The event that is held back until the next one has overtaken it.
    reordered: Option<(Instant, BytesMut)>,
    output: BytesMut,
    is_cut: bool,
    /// The one-time faults have not been written since they were set.
    noise_pending: bool,
    /// When the flood was last written.
    flooded: Instant,
    /// Number of channels that the flood has invented.
    foreign: u64,
}

impl FaultyLink {
    /// The link of a client that was just accepted.
    pub(super) fn new(faults: Faults, seed: u64, now: Instant) -> Self {
        let mut link = Self {
            faults: Faults::default(),
            rng: fastrand::Rng::with_seed(seed),
            queue: VecDeque::new(),
            queued: 0,
            reordered: None,
            output: BytesMut::new(),
            is_cut: false,
            noise_pending: false,
            flooded: now,
            foreign: 0,
        };
        link.set(faults, now);
        link
    }

    /// Replaces the faults.
    pub(super) fn set(&mut self, faults: Faults, now: Instant) {
        self.faults = faults;
        self.flooded = now;
        self.release(now);
        self.noise_pending = true;
    }

    /// Writes the one-time faults: garbage, an endless line, endless headers. The caller waits
    /// until the client has logged in, because they would break every login.
    pub(super) fn send_noise(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.noise_pending, false) {
            return;
        }
        let noise: Vec<u8> = (0..self.faults.garbage).map(|_| self.rng.u8(..)).collect();
        self.enqueue(now, BytesMut::from(&noise[..]));
        if self.faults.endless_line > 0 {
            let line =
                format!("Event: Endless\r\nLine: {}\r\n\r\n", "x".repeat(self.faults.endless_line));
            self.enqueue(now, line.as_bytes().into());
        }
        if self.faults.endless_headers > 0 {
            let event =
                format!("Event: Endless\r\n{}\r\n", "X: y\r\n".repeat(self.faults.endless_headers));
            self.enqueue(now, event.as_bytes().into());
        }
    }

    /// Queues a message of the session, with the faults applied.
    pub(super) fn push(&mut self, now: Instant, message: Outgoing) {
        let Outgoing { is_event, answers_originate, bytes } = message;
        if answers_originate && self.faults.cut_before_receipt {
            self.cut();
        }
        if !is_event {
            return self.enqueue(now, bytes);
        }
        if self.rng.f64() < self.faults.drop {
            return;
        }
        if self.reordered.is_none() && self.rng.f64() < self.faults.reorder {
            self.reordered = Some((now + REORDER_DELAY, bytes));
            return;
        }
        if self.rng.f64() < self.faults.repeat {
            self.enqueue(now, bytes.clone());
        }
        self.enqueue(now, bytes);
        self.release(now);
    }

    /// Writes the events of a flood that are due.
    pub(super) fn flood(&mut self, now: Instant) {
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
        for _ in 0..count.min(MAX_FAULT_SIZE as u128 / 64) {
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

    /// Moves the messages that are due to the output.
    pub(super) fn tick(&mut self, now: Instant) {
        if self.reordered.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.release(now);
        }
        // A fault does not affect the bytes that were moved to the output before it.
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

    /// When to call [`tick`](Self::tick) and [`flood`](Self::flood) next; none if nothing is
    /// scheduled.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let flood = (self.faults.flood > 0).then(|| self.flooded + FLOOD_INTERVAL);
        let queued = self.queue.front().filter(|_| !self.faults.stop_writing).map(|(due, _)| *due);
        let reordered = self.reordered.as_ref().map(|(until, _)| *until);
        queued.into_iter().chain(flood).chain(reordered).min()
    }

    /// Bytes to write now.
    pub(super) fn output(&mut self) -> Option<&mut BytesMut> {
        (!self.output.is_empty()).then_some(&mut self.output)
    }

    /// Whether the simulator reads from the client.
    pub(super) fn reads(&self) -> bool {
        !self.faults.stop_reading
    }

    /// Closes the link once the output is written.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
        self.queue.clear();
        self.queued = 0;
        self.reordered = None;
    }

    /// Whether the link is to be closed now: it was cut, or the session is `closing` and has
    /// nothing left to write.
    pub(super) fn is_over(&self, closing: bool) -> bool {
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
        if let Some((_, reordered)) = self.reordered.take() {
            self.enqueue(now, reordered);
        }
    }
}

#[cfg(test)]
mod tests;
