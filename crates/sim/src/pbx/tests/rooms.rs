//! Conferences: as Asterisk 22 and 16 behave, on virtual time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// A harness in which nobody waits before the conference, with more of a scenario.
fn harness(more: &str) -> Harness {
    let scenario = Scenario::parse(&format!("{more}\n[timing]\nwait = \"0s\"\nbeep = \"0s\"\n"));
    Harness::with_scenario(AsteriskVersion::V22, 1, scenario.expect("a scenario"))
}

impl Harness {
    fn guest(&mut self, uniqueid: &str, room: &str, profile: UserProfile) {
        let guest = Guest {
            room: room.into(),
            uniqueid: Some(uniqueid.into()),
            channel: Some(format!("PJSIP/{uniqueid}")),
            profile,
            ..Guest::default()
        };
        let now = self.now();
        assert_eq!(self.pbx.add_guest(now, guest).as_deref(), Some(uniqueid));
        self.pass(Duration::ZERO);
    }

    /// The events of conferences that were not read yet, with those of their headers that matter.
    fn room_events(&mut self) -> Vec<String> {
        let describe = |headers: &Headers| {
            let event = headers.get("Event")?.strip_prefix("Confbridge")?;
            let more = ["Conference", "Uniqueid", "Admin", "Muted", "TalkingStatus"];
            let more = more.iter().filter_map(|name| headers.get(name));
            Some([event].into_iter().chain(more).collect::<Vec<_>>().join(" "))
        };
        std::mem::take(&mut self.seen).iter().filter_map(describe).collect()
    }

    /// A list item of each member, with these headers.
    fn members(&self, room: &str, names: &[&str]) -> Vec<String> {
        let members = self.pbx.list_members(self.now(), room).unwrap_or_default();
        let describe = |member: Headers| {
            let values = names.iter().filter_map(|name| member.get(name));
            values.collect::<Vec<_>>().join(" ")
        };
        members.into_iter().map(describe).collect()
    }

    fn kick(&mut self, room: &str, channel: &str) -> Answer {
        let now = self.now();
        let answer = self.pbx.kick(now, room, channel);
        self.pass(Duration::ZERO);
        answer
    }

    fn redirect(&mut self, channel: &str, room: &str) {
        let now = self.now();
        assert!(self.pbx.redirect(now, channel, "conf-in", room));
        self.pass(Duration::ZERO);
    }
}

fn plain() -> UserProfile {
    UserProfile::default()
}

fn admin() -> UserProfile {
    UserProfile { admin: true, ..plain() }
}

#[test]
fn conference_starts_and_ends_with_its_participants() {
    let mut harness = harness("");
    harness.guest("g1", "Room", plain());
    harness.guest("g2", "rOOM", admin());
    let events = ["Start Room", "Join Room g1 No No", "Join Room g2 Yes No"];
    assert_eq!(harness.room_events(), events);
    assert_eq!(harness.members("ROOM", &["Conference", "Exten"]), ["Room Room", "Room rOOM"]);
    for guest in ["g1", "g2"] {
        let now = harness.now();
        assert!(harness.pbx.hang_up(now, guest, None));
        harness.pass(SECOND);
    }
    assert_eq!(harness.room_events(), ["Leave Room g1 No", "Leave Room g2 Yes", "End Room"]);
    harness.assert_empty();
}

#[test]
fn mute_chooses_members_as_asterisk_does() {
    let mut harness = harness("");
    for (id, profile) in [("Alice", plain()), ("Bob", plain()), ("Boss", admin())] {
        harness.guest(id, "R1", profile);
    }
    let muted = |harness: &Harness| harness.members("r1", &["Muted"]).join(" ");
    for (channel, expected) in [
        ("pjsip/b", "No Yes No"),
        ("PJSIP/Bob", "No Yes No"),
        ("Participants", "Yes Yes No"),
        ("ALL", "Yes Yes Yes"),
    ] {
        assert_eq!(harness.pbx.mute("R1", channel, true), Ok("User muted"));
        assert_eq!(muted(&harness), expected, "{channel}");
        assert_eq!(harness.pbx.mute("R1", "all", false), Ok("User unmuted"));
        assert_eq!(muted(&harness), "No No No");
    }
    for (room, channel, problem) in [
        ("R1", "Bob", "No Channel by that name found in Conference."),
        ("R1", "PJSIP/Bob-and-more", "No Channel by that name found in Conference."),
        ("R2", "all", "No Conference by that name found."),
    ] {
        assert_eq!(harness.pbx.mute(room, channel, true), Err(problem));
    }
    harness.pass(Duration::ZERO);
    harness.seen.clear();
    // A second mute is a success with an event, too.
    let _ = [(); 2].map(|()| harness.pbx.mute("R1", "PJSIP/Bob", true));
    harness.pass(Duration::ZERO);
    assert_eq!(harness.room_events(), ["Mute R1 Bob No", "Mute R1 Bob No"]);
    let [room] = &harness.pbx.list_rooms()[..] else { panic!("one room") };
    assert_eq!((room.get("Muted"), room.get("Parties")), (Some("No"), Some("3")));
}

#[test]
fn kicked_participant_is_listed_until_its_prompt_ends() {
    let mut harness = harness("");
    harness.originate("a", "7999001");
    harness.pass(5 * SECOND);
    harness.room_events();
    let name = harness.pbx.find("a").expect("a channel").1.name.clone();
    assert_eq!(
        harness.kick("r1", &name[..20]),
        Err("No Channel by that name found in Conference.")
    );
    assert_eq!(harness.kick("r1", &name.to_uppercase()), Ok("User kicked"));
    assert_eq!(harness.kick("r1", "all"), Err("No Channel by that name found in Conference."));
    assert_eq!(harness.room_events(), ["Leave R1 a No"]);
    assert_eq!(harness.pbx.lock("R1", true), Ok("Conference locked"));
    harness.pass(2 * SECOND);
    assert_eq!(harness.members("R1", &["Uniqueid"]), ["a"]);
    assert!(harness.room_events().is_empty());
    harness.pass(SECOND);
    assert_eq!(harness.room_events(), ["End R1"]);
    harness.assert_empty();
}

#[test]
fn kick_words_end_the_room_or_spare_admins() {
    let mut harness = harness("");
    for (id, profile) in [("g1", plain()), ("g2", admin())] {
        harness.guest(id, "R1", profile);
    }
    assert_eq!(harness.kick("R1", "participants"), Ok("User kicked"));
    assert_eq!(
        harness.kick("R1", "participants"),
        Err("No Channel by that name found in Conference.")
    );
    assert_eq!(harness.kick("R1", "all"), Ok("All participants kicked"));
    harness.pass(3 * SECOND);
    harness.assert_empty();
    assert_eq!(harness.kick("R1", "all"), Err("No active conferences."));
}

/// Asterisk marks the participant as kicked, but cannot remove it yet.
#[test]
fn kick_during_the_join_sound_keeps_the_participant() {
    let mut harness = harness("");
    harness.pbx.scenario.timing.join = SECOND;
    harness.guest("g1", "R1", plain());
    assert_eq!(harness.members("R1", &["Uniqueid"]), ["g1"]);
    assert_eq!(harness.kick("R1", "PJSIP/g1"), Ok("User kicked"));
    harness.pass(10 * SECOND);
    assert_eq!(harness.room_events(), ["Start R1", "Join R1 g1 No No"]);
    assert!(harness.kick("R1", "PJSIP/g1").is_err());
    let now = harness.now();
    assert!(harness.pbx.hang_up(now, "g1", None));
    harness.pass(SECOND);
    harness.assert_empty();
}

#[test]
fn hangup_during_the_join_sound_waits_for_its_end() {
    for channel in ["a", "lock-7999001"] {
        let mut harness = harness("");
        harness.pbx.scenario.timing.join = 2 * SECOND;
        harness.originate("a", "7999001");
        harness.pass(Duration::from_millis(1500));
        assert_eq!(harness.room_events(), ["Start R1"]);
        let now = harness.now();
        assert!(harness.pbx.hang_up(now, channel, None));
        assert_eq!(harness.pbx.mute("R1", "all", true), Ok("User muted"));
        harness.pass(5 * SECOND);
        let events = ["Mute R1 a No", "Join R1 a No Yes", "Leave R1 a No", "End R1"];
        assert_eq!(harness.room_events(), events, "{channel}");
        harness.assert_empty();
    }
}

#[test]
fn locked_or_full_conference_refuses_all_but_admins() {
    for (more, locks) in [("", true), ("max_members = 1", false)] {
        let mut harness = harness(more);
        harness.guest("g1", "R1", plain());
        if locks {
            assert_eq!(harness.pbx.lock("r1", true), Ok("Conference locked"));
        }
        harness.room_events();
        harness.originate("a", "7999001");
        harness.pass(2 * SECOND);
        assert_eq!(harness.members("R1", &["Uniqueid"]), ["g1"]);
        assert_eq!(harness.pbx.channels().count(), 4, "the call hears the prompt");
        harness.pass(SECOND);
        assert_eq!(harness.of("a").last().map(String::as_str), Some("Hangup Up 16"));
        harness.guest("g2", "R1", admin());
        assert_eq!(harness.room_events(), ["Join R1 g2 Yes No"]);
        // The lock dies with the conference.
        harness.kick("R1", "all").expect("kicked");
        harness.pass(5 * SECOND);
        harness.guest("g3", "R1", plain());
        assert_eq!(harness.members("R1", &["Uniqueid"]), ["g3"]);
    }
}

#[test]
fn redirect_moves_a_participant() {
    let mut harness = harness("");
    harness.pbx.scenario.timing.leave = SECOND;
    harness.originate("a", "7999001");
    harness.guest("g1", "R1", plain());
    harness.pass(5 * SECOND);
    harness.room_events();
    harness.redirect("a", "R2");
    harness.pass(SECOND);
    harness.redirect("g1", "r2");
    assert_eq!(
        harness.room_events(),
        ["Leave R1 a No", "Start R2", "Join R2 a No No", "Leave R1 g1 No", "End R1"]
    );
    assert!(harness.members("R2", &["Uniqueid"]) == ["a"], "g1 hears the leave sound");
    harness.pass(2 * SECOND);
    assert_eq!(harness.room_events(), ["Join R2 g1 No No"]);
    // A prompt ends with the Redirect, and hangs up nobody later.
    harness.kick("R2", "all").expect("kicked");
    harness.redirect("a", "R3");
    harness.pass(5 * SECOND);
    assert_eq!(harness.members("R3", &["Uniqueid"]), ["a"]);
    assert_eq!(harness.pbx.channels().count(), 3);
    let now = harness.now();
    assert!(harness.pbx.hang_up(now, "a", None));
    harness.pass(5 * SECOND);
    harness.assert_empty();
}

#[test]
fn redirect_during_a_wait_or_prompt_begins_anew() {
    let scenario = Scenario::parse("[timing]\nwait = \"2s\"\nbeep = \"0s\"").expect("a scenario");
    let mut harness = Harness::with_scenario(AsteriskVersion::V16, 1, scenario);
    harness.guest("g1", "Locked", plain());
    harness.pbx.lock("Locked", true).expect("locked");
    harness.originate("a", "7999001");
    harness.pass(2 * SECOND);
    harness.redirect("a", "Locked");
    harness.pass(3 * SECOND);
    harness.redirect("a", "Open");
    harness.pass(Duration::from_millis(1900));
    assert!(harness.members("Open", &[]).is_empty());
    harness.pass(SECOND);
    assert_eq!(harness.members("Open", &["Uniqueid"]), ["a"]);
}

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
    assert_eq!(harness.members("R1", &["WaitMarked", "Waiting"]), ["Yes Yes"]);
    harness.guest("g2", "R1", UserProfile { marked: true, ..plain() });
    assert_eq!(harness.members("R1", &["MarkedUser", "Waiting"]), ["No No", "Yes No"]);
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
