//! The channels, calls and conferences of the simulated Asterisk, on a clock that the caller
//! provides.
//!
//! The events are those that Asterisk 22 and 16 sent with the samples of `asterisk/`. Where the
//! order varies from run to run on a real Asterisk, the seed chooses one here.

mod call;
mod guest;
mod report;
mod room;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::channel::{Channel, Party, State};
use super::scenario::Scenario;
use super::wire::Headers;
use super::{AsteriskVersion, Class};
use call::{Call, Step};
use originatord_core::clock::Now;
use room::Conference;

pub use guest::Guest;
pub(crate) use room::NO_CONFERENCES;
pub use room::{Answer, UserProfile};

/// Maximum of simultaneous calls. A further Originate fails, as with Asterisk's own `maxcalls`.
const MAX_CALLS: usize = 50_000;

/// An event for the AMI users that may read its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Class that a user's `read =` has to contain.
    pub class: Class,
    pub headers: Headers,
}

/// Where a channel goes once it is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A dialplan extension, from priority 1.
    Dialplan { context: String, exten: String },
    /// A single application.
    Application { name: String, data: String },
}

impl Default for Destination {
    fn default() -> Self {
        Self::Dialplan { context: String::new(), exten: String::new() }
    }
}

/// A parsed Originate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Originate {
    /// `ActionID`, which the OriginateResponse repeats.
    pub action_id: Option<String>,
    /// `Channel`: the channel to call.
    pub channel: String,
    /// Where the answered channel goes.
    pub destination: Destination,
    pub timeout: Duration,
    /// `CallerID`.
    pub caller: Party,
    pub variables: Vec<(String, String)>,
    /// `ChannelId`: the unique id of `;1`.
    pub channel_id: Option<String>,
    /// `OtherChannelId`: the unique id of `;2`.
    pub other_channel_id: Option<String>,
}

/// The state of the simulated Asterisk.
pub struct Pbx {
    version: AsteriskVersion,
    scenario: Scenario,
    rng: fastrand::Rng,
    channels: BTreeMap<u64, Channel>,
    by_uniqueid: HashMap<String, u64>,
    calls: BTreeMap<u64, Call>,
    timers: BTreeMap<(Instant, u64), (u64, Step)>,
    /// The conferences, by their names in lower case: Asterisk ignores the case of ASCII letters.
    conferences: BTreeMap<String, Conference>,
    /// The conference that each channel is in, as key of `conferences`.
    rooms: HashMap<u64, String>,
    /// Global variables that were set.
    globals: BTreeMap<String, String>,
    events: Vec<Event>,
    /// Last key that was given to a call, channel or timer. Keys also order them.
    last_key: u64,
    next_uniqueid: u64,
    next_local: u32,
    next_leg: u32,
    calls_so_far: u64,
}

impl Pbx {
    /// An Asterisk without calls.
    pub fn new(version: AsteriskVersion, scenario: Scenario, seed: u64) -> Self {
        Self {
            version,
            scenario,
            rng: fastrand::Rng::with_seed(seed),
            channels: BTreeMap::new(),
            by_uniqueid: HashMap::new(),
            calls: BTreeMap::new(),
            timers: BTreeMap::new(),
            conferences: BTreeMap::new(),
            rooms: HashMap::new(),
            globals: BTreeMap::new(),
            events: Vec::new(),
            last_key: 0,
            next_uniqueid: 0,
            next_local: 0,
            next_leg: 0,
            calls_so_far: 0,
        }
    }

    /// Accepts an Originate. Its effects follow in [`tick`](Self::tick).
    pub fn originate(&mut self, now: Now, request: Originate) {
        let call = self.next_key();
        self.calls_so_far += 1;
        self.calls.insert(call, Call::new(request));
        self.schedule(now.instant, call, Step::Begin);
    }

    /// Hangs up the channel with this unique id or name; false if there is none.
    pub fn hang_up(&mut self, now: Now, channel: &str, cause: Option<u8>) -> bool {
        let Some((key, channel)) = self.find(channel) else { return false };
        let call = channel.call;
        self.schedule(now.instant, call, Step::HangUp { channel: key, cause });
        true
    }

    /// Performs all steps that are due at `now`.
    pub fn tick(&mut self, now: Now) {
        while let Some(entry) =
            self.timers.first_entry().filter(|entry| entry.key().0 <= now.instant)
        {
            let (call, step) = entry.remove();
            self.step(now, call, step);
        }
    }

    /// When to call [`tick`](Self::tick) next; none if nothing is scheduled.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Restarts Asterisk: all channels and calls are gone, without any event.
    pub fn restart(&mut self) {
        self.channels.clear();
        self.by_uniqueid.clear();
        self.calls.clear();
        self.timers.clear();
        self.conferences.clear();
        self.rooms.clear();
        self.globals.clear();
        self.events.clear();
    }

    /// The channels that exist.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    /// The channel with this unique id or name.
    fn find(&self, name: &str) -> Option<(u64, &Channel)> {
        match self.by_uniqueid.get(name) {
            Some(key) => self.channels.get_key_value(key),
            None => {
                self.channels.iter().find(|(_, channel)| channel.name.eq_ignore_ascii_case(name))
            }
        }
        .map(|(key, channel)| (*key, channel))
    }

    fn next_key(&mut self) -> u64 {
        self.last_key += 1;
        self.last_key
    }

    fn schedule(&mut self, at: Instant, call: u64, step: Step) {
        let order = self.next_key();
        self.timers.insert((at, order), (call, step));
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Emits events of several channels that happen at the same time. Each list keeps its order;
    /// the seed interleaves the lists.
    fn emit_mixed(&mut self, lists: Vec<Vec<Event>>) {
        let mut lists: Vec<_> = lists.into_iter().map(Vec::into_iter).collect();
        while !lists.is_empty() {
            let chosen = self.rng.usize(..lists.len());
            match lists[chosen].next() {
                Some(event) => self.emit(event),
                None => drop(lists.swap_remove(chosen)),
            }
        }
    }

    /// A unique id as Asterisk generates it.
    fn uniqueid(&mut self, now: Now) -> String {
        let seconds = now.wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
        self.next_uniqueid += 1;
        format!("{seconds}.{}", self.next_uniqueid - 1)
    }

    fn uuid(&mut self) -> String {
        let random = self.rng.u128(..);
        let hex = format!("{random:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    fn add_channel(&mut self, channel: Channel) -> u64 {
        let key = self.next_key();
        self.by_uniqueid.insert(channel.uniqueid.clone(), key);
        self.channels.insert(key, channel);
        key
    }

    /// Changes a channel, if it still exists.
    fn change(&mut self, key: Option<u64>, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = key.and_then(|key| self.channels.get_mut(&key)) {
            change(channel);
        }
    }

    /// Sets the state of a channel; returns the Newstate event.
    fn set_state(&mut self, key: Option<u64>, state: State) -> Vec<Event> {
        self.change(key, |channel| channel.state = state);
        self.channel_event("Newstate", key, Headers::new())
    }

    /// An event of the class `call` about a channel; none if the channel is gone.
    fn channel_event(&self, name: &'static str, key: Option<u64>, more: Headers) -> Vec<Event> {
        let channel = key.and_then(|key| self.channels.get(&key));
        channel.map(|channel| call_event(name, channel.headers().and(more))).into_iter().collect()
    }
}

/// An event of the class `call`.
fn call_event(name: &'static str, more: Headers) -> Event {
    let headers = Headers::new().with("Event", name).with("Privilege", "call,all").and(more);
    Event { class: Class::CALL, headers }
}

#[cfg(test)]
mod tests;
