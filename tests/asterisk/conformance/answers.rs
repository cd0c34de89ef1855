//! Replies to single actions, with and without a login.

use std::thread;
use std::time::{Duration, Instant};

use super::client::{Client, QUIET};
use super::{SCENARIO, stage};
use testkit::eventually;
use testkit::sim::Simulator;

/// Replies that may differ: the action, Asterisk's reply, the simulator's reply, and the reason why
/// the difference is acceptable.
///
/// Three more differences take more than one reply to show. The simulator's Hangup accepts no
/// regular expression for its channel. It can call `Local` channels only. An Originate to anything
/// but a conference ends at once.
const KNOWN_DIFFERENCES: [(&str, &str, &str, &str); 1] = [(
    "Action: Originate\nChannel: Local/7999486@telegram-out\nContext: conf-in\nExten: R1\nPriority: 1",
    "Response: Error|Message: Originate failed",
    "Response: Error|Message: The simulator originates with Async: true only",
    "without Async, the session blocks until the callee has answered; the daemon always sends Async",
)];

/// Compares replies to actions, each on a connection of its own.
pub(super) fn simulator_answers_actions_as_asterisk_does(version: &'static str) {
    let long = format!("Action: Ping\nActionID: 9\nX: {}", "x".repeat(1200));
    let many = format!("Action: Ping\nActionID: 9{}", "\nX: y".repeat(130));
    let denied =
        ["Command", "Filter", "UpdateConfig", "GetConfig", "AGI", "Reload", "ModuleLoad", "DBPut"];
    let conference = ["ListRooms", "List", "Mute", "Unmute", "Kick", "Lock", "Unlock"];
    let conference = conference.into_iter().flat_map(|name| {
        ["", "\nConference: R1", "\nConference: R1\nChannel: x", "\nChannel: all"]
            .map(|headers| format!("Action: Confbridge{name}\nActionID: 9{headers}"))
    });
    let actions = denied.map(|name| format!("Action: {name}\nActionID: 9")).into_iter().chain(conference).chain(
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
            "Action: GetVar\nVariable: AST_CONFIG(manager.conf,originatord,read,-1)",
            "Action: GetVar\nVariable: AST_CONFIG(manager.conf,unused_address,read,-1)",
            "Action: GetVar\nVariable: DIALPLAN_EXISTS(conf-in,R1,1)",
            "Action: GetVar\nVariable: DIALPLAN_EXISTS(conf-in,R1,9)",
            "Action: GetVar\nVariable: DIALPLAN_EXISTS(conf-in,h,2)",
            "Action: GetVar\nVariable: DIALPLAN_EXISTS(telegram-out,79990001000,1)",
            "Action: GetVar\nVariable: DIALPLAN_EXISTS(telegram-out,x,1)",
            "Action: GetVar\nVariable: IFMODULE(app_confbridge.so)",
            "Action: GetVar\nVariable: IFMODULE(chan_pjsip.so)",
            "Action: GetVar\nVariable: IFMODULE(nope.so)",
            "Action: GetVar\nVariable: DEVICE_STATE(PJSIP/telegram)",
            "Action: GetVar\nVariable: DEVICE_STATE(PJSIP/nope)",
            "Action: GetVar\nVariable: PJSIP_ENDPOINT(telegram,aors)",
            "Action: GetVar\nVariable: PJSIP_ENDPOINT(nope,aors)",
            "Action: GetVar\nVariable: PJSIP_DIAL_CONTACTS(nope)",
            "Action: GetVar\nVariable: NOSUCHFUNCTION(x)",
            "Action: CoreShowChannels\nActionID: 9",
            "Action: ConfbridgeStartRecord\nConference: nobody",
            "Action: Setvar",
            "Action: Setvar\nChannel: nobody",
            "Action: Setvar\nChannel: nobody\nVariable: X\nValue: 1",
            "Action: Setvar\nVariable: CONFBRIDGE(user,admin)\nValue: yes",
            "Action: Redirect\nContext: conf-in\nExten: R1\nPriority: 1",
            "Action: Redirect\nChannel: nobody\nExten: R1\nPriority: 1",
            "Action: Redirect\nChannel: nobody\nContext: conf-in\nPriority: 1",
            "Action: Redirect\nChannel: nobody\nContext: conf-in\nExten: R1",
            "Action: Redirect\nChannel: nobody\nContext: conf-in\nExten: R1\nPriority: 1",
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
    let (real, simulator) = (stage(version), Simulator::start(version, SCENARIO));
    for action in actions {
        let [real, simulated] =
            [real.ami(), simulator.ami()].map(|ami| Client::logged_in(&ami, "off").ask(&action));
        assert_eq!(real, simulated, "{action}");
    }
    for (action, real_reply, simulated_reply, _) in KNOWN_DIFFERENCES {
        let [real, simulated] =
            [real.ami(), simulator.ami()].map(|ami| Client::logged_in(&ami, "off").ask(action));
        assert_eq!((&*real, &*simulated), (real_reply, simulated_reply), "{action}");
    }
}

/// Compares replies without a login, and how a failed login ends.
pub(super) fn simulator_answers_strangers_as_asterisk_does(version: &'static str) {
    let (real, simulator) = (stage(version), Simulator::start(version, SCENARIO));
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
            (
                answer,
                is_closed,
                began.elapsed() > Duration::from_millis(900) && action.contains("Login"),
            )
        });
        assert_eq!(real, simulated, "{action}");
    }
}

/// Compares replies after `core stop gracefully`, while a call is alive, and after `core abort
/// shutdown`.
pub(super) fn simulator_refuses_actions_like_a_stopping_asterisk(version: &'static str) {
    let (real, simulator) = (stage(version), Simulator::start(version, SCENARIO));
    let mut sessions =
        [real.ami(), simulator.ami()].map(|ami| Client::logged_in(&ami, "call,system,user"));
    for client in &mut sessions {
        client.send(
            "Action: Originate\nActionID: 1\nChannel: Local/7999001@telegram-out\nContext: conf-in\nExten: R-stop\n\
             Priority: 1\nAsync: true\nChannelId: stop-1\nOtherChannelId: stop-2",
        );
        client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
        client.read_until_silent();
    }
    thread::scope(|scope| {
        // The command returns when the shutdown is aborted.
        scope.spawn(|| real.rx("core stop gracefully"));
        eventually("every action is refused", || {
            sessions[0].ask("Action: Ping").contains("Error").then_some(())
        });
        simulator.ask("Action: SimFault\r\nRefuse_all: true", "Faults set");
        for action in [
            "Action: Ping\nActionID: 9",
            "Action: Nope\nActionID: 9",
            "ActionID: 9",
            "Action: GetVar\nVariable: X",
            "Action: GetVar\nVariable: AST_CONFIG(manager.conf,originatord,read,-1)",
            "Action: GetVar\nVariable: AST_CONFIG(manager.conf,unused_address,read,-1)",
            "Action: CoreShowChannels",
            "Action: Hangup\nChannel: stop-1",
            "Action: Command",
            "Action: Originate\nActionID: 9\nChannel: Local/7999002@telegram-out\nContext: conf-in\nExten: a\n\
             Priority: 1\nAsync: true",
        ] {
            let [real, simulated] = sessions.each_mut().map(|client| client.ask(action));
            assert_eq!(real, simulated, "{action}");
        }
        for action in
            ["Action: Login", "Action: Challenge\nAuthType: MD5", "Action: Ping", "Action: Logoff"]
        {
            let [real, simulated] =
                [real.ami(), simulator.ami()].map(|ami| Client::connect(&ami).ask(action));
            assert_eq!(real, simulated, "{action} of a stranger");
        }
        // Only a session from before can clear the fault, as the simulator refuses new logins.
        assert!(sessions[1].ask("Action: SimFault").contains("Faults set"));
        real.rx("core abort shutdown");
    });
    for client in &mut sessions {
        let ping = "Action: Ping\nActionID: 9";
        eventually("actions are accepted", || {
            client.ask(ping).starts_with("Response: Success|").then_some(())
        });
        client.send("Action: Hangup\nChannel: stop-1");
        client.wait("the end", |received| received.matches("Event: Hangup\r\n").count() >= 2);
        client.read_until_silent();
    }
}
