//! Each row of the crate's table, and every other course of a call, on virtual time.

use std::time::UNIX_EPOCH;

use super::*;

mod participants;
mod rooms;

struct Harness {
    pbx: Pbx,
    start: Instant,
    time: Duration,
    seen: Vec<Headers>,
}

impl Harness {
    fn new(version: AsteriskVersion, seed: u64) -> Self {
        Self::with_scenario(version, seed, Scenario::default())
    }

    fn with_scenario(version: AsteriskVersion, seed: u64, scenario: Scenario) -> Self {
        let pbx = Pbx::new(version, scenario, seed);
        Self { pbx, start: Instant::now(), time: Duration::ZERO, seen: Vec::new() }
    }

    fn now(&self) -> Now {
        Now { instant: self.start + self.time, wall: UNIX_EPOCH + self.time }
    }

    fn pass(&mut self, duration: Duration) {
        let until = self.time + duration;
        while let Some(deadline) =
            self.pbx.deadline().map(|at| at - self.start).filter(|at| *at <= until)
        {
            self.time = deadline.max(self.time);
            self.pbx.tick(self.now());
        }
        self.time = until;
        self.seen.extend(self.pbx.take_events().into_iter().map(|event| event.headers));
    }

    fn originate(&mut self, id: &str, number: &str) {
        self.originate_with(id, number, "");
    }

    fn originate_with(&mut self, id: &str, number: &str, options: &str) {
        let request = Originate {
            action_id: Some(id.into()),
            channel: format!("Local/{number}@telegram-out{options}"),
            destination: Destination::Dialplan { context: "conf-in".into(), exten: "R1".into() },
            timeout: Duration::from_secs(30),
            caller: Party::parse("<Bob>"),
            variables: vec![("LANG".into(), "en".into()), ("__A".into(), "1".into())],
            channel_id: Some(id.into()),
            other_channel_id: Some(format!("lock-{number}")),
        };
        self.pbx.originate(self.now(), request);
    }

    /// The events of one channel, each with the values that matter.
    fn of(&self, uniqueid: &str) -> Vec<String> {
        let headers = self.seen.iter().filter(|headers| headers.get("Uniqueid") == Some(uniqueid));
        let describe = |headers: &Headers| {
            let words =
                ["Event", "ChannelStateDesc", "Cause", "TechCause", "Reason", "Conference", "Tech"];
            let words = words.iter().filter_map(|name| headers.get(name));
            words.collect::<Vec<_>>().join(" ")
        };
        headers.map(describe).collect()
    }

    /// The leg's unique id.
    fn leg(&self) -> String {
        let leg = self
            .seen
            .iter()
            .find(|headers| headers.get("Channel").is_some_and(|name| name.starts_with("PJSIP")));
        leg.and_then(|leg| leg.get("Uniqueid")).expect("a leg").to_owned()
    }

    fn assert_empty(&self) {
        let Pbx { channels, by_uniqueid, calls, conferences, rooms, .. } = &self.pbx;
        assert_eq!((channels.len(), by_uniqueid.len(), calls.len()), (0, 0, 0));
        assert_eq!((conferences.len(), rooms.len()), (0, 0));
    }
}

fn without_response(events: Vec<String>) -> Vec<String> {
    events.into_iter().filter(|event| !event.starts_with("OriginateResponse")).collect()
}

#[test]
fn gateway_refusals_give_their_causes() {
    for seed in 0..20 {
        for (digits, cause, words) in [
            ("404", 1, "Not Found"),
            ("420", 3, "Bad Extension"),
            ("486", 17, "Busy Here"),
            ("500", 38, "FLOOD_WAIT 291"),
            ("603", 21, "Decline"),
        ] {
            let mut harness = Harness::new(AsteriskVersion::V22, seed);
            harness.originate("a", &format!("7999{digits}"));
            harness.pass(Duration::from_secs(1));
            let lock = format!("lock-7999{digits}");
            assert_eq!(
                without_response(harness.of("a")),
                ["Newchannel Down", &format!("Hangup Down {cause}")]
            );
            let two = [
                "Newchannel Ring".to_owned(),
                format!("UserEvent Ring SIP {digits} {words}"),
                format!("Hangup Ring {cause}"),
            ];
            assert_eq!(harness.of(&lock), two);
            assert_eq!(
                harness.of(&harness.leg()),
                ["Newchannel Down".to_owned(), format!("Hangup Down {cause} {digits}")]
            );
            assert!(harness.of("a").contains(&"OriginateResponse 0".to_owned()));
            harness.assert_empty();
        }
    }
}

#[test]
fn unanswered_callee_stops_ringing() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate("a", "7999480");
    harness.pass(Duration::from_secs(1));
    let one = ["Newchannel Down", "Newstate Ringing", "Hangup Ringing 19"];
    assert_eq!(without_response(harness.of("a")), one);
    harness.assert_empty();
}

#[test]
fn ring_timeout_ends_the_call() {
    for (version, halves, leg) in
        [(AsteriskVersion::V22, 19, "19 480"), (AsteriskVersion::V16, 0, "16")]
    {
        for (number, state, has_reply) in [("7999180", "Ringing", true), ("7999408", "Down", false)]
        {
            let mut harness = Harness::new(version, 1);
            harness.originate("a", number);
            harness.pass(Duration::from_millis(29_999));
            assert_eq!(harness.pbx.channels().count(), 3);
            harness.pass(Duration::from_millis(1));
            assert!(
                harness.of("a").contains(&format!("Hangup {state} {halves}")),
                "{:?}",
                harness.of("a")
            );
            assert!(harness.of("a").contains(&"OriginateResponse 3".to_owned()));
            assert_eq!(harness.of(&harness.leg()).last(), Some(&format!("Hangup {state} {leg}")));
            let lock = harness.of(&format!("lock-{number}"));
            assert_eq!(
                lock.contains(&"UserEvent Ring SIP 180 Ringing".to_owned()),
                has_reply,
                "{lock:?}"
            );
            harness.assert_empty();
        }
    }
}

#[test]
fn callee_answers_joins_and_leaves() {
    let scenario = Scenario::parse("[timing]\nwait = \"3s\"").expect("a scenario");
    let mut harness = Harness::with_scenario(AsteriskVersion::V22, 1, scenario);
    harness.originate("a", "7999200");
    harness.pass(Duration::from_secs(2));
    assert_eq!(harness.pbx.variable("a", "LANG").as_deref(), Some("en"));
    assert_eq!(harness.pbx.variable("lock-7999200", "A").as_deref(), Some("1"));
    assert_eq!(harness.pbx.variable("a", "B").as_deref(), Some(""));
    assert_eq!(harness.pbx.variable("b", "A"), None);
    let list = harness.pbx.list_channels(harness.now());
    assert_eq!(
        (list.len(), list[0].get("Application"), list[0].get("Duration")),
        (3, Some("Wait"), Some("00:00:02"))
    );
    harness.pass(Duration::from_secs(10));
    // The callee leaves before the wait is over.
    let without_wait = ["Newchannel Down", "Newstate Ringing", "Newstate Up", "Hangup Up 16"];
    assert_eq!(without_response(harness.of("a")), without_wait);
    harness.assert_empty();

    let scenario = Scenario::parse("[timing]\nwait = \"0s\"").expect("a scenario");
    let mut harness = Harness::with_scenario(AsteriskVersion::V22, 1, scenario);
    harness.originate("a", "7999200");
    harness.pass(Duration::from_secs(2));
    assert_eq!(harness.pbx.list_rooms().len(), 1);
    assert_eq!(harness.pbx.list_members(harness.now(), "r1").map(|members| members.len()), Ok(1));
    harness.pass(Duration::from_secs(8));
    let one = [
        "Newchannel Down",
        "Newstate Ringing",
        "Newstate Up",
        "ConfbridgeJoin Up R1",
        "ConfbridgeLeave Up R1",
        "Hangup Up 16",
    ];
    assert_eq!(without_response(harness.of("a")), one);
    assert_eq!(harness.of("lock-7999200"), ["Newchannel Ring", "Newstate Up", "Hangup Up 16"]);
    harness.assert_empty();
}

#[test]
fn id_in_use_makes_no_call() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate("a", "7999001");
    harness.pass(Duration::ZERO);
    harness.originate("b", "7999001");
    harness.pass(Duration::ZERO);
    assert_eq!(without_response(harness.of("b")), ["Newchannel Down", "Hangup Down 0"]);
    assert!(harness.of("b").contains(&"OriginateResponse 0".to_owned()));
    harness.seen.clear();
    harness.originate("a", "7999002");
    harness.pass(Duration::ZERO);
    assert_eq!(harness.of("a"), ["OriginateResponse 0"]);
}

#[test]
fn undialled_number_makes_no_leg() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate("a", "+7999001");
    harness.pass(Duration::ZERO);
    assert_eq!(without_response(harness.of("a")), ["Newchannel Down", "Hangup Down 0"]);
    assert_eq!(harness.of("lock-+7999001"), ["Newchannel Ring", "Hangup Ring 0"]);
    harness.assert_empty();
}

#[test]
fn calls_can_be_hung_up_at_every_step() {
    for seed in 0..10 {
        for (after, cause_of_one) in
            [(1, "0"), (500, "0"), (1_500, "0"), (2_300, "0"), (9_000, "16")]
        {
            for channel in ["a", "lock-7999001"] {
                let mut harness = Harness::new(AsteriskVersion::V22, seed);
                harness.originate("a", "7999001");
                harness.pass(Duration::from_millis(after));
                assert!(harness.pbx.hang_up(harness.now(), channel, None));
                harness.pass(Duration::from_secs(1));
                harness.assert_empty();
                let one = without_response(harness.of("a"));
                let end = one.last().expect("an end");
                assert!(
                    end.starts_with("Hangup ") && end.ends_with(&format!(" {cause_of_one}")),
                    "{after}: {one:?}"
                );
                let responses = harness.of("a").len() - one.len();
                assert_eq!(responses, 1, "{after}: {:?}", harness.of("a"));
            }
        }
    }
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    assert!(!harness.pbx.hang_up(harness.now(), "a", None));
}

#[test]
fn hangup_accepts_a_channel_name_and_a_cause() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate("a", "7999001");
    harness.pass(Duration::from_secs(9));
    let name = harness.pbx.channels().next().expect("a channel").name.clone();
    assert!(harness.pbx.hang_up(harness.now(), &name, Some(17)));
    harness.pass(Duration::from_secs(1));
    assert_eq!(harness.of("a").last().map(String::as_str), Some("Hangup Up 17"));
}

#[test]
fn lock_can_outlive_its_call() {
    let scenario = Scenario::parse("[timing]\nlock_lingers = \"20ms\"").expect("a scenario");
    let mut harness = Harness::with_scenario(AsteriskVersion::V22, 1, scenario);
    harness.originate("a", "7999486");
    harness.pass(Duration::from_millis(60));
    assert!(harness.of("a").iter().any(|event| event.starts_with("Hangup")));
    harness.originate("b", "7999486");
    harness.pass(Duration::ZERO);
    assert_eq!(without_response(harness.of("b")), ["Newchannel Down", "Hangup Down 0"]);
    harness.pass(Duration::from_secs(1));
    harness.assert_empty();
}

#[test]
fn seed_decides_the_order_of_events() {
    let run = |seed| {
        let mut harness = Harness::new(AsteriskVersion::V16, seed);
        for (index, digits) in ["486", "200", "001", "180", "603"].iter().enumerate() {
            harness.originate(&format!("call-{index}"), &format!("7999{digits}"));
        }
        harness.pass(Duration::from_secs(60));
        harness.seen
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn restart_leaves_nothing() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate("a", "7999001");
    harness.pass(Duration::from_secs(9));
    harness.pbx.restart();
    harness.assert_empty();
    harness.seen.clear();
    harness.pass(Duration::from_secs(60));
    assert!(harness.seen.is_empty());
}

/// Observed on Asterisk 22 and 16: once there is sound on both sides of a Local channel outside of
/// a conference, Asterisk optimises the channel away.
#[test]
fn redirected_participant_loses_its_local_channel_without_n() {
    for (options, halves_live) in [("", false), ("/n", true), ("/nj", true)] {
        let mut harness = Harness::new(AsteriskVersion::V22, 1);
        harness.originate_with("a", "7001", options);
        harness.pass(Duration::from_secs(30));
        assert!(harness.pbx.redirect(harness.now(), "a", "elsewhere", "s"));
        harness.pass(Duration::from_secs(30));
        assert!(harness.of("a").contains(&"ConfbridgeLeave Up R1".to_owned()));
        let live: Vec<&str> =
            harness.pbx.channels().map(|channel| channel.uniqueid.as_str()).collect();
        assert_eq!(
            (live.contains(&"a"), live.contains(&"lock-7001")),
            (halves_live, halves_live),
            "{options}"
        );
        let leg = harness.leg();
        assert!(live.contains(&&*leg), "the callee talks on");
        assert!(harness.pbx.hang_up(harness.now(), &leg, None));
        harness.pass(Duration::from_secs(1));
        harness.assert_empty();
    }
}

#[test]
fn redirected_leg_outlives_the_local_channel() {
    let mut harness = Harness::new(AsteriskVersion::V22, 1);
    harness.originate_with("a", "7001", "/n");
    harness.pass(Duration::from_secs(30));
    let leg = harness.leg();
    assert!(harness.pbx.redirect(harness.now(), &leg, "elsewhere", "s"));
    harness.pass(Duration::from_secs(1));
    let ends = [harness.of("a"), harness.of("lock-7001")]
        .map(|events| events.last().cloned().unwrap_or_default());
    assert_eq!(ends, ["Hangup Up 16", "Hangup Up 16"]);
    assert!(
        harness.pbx.channels().any(|channel| channel.uniqueid == leg && channel.linkedid == "a")
    );
    harness.pbx.hang_up(harness.now(), &leg, None);
    harness.pass(Duration::from_secs(1));
    harness.assert_empty();
    assert!(!harness.pbx.redirect(harness.now(), "a", "elsewhere", "s"));
}
