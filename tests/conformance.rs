//! The same scenes, played to a real Asterisk with the samples of `asterisk/` and to the simulator: both have to
//! say the same, header by header.
//!
//! What differs from run to run (ids that Asterisk makes, times, the numbers in channel names) is masked. The order
//! of events is compared for each channel: between channels Asterisk promises none.

mod support;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::daemon::Ami;
use support::pbx::Pbx;
use support::sim::Simulator;

/// The gateway's callees of `asterisk/gateway.xml` and the waits that `asterisk/pbx --wait 0` leaves.
const SCENARIO: &str = "[timing]\nwait = \"0s\"\n";

/// How long nothing has to come before all is taken to have come.
const QUIET: Duration = Duration::from_millis(150);

/// Answers that differ: the action, what the real one says, what the simulator says, and why that is well.
///
/// What cannot be shown by one answer: in the simulator a Hangup takes no regular expression for its channel, only
/// `Local` channels can be called, and whatever an Originate leads to but a conference is at its end at once.
const KNOWN_DIFFERENCES: [(&str, &str, &str, &str); 2] = [
    (
        "Action: SetVar",
        "Response: Error|Message: No variable specified",
        "Response: Error|Message: Invalid/unknown command: SetVar. Use Action: ListCommands to show available commands.",
        "actions that the daemon never uses are not played",
    ),
    (
        "Action: Originate\nChannel: Local/7999486@telegram-out\nContext: conf-in\nExten: R1\nPriority: 1",
        "Response: Error|Message: Originate failed",
        "Response: Error|Message: The simulator originates with Async: true only",
        "without Async the session stands still until the callee has answered; the daemon never asks for that",
    ),
];

/// A connection, and what came over it.
struct Client {
    stream: TcpStream,
    received: String,
}

type Frame = Vec<(String, String)>;

impl Client {
    fn connect(ami: &Ami<'_>) -> Self {
        let stream = TcpStream::connect(ami.address).expect("connects");
        let mut client = Self { stream, received: String::new() };
        client.wait("a banner", |received| received.contains('\n'));
        client.received.clear();
        client
    }

    fn logged_in(ami: &Ami<'_>, events: &str) -> Self {
        let mut client = Self::connect(ami);
        client.send(&format!("Action: Login\nUsername: originatord\nSecret: {}\nEvents: {events}", ami.secret));
        // Only who reads system events is told that all has booted.
        let last = if events == "off" { "Authentication accepted" } else { "Fully Booted" };
        client.wait("a login", |received| received.contains(last) && received.ends_with("\r\n\r\n"));
        client.received.clear();
        client
    }

    fn send(&mut self, action: &str) {
        let bytes = action.replace('\n', "\r\n") + "\r\n\r\n";
        self.stream.write_all(bytes.as_bytes()).expect("writes");
    }

    /// Reads for a while at most; whether the connection still lives.
    fn read(&mut self, patience: Duration) -> Option<usize> {
        self.stream.set_read_timeout(Some(patience)).expect("a timeout");
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                self.received.push_str(&String::from_utf8_lossy(&buffer[..count]));
                Some(count)
            }
            Err(_) => Some(0),
        }
    }

    fn wait(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let give_up = Instant::now() + PATIENCE;
        while !done(&self.received) {
            assert!(Instant::now() < give_up, "this does not come: {what}; so far:\n{}", self.received);
            if self.read(Duration::from_millis(100)).is_none() {
                break;
            }
        }
    }

    /// Reads until nothing more comes.
    fn settle(&mut self) {
        while self.read(QUIET).is_some_and(|count| count > 0) {}
    }

    /// Asks, and returns the answer with `|` between its lines.
    fn ask(&mut self, action: &str) -> String {
        self.received.clear();
        self.send(action);
        self.wait(action, |received| {
            let is_all = !received.contains("EventList: start") || received.contains("EventList: Complete");
            is_all && received.ends_with("\r\n\r\n")
        });
        mask(&self.received).trim_end().replace("\r\n", "|")
    }

    /// Waits until every channel that came is gone again, and the Originates are answered.
    fn wait_for_the_end(&mut self, originates: usize) {
        self.wait("the end of the call", |received| {
            let count = |what: &str| received.matches(what).count();
            count("Event: OriginateResponse\r\n") == originates
                && count("Event: Newchannel\r\n") == count("Event: Hangup\r\n")
                && received.ends_with("\r\n\r\n")
        });
        self.settle();
    }

    fn frames(&self) -> Vec<Frame> {
        let split = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
        let frames = mask(&self.received);
        frames
            .split("\r\n\r\n")
            .filter(|frame| !frame.is_empty())
            .map(|frame| frame.split("\r\n").filter_map(split).collect())
            .collect()
    }
}

/// Replaces what is Asterisk's own making and differs from run to run.
fn mask(received: &str) -> String {
    let is_hex = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let lines = received.split("\r\n").map(|line| {
        let Some((name, value)) = line.split_once(": ") else { return line.to_owned() };
        let value = match name {
            "Timestamp" | "Challenge" | "Uptime" | "LastReload" | "Duration" | "AnsweredTime" | "AsteriskVersion"
            | "CoreStartupDate" | "CoreStartupTime" | "CoreReloadDate" | "CoreReloadTime" | "CoreProcessedCalls" => {
                "~".to_owned()
            }
            "BridgeUniqueid" | "BridgeId" if !value.is_empty() => {
                assert_eq!(value.len(), 36, "{line}");
                "~".to_owned()
            }
            "Uniqueid" | "Linkedid" => match value.split_once('.') {
                Some((seconds, count)) if is_hex(seconds) && is_hex(count) => "~".to_owned(),
                _ => value.to_owned(),
            },
            "Channel" => match value.rsplit_once('-') {
                Some((name, number)) if is_hex(number.split(';').next().unwrap_or_default()) => {
                    let half = number.split_once(';').map_or("", |(_, half)| half);
                    format!("{name}-~{half}")
                }
                _ => value.to_owned(),
            },
            _ => value.to_owned(),
        };
        format!("{name}: {value}")
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

/// What happened to each channel, in its order. What Asterisk tells of a channel from elsewhere (the outcome of an
/// Originate, a request to hang up) comes at any time, so it stands for itself.
fn by_channel(frames: &[Frame]) -> BTreeMap<String, Vec<String>> {
    let mut channels = BTreeMap::<String, Vec<String>>::new();
    for frame in frames {
        let get = |name: &str| frame.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value);
        let key = match get("Event") {
            "" => "answers".to_owned(),
            event @ ("OriginateResponse" | "HangupRequest") => format!("{event} of {}", get("Channel")),
            _ => get("Channel").to_owned(),
        };
        let lines: Vec<_> = frame.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        channels.entry(key).or_default().push(lines.join("\n"));
    }
    channels
}

/// The real Asterisk of this version, for one scene at a time: its events and lists are of all calls, whoever made them.
fn stage(version: &'static str) -> (&'static Pbx, MutexGuard<'static, ()>) {
    static TURNS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
    // A scene that failed is no reason for the others to.
    let turn = TURNS[usize::from(version == "16")].lock().unwrap_or_else(PoisonError::into_inner);
    (Pbx::shared(version), turn)
}

/// Plays a scene to both, and compares what both said.
fn compare(version: &'static str, what: &str, scene: impl Fn(&mut Client)) {
    let ((real, _turn), simulator) = (stage(version), Simulator::start(version, SCENARIO));
    let play = |ami: &Ami<'_>| {
        let mut client = Client::logged_in(ami, "call,system,user");
        scene(&mut client);
        by_channel(&client.frames())
    };
    let (real, simulated) = (play(&real.ami()), play(&simulator.ami()));
    for key in real.keys().chain(simulated.keys()) {
        let [real, simulated] =
            [&real, &simulated].map(|all| all.get(key).map(|all| all.join("\n\n")).unwrap_or_default());
        assert_eq!(real, simulated, "{what} on {version}, {key}\n--- real:\n{real}\n--- simulated:\n{simulated}");
    }
}

fn originate(id: &str, number: &str) -> String {
    format!(
        "Action: Originate\nActionID: {id}\nChannel: Local/{number}@telegram-out\nContext: conf-in\nExten: R-{number}\n\
         Priority: 1\nTimeout: 1500\nCallerID: <Боб>\nVariable: LANG=en\nVariable: A=1,B=2\nAsync: true\n\
         ChannelId: {id}\nOtherChannelId: lock-{number}"
    )
}

/// Answers to actions, one connection for each.
fn answers(version: &'static str) {
    let long = format!("Action: Ping\nActionID: 9\nX: {}", "x".repeat(1200));
    let many = format!("Action: Ping\nActionID: 9{}", "\nX: y".repeat(130));
    let denied = ["Command", "Filter", "UpdateConfig", "GetConfig", "AGI", "Reload", "ModuleLoad", "DBPut"];
    let actions = denied.map(|name| format!("Action: {name}\nActionID: 9")).into_iter().chain(
        [
            "Action: Ping\nActionID: 9",
            "Action: Nope\nActionID: 9",
            "ActionID: 9",
            "Action: Events\nEventMask: on",
            "Action: Events\nEventMask: off",
            "Action: Events\nEventMask: nope",
            "Action: Events",
            "Action: Login\nActionID: 9",
            "Action: Hangup\nActionID: 9",
            "Action: Hangup\nChannel: nobody",
            "Action: GetVar\nChannel: nobody",
            "Action: GetVar\nChannel: nobody\nVariable: X",
            "Action: GetVar\nVariable: X",
            "Action: CoreShowChannels\nActionID: 9",
            "Action: ConfbridgeList\nActionID: 9",
            "Action: ConfbridgeList\nConference: nobody",
            "Action: ConfbridgeListRooms\nActionID: 9",
            "Action: ShowDialPlan\nContext: nowhere",
            "Action: ShowDialPlan\nActionID: 9\nContext: conf-in",
            "Action: ShowDialPlan\nActionID: 9\nContext: telegram-out",
            "Action: CoreSettings\nActionID: 9",
            "Action: CoreStatus\nActionID: 9",
            "Action: Logoff\nActionID: 9",
            "Action: Originate\nActionID: 9",
            "Action: Originate\nChannel: foo\nApplication: NoOp",
            "Action: Originate\nChannel: Local/1@x",
            "Action: Originate\nChannel: Local/1@telegram-out\nContext: conf-in\nExten: a\nPriority: x",
            "Action: Originate\nChannel: Local/1@telegram-out\nContext: conf-in\nExten: a\nPriority: 1\nTimeout: x",
            "Action: Originate\nChannel: Local/1@telegram-out\nContext: nowhere\nExten: a\nPriority: 1\nAsync: true",
            "Action: Originate\nChannel: Local/1@telegram-out\nApplication: System\nData: touch x\nAsync: true",
            &long,
            &many,
        ]
        .map(ToOwned::to_owned),
    );
    let ((real, _turn), simulator) = (stage(version), Simulator::start(version, SCENARIO));
    for action in actions {
        let [real, simulated] = [real.ami(), simulator.ami()].map(|ami| Client::logged_in(&ami, "off").ask(&action));
        assert_eq!(real, simulated, "{action}");
    }
    for (action, of_real, of_simulator, _) in KNOWN_DIFFERENCES {
        let [real, simulated] = [real.ami(), simulator.ami()].map(|ami| Client::logged_in(&ami, "off").ask(action));
        assert_eq!((&*real, &*simulated), (of_real, of_simulator), "{action}");
    }
}

/// What somebody is told who is not logged in, and how a wrong login ends.
fn strangers(version: &'static str) {
    let ((real, _turn), simulator) = (stage(version), Simulator::start(version, SCENARIO));
    for action in [
        "Action: Ping\nActionID: 3",
        "Action: Nope",
        "X: y",
        "Action: Logoff",
        "Action: Challenge",
        "Action: Challenge\nAuthType: MD5\nActionID: 3",
        "Action: Login\nActionID: 3",
        "Action: Login\nUsername: originatord\nSecret: x\nEvents: on",
        "Action: Login\nUsername: originatord\nAuthType: MD5\nKey: 00",
    ] {
        let [real, simulated] = [real.ami(), simulator.ami()].map(|ami| {
            let mut client = Client::connect(&ami);
            let began = Instant::now();
            let answer = client.ask(action);
            let is_closed = client.read(QUIET).is_none();
            (answer, is_closed, began.elapsed() > Duration::from_millis(900) && action.contains("Login"))
        });
        assert_eq!(real, simulated, "{action}");
    }
}

fn calls_nobody_answers(version: &'static str) {
    for digits in ["404", "420", "480", "486", "500", "603", "180", "408"] {
        compare(version, digits, |client| {
            client.send(&originate(&format!("call-{digits}"), &format!("7999{digits}")));
            client.wait_for_the_end(1);
        });
    }
}

fn answered_joined_and_left(version: &'static str) {
    compare(version, "the callee leaves", |client| {
        client.send(&originate("call-200", "7999200"));
        client.wait_for_the_end(1);
    });
    for hang_up in ["call-001", "lock-7999001", "call-001\nCause: 17"] {
        compare(version, &format!("hang up {hang_up}"), |client| {
            client.send(&originate("call-001", "7999001"));
            client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
            client.settle();
            client.send(&format!("Action: Hangup\nChannel: {hang_up}"));
            client.wait_for_the_end(1);
        });
    }
    compare(version, "hang up while it rings", |client| {
        client.send(&originate("call-180", "7999180").replace("1500", "20000"));
        client.wait("ringing", |received| received.matches("Event: Newstate").count() == 2);
        client.send("Action: Hangup\nChannel: call-180");
        client.wait_for_the_end(1);
    });
}

fn a_live_call_asked_about(version: &'static str) {
    compare(version, "a live call", |client| {
        client.send(&originate("call-001", "7999001"));
        client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
        client.settle();
        for action in [
            "Action: CoreShowChannels\nActionID: 1",
            "Action: GetVar\nActionID: 2\nChannel: call-001\nVariable: A",
            "Action: GetVar\nActionID: 3\nChannel: lock-7999001\nVariable: B",
            "Action: GetVar\nActionID: 4\nChannel: call-001\nVariable: C",
            "Action: GetVar\nActionID: 5\nChannel: call-001\nVariable: CHANNEL(language)",
            "Action: GetVar\nActionID: 6\nChannel: lock-7999001\nVariable: CHANNEL(linkedid)",
            "Action: ConfbridgeList\nActionID: 7\nConference: R-7999001",
            "Action: ConfbridgeListRooms\nActionID: 8",
        ] {
            client.send(action);
            client.settle();
        }
        client.send("Action: Hangup\nChannel: call-001");
        client.wait_for_the_end(1);
    });
}

fn calls_that_are_not_made(version: &'static str) {
    compare(version, "an id in use", |client| {
        client.send(&originate("call-001", "7999001"));
        client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
        client.settle();
        client.send(&originate("call-002", "7999001"));
        client.settle();
        client.send(&originate("call-001", "7999003"));
        client.settle();
        client.send("Action: Hangup\nChannel: call-001");
        client.wait_for_the_end(3);
    });
    compare(version, "a number that is not dialled", |client| {
        client.send(&originate("call-004", "+7999004"));
        client.wait_for_the_end(1);
    });
    compare(version, "a technology that is not there", |client| {
        client.send(&originate("call-005", "1").replace("Local/1@telegram-out", "Foo/1"));
        client.wait_for_the_end(1);
    });
    compare(version, "ids that Asterisk makes, and an application", |client| {
        client.send("Action: Originate\nActionID: 1\nChannel: Local/x@nowhere\nApplication: NoOp\nAsync: true\nChannelId: call-006");
        client.wait_for_the_end(1);
    });
}

/// Makes each of these a test on both versions.
macro_rules! on_both_versions {
    ($($name:ident),* $(,)?) => {
        mod asterisk_22 { $(#[test] fn $name() { super::$name("22"); })* }
        mod asterisk_16 { $(#[test] fn $name() { super::$name("16"); })* }
    };
}

on_both_versions!(
    answers,
    strangers,
    calls_nobody_answers,
    answered_joined_and_left,
    a_live_call_asked_about,
    calls_that_are_not_made,
);
