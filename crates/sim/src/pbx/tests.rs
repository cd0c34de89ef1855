//! Each row of the table, and what else can become of a call, on a clock of the test's.

use std::time::UNIX_EPOCH;

use super::*;

struct Bench {
    pbx: Pbx,
    start: Instant,
    time: Duration,
    seen: Vec<Headers>,
}

impl Bench {
    fn new(version: Version, seed: u64) -> Self {
        Self::playing(version, seed, Scenario::default())
    }

    fn playing(version: Version, seed: u64, scenario: Scenario) -> Self {
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

    /// The events of one channel, with what tells most of each.
    fn of(&self, uniqueid: &str) -> Vec<String> {
        let headers = self.seen.iter().filter(|headers| headers.get("Uniqueid") == Some(uniqueid));
        let tell = |headers: &Headers| {
            let words =
                ["Event", "ChannelStateDesc", "Cause", "TechCause", "Reason", "Conference", "Tech"];
            let words = words.iter().filter_map(|name| headers.get(name));
            words.collect::<Vec<_>>().join(" ")
        };
        headers.map(tell).collect()
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
        let Pbx { channels, by_uniqueid, calls, agenda: _, conferences, .. } = &self.pbx;
        assert_eq!(
            (channels.len(), by_uniqueid.len(), calls.len(), conferences.len()),
            (0, 0, 0, 0)
        );
    }
}

fn without_response(events: Vec<String>) -> Vec<String> {
    events.into_iter().filter(|event| !event.starts_with("OriginateResponse")).collect()
}

#[test]
fn what_the_gateway_refuses() {
    for seed in 0..20 {
        for (digits, cause, words) in [
            ("404", 1, "Not Found"),
            ("420", 3, "Bad Extension"),
            ("486", 17, "Busy Here"),
            ("500", 38, "FLOOD_WAIT 291"),
            ("603", 21, "Decline"),
        ] {
            let mut bench = Bench::new(Version::V22, seed);
            bench.originate("a", &format!("7999{digits}"));
            bench.pass(Duration::from_secs(1));
            let lock = format!("lock-7999{digits}");
            assert_eq!(
                without_response(bench.of("a")),
                ["Newchannel Down", &format!("Hangup Down {cause}")]
            );
            let two = [
                "Newchannel Ring".to_owned(),
                format!("UserEvent Ring SIP {digits} {words}"),
                format!("Hangup Ring {cause}"),
            ];
            assert_eq!(bench.of(&lock), two);
            assert_eq!(
                bench.of(&bench.leg()),
                ["Newchannel Down".to_owned(), format!("Hangup Down {cause} {digits}")]
            );
            assert!(bench.of("a").contains(&"OriginateResponse 0".to_owned()));
            bench.assert_empty();
        }
    }
}

#[test]
fn nobody_picks_up() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate("a", "7999480");
    bench.pass(Duration::from_secs(1));
    let one = ["Newchannel Down", "Newstate Ringing", "Hangup Ringing 19"];
    assert_eq!(without_response(bench.of("a")), one);
    bench.assert_empty();
}

#[test]
fn the_ring_timeout() {
    for (version, halves, leg) in [(Version::V22, 19, "19 480"), (Version::V16, 0, "16")] {
        for (number, state, heard) in [("7999180", "Ringing", true), ("7999408", "Down", false)] {
            let mut bench = Bench::new(version, 1);
            bench.originate("a", number);
            bench.pass(Duration::from_millis(29_999));
            assert_eq!(bench.pbx.channels().count(), 3);
            bench.pass(Duration::from_millis(1));
            assert!(
                bench.of("a").contains(&format!("Hangup {state} {halves}")),
                "{:?}",
                bench.of("a")
            );
            assert!(bench.of("a").contains(&"OriginateResponse 3".to_owned()));
            assert_eq!(bench.of(&bench.leg()).last(), Some(&format!("Hangup {state} {leg}")));
            let lock = bench.of(&format!("lock-{number}"));
            assert_eq!(
                lock.contains(&"UserEvent Ring SIP 180 Ringing".to_owned()),
                heard,
                "{lock:?}"
            );
            bench.assert_empty();
        }
    }
}

#[test]
fn answered_joined_and_left() {
    let scenario = Scenario::parse("[timing]\nwait = \"3s\"").expect("a scenario");
    let mut bench = Bench::playing(Version::V22, 1, scenario);
    bench.originate("a", "7999200");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.pbx.variable("a", "LANG").as_deref(), Some("en"));
    assert_eq!(bench.pbx.variable("lock-7999200", "A").as_deref(), Some("1"));
    assert_eq!(bench.pbx.variable("a", "B").as_deref(), Some(""));
    assert_eq!(bench.pbx.variable("b", "A"), None);
    let list = bench.pbx.list_channels(bench.now());
    assert_eq!(
        (list.len(), list[0].get("Application"), list[0].get("Duration")),
        (3, Some("Wait"), Some("00:00:02"))
    );
    bench.pass(Duration::from_secs(10));
    // The callee leaves before the wait is over.
    let without_wait = ["Newchannel Down", "Newstate Ringing", "Newstate Up", "Hangup Up 16"];
    assert_eq!(without_response(bench.of("a")), without_wait);
    bench.assert_empty();

    let scenario = Scenario::parse("[timing]\nwait = \"0s\"").expect("a scenario");
    let mut bench = Bench::playing(Version::V22, 1, scenario);
    bench.originate("a", "7999200");
    bench.pass(Duration::from_secs(2));
    assert_eq!(bench.pbx.list_rooms().len(), 1);
    assert_eq!(bench.pbx.list_members(bench.now(), "r1").map(|members| members.len()), Some(1));
    bench.pass(Duration::from_secs(8));
    let one = [
        "Newchannel Down",
        "Newstate Ringing",
        "Newstate Up",
        "ConfbridgeJoin Up R1",
        "ConfbridgeLeave Up R1",
        "Hangup Up 16",
    ];
    assert_eq!(without_response(bench.of("a")), one);
    assert_eq!(bench.of("lock-7999200"), ["Newchannel Ring", "Newstate Up", "Hangup Up 16"]);
    bench.assert_empty();
}

#[test]
fn an_id_in_use_makes_no_call() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate("a", "7999001");
    bench.pass(Duration::ZERO);
    bench.originate("b", "7999001");
    bench.pass(Duration::ZERO);
    assert_eq!(without_response(bench.of("b")), ["Newchannel Down", "Hangup Down 0"]);
    assert!(bench.of("b").contains(&"OriginateResponse 0".to_owned()));
    bench.seen.clear();
    bench.originate("a", "7999002");
    bench.pass(Duration::ZERO);
    assert_eq!(bench.of("a"), ["OriginateResponse 0"]);
}

#[test]
fn a_number_that_the_dialplan_does_not_dial() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate("a", "+7999001");
    bench.pass(Duration::ZERO);
    assert_eq!(without_response(bench.of("a")), ["Newchannel Down", "Hangup Down 0"]);
    assert_eq!(bench.of("lock-+7999001"), ["Newchannel Ring", "Hangup Ring 0"]);
    bench.assert_empty();
}

#[test]
fn hanging_up_at_every_step() {
    for seed in 0..10 {
        for (after, cause_of_one) in
            [(1, "0"), (500, "0"), (1_500, "0"), (2_300, "0"), (9_000, "16")]
        {
            for channel in ["a", "lock-7999001"] {
                let mut bench = Bench::new(Version::V22, seed);
                bench.originate("a", "7999001");
                bench.pass(Duration::from_millis(after));
                assert!(bench.pbx.hang_up(bench.now(), channel, None));
                bench.pass(Duration::from_secs(1));
                bench.assert_empty();
                let one = without_response(bench.of("a"));
                let end = one.last().expect("an end");
                assert!(
                    end.starts_with("Hangup ") && end.ends_with(&format!(" {cause_of_one}")),
                    "{after}: {one:?}"
                );
                let responses = bench.of("a").len() - one.len();
                assert_eq!(responses, 1, "{after}: {:?}", bench.of("a"));
            }
        }
    }
    let mut bench = Bench::new(Version::V22, 1);
    assert!(!bench.pbx.hang_up(bench.now(), "a", None));
}

#[test]
fn a_hang_up_by_name_and_with_a_cause() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate("a", "7999001");
    bench.pass(Duration::from_secs(9));
    let name = bench.pbx.channels().next().expect("a channel").name.clone();
    assert!(bench.pbx.hang_up(bench.now(), &name, Some(17)));
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.of("a").last().map(String::as_str), Some("Hangup Up 17"));
}

#[test]
fn the_lock_can_linger() {
    let scenario = Scenario::parse("[timing]\nlock_lingers = \"20ms\"").expect("a scenario");
    let mut bench = Bench::playing(Version::V22, 1, scenario);
    bench.originate("a", "7999486");
    bench.pass(Duration::from_millis(60));
    assert!(bench.of("a").iter().any(|event| event.starts_with("Hangup")));
    bench.originate("b", "7999486");
    bench.pass(Duration::ZERO);
    assert_eq!(without_response(bench.of("b")), ["Newchannel Down", "Hangup Down 0"]);
    bench.pass(Duration::from_secs(1));
    bench.assert_empty();
}

/// The same seed, the same world; another seed, another order.
#[test]
fn chance_is_the_seeds() {
    let run = |seed| {
        let mut bench = Bench::new(Version::V16, seed);
        for (index, digits) in ["486", "200", "001", "180", "603"].iter().enumerate() {
            bench.originate(&format!("call-{index}"), &format!("7999{digits}"));
        }
        bench.pass(Duration::from_secs(60));
        bench.seen
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn after_a_restart_nothing_is_left() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate("a", "7999001");
    bench.pass(Duration::from_secs(9));
    bench.pbx.restart();
    bench.assert_empty();
    bench.seen.clear();
    bench.pass(Duration::from_secs(60));
    assert!(bench.seen.is_empty());
}

/// As seen on Asterisk 22 and 16: sound on both sides of a Local channel outside of a conference
/// optimises it away.
#[test]
fn redirected_participant_loses_its_local_channel_without_n() {
    for (options, halves_live) in [("", false), ("/n", true), ("/nj", true)] {
        let mut bench = Bench::new(Version::V22, 1);
        bench.originate_with("a", "7001", options);
        bench.pass(Duration::from_secs(30));
        assert!(bench.pbx.redirect(bench.now(), "a"));
        bench.pass(Duration::from_secs(30));
        assert!(bench.of("a").contains(&"ConfbridgeLeave Up R1".to_owned()));
        let live: Vec<&str> =
            bench.pbx.channels().map(|channel| channel.uniqueid.as_str()).collect();
        assert_eq!(
            (live.contains(&"a"), live.contains(&"lock-7001")),
            (halves_live, halves_live),
            "{options}"
        );
        let leg = bench.leg();
        assert!(live.contains(&&*leg), "the callee talks on");
        assert!(bench.pbx.hang_up(bench.now(), &leg, None));
        bench.pass(Duration::from_secs(1));
        bench.assert_empty();
    }
}

#[test]
fn redirected_leg_outlives_the_local_channel() {
    let mut bench = Bench::new(Version::V22, 1);
    bench.originate_with("a", "7001", "/n");
    bench.pass(Duration::from_secs(30));
    let leg = bench.leg();
    assert!(bench.pbx.redirect(bench.now(), &leg));
    bench.pass(Duration::from_secs(1));
    let ends = [bench.of("a"), bench.of("lock-7001")]
        .map(|events| events.last().cloned().unwrap_or_default());
    assert_eq!(ends, ["Hangup Up 16", "Hangup Up 16"]);
    assert!(bench.pbx.channels().any(|channel| channel.uniqueid == leg && channel.linkedid == "a"));
    bench.pbx.hang_up(bench.now(), &leg, None);
    bench.pass(Duration::from_secs(1));
    bench.assert_empty();
    assert!(!bench.pbx.redirect(bench.now(), "a"));
}
