//! Some daemons' engines and one simulated Asterisk in one process, on a clock of their own: everything that happens
//! follows from one number, the seed.

mod daemon;
mod promises;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::Buf;
use fastrand::Rng;
use originatord::ami::codec::Codec;
use originatord::call::CallId;
use originatord::call::filter::Filter;
use originatord::call::limits::Policy;
use originatord::clock::Now;
use originatord::engine::Effect;
use originatord::handle::{OriginateError, Request};
use originatord::sim::Version;
use originatord::sim::faults::Faults;
use originatord::sim::scenario::Scenario;
use originatord::sim::session::User;
use originatord::sim::simulator::{ConnectionId, Settings, Simulator};
use tokio_util::codec::Decoder;

use daemon::Daemon;
use promises::{MAX_LAG, REPLY_TIMEOUT, check_span};

/// Numbers in play: few, so that daemons meet at them; each ends in what its callee does.
const NUMBERS: [&str; 8] = ["7001", "7002", "7486", "7603", "7404", "7500", "7180", "7200"];

/// How far time passes in one step at most.
const MAX_STEP: Duration = Duration::from_millis(50);

/// How late an Asterisk that goes on gets around to reading what was sent before.
const MAX_UNREAD: Duration = Duration::from_millis(800);

/// How late things are at most, when they are late.
const MAX_DELAY: Duration = Duration::from_secs(3);

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
    pub stops: u64,
    pub restarts: u64,
    pub faults: u64,
    /// How often something was read that was sent on a connection given up by then.
    pub late_reads: u64,
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
    /// What was sent and not yet read when a daemon gave its connection up, and when it will be.
    unread: Vec<(ConnectionId, Vec<u8>, Option<Duration>)>,
    /// Whether all daemons have one name.
    is_namesake: bool,
    policy: Policy,
    /// Whether events were ever dropped: then nobody knows how long a call has been over.
    has_dropped: bool,
    /// Every call that Asterisk has ever had a channel of, and when it was last seen.
    known_to_asterisk: HashMap<CallId, Duration>,
    /// Those that had their number's lock, and those of which a bot was told "ok".
    had_lock: HashSet<CallId>,
    said_ok: Vec<CallId>,
    pub tally: Tally,
    /// Whether to tell what happens.
    pub is_told: bool,
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
        let is_namesake = rng.u32(..4) == 0;
        let mut world = Self {
            asterisk: Simulator::new(settings, now),
            rng,
            start,
            time,
            faults: Faults::default(),
            daemons: Vec::new(),
            next_bot: 0,
            disturbed: now.instant,
            unread: Vec::new(),
            is_namesake,
            policy: Policy::default(),
            has_dropped: false,
            known_to_asterisk: HashMap::new(),
            had_lock: HashSet::new(),
            said_ok: Vec::new(),
            tally: Tally::default(),
            is_told: false,
        };
        for index in 0..world.rng.usize(1..=3) {
            let daemon = world.daemon(index);
            world.daemons.push(daemon);
        }
        world
    }

    /// A daemon that was just started.
    fn daemon(&mut self, index: usize) -> Daemon {
        let name = if self.is_namesake { 0 } else { index };
        let mut daemon = Daemon::new(name, self.rng.u64(..), self.now());
        daemon.engine.set_policy(self.policy.clone());
        daemon
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
            345..347 => self.crash(daemon),
            347..348 => self.stop(daemon),
            348..349 => self.restart_asterisk(),
            349..354 => self.misbehave(),
            354..355 => self.reload(),
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
        if self.daemons[daemon].connection.is_some() {
            self.give_up(daemon);
            self.lose(daemon);
        }
    }

    /// The connection is gone; what is under way to Asterisk is lost, or is read some time later.
    fn give_up(&mut self, daemon: usize) {
        let unread = std::mem::take(&mut self.daemons[daemon].to_asterisk);
        let Some(connection) = self.daemons[daemon].connection.take() else { return };
        if unread.is_empty() || self.rng.bool() {
            self.asterisk.disconnect(connection);
        } else {
            self.unread.push((connection, unread, None));
        }
    }

    /// Asterisk gets around to reading what was sent by somebody who is gone.
    fn read_the_unread(&mut self) {
        let now = self.now();
        for (connection, bytes, due) in std::mem::take(&mut self.unread) {
            // Once it goes on, it goes on with all of them.
            let late = MAX_UNREAD.mul_f64(self.rng.f64());
            let due = due.or_else(|| self.asterisk.reads(connection).then_some(self.time + late));
            if due.is_none_or(|due| due > self.time) {
                self.unread.push((connection, bytes, due));
                continue;
            }
            self.tally.late_reads += 1;
            self.tell(|| format!("{} bytes are read late", bytes.len()));
            self.asterisk.receive(now, connection, &bytes);
            self.asterisk.disconnect(connection);
        }
    }

    /// The daemon is killed, and another one started with its log.
    fn crash(&mut self, daemon: usize) {
        self.disturb();
        self.tally.crashes += 1;
        self.tell(|| format!("daemon {daemon} crashes"));
        self.give_up(daemon);
        self.start_anew(daemon);
    }

    /// The daemon is told to stop; once everybody has an answer, another one is started.
    fn stop(&mut self, daemon: usize) {
        self.disturb();
        self.tally.stops += 1;
        self.tell(|| format!("daemon {daemon} is to stop"));
        self.daemons[daemon].is_stopping = true;
        self.daemons[daemon].engine.stop();
        self.settle(daemon);
    }

    fn start_anew(&mut self, daemon: usize) {
        let (now, new) = (self.now(), self.daemon(daemon));
        let old = std::mem::replace(&mut self.daemons[daemon], new);
        let new = &mut self.daemons[daemon];
        let mut open: Vec<_> =
            old.told.iter().filter(|(id, _)| !old.is_over(id)).map(|(_, call)| call.clone()).collect();
        open.sort_by_key(|(info, _)| info.id);
        new.remembered = open.iter().map(|(info, _)| info.id).collect();
        new.engine.remember(now, open, Some(old.last_word));
        (new.told, new.refused, new.ended, new.last_word) = (old.told, old.refused, old.ended, old.last_word);
        new.unconfirmed = old.unconfirmed;
        self.settle(daemon);
    }

    /// All daemons are given other limits.
    fn reload(&mut self) {
        let mut policy = Policy::default();
        if self.rng.bool() {
            policy.all.calls_per_second = Some(self.rng.u32(1..30));
            policy.attempts_per_number = Some(self.rng.u32(5..60));
        }
        self.tell(|| format!("{policy:?}"));
        self.daemons.iter_mut().for_each(|daemon| daemon.engine.set_policy(policy.clone()));
        self.policy = policy;
    }

    /// Asterisk is killed, and another one started: all its calls are gone.
    fn restart_asterisk(&mut self) {
        self.disturb();
        self.tally.restarts += 1;
        self.tell(|| "Asterisk is restarted".to_owned());
        let now = self.now();
        for (connection, ..) in self.unread.drain(..) {
            self.asterisk.disconnect(connection);
        }
        self.asterisk.restart(now);
    }

    /// From now on something goes wrong on every connection.
    fn misbehave(&mut self) {
        self.disturb();
        self.tally.faults += 1;
        let (now, mut faults) = (self.now(), Faults::default());
        match self.rng.u32(..11) {
            0 => faults.stop_reading = true,
            1 => faults.stop_writing = true,
            2 => faults.delay = Duration::from_millis(self.rng.u64(..MAX_DELAY.as_millis() as u64)),
            3 => faults.cut_after = Some(self.rng.u64(..5000)),
            4 => faults.cut_before_receipt = true,
            5 => faults.repeat = 0.3,
            6 => (faults.drop, self.has_dropped) = (0.2, true),
            7 => faults.reorder = 0.5,
            // It may take the event behind it along.
            8 => (faults.garbage, self.has_dropped) = (self.rng.usize(..2000), true),
            // It hangs.
            9 => (faults.stop_reading, faults.stop_writing) = (true, true),
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
                (new.connection, new.codec, new.connected) = (Some(connection), Codec::default(), self.time);
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
                    self.give_up(daemon);
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
        self.time += next.clamp(least, MAX_STEP);
        self.read_the_unread();
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
        let (mut said_ok, mut is_given_up) = (Vec::new(), false);
        let effects: Vec<_> = daemon.engine.take_effects().collect();
        for effect in effects {
            if self.is_told && !matches!(effect, Effect::Originated(..)) {
                println!("{:>12.6} daemon {index}: {effect:?}", self.time.as_secs_f64());
            }
            match effect {
                Effect::Connect => daemon.wants_to_connect = true,
                Effect::Disconnect => {
                    daemon.wants_to_connect = false;
                    is_given_up = true;
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
                        Err(OriginateError::Unconfirmed(id)) => {
                            self.tally.unconfirmed += 1;
                            daemon.unconfirmed.insert(id);
                        }
                        Err(error @ OriginateError::NotAsked(..)) => panic!("{error} is not the engine's answer"),
                    }
                }
                Effect::HungUp(..) | Effect::RoundTrip(_) => {}
                Effect::Record(at, event, call) => {
                    if let Some(info) = call {
                        if let Some(seen) = self.known_to_asterisk.get(&info.id).filter(|_| !self.has_dropped) {
                            // The log of a daemon that is gone does not say how old its news was.
                            let slack = if daemon.remembered.contains(&info.id) { MAX_LAG } else { MAX_STEP };
                            check_span(&event, UNIX_EPOCH + *seen, slack);
                        }
                        daemon.record(&mut self.tally, at.wall, &event, &info);
                    }
                }
                Effect::Ready(ready) => daemon.ready = ready.is_ok().then_some(self.time),
            }
        }
        for id in said_ok {
            assert!(daemon.has_accepted(&id), "{id} is ok, and the log does not say so");
            self.said_ok.push(id);
        }
        if is_given_up {
            self.give_up(index);
        }
        let daemon = &mut self.daemons[index];
        if daemon.connection.is_none() {
            daemon.to_asterisk.clear();
        }
        if daemon.is_stopping && daemon.engine.is_idle() {
            assert!(daemon.asked.is_empty(), "it leaves {:?} without an answer", daemon.asked);
            self.give_up(index);
            self.start_anew(index);
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
