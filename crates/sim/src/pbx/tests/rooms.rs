//! Conferences: as Asterisk 22 and 16 behave, on virtual time.

use super::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A harness in which nobody waits before the conference, with more of a scenario.
pub(super) fn harness(more: &str) -> Harness {
    let scenario = Scenario::parse(&format!("{more}\n[timing]\nwait = \"0s\"\nbeep = \"0s\"\n"));
    Harness::with_scenario(AsteriskVersion::V22, 1, scenario.expect("a scenario"))
}

impl Harness {
    pub(super) fn guest(&mut self, uniqueid: &str, room: &str, profile: UserProfile) {
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
    pub(super) fn room_events(&mut self) -> Vec<String> {
        let describe = |headers: &Headers| {
            let event = headers.get("Event")?.strip_prefix("Confbridge")?;
            let more = ["Conference", "Uniqueid", "Admin", "Muted", "TalkingStatus"];
            let more = more.iter().filter_map(|name| headers.get(name));
            Some([event].into_iter().chain(more).collect::<Vec<_>>().join(" "))
        };
        std::mem::take(&mut self.seen).iter().filter_map(describe).collect()
    }

    /// A list item of each member, with these headers.
    pub(super) fn members(&self, room: &str, names: &[&str]) -> Vec<String> {
        let members = self.pbx.list_members(self.now(), room).unwrap_or_default();
        let describe = |member: Headers| {
            let values = names.iter().filter_map(|name| member.get(name));
            values.collect::<Vec<_>>().join(" ")
        };
        members.into_iter().map(describe).collect()
    }

    pub(super) fn kick(&mut self, room: &str, channel: &str) -> Answer {
        let now = self.now();
        let answer = self.pbx.kick(now, room, channel);
        self.pass(Duration::ZERO);
        answer
    }

    pub(super) fn redirect(&mut self, channel: &str, room: &str) {
        let now = self.now();
        assert!(self.pbx.redirect(now, channel, "conf-in", room));
        self.pass(Duration::ZERO);
    }
}

pub(super) fn plain() -> UserProfile {
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
fn leave_sometimes_follows_the_hangup() {
    let mut harness = harness("");
    harness.guest("stays", "R1", plain());
    let mut orders = std::collections::BTreeSet::new();
    for _ in 0..200 {
        harness.guest("goes", "R1", plain());
        harness.seen.clear();
        let now = harness.now();
        assert!(harness.pbx.hang_up(now, "goes", None));
        harness.pass(SECOND);
        orders.insert(harness.of("goes").join(", "));
    }
    let orders: Vec<_> = orders.into_iter().collect();
    assert_eq!(
        orders,
        ["ConfbridgeLeave Up R1, Hangup Up 16", "Hangup Up 16, ConfbridgeLeave Up R1"]
    );
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
fn redirect_during_the_join_sound_waits_for_its_end() {
    let mut harness = harness("");
    harness.pbx.scenario.timing.join = SECOND;
    harness.guest("g1", "R1", plain());
    harness.redirect("g1", "R2");
    assert_eq!(harness.members("R1", &["Uniqueid", "Exten", "Priority"]), ["g1 R2 1"]);
    harness.pass(5 * SECOND);
    let events = ["Start R1", "Join R1 g1 No No", "Leave R1 g1 No", "End R1", "Start R2"];
    assert_eq!(harness.room_events()[..5], events);
    assert_eq!(harness.members("R2", &["Uniqueid"]), ["g1"]);
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
