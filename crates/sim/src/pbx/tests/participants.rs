//! Participants: their profiles, talking, waiting, and guests.

use super::rooms::{SECOND, harness, plain};
use super::*;

#[test]
fn dialplan_variables_set_the_profile() {
    let mut harness = harness("");
    harness.originate("a", "7999001");
    harness.pass(SECOND / 2);
    harness.pbx.set_variable(Some("A"), "OD_MUTED", "1").expect_err("ids have a case");
    harness.pbx.set_variable(Some("a"), "OD_MUTED", "1").expect("set");
    harness.pbx.set_variable(Some("a"), "OD_TALK", "1").expect("set");
    harness.pass(5 * SECOND);
    assert_eq!(harness.room_events(), ["Start R1", "Join R1 a No Yes"]);
    for (value, muted) in [("", "Yes"), ("0", "No"), ("1", "Yes")] {
        harness.pbx.set_variable(Some("a"), "OD_MUTED", value).expect("set");
        harness.redirect("a", &format!("after-{value}"));
        harness.pass(5 * SECOND);
        assert_eq!(harness.members(&format!("after-{value}"), &["Muted"]), [muted]);
    }
    assert_eq!(harness.pbx.mute("after-1", "all", false), Ok("User unmuted"));
    harness.pass(Duration::ZERO);
    harness.room_events();
    assert!(harness.pbx.talk("a", true));
    harness.pass(Duration::ZERO);
    assert_eq!(harness.room_events(), ["Talking after-1 a No on"]);
    assert_eq!(harness.pbx.variable("a", "OD_TALK").as_deref(), Some("1"));
    for (channel, name, problem) in [
        (Some("nobody"), "X", "No such channel"),
        (Some("a"), "CONFBRIDGE(user,admin)", "Variable not set"),
        (None, "SHELL(x)", "Variable not set"),
    ] {
        assert_eq!(harness.pbx.set_variable(channel, name, "yes"), Err(problem));
    }
    harness.pbx.set_variable(None, "G", "1").expect("set");
    assert_eq!(harness.pbx.global("G"), "1");
}

#[test]
fn muted_participant_is_not_heard_talking() {
    let mut harness = harness("");
    harness.guest("g1", "R1", UserProfile { talk_detection: true, ..plain() });
    harness.guest("g2", "R1", plain());
    harness.room_events();
    assert!(harness.pbx.talk("g1", true) && harness.pbx.talk("g2", true));
    harness.pass(Duration::ZERO);
    assert_eq!(harness.members("R1", &["Talking"]), ["Yes", "No"]);
    harness.pbx.mute("R1", "PJSIP/g1", true).expect("muted");
    assert!(harness.pbx.talk("g1", true));
    harness.pass(Duration::ZERO);
    let events = ["Talking R1 g1 No on", "Mute R1 g1 No", "Talking R1 g1 No off"];
    assert_eq!(harness.room_events(), events);
    assert!(!harness.pbx.talk("nobody", true));
}

#[test]
fn participants_talk_by_themselves_if_the_scenario_says_so() {
    let mut harness = harness("");
    harness.pbx.scenario.timing.talk = SECOND;
    harness.guest("g1", "R1", UserProfile { talk_detection: true, ..plain() });
    harness.guest("g2", "R1", plain());
    harness.pass(60 * SECOND);
    let events = harness.room_events();
    let count = |event: &str| events.iter().filter(|seen| *seen == event).count();
    assert!(count("Talking R1 g1 No on") >= 5 && count("Talking R1 g1 No off") >= 5, "{events:?}");
    assert!(!events.iter().any(|event| event.starts_with("Talking R1 g2")), "{events:?}");
}

#[test]
fn participant_waits_for_the_leader() {
    let mut harness = harness("");
    harness.guest("g1", "R1", UserProfile { wait_marked: true, ..plain() });
    harness.guest("g0", "R1", plain());
    let members = harness.members("R1", &["Uniqueid", "WaitMarked", "Waiting"]);
    assert_eq!(members, ["g0 No No", "g1 Yes Yes"]);
    harness.guest("g2", "R1", UserProfile { marked: true, ..plain() });
    let members = harness.members("R1", &["Uniqueid", "MarkedUser", "Waiting"]);
    assert_eq!(members, ["g0 No No", "g2 Yes No", "g1 No No"]);
    assert_eq!(harness.pbx.list_rooms()[0].get("Marked"), Some("1"));
}

#[test]
fn guests_of_the_scenario_come_and_go() {
    let mut harness = harness(
        "[[guest]]\nroom = \"R1\"\nnumber = \"74950000001\"\nname = \"Bob\"\nafter = \"5s\"\nstay = \"10s\"\nmuted = true",
    );
    let now = harness.now();
    harness.pbx.add_scenario_guests(now);
    harness.pass(4 * SECOND);
    assert!(harness.pbx.list_rooms().is_empty());
    harness.pass(2 * SECOND);
    assert_eq!(
        harness.members("R1", &["CallerIDNum", "CallerIDName", "Context", "Muted"]),
        ["74950000001 Bob rooms-dial-in Yes"]
    );
    harness.pass(10 * SECOND);
    harness.assert_empty();
    for (uniqueid, room) in [(None, ""), (None, "h"), (Some("in-use"), "R2")] {
        harness.guest("in-use", "R2", plain());
        let uniqueid = uniqueid.map(str::to_owned);
        let guest = Guest { room: room.into(), uniqueid, ..Guest::default() };
        let now = harness.now();
        assert_eq!(harness.pbx.add_guest(now, guest), None);
        assert!(harness.pbx.hang_up(now, "in-use", None));
        harness.pass(SECOND);
    }
}
