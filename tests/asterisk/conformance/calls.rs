//! Calls, from the Originate to the last Hangup.

use super::scene::compare;

/// The ring timeout of a call that nobody answers, in milliseconds.
const SHORT_RING: &str = "Timeout: 1500\n";

/// The ring timeout of other calls. Even on a slow machine, the callee answers within it.
const LONG_RING: &str = "Timeout: 30000\n";

fn originate(id: &str, number: &str) -> String {
    format!(
        "Action: Originate\nActionID: {id}\nChannel: Local/{number}@telegram-out\nContext: conf-in\nExten: R-{number}\n\
         Priority: 1\n{LONG_RING}CallerID: <Боб>\nVariable: LANG=en\nVariable: A=1,B=2\nAsync: true\n\
         ChannelId: {id}\nOtherChannelId: lock-{number}"
    )
}

pub(super) fn unanswered_calls_send_the_same_events(version: &'static str) {
    for digits in ["404", "420", "480", "486", "500", "603", "180", "408"] {
        compare(version, digits, |client| {
            let call = originate(&format!("call-{digits}"), &format!("7999{digits}"));
            client.send(&call.replace(LONG_RING, SHORT_RING));
            client.wait_for_the_end(1);
        });
    }
}

pub(super) fn answered_calls_send_the_same_events(version: &'static str) {
    compare(version, "the callee leaves", |client| {
        client.send(&originate("call-200", "7999200"));
        client.wait_for_the_end(1);
    });
    for hang_up in ["call-001", "lock-7999001", "call-001\nCause: 17"] {
        compare(version, &format!("hang up {hang_up}"), |client| {
            client.send(&originate("call-001", "7999001"));
            client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
            client.read_until_silent();
            client.send(&format!("Action: Hangup\nChannel: {hang_up}"));
            client.wait_for_the_end(1);
        });
    }
    compare(version, "hang up while it rings", |client| {
        client.send(&originate("call-180", "7999180"));
        client.wait("ringing", |received| received.matches("Event: Newstate").count() == 2);
        client.send("Action: Hangup\nChannel: call-180");
        client.wait_for_the_end(1);
    });
}

pub(super) fn queries_about_a_call_get_equal_replies(version: &'static str) {
    compare(version, "a live call", |client| {
        client.send(&originate("call-001", "7999001"));
        client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
        client.read_until_silent();
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
            client.read_until_silent();
        }
        client.send("Action: Hangup\nChannel: call-001");
        client.wait_for_the_end(1);
    });
}

pub(super) fn failed_calls_send_the_same_events(version: &'static str) {
    compare(version, "an id in use", |client| {
        client.send(&originate("call-001", "7999001"));
        client.wait("a join", |received| received.contains("Event: ConfbridgeJoin"));
        client.read_until_silent();
        client.send(&originate("call-002", "7999001"));
        client.read_until_silent();
        client.send(&originate("call-001", "7999003"));
        client.read_until_silent();
        client.send("Action: Hangup\nChannel: call-001");
        client.wait_for_the_end(3);
    });
    compare(version, "a number that is not dialled", |client| {
        client.send(&originate("call-004", "+7999004"));
        client.wait_for_the_end(1);
    });
    compare(version, "an unknown channel technology", |client| {
        client.send(&originate("call-005", "1").replace("Local/1@telegram-out", "Foo/1"));
        client.wait_for_the_end(1);
    });
    compare(version, "a generated id, and an application", |client| {
        client.send("Action: Originate\nActionID: 1\nChannel: Local/x@nowhere\nApplication: NoOp\nAsync: true\nChannelId: call-006");
        client.wait_for_the_end(1);
    });
}
