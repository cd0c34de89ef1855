//! Where [`faults`](super::faults) strike: between what a session says and what its peer is
//! written.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::faults::{Faults, MAX_NOISE};
use super::session::Outgoing;
use super::wire::Headers;

/// Most bytes that may wait for a reader before the connection is cut, as Asterisk cuts it after
/// `writetimeout`.
const MAX_BACKLOG: usize = 16 * 1024 * 1024;

/// How often a flood rises.
const FLOOD_EVERY: Duration = Duration::from_millis(10);

/// How long an event waits for another to overtake it.
const OVERTAKEN_WITHIN: Duration = Duration::from_millis(50);

/// The way from a session to its peer.
pub(super) struct Line {
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
    pub(super) fn new(faults: Faults, seed: u64, now: Instant) -> Self {
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
    pub(super) fn set(&mut self, faults: Faults, now: Instant) {
        self.faults = faults;
        self.flooded = now;
        self.release(now);
        self.noise_due = true;
    }

    /// Writes what is written once; only somebody who is logged in hears it, lest no login ever
    /// succeeds.
    pub(super) fn make_noise(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.noise_due, false) {
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

    /// Takes a message of the session's.
    pub(super) fn push(&mut self, now: Instant, message: Outgoing) {
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
    pub(super) fn tick(&mut self, now: Instant) {
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
    pub(super) fn deadline(&self) -> Option<Instant> {
        let flood = (self.faults.flood > 0).then(|| self.flooded + FLOOD_EVERY);
        let queued = self.queue.front().filter(|_| !self.faults.stop_writing).map(|(due, _)| *due);
        let held = self.held.as_ref().map(|(until, _)| *until);
        queued.into_iter().chain(flood).chain(held).min()
    }

    /// What is to be written now.
    pub(super) fn output(&mut self) -> Option<&mut BytesMut> {
        (!self.output.is_empty()).then_some(&mut self.output)
    }

    /// Whether the peer is read.
    pub(super) fn reads(&self) -> bool {
        !self.faults.stop_reading
    }

    /// Ends the line once what is on the wire is written.
    pub(super) fn cut(&mut self) {
        self.is_cut = true;
        self.queue.clear();
        self.queued = 0;
        self.held = None;
    }

    /// Whether it is cut, or nothing is left to be written if `closing`.
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
        if let Some((_, held)) = self.held.take() {
            self.enqueue(now, held);
        }
    }
}

#[cfg(test)]
mod tests;
