//! The response to each action, as a real Asterisk with the sample `manager.conf` gives it.

use super::super::scenario::Scenario;
use super::super::simulator::{ConnectionId, Settings, Simulator};
use super::*;

mod rooms;

struct Harness {
    simulator: Simulator,
    id: ConnectionId,
    start: Instant,
    time: Duration,
}

impl Harness {
    /// A client that has read the banner.
    fn connected(version: AsteriskVersion) -> Self {
        let start = Instant::now();
        let now = Now { instant: start, wall: std::time::UNIX_EPOCH };
        let user = User { name: "originatord".into(), secret: "s3cr3t".into() };
        let settings = Settings { version, user, scenario: Scenario::default(), seed: 1 };
        let mut simulator = Simulator::new(settings, now);
        let id = simulator.connect(now);
        let mut harness = Self { simulator, id, start, time: Duration::ZERO };
        assert_eq!(harness.output(), format!("Asterisk Call Manager/{}\r\n", version.ami()));
        harness
    }

    /// A client that is logged in and receives no events.
    fn logged_in() -> Self {
        let mut harness = Self::connected(AsteriskVersion::V22);
        let answer =
            harness.ask("Action: Login\nUsername: originatord\nSecret: s3cr3t\nEvents: off");
        assert_eq!(answer, "Response: Success|Message: Authentication accepted");
        harness
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, wall: std::time::UNIX_EPOCH + self.time }
    }

    fn output(&mut self) -> String {
        let output = self.simulator.output(self.id).map(BytesMut::split).unwrap_or_default();
        String::from_utf8(output.to_vec()).expect("text")
    }

    fn pass(&mut self, duration: Duration) -> String {
        let until = self.time + duration;
        while let Some(due) =
            self.simulator.deadline().map(|at| at - self.start).filter(|at| *at <= until)
        {
            self.time = due.max(self.time);
            self.simulator.tick(self.now());
        }
        self.time = until;
        self.output()
    }

    /// Sends an action; returns the lines of the response, with `|` between them and `||` between
    /// messages.
    fn ask(&mut self, action: &str) -> String {
        let action = action.replace('\n', "\r\n") + "\r\n\r\n";
        self.simulator.receive(self.now(), self.id, action.as_bytes());
        let output = self.output();
        output.trim_end().replace("\r\n", "|")
    }
}

#[test]
fn unauthenticated_client_may_only_log_in_or_off() {
    for action in ["Ping", "CoreShowChannels", "Nope", "Originate", "SimFault"] {
        let mut harness = Harness::connected(AsteriskVersion::V22);
        let answer = harness.ask(&format!("Action: {action}\nActionID: 3"));
        assert_eq!(answer, "Response: Error|ActionID: 3|Message: Permission denied", "{action}");
    }
    let mut harness = Harness::connected(AsteriskVersion::V16);
    assert_eq!(harness.ask("Foo: x"), "Response: Error|Message: Missing action in request");
    let goodbye = "Response: Goodbye|ActionID: 3|Message: Thanks for all the fish.";
    assert_eq!(harness.ask("Action: Logoff\nActionID: 3"), goodbye);
    assert!(harness.simulator.is_over(harness.id));
    assert_eq!(harness.ask("Action: Ping"), "");
}

#[test]
fn md5_login_is_accepted() {
    let mut harness = Harness::connected(AsteriskVersion::V22);
    let needs_type = "Response: Error|Message: Must specify AuthType";
    assert_eq!(harness.ask("Action: Challenge"), needs_type);
    assert_eq!(harness.ask("Action: Challenge\nAuthType: SHA"), needs_type);
    let challenge = harness.ask("Action: Challenge\nAuthType: md5");
    let challenge = challenge.strip_prefix("Response: Success|Challenge: ").expect("a challenge");
    let digest = Md5::digest(format!("{challenge}s3cr3t"));
    let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let login = format!(
        "Action: Login\nAuthType: MD5\nUsername: originatord\nKey: {key}\nEvents: call,system,user"
    );
    let answer = harness.ask(&login);
    assert_eq!(
        answer,
        "Response: Success|Message: Authentication accepted||Event: FullyBooted|Privilege: system,all|Uptime: 0|\
         LastReload: 0|Status: Fully Booted"
    );
    assert_eq!(harness.ask("Action: Login"), "Response: Success|Message: Already authenticated");
}

#[test]
fn wrong_login_is_refused_after_a_second() {
    for login in [
        "Username: originatord\nSecret: x",
        "Username: nobody\nSecret: s3cr3t",
        "AuthType: MD5\nUsername: originatord\nKey: 00",
        "AuthType: SHA\nUsername: originatord\nSecret: s3cr3t",
        "X: y",
    ] {
        let mut harness = Harness::connected(AsteriskVersion::V22);
        assert_eq!(harness.ask(&format!("Action: Login\n{login}")), "");
        assert_eq!(harness.pass(Duration::from_millis(999)), "");
        assert!(!harness.simulator.is_over(harness.id));
        let answer = harness.pass(Duration::from_millis(1));
        assert_eq!(answer, "Response: Error\r\nMessage: Authentication failed\r\n\r\n", "{login}");
        assert!(harness.simulator.is_over(harness.id));
    }
}

#[test]
fn client_without_login_is_disconnected() {
    let mut harness = Harness::connected(AsteriskVersion::V22);
    harness.pass(LOGIN_TIMEOUT - Duration::from_millis(1));
    assert!(!harness.simulator.is_over(harness.id));
    harness.pass(Duration::from_millis(1));
    assert!(harness.simulator.is_over(harness.id));
}

#[test]
fn actions_get_their_responses() {
    let unknown = "Response: Error|Message: Invalid/unknown command: Nope. Use Action: ListCommands to show available commands.";
    for (action, answer) in [
        (
            "Action: ping\nActionID: 9",
            "Response: Success|ActionID: 9|Ping: Pong|Timestamp: 0.000000".to_owned(),
        ),
        ("Action: Nope", unknown.to_owned()),
        ("Action: ", "Response: Error|Message: Missing action in request".to_owned()),
        ("Action: Events\nEventMask: on", "Response: Success|Events: On".to_owned()),
        ("Action: Events\nEventMask: off", "Response: Success|Events: Off".to_owned()),
        ("Action: Events", "Response: Error|Message: Invalid event mask".to_owned()),
        (
            "Action: Command\nCommand: core show version",
            "Response: Error|Message: Permission denied".to_owned(),
        ),
        ("Action: UpdateConfig", "Response: Error|Message: Permission denied".to_owned()),
        ("Action: AGI", "Response: Error|Message: Permission denied".to_owned()),
        ("Action: Filter", "Response: Error|Message: Permission denied".to_owned()),
        ("Action: Hangup", "Response: Error|Message: No channel specified".to_owned()),
        ("Action: Hangup\nChannel: x", "Response: Error|Message: No such channel".to_owned()),
        ("Action: GetVar", "Response: Error|Message: No variable specified".to_owned()),
        (
            "Action: GetVar\nVariable: X",
            "Response: Success|Variable: X|Value: ".trim_end().to_owned(),
        ),
        (
            "Action: GetVar\nVariable: X\nChannel: x",
            "Response: Error|Message: No such channel".to_owned(),
        ),
        (
            "Action: CoreShowChannels\nActionID: 9",
            "Response: Success|ActionID: 9|EventList: start|Message: Channels will follow||\
             Event: CoreShowChannelsComplete|ActionID: 9|EventList: Complete|ListItems: 0"
                .to_owned(),
        ),
        (
            "Action: ConfbridgeListRooms",
            "Response: Error|Message: No active conferences.".to_owned(),
        ),
        (
            "Action: ConfbridgeList",
            "Response: Error|Message: No Conference name provided.".to_owned(),
        ),
        (
            "Action: ConfbridgeList\nConference: x",
            "Response: Error|Message: No active conferences.".to_owned(),
        ),
        (
            "Action: ShowDialPlan\nContext: nowhere",
            "Response: Error|Message: Did not find context nowhere".to_owned(),
        ),
    ] {
        assert_eq!(Harness::logged_in().ask(action), answer, "{action}");
    }
    let dialplan = Harness::logged_in().ask("Action: ShowDialPlan\nContext: conf-in\nActionID: 9");
    assert_eq!(dialplan.matches("||Event: ListDialplan|ActionID: 9|Context: conf-in|").count(), 11);
    assert!(
        dialplan.ends_with("ListItems: 11|ListExtensions: 4|ListPriorities: 11|ListContexts: 1"),
        "{dialplan}"
    );
    assert!(
        Harness::logged_in()
            .ask("Action: CoreStatus")
            .contains("CoreStartupDate: 1970-01-01|CoreStartupTime: 00:00:00")
    );
    assert!(Harness::logged_in().ask("Action: CoreSettings").contains("|AMIversion: 11.0.0|"));
}

#[test]
fn malformed_action_does_not_break_the_next() {
    let mut harness = Harness::logged_in();
    let long = harness.ask(&format!("Action: Ping\nActionID: 9\nX: {}", "x".repeat(1100)));
    assert_eq!(long, "Response: Error|ActionID: 9|Message: Failed to parse message: line too long");
    let many = harness.ask(&format!("Action: Ping\nActionID: 9{}", "\nX: y".repeat(130)));
    assert_eq!(
        many,
        "Response: Error|ActionID: 9|Message: Too many lines in message or allocation failure"
    );
    assert!(harness.ask("Action: Ping").contains("Ping: Pong"));
}

const ORIGINATE: &str = "Action: Originate\nActionID: a\nChannel: Local/7999486@telegram-out\nContext: conf-in\nExten: R1\n\
    Priority: 1\nAsync: true\nChannelId: a\nOtherChannelId: b";

#[test]
fn originate_is_checked_in_order() {
    let queued = "Response: Success|ActionID: a|Message: Originate successfully queued";
    let refused = |message: &str| format!("Response: Error|ActionID: a|Message: {message}");
    for (from, to, answer) in [
        ("", "", queued.to_owned()),
        ("Channel: Local/7999486@telegram-out\n", "", refused("Channel not specified")),
        ("Channel: Local/7999486@telegram-out", "Channel: foo", refused("Invalid channel")),
        ("conf-in", "nowhere", refused("Extension does not exist.")),
        ("Priority: 1", "Priority: 9", refused("Extension does not exist.")),
        ("Priority: 1", "Priority: x", refused("Invalid priority")),
        ("Async: true", "Async: true\nTimeout: x", refused("Invalid timeout")),
        (
            "Async: true",
            "Async: true\nApplication: System",
            refused("Originate Access Forbidden: app or data blacklisted"),
        ),
        ("Async: true\n", "", refused("The simulator originates with Async: true only")),
    ] {
        let action = ORIGINATE.replacen(from, to, 1);
        let answered = Harness::logged_in().ask(&action);
        assert_eq!(answered, answer, "{action}");
    }
    let long = ORIGINATE.replace("ChannelId: a", &format!("ChannelId: {}", "a".repeat(150)));
    assert_eq!(Harness::logged_in().ask(&long), refused("Uniqueid length exceeds maximum of 149"));
}

#[test]
fn response_precedes_events_and_mask_filters_them() {
    let mut harness = Harness::logged_in();
    harness.ask("Action: Events\nEventMask: call");
    let output = harness.ask(ORIGINATE);
    assert!(output.starts_with(
        "Response: Success|ActionID: a|Message: Originate successfully queued||Event: Newchannel|"
    ));
    let output = harness.pass(Duration::from_secs(1));
    assert!(
        output.contains("Event: OriginateResponse\r\n") && !output.contains("UserEvent"),
        "{output}"
    );
    let silent = harness.simulator.connect(harness.now());
    harness.ask("Action: Events\nEventMask: off");
    harness.ask(ORIGINATE);
    assert_eq!(harness.pass(Duration::from_secs(1)), "");
    assert_eq!(
        harness.simulator.output(silent).map(|output| output.len()),
        Some("Asterisk Call Manager/11.0.0\r\n".len())
    );
}

#[test]
fn channels_are_found_by_id() {
    let mut harness = Harness::logged_in();
    harness
        .ask(&ORIGINATE.replace("7999486", "7999001").replace("Async", "Variable: X=1,Y=2\nAsync"));
    harness.pass(Duration::from_secs(6));
    let listed = harness.ask("Action: CoreShowChannels");
    assert!(
        listed
            .contains("|Application: ConfBridge|ApplicationData: R1|Duration: 00:00:06|BridgeId: "),
        "{listed}"
    );
    assert_eq!(
        harness.ask("Action: GetVar\nChannel: a\nVariable: Y"),
        "Response: Success|Variable: Y|Value: 2"
    );
    assert!(harness.ask("Action: ConfbridgeList\nConference: R1").contains("ListItems: 1"));
    assert!(harness.ask("Action: ConfbridgeListRooms").contains("ListItems: 1"));
    let other = harness.ask("Action: ConfbridgeList\nConference: R2");
    assert_eq!(other, "Response: Error|Message: No Conference by that name found.");
    assert_eq!(
        harness.ask("Action: Hangup\nChannel: a"),
        "Response: Success|Message: Channel Hungup"
    );
    harness.pass(Duration::from_secs(1));
    assert!(harness.ask("Action: CoreShowChannels").ends_with("ListItems: 0"));
}

#[test]
fn action_sets_faults() {
    let mut harness = Harness::logged_in();
    assert_eq!(
        harness.ask("Action: SimFault\nDrops: 1"),
        "Response: Error|Message: unknown field `drops`, expected one of \
        `stop_reading`, `stop_writing`, `delay`, `cut_after`, `cut_before_receipt`, `repeat`, `drop`, `reorder`, \
        `garbage`, `endless_line`, `endless_headers`, `flood`, `restart`, `refuse_all`, `no_call_events`, `no_room_events`"
    );
    assert_eq!(
        harness.ask("Action: SimFault\nCut_Before_Receipt: true"),
        "Response: Success|Message: Faults set"
    );
    assert_eq!(harness.ask(ORIGINATE), "");
    assert!(harness.simulator.is_over(harness.id));
    assert_eq!(harness.simulator.pbx().calls(), 1, "the call was made all the same");

    let mut harness = Harness::logged_in();
    harness.ask(ORIGINATE);
    harness.ask("Action: SimFault\nRestart: true");
    assert!(harness.simulator.is_over(harness.id));
    assert_eq!(harness.simulator.pbx().calls(), 0);
}

/// Random input in random pieces causes no panic and does not end the session.
#[test]
fn random_input_does_no_harm() {
    let mut rng = fastrand::Rng::with_seed(1);
    let words = [
        "Action",
        "Originate",
        ": ",
        "\r\n",
        "\n",
        "\r\n\r\n",
        "Local/",
        "@",
        ",",
        "=",
        "\0",
        "я",
        "9999999999999999999",
        "Timeout",
    ];
    let mut harness = Harness::logged_in();
    for _ in 0..20_000 {
        let noise: Vec<u8> = match rng.bool() {
            true => rng.choice(words).unwrap_or_default().into(),
            false => vec![rng.u8(..)],
        };
        harness.simulator.receive(harness.now(), harness.id, &noise);
        harness.output();
    }
    assert!(!harness.simulator.is_over(harness.id));
}

#[test]
fn redirect_names_the_missing_header() {
    let mut harness = Harness::logged_in();
    for (headers, message) in [
        ("", "Channel not specified"),
        ("Channel: x", "Context not specified"),
        ("Channel: x\nContext: y", "Exten not specified"),
        ("Channel: x\nContext: y\nExten: z\nPriority: p", "Priority is invalid"),
        ("Channel: x\nContext: y\nExten: z", "Priority not specified"),
        ("Channel: x\nContext: y\nExten: z\nPriority: 1", "Channel does not exist: x"),
    ] {
        let answer = harness.ask(format!("Action: Redirect\n{headers}").trim_end());
        assert_eq!(answer, format!("Response: Error|Message: {message}"));
    }
}
