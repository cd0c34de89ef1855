//! The engines of some daemons and one simulated Asterisk in one process, on virtual time. The seed
//! determines everything that happens.

mod daemon;
mod effects;
mod faults;
mod journal;
mod link;
mod promises;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, UNIX_EPOCH};

use fastrand::Rng;
use originatord_core::call::CallId;
use originatord_core::call::limits::Policy;
use originatord_core::clock::Now;
use originatord_core::engine::request::Request;
use originatord_sim::AsteriskVersion;
use originatord_sim::channel::{Channel, State as ChannelState};
use originatord_sim::faults::Faults;
use originatord_sim::scenario::Scenario;
use originatord_sim::session::User;
use originatord_sim::simulator::{ConnectionId, Settings, Simulator};

use daemon::Daemon;
use journal::JournalOnDisk;

/// The numbers to call. There are few, so that daemons compete for them. The last three digits select
/// the callee's behaviour in the simulator.
const NUMBERS: [&str; 8] = ["7001", "7002", "7486", "7603", "7404", "7500", "7180", "7200"];

/// The longest time that passes in one step.
const MAX_STEP: Duration = Duration::from_millis(50);

/// Counts of events and faults, which prove that the simulation played them.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Tally {
    pub steps: u64,
    pub calls: u64,
    pub oks: u64,
    pub in_progress: u64,
    pub unconfirmed: u64,
    pub ended: u64,
    pub adopted: u64,
    pub unknown: u64,
    pub cuts: u64,
    pub crashes: u64,
    pub stops: u64,
    pub restarts: u64,
    /// Redirects of a participant or a callee's leg out of its call.
    pub redirects: u64,
    /// Legs of callees that were seen up without their Local channel.
    pub orphaned: u64,
    pub faults: u64,
    /// Actions that Asterisk read after the daemon had closed their connection.
    pub late_reads: u64,
    /// The longest time from the end of a call in Asterisk to its record, with the link up.
    pub slowest: Duration,
}

/// All daemons, Asterisk, and what the assertions have to know about the past.
pub(crate) struct World {
    rng: Rng,
    start: Instant,
    time: Duration,
    asterisk: Simulator,
    faults: Faults,
    /// Since when Asterisk refuses every action, without another fault.
    refuses_since: Option<Duration>,
    daemons: Vec<Daemon>,
    next_bot: u64,
    /// Until when events may have been lost or delayed.
    disturbed: Instant,
    /// Bytes on closed connections that Asterisk has not read yet, and when it will read them. The
    /// time is unknown while Asterisk reads nothing.
    undelivered: Vec<(ConnectionId, Vec<u8>, Option<Duration>)>,
    /// Whether all daemons have the same instance name.
    shares_instance: bool,
    policy: Policy,
    /// Whether Asterisk dropped events. Then nobody knows when a call ended.
    has_dropped: bool,
    /// All calls that ever had a channel in Asterisk, and when they had one last.
    known_to_asterisk: HashMap<CallId, Duration>,
    /// All calls that ever had their lock channel.
    had_lock: HashSet<CallId>,
    /// The index of the daemon that made each call.
    daemon_of: HashMap<CallId, usize>,
    /// Whether the daemons dial with `/n`, so that Asterisk does not optimise Local channels away.
    keeps_local: bool,
    /// Calls whose bot got "ok" in this step.
    confirmed: Vec<CallId>,
    writes_journals: bool,
    pub tally: Tally,
    /// Whether to print every step.
    pub is_verbose: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (start, time) = (Instant::now(), Duration::from_secs(1000));
        let now = Now { instant: start + time, wall: UNIX_EPOCH + time };
        let user = User { name: "originatord".to_owned(), secret: "change-me".to_owned() };
        let version = if rng.bool() { AsteriskVersion::V22 } else { AsteriskVersion::V16 };
        let mut scenario = Scenario::default();
        scenario.timing.lock_lingers = Duration::from_millis(rng.u64(..20));
        let settings = Settings { version, user, scenario, seed };
        let shares_instance = rng.u32(..4) == 0;
        let keeps_local = rng.bool();
        let mut world = Self {
            asterisk: Simulator::new(settings, now),
            rng,
            start,
            time,
            faults: Faults::default(),
            refuses_since: None,
            daemons: Vec::new(),
            next_bot: 0,
            disturbed: now.instant,
            undelivered: Vec::new(),
            shares_instance,
            policy: Policy::default(),
            has_dropped: false,
            known_to_asterisk: HashMap::new(),
            had_lock: HashSet::new(),
            daemon_of: HashMap::new(),
            keeps_local,
            confirmed: Vec::new(),
            writes_journals: false,
            tally: Tally::default(),
            is_verbose: false,
        };
        for index in 0..world.rng.usize(1..=3) {
            let daemon = world.daemon(index);
            world.daemons.push(daemon);
        }
        world
    }

    /// As [`Self::new`], but the daemons write journal files and are often killed.
    pub(crate) fn with_journals(seed: u64) -> Self {
        let mut world = Self::new(seed);
        world.writes_journals = true;
        for daemon in &mut world.daemons {
            daemon.journal = Some(JournalOnDisk::new(&mut world.rng));
        }
        world
    }

    /// A new daemon, which is not connected.
    fn daemon(&mut self, index: usize) -> Daemon {
        let name = if self.shares_instance { 0 } else { index };
        let mut daemon = Daemon::new(name, self.keeps_local, self.rng.u64(..), self.now());
        daemon.engine.set_policy(self.policy.clone());
        daemon
    }

    fn trace(&self, event: impl FnOnce() -> String) {
        if self.is_verbose {
            println!("{:>12.6} {}", self.time.as_secs_f64(), event());
        }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, wall: UNIX_EPOCH + self.time }
    }

    /// Plays one random step, and checks all promises.
    pub(crate) fn step(&mut self) {
        self.tally.steps += 1;
        let daemon = self.rng.usize(..self.daemons.len());
        if self.writes_journals {
            self.write_or_kill(daemon);
        }
        match self.rng.u32(..10_000) {
            0..300 => self.request_call(daemon),
            300..325 => self.hang_up(daemon),
            325..340 => self.redirect(),
            340..345 => self.cut_link(daemon),
            345..347 => self.crash(daemon),
            347..348 => self.stop(daemon),
            348..349 => self.restart_asterisk(),
            349..354 => self.inject_fault(),
            354..355 => self.reload(),
            355..375 => self.clear_faults(),
            375..6000 => self.transfer(daemon),
            _ => self.pass_time(),
        }
        self.check();
    }

    /// Writes some of the daemon's records to its file, or kills it before they are written.
    fn write_or_kill(&mut self, daemon: usize) {
        let (draw, count) = (self.rng.u32(..2000), self.rng.usize(..20));
        match (draw, &mut self.daemons[daemon].journal) {
            (0..2, _) => self.crash(daemon),
            (2..100, Some(journal)) => journal.write(count),
            _ => {}
        }
    }

    /// Lets a bot request a call.
    fn request_call(&mut self, daemon: usize) {
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
        self.daemons[daemon].waiting.insert(bot, now.instant);
        self.daemons[daemon].engine.originate(now, request, bot);
        self.apply_effects(daemon);
    }

    /// Lets an operator hang up a call.
    fn hang_up(&mut self, daemon: usize) {
        let live = self.daemons[daemon].calls();
        if let Some(call) = self.rng.choice(&live) {
            let now = self.now();
            self.daemons[daemon].engine.hang_up(now, call.info.id, "operator".into(), 0);
            self.apply_effects(daemon);
        }
    }

    /// Redirects a participant, or a callee's leg, out of its call, as somebody could in Asterisk.
    fn redirect(&mut self) {
        let is_redirected =
            |channel: &&Channel| channel.state == ChannelState::Up && !channel.name.ends_with(";2");
        let up: Vec<_> = self
            .asterisk
            .pbx()
            .channels()
            .filter(is_redirected)
            .map(|up| up.uniqueid.clone())
            .collect();
        if let Some(channel) = self.rng.choice(&up) {
            self.tally.redirects += 1;
            self.trace(|| format!("an operator redirects {channel}"));
            let now = self.now();
            self.asterisk.pbx().redirect(now, channel, "elsewhere", "s");
        }
    }

    /// Gives all daemons other limits.
    fn reload(&mut self) {
        let mut policy = Policy::default();
        if self.rng.bool() {
            policy.all.calls_per_second = Some(self.rng.u32(1..30));
            policy.attempts_per_number = Some(self.rng.u32(5..60));
        }
        self.trace(|| format!("{policy:?}"));
        self.daemons.iter_mut().for_each(|daemon| daemon.engine.set_policy(policy.clone()));
        self.policy = policy;
    }

    /// Lets time pass, at most until the next deadline.
    fn pass_time(&mut self) {
        self.transfer_all();
        let deadlines = self.daemons.iter().filter_map(|daemon| daemon.engine.deadline());
        let next = deadlines.chain(self.asterisk.deadline()).min();
        let next = next.map_or(Duration::from_millis(50), |at| {
            at.saturating_duration_since(self.now().instant)
        });
        let least = Duration::from_micros(self.rng.u64(..2000));
        self.time += next.clamp(least, MAX_STEP);
        self.deliver_late();
        let now = self.now();
        self.asterisk.tick(now);
        for daemon in 0..self.daemons.len() {
            self.daemons[daemon].engine.tick(now);
            self.apply_effects(daemon);
        }
        self.transfer_all();
    }

    /// Lets this time pass, and checks all promises in between.
    fn pass(&mut self, duration: Duration) {
        let until = self.time + duration;
        while self.time < until {
            self.pass_time();
            self.check();
            self.tally.steps += 1;
        }
    }
}
