//! The world inside the simulated Asterisk: channels, calls and conferences, on whatever clock it
//! is given.
//!
//! What was seen of a real Asterisk 22 and 16 with the samples of `asterisk/` is what happens here,
//! event by event. Where the real one's order is a matter of chance, so is this one's: the seed
//! decides.

mod call;
mod report;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::channel::{Channel, Party, State};
use super::scenario::Scenario;
use super::wire::Headers;
use super::{AsteriskVersion, Class};
use call::{Call, Step};
use originatord_core::clock::Now;

/// Most calls at once. A further Originate fails, as with Asterisk's own `maxcalls`.
const MAX_CALLS: usize = 50_000;

/// An event, and who may read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The class that a user's `read =` has to hold.
    pub class: Class,
    /// Its headers.
    pub headers: Headers,
}

/// Where an answered channel goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To this context and extension.
    Dialplan {
        /// The context.
        context: String,
        /// The extension.
        exten: String,
    },
    /// To this application.
    Application {
        /// Its name.
        name: String,
        /// Its arguments.
        data: String,
    },
}

/// What an Originate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Originate {
    /// What its OriginateResponse is told by.
    pub action_id: Option<String>,
    /// The channel to call.
    pub channel: String,
    /// Where whoever answers goes.
    pub destination: Destination,
    /// How long it may ring.
    pub timeout: Duration,
    /// Who calls.
    pub caller: Party,
    /// Channel variables.
    pub variables: Vec<(String, String)>,
    /// The unique id of `;1`.
    pub channel_id: Option<String>,
    /// The unique id of `;2`.
    pub other_channel_id: Option<String>,
}

/// The world.
pub struct Pbx {
    version: AsteriskVersion,
    scenario: Scenario,
    rng: fastrand::Rng,
    channels: BTreeMap<u64, Channel>,
    by_uniqueid: HashMap<String, u64>,
    calls: BTreeMap<u64, Call>,
    timers: BTreeMap<(Instant, u64), (u64, Step)>,
    conferences: BTreeMap<String, Conference>,
    events: Vec<Event>,
    /// Counts everything that needs an order of its own: calls, channels, appointments.
    next: u64,
    next_uniqueid: u64,
    next_local: u32,
    next_leg: u32,
    calls_so_far: u64,
}

struct Conference {
    bridge: String,
    members: Vec<u64>,
}

impl Pbx {
    /// An Asterisk that was just started.
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
            events: Vec::new(),
            next: 0,
            next_uniqueid: 0,
            next_local: 0,
            next_leg: 0,
            calls_so_far: 0,
        }
    }

    /// Takes an Originate; everything that comes of it comes by [`tick`](Self::tick).
    pub fn originate(&mut self, now: Now, request: Originate) {
        let call = self.next();
        self.calls_so_far += 1;
        self.calls.insert(call, Call::new(request));
        self.schedule(now.instant, call, Step::Begin);
    }

    /// Hangs up the channel of this unique id or name, if there is one.
    pub fn hang_up(&mut self, now: Now, channel: &str, cause: Option<u8>) -> bool {
        let Some((key, channel)) = self.find(channel) else { return false };
        let call = channel.call;
        self.schedule(now.instant, call, Step::HangUp { channel: key, cause });
        true
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Now) {
        while let Some(entry) =
            self.timers.first_entry().filter(|entry| entry.key().0 <= now.instant)
        {
            let (call, step) = entry.remove();
            self.step(now, call, step);
        }
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// What has happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Asterisk is started anew: whatever lived is gone, and nobody is told.
    pub fn restart(&mut self) {
        self.channels.clear();
        self.by_uniqueid.clear();
        self.calls.clear();
        self.timers.clear();
        self.conferences.clear();
        self.events.clear();
    }

    /// The channels that live.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    fn find(&self, name: &str) -> Option<(u64, &Channel)> {
        match self.by_uniqueid.get(name) {
            Some(key) => self.channels.get_key_value(key),
            None => self.channels.iter().find(|(_, channel)| channel.name == name),
        }
        .map(|(key, channel)| (*key, channel))
    }

    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn schedule(&mut self, at: Instant, call: u64, step: Step) {
        let order = self.next();
        self.timers.insert((at, order), (call, step));
    }

    fn emit(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Emits what happens at the same time to several channels: each list in its order, all of them
    /// mixed.
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

    /// A unique id of Asterisk's own making.
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
        let key = self.next();
        self.by_uniqueid.insert(channel.uniqueid.clone(), key);
        self.channels.insert(key, channel);
        key
    }

    /// Changes a channel, if it still lives.
    fn change(&mut self, key: Option<u64>, change: impl FnOnce(&mut Channel)) {
        if let Some(channel) = key.and_then(|key| self.channels.get_mut(&key)) {
            change(channel);
        }
    }

    /// Brings a channel into a state, and tells of it.
    fn set_state(&mut self, key: Option<u64>, state: State) -> Vec<Event> {
        self.change(key, |channel| channel.state = state);
        self.channel_event("Newstate", key, Headers::new())
    }

    /// An event of the class `call` about a channel; nothing if it is gone.
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
