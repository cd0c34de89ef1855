//! The actions on conferences, guests and variables.

use super::*;

const GUEST: &str =
    "Action: SimGuest\nRoom: R1\nUniqueid: g1\nChannel: PJSIP/phone-1\nTalkDetection: yes";

#[test]
fn conference_actions_get_their_responses() {
    let mut harness = Harness::logged_in();
    for name in ["List", "Mute", "Unmute", "Kick", "Lock", "Unlock"] {
        let no_room = harness.ask(&format!("Action: Confbridge{name}\nChannel: x"));
        assert_eq!(no_room, "Response: Error|Message: No Conference name provided.", "{name}");
        let none = harness.ask(&format!("Action: Confbridge{name}\nConference: R1\nChannel: x"));
        assert_eq!(none, "Response: Error|Message: No active conferences.", "{name}");
    }
    let guest = harness.ask(GUEST);
    assert_eq!(guest, "Response: Success|Message: Guest dials|Uniqueid: g1");
    assert!(harness.ask(GUEST).starts_with("Response: Error|"));
    for (action, answer) in [
        ("Mute\nConference: R1", "Error|Message: No channel name provided."),
        ("Mute\nConference: R1\nChannel: all", "Success|Message: User muted"),
        ("Unmute\nConference: R1\nChannel: all", "Success|Message: User unmuted"),
        (
            "Unmute\nConference: R2\nChannel: all",
            "Error|Message: No Conference by that name found.",
        ),
        ("Lock\nConference: r1", "Success|Message: Conference locked"),
        ("Unlock\nConference: r1", "Success|Message: Conference unlocked"),
        ("Kick\nConference: r1", "Error|Message: No Channel by that name found in Conference."),
        ("Kick\nConference: r1\nChannel: pjsip/PHONE-1", "Success|Message: User kicked"),
        ("StartRecord\nConference: r1", "Error|Message: Permission denied"),
    ] {
        let answered = harness.ask(&format!("Action: Confbridge{action}"));
        assert_eq!(answered, format!("Response: {answer}"), "{action}");
    }
    harness.pass(Duration::from_secs(3));
    assert_eq!(harness.simulator.pbx().calls(), 0);
}

#[test]
fn variables_are_set_and_read() {
    let mut harness = Harness::logged_in();
    harness.ask(GUEST);
    for (headers, message) in [
        ("", "Error|Message: No variable specified"),
        ("\nChannel: x\nVariable: A\nValue: 1", "Error|Message: No such channel"),
        ("\nChannel: g1\nVariable: CONFBRIDGE(user,admin)", "Error|Message: Variable not set"),
        ("\nChannel: pjsip/phone-1\nVariable: A\nValue: 1", "Success|Message: Variable Set"),
        ("\nVariable: A\nValue: 2", "Success|Message: Variable Set"),
    ] {
        let answer = harness.ask(&format!("Action: Setvar{headers}"));
        assert_eq!(answer, format!("Response: {message}"), "{headers}");
    }
    let of_channel = harness.ask("Action: GetVar\nChannel: g1\nVariable: A");
    assert_eq!(of_channel, "Response: Success|Variable: A|Value: 1");
    let global = harness.ask("Action: GetVar\nVariable: A");
    assert_eq!(global, "Response: Success|Variable: A|Value: 2");
}

#[test]
fn earlier_filters_hide_the_events_of_rooms() {
    for (fault, hidden) in [("No_Room_Events: false", false), ("No_Room_Events: true", true)] {
        let mut harness = Harness::logged_in();
        harness.ask(&format!("Action: SimFault\n{fault}"));
        harness.ask("Action: Events\nEventMask: call");
        let mut output = harness.ask(GUEST);
        for action in [
            "SimTalk\nChannel: g1",
            "ConfbridgeMute\nConference: R1\nChannel: all",
            "ConfbridgeUnmute\nConference: R1\nChannel: all",
            "Hangup\nChannel: g1",
        ] {
            output += &harness.ask(&format!("Action: {action}"));
        }
        assert!(output.contains("Event: ConfbridgeJoin|"), "{output}");
        assert!(output.contains("Event: ConfbridgeLeave|"), "{output}");
        for event in ["Start", "Talking", "Mute", "Unmute", "End"] {
            let is_there = output.contains(&format!("Event: Confbridge{event}|"));
            assert_eq!(is_there, !hidden, "{event}");
        }
    }
}
