//! Some daemons' engines and one simulated Asterisk in one process, on a clock of their own: everything that happens
//! follows from one number, the seed.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Buf, BytesMut};
use fastrand::Rng;
use originatord::ami::codec::Codec;
use originatord::call::filter::Filter;
use originatord::call::machine::State;
use originatord::call::{CallId, CallInfo};
use originatord::clock::Now;
use originatord::config::Config;
use originatord::engine::{Effect, Engine, EngineSettings};
use originatord::handle::{OriginateError, Request};
use originatord::journal::Event;
use originatord::sim::Version;
use originatord::sim::faults::Faults;
use originatord::sim::scenario::Scenario;
use originatord::sim::session::User;
use originatord::sim::simulator::{ConnectionId, Settings, Simulator};
use tokio_util::codec::Decoder;

/// Numbers in play: few, so that daemons meet at them; each ends in what its callee does.
const NUMBERS: [&str; 8] = ["7001", "7002", "7486", "7603", "7404", "7500", "7180", "7200"];

/// The default `reply_timeout`.
const REPLY_TIMEOUT: Duration = Duration::from_millis(1500);

/// Within this time a number is free again.
const FREED_WITHIN: Duration = Duration::from_secs(1);

/// How late things are at most, when they are late.
const MAX_DELAY: Duration = Duration::from_secs(3);

/// By then the next list of channels has made up for whatever was not heard.
const SETTLED_WITHIN: Duration = Duration::from_secs(130);

/// A daemon, as far as it is pure.
struct Daemon {
    engine: Engine<u64, u64>,
    connection: Option<ConnectionId>,
    wants_to_connect: bool,
    codec: Codec,
    from_asterisk: BytesMut,
    to_asterisk: Vec<u8>,
    is_ready: bool,
    /// When each bot asked that has no answer yet.
    asked: HashMap<u64, Instant>,
    /// What its log holds of calls: accepted ones, and how often each has ended.
    accepted: HashMap<CallId, (CallInfo, State)>,
    ended: HashMap<CallId, u32>,
    last_record: SystemTime,
    /// Calls that Asterisk no longer has, and since when.
    gone: HashMap<CallId, Instant>,
}

/// What was done to the world, to show that it was.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    pub steps: u64,
    pub calls: u64,
    pub oks: u64,
    pub in_progress: u64,
    pub unconfirmed: u64,
    pub ended: u64,
    pub unknown: u64,
    pub cuts: u64,
    pub crashes: u64,
    pub restarts: u64,
    pub faults: u64,
    /// The longest time from a call's end in Asterisk to its end here, with the link up.
    pub slowest: Duration,
}

/// The world.
pub struct World {
    rng: Rng,
    start: Instant,
    time: Duration,
    asterisk: Simulator,
    faults: Faults,
    daemons: Vec<Daemon>,
    next_bot: u64,
    disturbed: Instant,
    /// Every call that Asterisk has ever had a channel of.
    known_to_asterisk: HashSet<CallId>,
    pub tally: Tally,
    /// Whether to tell what happens.
    pub is_told: bool,
}

fn engine(index: usize, seed: u64, now: Now) -> Engine<u64, u64> {
    let text = format!(
        "instance = 'd{index}'\n[[api_keys]]\nname = 'bot'\nkey = 'k3y-of-the-bot'\n[[asterisk]]\n\
         address = '127.0.0.1:5038'\nusername = 'originatord'\nsecret = 'change-me'\n"
    );
    let config = Config::parse(&text, Path::new("")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let settings = EngineSettings::new(&config).expect("the configuration is good");
    Engine::new(settings, Rng::with_seed(seed), now)
}

impl Daemon {
    fn new(index: usize, seed: u64, now: Now) -> Self {
        Self {
            engine: engine(index, seed, now),
            connection: None,
            wants_to_connect: false,
            codec: Codec::default(),
            from_asterisk: BytesMut::new(),
            to_asterisk: Vec::new(),
            is_ready: false,
            asked: HashMap::new(),
            accepted: HashMap::new(),
            ended: HashMap::new(),
            last_record: now.wall,
            gone: HashMap::new(),
        }
    }
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (start, time) = (Instant::now(), Duration::from_secs(1000));
        let now = Now { instant: start + time, wall: UNIX_EPOCH + time };
        let user = User { name: "originatord".to_owned(), secret: "change-me".to_owned() };
        let version = if rng.bool() { Version::V22 } else { Version::V16 };
        let mut scenario = Scenario::default();
        scenario.timing.lock_lingers = Duration::from_millis(rng.u64(..20));
        let settings = Settings { version, user, scenario, seed };
        let daemons = (0..rng.usize(1..=3)).map(|index| Daemon::new(index, rng.u64(..), now)).collect();
        Self {
            asterisk: Simulator::new(settings, now),
            rng,
            start,
            time,
            faults: Faults::default(),
            daemons,
            next_bot: 0,
            disturbed: now.instant,
            known_to_asterisk: HashSet::new(),
            tally: Tally::default(),
            is_told: false,
        }
    }

    fn tell(&self, what: impl FnOnce() -> String) {
        if self.is_told {
            println!("{:>12.6} {}", self.time.as_secs_f64(), what());
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, wall: UNIX_EPOCH + self.time }
    }

    /// Lets one thing happen, whatever it is.
    pub fn step(&mut self) {
        self.tally.steps += 1;
        let daemon = self.rng.usize(..self.daemons.len());
        match self.rng.u32(..10_000) {
            0..300 => self.ask(daemon),
            300..340 => self.hang_up(daemon),
            340..345 => self.cut(daemon),
            345..348 => self.crash(daemon),
            348..349 => self.restart_asterisk(),
            349..355 => self.misbehave(),
            355..375 => self.behave(),
            375..6000 => self.carry(daemon),
            _ => self.pass_time(),
        }
        self.check();
    }

    /// A bot asks for a call.
    fn ask(&mut self, daemon: usize) {
        let request = Request {
            number: self.rng.choice(NUMBERS).expect("a number").parse().expect("a number"),
            room: "R1".parse().expect("a room"),
            caller_id: "Bob".parse().expect("a caller id"),
            lang: "ru".parse().expect("a language"),
            key: "bot".into(),
        };
        let (now, bot) = (self.now(), self.next_bot);
        self.next_bot += 1;
        self.tally.calls += 1;
        self.daemons[daemon].asked.insert(bot, now.instant);
        self.daemons[daemon].engine.originate(now, request, bot);
        self.settle(daemon);
    }

    fn hang_up(&mut self, daemon: usize) {
        let live = self.daemons[daemon].engine.list(&Filter::default(), usize::MAX, 0).live;
        if let Some(call) = self.rng.choice(&live) {
            let now = self.now();
            self.daemons[daemon].engine.hang_up(now, call.info.id, "operator".into(), 0);
            self.settle(daemon);
        }
    }

    /// The connection breaks, with whatever is under way in it.
    fn cut(&mut self, daemon: usize) {
        self.disturb();
        self.tally.cuts += 1;
        self.tell(|| format!("daemon {daemon} is cut off"));
        if let Some(connection) = self.daemons[daemon].connection.take() {
            self.asterisk.disconnect(connection);
            self.lose(daemon);
        }
    }

    /// The daemon is killed, and another one started with its log.
    fn crash(&mut self, daemon: usize) {
        self.disturb();
        self.tally.crashes += 1;
        self.tell(|| format!("daemon {daemon} crashes"));
        let (now, seed) = (self.now(), self.rng.u64(..));
        if let Some(connection) = self.daemons[daemon].connection.take() {
            self.asterisk.disconnect(connection);
        }
        let old = std::mem::replace(&mut self.daemons[daemon], Daemon::new(daemon, seed, now));
        let new = &mut self.daemons[daemon];
        let mut open: Vec<_> =
            old.accepted.iter().filter(|(id, _)| !old.ended.contains_key(id)).map(|(_, call)| call.clone()).collect();
        open.sort_by_key(|(info, _)| info.id);
        new.engine.remember(now, open, Some(old.last_record));
        (new.accepted, new.ended, new.last_record) = (old.accepted, old.ended, old.last_record);
        self.settle(daemon);
    }

    /// Asterisk is killed, and another one started: all its calls are gone.
    fn restart_asterisk(&mut self) {
        self.disturb();
        self.tally.restarts += 1;
        self.tell(|| "Asterisk is restarted".to_owned());
        let now = self.now();
        self.asterisk.restart(now);
    }

    /// From now on something goes wrong on every connection.
    fn misbehave(&mut self) {
        self.disturb();
        self.tally.faults += 1;
        let (now, mut faults) = (self.now(), Faults::default());
        match self.rng.u32(..10) {
            0 => faults.stop_reading = true,
            1 => faults.stop_writing = true,
            2 => faults.delay = Duration::from_millis(self.rng.u64(..MAX_DELAY.as_millis() as u64)),
            3 => faults.cut_after = Some(self.rng.u64(..5000)),
            4 => faults.cut_before_receipt = true,
            5 => faults.repeat = 0.3,
            6 => faults.drop = 0.2,
            7 => faults.reorder = 0.5,
            8 => faults.garbage = self.rng.usize(..2000),
            _ => faults.flood = 50,
        }
        self.tell(|| format!("{faults:?}"));
        self.faults = faults.clone();
        self.asterisk.set_faults(now, faults);
        self.carry_all();
    }

    /// Everything is in order again.
    fn behave(&mut self) {
        if self.faults != Faults::default() {
            self.tell(|| "all is in order".to_owned());
            let now = self.now();
            // What was late already still is.
            self.disturbed = now.instant + MAX_DELAY;
            self.faults = Faults::default();
            self.asterisk.set_faults(now, Faults::default());
        }
    }

    fn disturb(&mut self) {
        self.disturbed = self.disturbed.max(self.now().instant);
    }

    /// Carries some bytes each way, cut anywhere.
    fn carry(&mut self, daemon: usize) {
        let now = self.now();
        let most = if self.rng.u32(..4) == 0 { 30 } else { 4000 };
        if self.daemons[daemon].wants_to_connect {
            self.daemons[daemon].wants_to_connect = false;
            if self.rng.u32(..20) == 0 {
                self.disturb();
                self.daemons[daemon].engine.disconnected(now, "nobody listens");
            } else {
                let connection = self.asterisk.connect(now);
                let new = &mut self.daemons[daemon];
                (new.connection, new.codec) = (Some(connection), Codec::default());
                new.from_asterisk.clear();
                new.engine.connected(now);
            }
            return self.settle(daemon);
        }
        let Some(connection) = self.daemons[daemon].connection else { return };
        if self.asterisk.reads(connection) && !self.daemons[daemon].to_asterisk.is_empty() {
            let bytes = &mut self.daemons[daemon].to_asterisk;
            let some = self.rng.usize(1..=most).min(bytes.len());
            let sent: Vec<u8> = bytes.drain(..some).collect();
            self.asterisk.receive(now, connection, &sent);
        }
        let received = match self.asterisk.output(connection) {
            Some(output) => {
                let some = self.rng.usize(1..=most).min(output.len());
                let bytes = output.split_to(some);
                self.daemons[daemon].from_asterisk.extend_from_slice(&bytes);
                some
            }
            None => 0,
        };
        if received > 0 {
            self.hear(daemon);
        } else if self.asterisk.is_over(connection) {
            self.asterisk.disconnect(connection);
            self.daemons[daemon].connection = None;
            self.lose(daemon);
        }
    }

    fn hear(&mut self, daemon: usize) {
        let now = self.now();
        loop {
            let Daemon { codec, from_asterisk, engine, .. } = &mut self.daemons[daemon];
            match codec.decode(from_asterisk) {
                Ok(Some(received)) => engine.receive(now, received),
                Ok(None) => return self.settle(daemon),
                Err(_) => {
                    if let Some(connection) = self.daemons[daemon].connection.take() {
                        self.asterisk.disconnect(connection);
                    }
                    return self.lose(daemon);
                }
            }
        }
    }

    fn lose(&mut self, daemon: usize) {
        let now = self.now();
        self.disturb();
        self.daemons[daemon].engine.disconnected(now, "the connection broke");
        self.settle(daemon);
    }

    /// Carries everything there is to carry.
    fn carry_all(&mut self) {
        for _ in 0..1000 {
            let is_idle = |world: &mut World, daemon: usize| {
                let Daemon { connection, wants_to_connect, to_asterisk, .. } = &world.daemons[daemon];
                let Some(connection) = *connection else { return !wants_to_connect };
                let reads = !to_asterisk.is_empty() && world.asterisk.reads(connection);
                !reads && world.asterisk.output(connection).is_none_or(|output| !output.has_remaining())
            };
            let busy: Vec<usize> = (0..self.daemons.len()).filter(|daemon| !is_idle(self, *daemon)).collect();
            if busy.is_empty() {
                return;
            }
            busy.into_iter().for_each(|daemon| self.carry(daemon));
        }
    }

    /// Time passes, as far as the next thing that is due at most.
    fn pass_time(&mut self) {
        self.carry_all();
        let deadlines = self.daemons.iter().filter_map(|daemon| daemon.engine.deadline());
        let next = deadlines.chain(self.asterisk.deadline()).min();
        let next = next.map_or(Duration::from_millis(50), |at| at.saturating_duration_since(self.now().instant));
        let least = Duration::from_micros(self.rng.u64(..2000));
        self.time += next.clamp(least, Duration::from_millis(50));
        let now = self.now();
        self.asterisk.tick(now);
        for daemon in 0..self.daemons.len() {
            self.daemons[daemon].engine.tick(now);
            self.settle(daemon);
        }
        self.carry_all();
    }

    /// Does what an engine says.
    fn settle(&mut self, index: usize) {
        let now = self.now();
        let daemon = &mut self.daemons[index];
        daemon.engine.tick(now);
        if let Some(output) = daemon.engine.output() {
            daemon.to_asterisk.extend_from_slice(&output.split());
        }
        let mut said_ok = Vec::new();
        let effects: Vec<_> = daemon.engine.take_effects().collect();
        for effect in effects {
            if self.is_told && !matches!(effect, Effect::Originated(..)) {
                println!("{:>12.6} daemon {index}: {effect:?}", self.time.as_secs_f64());
            }
            match effect {
                Effect::Connect => daemon.wants_to_connect = true,
                Effect::Disconnect => {
                    daemon.wants_to_connect = false;
                    daemon.to_asterisk.clear();
                    if let Some(connection) = daemon.connection.take() {
                        self.asterisk.disconnect(connection);
                    }
                    self.disturbed = self.disturbed.max(now.instant);
                }
                Effect::Originated(bot, answer) => {
                    let asked = daemon.asked.remove(&bot).expect("one answer for each bot");
                    assert!(now.instant - asked <= REPLY_TIMEOUT, "answered after {:?}", now.instant - asked);
                    match answer {
                        Ok(id) => {
                            self.tally.oks += 1;
                            said_ok.push(id);
                        }
                        Err(OriginateError::Refused(refusal)) => {
                            self.tally.in_progress += u64::from(refusal.code() == "in_progress");
                        }
                        Err(OriginateError::Unconfirmed(_)) => self.tally.unconfirmed += 1,
                        Err(error @ OriginateError::NotAsked(..)) => panic!("{error} is not the engine's answer"),
                    }
                }
                Effect::HungUp(..) | Effect::RoundTrip(_) => {}
                Effect::Record(at, event, call) => {
                    daemon.last_record = at.wall;
                    if let Some(info) = call {
                        record(daemon, &mut self.tally, &event, &info);
                    }
                }
                Effect::Ready(ready) => daemon.is_ready = ready.is_ok(),
            }
        }
        for id in said_ok {
            assert!(daemon.accepted.contains_key(&id), "{id} is ok, and the log does not say so");
        }
        if daemon.connection.is_none() {
            daemon.to_asterisk.clear();
        }
    }

    /// What has to hold at any moment.
    fn check(&mut self) {
        let now = self.now().instant;
        let mut halves: HashMap<String, usize> = HashMap::new();
        let mut live = HashSet::new();
        for channel in self.asterisk.pbx().channels() {
            if let Some((number, half)) = channel.name.strip_prefix("Local/").and_then(|name| name.split_once('@'))
                && half.ends_with(";2")
            {
                *halves.entry(number.to_owned()).or_default() += 1;
            }
            live.extend(channel.linkedid.parse::<CallId>());
        }
        assert!(halves.values().all(|count| *count == 1), "two calls to one number: {halves:?}");
        self.known_to_asterisk.extend(&live);
        if self.faults != Faults::default() {
            self.disturb();
        }
        // Of older calls events may be lost; the next list settles them.
        let all_was_heard = |id: &CallId| id.time() > UNIX_EPOCH + self.disturbed.saturating_duration_since(self.start);
        for daemon in &mut self.daemons {
            for (bot, asked) in &daemon.asked {
                assert!(now - *asked <= REPLY_TIMEOUT, "bot {bot} has no answer after {:?}", now - *asked);
            }
            let (listed, counted) =
                (daemon.engine.list(&Filter::default(), usize::MAX, 0).live, daemon.engine.census());
            for (state, count) in State::LIVE.into_iter().zip(counted.live) {
                assert_eq!(listed.iter().filter(|call| call.state == state).count(), count, "calls {state:?}");
            }
            if !daemon.is_ready {
                daemon.gone.clear();
                continue;
            }
            let believed: HashSet<CallId> = listed.iter().map(|call| call.info.id).collect();
            daemon.gone.retain(|id, _| believed.contains(id));
            let over = believed.difference(&live).filter(|id| self.known_to_asterisk.contains(id));
            for id in over.filter(|id| all_was_heard(id)) {
                let since = *daemon.gone.entry(*id).or_insert(now);
                self.tally.slowest = self.tally.slowest.max(now - since);
                assert!(now - since <= FREED_WITHIN, "{id} is over since {:?}", now - since);
            }
        }
    }

    /// Everything is in order, all calls are ended: after a while nothing of them is left, and each accepted one has
    /// had one end.
    pub fn finish(&mut self) {
        self.behave();
        self.pass(Duration::from_secs(30));
        let now = self.now();
        let channels: Vec<String> = self.asterisk.pbx().channels().map(|channel| channel.uniqueid.clone()).collect();
        for channel in channels {
            self.asterisk.pbx().hang_up(now, &channel, None);
        }
        self.pass(SETTLED_WITHIN);
        for daemon in &self.daemons {
            let left = daemon.engine.list(&Filter::default(), usize::MAX, 0).live;
            assert!(left.is_empty(), "{left:?}");
            assert!(daemon.is_ready && daemon.engine.is_idle() && daemon.asked.is_empty());
            for id in daemon.accepted.keys() {
                assert_eq!(daemon.ended.get(id), Some(&1), "{id} has ended {:?} times", daemon.ended.get(id));
            }
        }
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.time + duration;
        while self.time < until {
            self.pass_time();
            self.check();
            self.tally.steps += 1;
        }
    }
}

fn record(daemon: &mut Daemon, tally: &mut Tally, event: &Event, info: &CallInfo) {
    let state = match event {
        Event::CallQueued => State::Queued,
        Event::CallRinging => State::Ringing,
        Event::CallAnswered => State::Answered,
        Event::CallJoined { .. } => State::Joined,
        Event::CallLeft { .. } => State::Left,
        Event::CallEnded(end) => {
            tally.ended += 1;
            tally.unknown += u64::from(end.unseen.is_some());
            *daemon.ended.entry(info.id).or_default() += 1;
            return;
        }
        _ => return,
    };
    assert!(!daemon.ended.contains_key(&info.id), "{event:?} of {} after its end", info.id);
    daemon.accepted.insert(info.id, (info.clone(), state));
}
