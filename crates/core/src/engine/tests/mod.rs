//! The engine on virtual time; each test plays Asterisk line by line.

mod faults;
mod hostile;
mod legs;
mod link;
mod originate;
mod reconcile;
mod rooms;

use std::time::UNIX_EPOCH;

use super::request::{HangUpError, Replies};
use super::room_request::{RoomAnswer, RoomError};
use super::*;
use crate::ami::backoff::Backoff;
use crate::ami::frame::Frame;
use crate::ami::parser::Received;
use crate::ami::settings::{Auth, SessionSettings};
use crate::call::Number;
use crate::call::filter::Filter;
use crate::call::limits::Limits;
use crate::call::progress::Progress;
use crate::room::KeptRoom;

/// The handle of each request is a number.
#[derive(Debug)]
struct Numbered;

impl Replies for Numbered {
    type Originate = u32;
    type HangUp = u32;
    type Room = u32;
}

type TestEngine = Engine<Numbered>;

/// An engine with its own clock, and everything that it did.
struct Bench {
    engine: TestEngine,
    start: Instant,
    time: Duration,
    sent: String,
    originated: Vec<(u32, Result<CallId, OriginateError>)>,
    hung_up: Vec<(u32, Result<(), HangUpError>)>,
    room_answers: Vec<(u32, Result<RoomAnswer, RoomError>)>,
    kept: Vec<KeptRoom>,
    records: Vec<(Event, Option<Arc<CallInfo>>)>,
    connects: usize,
    disconnects: usize,
    ready: Result<(), Arc<str>>,
    /// The user's `read =` of `manager.conf`; `-` for no answer.
    may_read: &'static str,
    /// How far the wall clock was set back.
    set_back: Duration,
}

/// The settings of a configuration without any optional key.
fn settings() -> EngineSettings {
    EngineSettings {
        instance: "originatord".into(),
        asterisk: "main".into(),
        session: SessionSettings {
            username: "originatord".into(),
            secret: "secret".into(),
            auth: Auth::Plain,
            keepalive: Duration::from_secs(3),
            action_timeout: Duration::from_secs(5),
        },
        connect_timeout: Duration::from_secs(5),
        backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(10)).unwrap(),
        originate: OriginateSettings {
            channel: "Local/{number}@telegram-out/n".into(),
            context: "conf-in".into(),
            priority: 1,
            ring_timeout: Duration::from_secs(30),
            variables: Vec::new(),
        },
        reply_timeout: Duration::from_millis(1500),
        policy: Policy::default(),
        rooms: RoomSettings::default(),
    }
}

impl Bench {
    /// An engine that is not connected yet.
    fn new() -> Self {
        Self::with(settings())
    }

    fn with(settings: EngineSettings) -> Self {
        Self::start(settings, Duration::ZERO)
    }

    /// A run that starts at this time.
    fn starting_at(time: Duration) -> Self {
        Self::start(settings(), time)
    }

    fn start(settings: EngineSettings, time: Duration) -> Self {
        let start = Instant::now();
        let now = Now { instant: start + time, wall: UNIX_EPOCH + time };
        let engine = Engine::new(settings, fastrand::Rng::with_seed(1), now);
        let mut bench = Self {
            engine,
            start,
            time,
            sent: String::new(),
            originated: Vec::new(),
            hung_up: Vec::new(),
            room_answers: Vec::new(),
            kept: Vec::new(),
            records: Vec::new(),
            connects: 0,
            disconnects: 0,
            ready: Err("".into()),
            may_read: "call,system,user",
            set_back: Duration::ZERO,
        };
        bench.pass(Duration::ZERO);
        bench
    }

    /// Logged in and reconciled, with no live call.
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.log_in();
        bench.list(&[]);
        assert_eq!(bench.ready, Ok(()));
        bench
    }

    /// Adds calls of earlier runs.
    fn remember<const N: usize>(
        &mut self,
        calls: [(&CallInfo, State); N],
        last_event: Option<SystemTime>,
    ) {
        let call = |(info, state): (&CallInfo, State)| OpenCall {
            info: Arc::new(info.clone()),
            progress: Progress::of(state),
        };
        let calls = calls.into_iter().map(call).collect();
        self.engine
            .remember(self.now(), EarlierRuns { calls, last_event, ..EarlierRuns::default() });
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, wall: UNIX_EPOCH + self.time - self.set_back }
    }

    /// Lets time pass, in steps as the driver takes them.
    fn pass(&mut self, duration: Duration) {
        let until = self.start + self.time + duration;
        loop {
            self.engine.tick(self.now());
            self.collect();
            match self.engine.deadline() {
                Some(deadline) if deadline <= until => {
                    self.time = self.time.max(deadline.saturating_duration_since(self.start));
                }
                _ => break,
            }
        }
        self.time = until - self.start;
    }

    /// Lets time pass while Asterisk answers Pings and sends nothing else.
    fn idle(&mut self, duration: Duration) {
        let until = self.time + duration;
        while self.time < until {
            self.pass((until - self.time).min(Duration::from_millis(500)));
            if self.count("Ping") > 0 {
                self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Ping")));
            }
        }
    }

    fn collect(&mut self) {
        if let Some(output) = self.engine.output() {
            self.sent.push_str(std::str::from_utf8(&output.split()).unwrap());
        }
        for effect in self.engine.take_effects() {
            match effect {
                Effect::Connect => self.connects += 1,
                Effect::Disconnect => self.disconnects += 1,
                Effect::Originated(who, answer) => self.originated.push((who, answer)),
                Effect::HungUp(who, answer) => self.hung_up.push((who, answer)),
                Effect::RoomAnswered(who, answer) => self.room_answers.push((who, answer)),
                Effect::Keep(room) => self.kept.push(room),
                Effect::Record(_, event, call) => self.records.push((event, call)),
                Effect::Ready(ready) => self.ready = ready,
                Effect::RoundTrip(_) | Effect::Refusing(_) => {}
            }
        }
    }

    fn receive(&mut self, text: &str) {
        let text = text.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n");
        self.engine.receive(self.now(), frame(&text));
        self.pass(Duration::ZERO);
    }

    /// Asterisk answers a list of rooms: it has none.
    fn list_no_rooms(&mut self) {
        let id = self.id_of("ConfbridgeListRooms");
        self.receive(&format!("Response: Error\nActionID: {id}\nMessage: No active conferences."));
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Ping")));
    }

    /// The ActionID of the last action of this name.
    fn id_of(&self, action: &str) -> String {
        let frames = self
            .sent
            .split("\r\n\r\n")
            .filter(|frame| frame.starts_with(&format!("Action: {action}\r\n")));
        let last = frames.last().unwrap_or_else(|| panic!("no {action} in {}", self.sent));
        last.lines().find_map(|line| line.strip_prefix("ActionID: ")).unwrap().to_owned()
    }

    /// The ActionIDs of all actions of this name.
    fn ids_of(&self, action: &str) -> Vec<String> {
        let frames = self
            .sent
            .split("\r\n\r\n")
            .filter(|frame| frame.starts_with(&format!("Action: {action}\r\n")));
        frames
            .filter_map(|frame| frame.lines().find_map(|line| line.strip_prefix("ActionID: ")))
            .map(str::to_owned)
            .collect()
    }

    fn count(&self, action: &str) -> usize {
        self.sent.matches(&format!("Action: {action}\r\n")).count()
    }

    fn log_in(&mut self) {
        self.log_in_early();
        self.receive("Event: FullyBooted");
    }

    /// Logs in to an Asterisk that has not sent `FullyBooted`.
    fn log_in_early(&mut self) {
        self.engine.connected(self.now());
        self.engine.receive(self.now(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
        self.pass(Duration::ZERO);
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Login")));
        if self.may_read != "-" {
            self.receive(&format!(
                "Response: Success\nActionID: {}\nValue: {}",
                self.id_of("GetVar"),
                self.may_read
            ));
        }
        // Tests count only the actions that they cause themselves.
        self.sent = self.sent.replace("Action: GetVar", "Action: asked at login");
    }

    /// Answers CoreShowChannels with these channels, and the Ping after it.
    fn list(&mut self, channels: &[String]) {
        let id = self.id_of("CoreShowChannels");
        self.receive(&format!("Response: Success\nActionID: {id}\nEventList: start"));
        for channel in channels {
            self.receive(&format!("Event: CoreShowChannel\nActionID: {id}\n{channel}"));
        }
        self.receive(&format!("Event: CoreShowChannelsComplete\nActionID: {id}"));
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Ping")));
    }

    fn request(&self, number: &str) -> Request {
        Request {
            number: number.parse().unwrap(),
            room: "R1".parse().unwrap(),
            caller_id: "Bob/B".parse().unwrap(),
            lang: "ru".parse().unwrap(),
            key: "bot".into(),
        }
    }

    fn originate(&mut self, who: u32, number: &str) {
        self.engine.originate(self.now(), self.request(number), who);
        self.pass(Duration::ZERO);
    }

    fn acknowledge(&mut self, id: &str) {
        self.receive(&format!("Response: Success\nActionID: {id}"));
    }

    fn event(&mut self, event: &str, uniqueid: &str, linkedid: &str, more: &str) {
        self.receive(&format!(
            "Event: {event}\nUniqueid: {uniqueid}\nLinkedid: {linkedid}\n{more}"
        ));
    }

    /// An accepted call; returns its id.
    fn call(&mut self, who: u32, number: &str) -> String {
        self.originate(who, number);
        let id = self.id_of("Originate");
        self.acknowledge(&id);
        self.event("Newchannel", &id, &id, "");
        self.event("Newchannel", &lock(number), &id, "");
        assert_eq!(
            self.originated.last().map(|(who, answer)| (*who, answer.is_ok())),
            Some((who, true))
        );
        id
    }

    fn hang_up_halves(&mut self, id: &str, number: &str, cause: u8) {
        self.event("Hangup", id, id, &format!("Cause: {cause}"));
        self.event("Hangup", &lock(number), id, &format!("Cause: {cause}"));
    }

    fn events(&self) -> Vec<&'static str> {
        self.records.iter().map(|(event, _)| event.name()).collect()
    }

    /// All live calls, and those that have ended lately.
    fn calls(&self) -> Calls {
        let all = ListLimits { live: usize::MAX, ended: usize::MAX };
        self.engine.list(&Filter::default(), all)
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.originated.last()?.1 {
            Err(OriginateError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

fn frame(text: &str) -> Received {
    Received::Frame(Frame::new(text.to_owned().into()))
}

fn lock(number: &str) -> String {
    crate::call::lock_id(number.parse::<Number>().unwrap())
}

fn assert_nothing_left(bench: &Bench) {
    assert!(bench.engine.registry.holds_nothing());
    assert!(bench.engine.waitlist.holds_nothing());
    assert!(bench.engine.rooms.hold_nothing());
}

/// A call as an earlier run's journal describes it.
fn recorded_call(n: u128, number: &str) -> CallInfo {
    CallInfo {
        id: CallId::new(UNIX_EPOCH, n),
        number: number.parse().unwrap(),
        room: "R1".parse().unwrap(),
        caller_id: "Bob".parse().unwrap(),
        lang: "ru".parse().unwrap(),
        key: "bot".into(),
    }
}
