//! The engine on virtual time, against an Asterisk played line by line.

mod faults;
mod hostile;

use std::time::UNIX_EPOCH;

use super::*;
use crate::ami::codec::Received;
use crate::ami::frame::Frame;
use crate::call::Number;
use crate::call::filter::Filter;
use crate::call::limits::Limits;

type TestEngine = Engine<u32, u32>;

/// An engine and what it did, with a clock of its own.
struct Bench {
    engine: TestEngine,
    start: Instant,
    time: Duration,
    sent: String,
    originated: Vec<(u32, Result<CallId, OriginateError>)>,
    hung_up: Vec<(u32, Result<(), HangUpError>)>,
    records: Vec<(Event, Option<Arc<CallInfo>>)>,
    connects: usize,
    disconnects: usize,
    ready: Result<(), Arc<str>>,
    /// How far the clock of the day was set back.
    set_back: Duration,
}

const CONFIG: &str = "
    [[api_keys]]
    name = 'bot'
    key = 'k3y-of-the-bot'
    [[asterisk]]
    address = '127.0.0.1:5038'
    username = 'originatord'
    secret = 'secret'
    auth = 'plain'
";

impl Bench {
    /// Not connected yet.
    fn new() -> Self {
        Self::with(CONFIG)
    }

    fn with(config: &str) -> Self {
        let config = Config::parse(config, std::path::Path::new("")).unwrap();
        let (start, time) = (Instant::now(), Duration::ZERO);
        let now = Now { instant: start, wall: UNIX_EPOCH };
        let engine = Engine::new(EngineSettings::new(&config).unwrap(), fastrand::Rng::with_seed(1), now);
        let mut bench = Self {
            engine,
            start,
            time,
            sent: String::new(),
            originated: Vec::new(),
            hung_up: Vec::new(),
            records: Vec::new(),
            connects: 0,
            disconnects: 0,
            ready: Err("".into()),
            set_back: Duration::ZERO,
        };
        bench.pass(Duration::ZERO);
        bench
    }

    /// Logged in and settled, with nothing alive.
    fn ready() -> Self {
        let mut bench = Self::new();
        bench.log_in();
        bench.list(&[]);
        assert_eq!(bench.ready, Ok(()));
        bench
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

    /// Lets time pass while Asterisk answers the pings and says nothing else.
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
                Effect::Record(_, event, call) => self.records.push((event, call)),
                Effect::Ready(ready) => self.ready = ready,
                Effect::RoundTrip(_) => {}
            }
        }
    }

    fn receive(&mut self, frame: &str) {
        let frame = frame.trim().lines().map(str::trim).collect::<Vec<_>>().join("\r\n");
        self.engine.receive(self.now(), Received::Frame(Frame::new(frame.into())));
        self.pass(Duration::ZERO);
    }

    /// The ActionID of the last action of this name.
    fn id_of(&self, action: &str) -> String {
        let frames = self.sent.split("\r\n\r\n").filter(|frame| frame.starts_with(&format!("Action: {action}\r\n")));
        let last = frames.last().unwrap_or_else(|| panic!("no {action} in {}", self.sent));
        last.lines().find_map(|line| line.strip_prefix("ActionID: ")).unwrap().to_owned()
    }

    fn count(&self, action: &str) -> usize {
        self.sent.matches(&format!("Action: {action}\r\n")).count()
    }

    fn log_in(&mut self) {
        self.log_in_early();
        self.receive("Event: FullyBooted");
    }

    /// Logs in to an Asterisk that has not said that it has started.
    fn log_in_early(&mut self) {
        self.engine.connected(self.now());
        self.engine.receive(self.now(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
        self.pass(Duration::ZERO);
        self.receive(&format!("Response: Success\nActionID: {}", self.id_of("Login")));
    }

    /// Answers CoreShowChannels with these channels, and what follows from it.
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

    fn receipt(&mut self, id: &str) {
        self.receive(&format!("Response: Success\nActionID: {id}"));
    }

    fn event(&mut self, event: &str, uniqueid: &str, linkedid: &str, more: &str) {
        self.receive(&format!("Event: {event}\nUniqueid: {uniqueid}\nLinkedid: {linkedid}\n{more}"));
    }

    /// An accepted call; returns its id.
    fn call(&mut self, who: u32, number: &str) -> String {
        self.originate(who, number);
        let id = self.id_of("Originate");
        self.receipt(&id);
        self.event("Newchannel", &id, &id, "");
        self.event("Newchannel", &lock(number), &id, "");
        assert_eq!(self.originated.last().map(|(who, answer)| (*who, answer.is_ok())), Some((who, true)));
        id
    }

    fn hang_up_halves(&mut self, id: &str, number: &str, cause: u8) {
        self.event("Hangup", id, id, &format!("Cause: {cause}"));
        self.event("Hangup", &lock(number), id, &format!("Cause: {cause}"));
    }

    fn events(&self) -> Vec<&'static str> {
        self.records.iter().map(|(event, _)| event.name()).collect()
    }

    fn refusal(&self) -> Option<&Refusal> {
        match &self.originated.last()?.1 {
            Err(OriginateError::Refused(refusal)) => Some(refusal),
            _ => None,
        }
    }
}

fn lock(number: &str) -> String {
    crate::call::lock_id(number.parse::<Number>().unwrap())
}

fn assert_nothing_left(bench: &Bench) {
    assert!(bench.engine.registry.holds_nothing());
    assert!(bench.engine.waiting.is_empty() && bench.engine.waiting_deadlines.is_empty());
}

#[test]
fn a_call_is_ok_once_asterisk_shows_the_half_that_holds_the_lock() {
    let mut bench = Bench::ready();
    bench.originate(7, "79991234567");
    let id = bench.id_of("Originate");
    assert!(bench.sent.contains("Variable: ORIGINATORD=originatord/bot/ru/R1/Bob/B\r\n"), "{}", bench.sent);
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    assert!(bench.originated.is_empty());
    bench.event("Newchannel", &lock("79991234567"), &id, "");
    assert_eq!(bench.originated, [(7, Ok(id.parse().unwrap()))]);
    bench.hang_up_halves(&id, "79991234567", 17);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.events(), ["ami.connected", "call.requested", "call.queued", "call.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn where_no_sign_comes_asterisk_is_asked_who_holds_the_lock() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.receipt(&id);
    bench.pass(Duration::from_millis(249));
    assert_eq!(bench.count("GetVar"), 0);
    bench.pass(Duration::from_millis(1));
    assert!(bench.sent.ends_with(&format!("Channel: {}\r\nVariable: CHANNEL(linkedid)\r\n\r\n", lock("7999"))));
    // Asterisk has yet to begin.
    bench.receive(&format!("Response: Error\nActionID: {}\nMessage: No such channel", bench.id_of("GetVar")));
    bench.pass(Duration::from_millis(100));
    assert_eq!(bench.count("GetVar"), 2);
    bench.receive(&format!("Response: Success\nActionID: {}\nValue: {id}", bench.id_of("GetVar")));
    assert_eq!(bench.originated, [(7, Ok(id.parse().unwrap()))]);
    assert_eq!(bench.events().last(), Some(&"call.queued"));
}

#[test]
fn a_receipt_is_no_call_and_the_lock_may_be_anothers() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.receipt(&id);
    for _ in 0..11 {
        bench.pass(Duration::from_millis(250));
        if bench.originated.is_empty() {
            bench.receive(&format!("Response: Success\nActionID: {}\nValue: od-another", bench.id_of("GetVar")));
        }
    }
    assert_eq!(bench.originated, [(7, Err(OriginateError::Unconfirmed(id.parse().unwrap())))]);
    assert!(!bench.events().contains(&"call.queued"));

    // An overloaded Asterisk comes to it late.
    bench.originate(8, "7998");
    let id = bench.id_of("Originate");
    bench.receipt(&id);
    bench.pass(Duration::from_millis(1000));
    bench.event("Newchannel", &id, &id, "");
    bench.event("Hangup", &id, &id, "Cause: 0");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: None }));
}

#[test]
fn a_number_locked_by_another_daemon_is_in_progress_and_leaves_nothing() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Hangup", &id, &id, "Cause: 0");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: None }));
    bench.receive(&format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"));
    bench.pass(Duration::from_secs(5));
    assert_eq!(bench.events(), ["ami.connected", "call.requested", "call.refused"]);
    assert_eq!(bench.count("Originate"), 1);
    assert_nothing_left(&bench);
}

#[test]
fn the_lingering_lock_of_our_own_last_call_is_tried_again() {
    let mut bench = Bench::ready();
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    let id = bench.id_of("Originate");
    for attempt in 1..=2 {
        bench.receipt(&id);
        bench.event("Newchannel", &id, &id, "");
        bench.event("Hangup", &id, &id, "Cause: 0");
        assert_eq!(bench.count("Originate"), attempt + 1, "not before the attempt is certainly over");
        bench.receive(&format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"));
        bench.pass(Duration::from_millis(50));
        assert_eq!(bench.count("Originate"), attempt + 2);
    }
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    assert_eq!(bench.originated.last(), Some(&(2, Ok(id.parse().unwrap()))));
}

#[test]
fn an_error_frees_the_number_and_is_passed_on() {
    let mut bench = Bench::ready();
    bench.originate(7, "7999");
    let id = bench.id_of("Originate");
    bench.receive(&format!("Response: Error\nActionID: {id}\nMessage: Extension does not exist."));
    assert_eq!(bench.refusal(), Some(&Refusal::Rejected("Extension does not exist.".into())));
    assert_nothing_left(&bench);
}

#[test]
fn an_unknown_fate_is_said_in_time_keeps_the_number_and_is_settled_later() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id: CallId = bench.id_of("Originate").parse().unwrap();
    // Asterisk lives, but says nothing of the call.
    bench.idle(Duration::from_secs(6));
    assert_eq!(bench.originated, [(1, Err(OriginateError::Unconfirmed(id)))]);
    bench.originate(2, "7999");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(id) }));
    assert_eq!(bench.count("Originate"), 1);
    // The action's deadline has passed, so the list is asked for; the call is not on it, but may still be on its way.
    for lists in [2, 3, 4] {
        bench.idle(Duration::from_millis(3500));
        assert_eq!((bench.count("CoreShowChannels"), bench.events().last()), (lists, Some(&"call.refused")));
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

#[test]
fn a_receipt_that_comes_late_still_counts() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    bench.pass(Duration::from_millis(1400));
    assert!(matches!(bench.originated[..], [(1, Err(OriginateError::Unconfirmed(_)))]));
    bench.receipt(&id);
    assert_eq!(bench.events().last(), Some(&"call.queued"));
    bench.hang_up_halves(&id, "7999", 16);
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn a_lost_link_is_never_the_end_of_a_call_until_asterisk_says_so() {
    let mut bench = Bench::ready();
    let (stays, goes) = (bench.call(1, "7001"), bench.call(2, "7002"));
    bench.originate(3, "7003");
    let unsure = bench.id_of("Originate");
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::ZERO);
    assert_eq!(bench.originated.last(), Some(&(3, Err(OriginateError::Unconfirmed(unsure.parse().unwrap())))));
    bench.originate(4, "7004");
    assert!(matches!(bench.refusal(), Some(Refusal::LinkDown(_))));
    assert!(bench.engine.list(&Filter::default(), 9, 9).live.iter().all(|call| call.stale));

    bench.pass(Duration::from_secs(3));
    assert_eq!(bench.connects, 2);
    bench.log_in();
    assert!(bench.ready.is_err());
    let listed = |id: &str, number: &str| {
        [
            format!(
                "Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b"
            ),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
        ]
    };
    bench.list(&[listed(&stays, "7001"), listed(&unsure, "7003")].concat());
    assert_eq!(bench.ready, Ok(()));
    let ended: Vec<_> = bench.records.iter().filter(|(event, _)| event.name() == "call.ended").collect();
    let [(Event::CallEnded(end), Some(info))] = &ended[..] else { panic!("{ended:?}") };
    assert_eq!((info.id.to_string(), end.outcome), (goes, crate::call::outcome::Outcome::Unknown));
    // The one of unknown fate turned out to live: it is queued, answered and joined by now, and says so.
    let joined = |id: &str| {
        bench.records.iter().any(|(event, info)| {
            event.name() == "call.joined" && info.as_ref().is_some_and(|info| info.id.to_string() == id)
        })
    };
    assert!(joined(&stays) && joined(&unsure));
    assert_eq!(bench.count("Originate"), 3);
}

#[test]
fn after_a_restart_calls_of_ours_are_taken_in_and_others_left_alone() {
    let mut bench = Bench::new();
    bench.log_in();
    let [ours, others] = [1, 2].map(|random| CallId::new(UNIX_EPOCH, random).to_string());
    let channels = [(&ours, "7001"), (&others, "7002")].map(|(id, number)| {
        [
            format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b"),
            format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
            format!("Uniqueid: leg-{id}\nLinkedid: {id}\nChannelStateDesc: Up"),
        ]
    });
    bench.list(&channels.concat());
    assert!(bench.ready.is_err(), "whose they are is not known yet");
    let asked: Vec<_> = bench.sent.split("\r\n\r\n").filter(|frame| frame.starts_with("Action: GetVar")).collect();
    let answers = asked.iter().map(|frame| {
        let of = |name| frame.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        let instance = if of("Channel: ") == ours { "originatord" } else { "another" };
        format!(
            "Response: Success\nActionID: {}\nVariable: ORIGINATORD\nValue: {instance}/bot/ru/R1/a/b",
            of("ActionID: ")
        )
    });
    for answer in answers.collect::<Vec<_>>() {
        bench.receive(&answer);
    }
    assert_eq!(bench.ready, Ok(()));
    let calls = bench.engine.list(&Filter::default(), 9, 9).live;
    assert_eq!(calls.iter().map(|call| call.info.id.to_string()).collect::<Vec<_>>(), [&ours[..]]);
    assert_eq!((calls[0].info.caller_id.as_str(), calls[0].requested), ("a/b", UNIX_EPOCH));
    assert_eq!(bench.events(), ["ami.connected"], "it goes on as if nothing had happened");
    bench.originate(1, "7001");
    assert!(matches!(bench.refusal(), Some(Refusal::InProgress { by: Some(_) })));
    bench.hang_up_halves(&ours, "7001", 16);
    bench.event("Hangup", &format!("leg-{ours}"), &ours, "Cause: 16");
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

/// What an earlier run wrote down of a call.
fn written(n: u128, number: &str) -> CallInfo {
    CallInfo {
        id: CallId::new(UNIX_EPOCH, n),
        number: number.parse().unwrap(),
        room: "R1".parse().unwrap(),
        caller_id: "Bob".parse().unwrap(),
        lang: "ru".parse().unwrap(),
        key: "bot".into(),
    }
}

#[test]
fn a_request_that_a_crash_left_without_an_answer_is_settled_by_the_next_run() {
    let mut bench = Bench::new();
    let (asked, lives, refused) = (written(1, "7001"), written(2, "7002"), written(3, "7002"));
    let calls = [(&asked, State::Requested), (&lives, State::Joined), (&refused, State::Requested)];
    bench.pass(Duration::from_secs(4));
    bench.engine.remember(bench.now(), calls.map(|(info, state)| (info.clone(), state)).to_vec(), None);
    bench.log_in();
    let half = |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {}\nChannelState: 6", lives.id);
    let listed = [half(&lives.id.to_string()), half(&lock("7002"))];
    bench.list(&listed);
    assert_eq!(bench.engine.list(&Filter::default(), 9, 9).live_total, 2, "the call that lives has its number");
    bench.originate(1, "7001");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(asked.id) }));
    // Asterisk has no such call, and in time it is sure that none will come.
    for lists in 2.. {
        bench.idle(Duration::from_secs(4));
        if bench.engine.registry.get(asked.id).is_none() {
            break;
        }
        assert!(lists < 10 && bench.count("CoreShowChannels") == lists);
        bench.list(&listed);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert!(bench.engine.registry.get(lives.id).is_some());
    bench.call(2, "7001");
}

#[test]
fn calls_that_an_earlier_run_wrote_down_live_on_or_have_ended_unseen() {
    let mut bench = Bench::new();
    let (lives, over) = (written(1, "7001"), written(2, "7002"));
    let last_alive = UNIX_EPOCH + Duration::from_secs(1);
    bench.pass(Duration::from_secs(4));
    let calls = vec![(lives.clone(), State::Joined), (over.clone(), State::Answered)];
    bench.engine.remember(bench.now(), calls, Some(last_alive));
    bench.log_in();
    let half = |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {}\nChannelState: 6", lives.id);
    bench.list(&[half(&lives.id.to_string()), half(&lock("7001"))]);
    assert_eq!(bench.count("GetVar"), 0, "whose it is, is known");
    assert_eq!(bench.engine.list(&Filter::default(), 9, 9).live[0].state, State::Joined);
    let (Event::CallEnded(end), Some(info)) = &bench.records[bench.records.len() - 2] else {
        panic!("{:?}", bench.events())
    };
    assert_eq!((info.id, end.unseen), (over.id, Some((last_alive, bench.now().wall))));
    bench.hang_up_halves(&lives.id.to_string(), "7001", 16);
    bench.pass(Duration::from_secs(1));
    assert_nothing_left(&bench);
}

#[test]
fn a_burst_is_sent_at_the_pace_and_what_would_come_too_late_is_refused() {
    let mut bench = Bench::ready();
    let all = Limits { calls_per_second: Some(10), ..Limits::default() };
    bench.engine.set_policy(Policy { all, ..Policy::default() });
    for who in 0..12 {
        bench.originate(who, &format!("700{who}"));
    }
    // 0.9 s of the 1.5 s may be spent waiting: ten calls' worth.
    assert_eq!((bench.count("Originate"), bench.originated.len()), (1, 2));
    assert!(matches!(bench.refusal(), Some(Refusal::Limited(limit)) if limit.name == "calls_per_second"));
    for sent in 2..=5 {
        bench.pass(Duration::from_millis(99));
        assert_eq!(bench.count("Originate"), sent - 1);
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.count("Originate"), sent);
    }
    bench.originate(50, "7009");
    assert!(matches!(bench.refusal(), Some(Refusal::InProgress { .. })), "who waits for the turn holds the number");
    bench.engine.disconnected(bench.now(), "gone");
    bench.pass(Duration::ZERO);
    let unsent = bench
        .originated
        .iter()
        .filter(|(_, answer)| matches!(answer, Err(OriginateError::Refused(Refusal::LinkDown(_)))));
    assert_eq!(unsent.count(), 5, "what was not sent is certainly not made");
    assert_eq!(bench.engine.list(&Filter::default(), 0, 0).live_total, 5);
}

#[test]
fn a_number_that_must_not_be_called_is_not() {
    let mut bench = Bench::ready();
    let all = Limits { deny: vec!["7900".into()], ..Limits::default() };
    bench.engine.set_policy(Policy { all, ..Policy::default() });
    bench.originate(1, "79001234567");
    assert_eq!(bench.refusal(), Some(&Refusal::NotAllowed { of_key: None }));
    assert_eq!((bench.count("Originate"), bench.engine.list(&Filter::default(), 0, 0).live_total), (0, 0));
    assert_eq!(bench.events()[1..], ["call.requested", "call.refused"]);
}

#[test]
fn hanging_up() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    let call: CallId = id.parse().unwrap();
    bench.engine.hang_up(bench.now(), call, "operator".into(), 5);
    bench.pass(Duration::ZERO);
    assert!(bench.sent.contains(&format!("\r\nChannel: {id}\r\n\r\n")));
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Hangup")));
    assert_eq!(bench.hung_up, [(5, Ok(()))]);
    bench.engine.hang_up(bench.now(), call, "guest".into(), 8);
    bench.pass(Duration::ZERO);
    bench.receive(&format!("Response: Error\nActionID: {}\nMessage: Permission denied", bench.id_of("Hangup")));
    assert_eq!(bench.hung_up.pop(), Some((8, Err(HangUpError::Rejected("Permission denied".into())))));
    bench.hang_up_halves(&id, "7999", 16);
    bench.engine.hang_up(bench.now(), call, "operator".into(), 6);
    bench.engine.hang_up(bench.now(), CallId::new(UNIX_EPOCH, 99), "operator".into(), 7);
    bench.pass(Duration::ZERO);
    assert_eq!(bench.hung_up[1..], [(6, Err(HangUpError::AlreadyEnded)), (7, Err(HangUpError::NoSuchCall))]);
}

#[test]
fn until_it_is_known_which_calls_live_none_is_made() {
    let mut bench = Bench::new();
    bench.log_in();
    let reason: Arc<str> = "finding out which calls live".into();
    assert_eq!(bench.ready, Err(reason.clone()));
    bench.originate(1, "7999");
    assert_eq!((bench.refusal(), bench.count("Originate")), (Some(&Refusal::LinkDown(reason)), 0));
    bench.list(&[]);
    bench.originate(2, "7999");
    assert_eq!((&bench.ready, bench.count("Originate")), (&Ok(()), 1));
}

#[test]
fn a_refused_login_is_tried_again_after_longer_and_longer_pauses_and_logged_rarely() {
    let mut bench = Bench::new();
    let mut attempts = 0;
    while bench.time < Duration::from_secs(600) {
        let before = bench.connects;
        while bench.connects == before && attempts > 0 {
            bench.pass(Duration::from_millis(10));
        }
        attempts += 1;
        bench.engine.connected(bench.now());
        bench.engine.receive(bench.now(), Received::Banner("Asterisk Call Manager/11.0.0".into()));
        bench.pass(Duration::ZERO);
        bench.receive(&format!("Response: Error\nActionID: {}\nMessage: Authentication failed", bench.id_of("Login")));
    }
    // 10 s at the most, and 5 s at the least, once the longest pause is reached.
    assert!((60..=130).contains(&attempts), "{attempts}");
    let logged = bench.events().iter().filter(|event| **event == "ami.disconnected").count();
    assert!((1..=2).contains(&logged), "{logged}");
    assert_eq!(bench.ready, Err("login refused: Authentication failed".into()));
}

#[test]
fn a_silent_asterisk_is_left_within_two_keepalives() {
    let mut bench = Bench::ready();
    bench.pass(Duration::from_millis(5999));
    assert_eq!((bench.disconnects, bench.count("Ping")), (0, 2));
    bench.pass(Duration::from_millis(1));
    assert_eq!(bench.disconnects, 1);
    assert!(bench.ready.is_err());
}

#[test]
fn a_list_that_never_ends_is_not_waited_for() {
    let mut bench = Bench::new();
    bench.log_in();
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("CoreShowChannels")));
    while bench.disconnects == 0 {
        bench.idle(Duration::from_millis(100));
    }
    assert_eq!(bench.time.as_secs(), 30);
}

#[test]
fn an_event_that_was_lost_is_made_up_for_by_the_list() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    for (lists, seconds) in [(2, 60), (3, 3)] {
        assert_eq!(bench.events().last(), Some(&"call.queued"));
        bench.idle(Duration::from_secs(seconds));
        assert_eq!(bench.count("CoreShowChannels"), lists);
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    assert_nothing_left(&bench);
}

#[test]
fn an_asterisk_that_lets_in_before_it_has_started_is_waited_for() {
    let mut bench = Bench::ready();
    bench.engine.disconnected(bench.now(), "it is restarted");
    bench.pass(Duration::from_secs(1));
    bench.log_in_early();
    bench.list(&[]);
    bench.originate(1, "7999");
    assert!(matches!(bench.refusal(), Some(Refusal::LinkDown(why)) if &**why == "Asterisk is starting"));
    bench.idle(Duration::from_secs(20));
    assert!(bench.ready.is_err());
    bench.receive("Event: FullyBooted");
    assert_eq!((bench.ready.clone(), bench.events().last()), (Ok(()), Some(&"ami.connected")));
    bench.call(2, "7999");
}

#[test]
fn who_is_never_told_that_asterisk_has_started_does_not_wait_long() {
    let mut bench = Bench::new();
    bench.log_in_early();
    bench.list(&[]);
    bench.idle(Duration::from_millis(2900));
    assert!(bench.ready.is_err());
    bench.idle(Duration::from_millis(100));
    assert_eq!(bench.ready, Ok(()));
    bench.call(1, "7999");
}

#[test]
fn a_call_asked_for_on_a_link_that_was_lost_is_settled_soon_after_its_return() {
    let mut bench = Bench::ready();
    bench.idle(Duration::from_secs(1));
    bench.originate(1, "7999");
    bench.engine.disconnected(bench.now(), "cut");
    bench.idle(Duration::from_secs(1));
    bench.log_in();
    bench.list(&[]);
    for lists in [3, 4] {
        assert!(!bench.events().contains(&"call.ended"));
        bench.idle(Duration::from_secs(1));
        assert_eq!(bench.count("CoreShowChannels"), lists);
        bench.list(&[]);
    }
    assert_eq!(bench.events().last(), Some(&"call.ended"));
    bench.call(2, "7999");
}
