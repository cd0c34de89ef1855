//! What must not happen when things go wrong in an order that nobody would choose.

use std::time::SystemTime;

use super::*;
use crate::call::outcome::End;
use crate::engine::reconcile::MAX_LISTED;

/// What `CoreShowChannels` says of the halves of a call in a conference.
fn listed(id: &str, number: &str) -> [String; 2] {
    let conference = "Application: ConfBridge\nApplicationData: R1\nBridgeId: b";
    [
        format!("Uniqueid: {id}\nLinkedid: {id}\nChannelStateDesc: Up\n{conference}"),
        format!("Uniqueid: {}\nLinkedid: {id}\nChannelStateDesc: Up", lock(number)),
    ]
}

impl Bench {
    /// The link breaks, and is back and logged in after `duration` or a little more.
    fn reconnect(&mut self, duration: Duration) {
        self.engine.disconnected(self.now(), "cut");
        self.pass(duration);
        let before = self.connects;
        while self.connects == before {
            self.pass(Duration::from_millis(10));
        }
        self.log_in();
    }

    fn ends(&self) -> Vec<&End> {
        let ends = self.records.iter().filter_map(|(event, _)| match event {
            Event::CallEnded(end) => Some(&**end),
            _ => None,
        });
        ends.collect()
    }

    /// Asterisk refuses the Originate: its number's lock is taken.
    fn lock_out(&mut self, id: &str) {
        self.receipt(id);
        self.event("Newchannel", id, id, "");
        self.event("Hangup", id, id, "Cause: 0");
        self.receive(&format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"));
    }

    fn pace(&mut self, calls_per_second: u32) {
        let all = Limits { calls_per_second: Some(calls_per_second), ..Limits::default() };
        self.engine.set_policy(Policy { all, ..Policy::default() });
    }

    fn wall(&self) -> SystemTime {
        self.now().wall
    }
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn what_waits_to_be_tried_again_has_not_ended_meanwhile() {
    let mut bench = Bench::ready();
    bench.pace(3);
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    bench.pass(334 * MS);
    let id = bench.id_of("Originate");
    bench.originate(3, "7001");
    bench.lock_out(&id);
    let log = bench.events().len();
    // Its next turn is when a call whose end was seen is no longer waited for.
    bench.pass(700 * MS);
    assert_eq!(bench.count("Originate"), 4);
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    assert_eq!(bench.originated.last(), Some(&(2, Ok(id.parse().unwrap()))));
    assert_eq!(bench.events()[log..].iter().filter(|event| **event == "call.ended").count(), 1, "that of the first");
}

#[test]
fn what_waits_to_be_tried_again_holds_up_no_other() {
    let mut bench = Bench::ready();
    bench.pace(1000);
    let first = bench.call(1, "7999");
    bench.hang_up_halves(&first, "7999", 17);
    bench.originate(2, "7999");
    bench.pass(MS);
    let id = bench.id_of("Originate");
    bench.lock_out(&id);
    bench.originate(3, "7001");
    bench.pass(MS);
    assert_eq!(bench.count("Originate"), 3);
    // What is said twice is no word on the next attempt.
    bench.receive(&format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"));
    bench.pass(10 * MS);
    assert_eq!(bench.count("Originate"), 4, "and comes to its own turn");
    bench.receipt(&id);
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.engine.list(&Filter::default(), 9, 9).live_total, 2);
}

#[test]
fn what_came_to_its_turn_too_late_is_not_sent() {
    let mut bench = Bench::with(&format!("{CONFIG}\n[http]\nreply_timeout = '200ms'"));
    bench.log_in();
    bench.list(&[]);
    bench.pace(9);
    bench.originate(1, "7001");
    bench.originate(2, "7002");
    bench.pass(MS * 200);
    assert!(bench.originated.contains(&(2, Err(OriginateError::Refused(Refusal::Overloaded)))));
    assert_eq!(bench.count("Originate"), 1);
}

#[test]
fn what_comes_after_a_hold_up_waits_behind_what_waits_and_is_put_off_once() {
    let mut bench = Bench::ready();
    bench.pace(10);
    bench.originate(1, "7001");
    bench.originate(2, "7002");
    // We are held up, and the driver hears of a crowd before it looks at the clock.
    bench.time += 800 * MS;
    for who in 3..=11 {
        let request = bench.request(&format!("70{who:02}"));
        bench.engine.originate(bench.now(), request, who);
    }
    bench.pass(Duration::ZERO);
    assert_eq!(bench.count("Originate"), 2);
    assert!(bench.sent.contains(&lock("7002")), "{}", bench.sent);
    bench.pass(900 * MS);
    assert_eq!(bench.count("Originate"), 11);
}

#[test]
fn an_end_that_nobody_saw_is_no_later_than_the_first_loss_of_the_link() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    let seen = bench.wall();
    // The link is lost once more before it was known what lives.
    bench.reconnect(Duration::from_secs(3));
    bench.reconnect(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((seen, bench.wall())));
}

#[test]
fn an_end_whose_event_was_lost_may_have_been_any_time_since_the_last_list() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    let seen = bench.wall();
    bench.list(&listed(&id, "7999"));
    bench.idle(Duration::from_secs(60));
    bench.list(&[]);
    bench.idle(Duration::from_secs(3));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((seen, bench.wall())));
    assert_nothing_left(&bench);
}

#[test]
fn a_clock_that_is_set_back_makes_no_span_that_ends_before_it_begins() {
    let mut bench = Bench::ready();
    bench.call(1, "7999");
    bench.idle(Duration::from_secs(30));
    bench.engine.disconnected(bench.now(), "cut");
    bench.pass(Duration::from_secs(1));
    bench.set_back = Duration::from_secs(20);
    bench.log_in();
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((bench.wall(), bench.wall())));
}

#[test]
fn a_call_that_is_missing_from_the_list_may_still_be_told_of() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.idle(Duration::from_secs(60));
    // Asterisk has forgotten the channel, and has not got around to saying so.
    bench.list(&[]);
    assert_eq!(bench.ends().len(), 0);
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!((bench.ends()[0].outcome.as_str(), bench.ends()[0].unseen), ("busy", None));
    assert_nothing_left(&bench);
}

#[test]
fn an_originate_that_a_hung_asterisk_has_yet_to_read_is_not_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    bench.reconnect(Duration::from_secs(60));
    bench.list(&[]);
    assert_eq!((bench.ready.clone(), bench.ends().len()), (Ok(()), 0));
    // Now it reads what it was sent a minute ago.
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!(bench.events()[4..], ["ami.connected", "call.queued", "call.ended"]);
    assert_nothing_left(&bench);
}

#[test]
fn a_call_that_comes_to_light_after_its_end_was_told_does_not_end_twice() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    let other = bench.call(2, "7001");
    bench.idle(Duration::from_secs(60));
    bench.list(&[listed(&id, "7999"), listed(&other, "7001")].concat());
    let asked = bench.id_of("GetVar");
    bench
        .receive(&format!("Response: Success\nActionID: {asked}\nVariable: ORIGINATORD\nValue: originatord/b/ru/R1/c"));
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!(bench.ends().len(), 1);
}

#[test]
fn a_call_of_which_the_last_end_alone_was_seen_is_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // Its `;1` goes just before the link is back, and its `;2` just after.
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    bench.event("Hangup", &lock("7999"), &id, "Cause: 17");
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.ends()[0].outcome.as_str(), "busy");
    assert_nothing_left(&bench);
}

#[test]
fn what_a_bot_was_told_nobody_knew_is_told_by_the_next_run() {
    let mut bench = Bench::new();
    let (made, never_made) = (written(1, "7001"), written(2, "7002"));
    let calls = [&made, &never_made].map(|info| (info.clone(), State::Requested));
    bench.engine.remember(bench.now(), calls.to_vec(), None);
    bench.log_in();
    bench.list(&listed(&made.id.to_string(), "7001"));
    assert_eq!(bench.events(), ["call.queued", "call.answered", "call.joined", "ami.connected"]);
    bench.originate(1, "7002");
    assert_eq!(bench.refusal(), Some(&Refusal::InProgress { by: Some(never_made.id) }));
    while bench.engine.list(&Filter::default(), 9, 9).live_total == 2 {
        bench.idle(Duration::from_secs(3));
        bench.list(&listed(&made.id.to_string(), "7001"));
    }
    assert_eq!(bench.ends()[0].unseen, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7002");
    assert_eq!(bench.count("Originate"), 1);
}

#[test]
fn a_list_ends_once() {
    let mut bench = Bench::new();
    bench.log_in();
    for _ in 0..100 {
        bench.receive("Event: CoreShowChannelsComplete");
    }
    assert_eq!(bench.count("Ping"), 1);
}

#[test]
fn a_list_without_end_is_not_kept_without_end() {
    let mut bench = Bench::new();
    bench.log_in();
    let call = CallId::new(UNIX_EPOCH, 1);
    for leg in 0..=MAX_LISTED {
        let frame = format!("Event: CoreShowChannel\r\nUniqueid: leg-{leg}\r\nLinkedid: {call}");
        bench.engine.receive(bench.now(), Received::Frame(Frame::new(frame.into())));
    }
    bench.collect();
    assert_eq!(bench.disconnects, 1);
}

#[test]
fn a_list_may_have_all_calls_that_there_are() {
    let mut bench = Bench::ready();
    let calls: Vec<_> = (0..MAX_LISTED).map(|who| (bench.call(who as u32, &format!("7{who:04}")), who)).collect();
    bench.reconnect(Duration::from_secs(1));
    let disconnects = bench.disconnects;
    let all: Vec<_> = calls.iter().flat_map(|(id, who)| listed(id, &format!("7{who:04}"))).collect();
    bench.list(&all);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.disconnects, bench.ready.clone()), (disconnects, Ok(())));
    assert_eq!(bench.engine.list(&Filter::default(), 0, 0).live_total, MAX_LISTED);
}

#[test]
fn a_call_that_has_no_channel_yet_is_not_over() {
    let mut bench = Bench::ready();
    bench.originate(1, "7480");
    let id = bench.id_of("Originate");
    bench.engine.hang_up(bench.now(), id.parse().unwrap(), "operator".into(), 5);
    bench.pass(Duration::ZERO);
    let refused = format!("Response: Error\nActionID: {}\nMessage: No such channel", bench.id_of("Hangup"));
    bench.receive(&refused);
    assert!(matches!(bench.hung_up[..], [(5, Err(HangUpError::Rejected(_)))]), "{:?}", bench.hung_up);
    bench.receipt(&id);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7480"), &id, "");
    bench.hang_up_halves(&id, "7480", 19);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.ends()[0].outcome.as_str(), &bench.ends()[0].hung_up_by), ("no_answer", &None));
}

#[test]
fn whose_a_call_is_is_asked_once() {
    let mut bench = Bench::ready();
    let (ours, others) = (bench.call(1, "7999"), CallId::new(UNIX_EPOCH, 1).to_string());
    for lists in 1..=3 {
        bench.idle(Duration::from_secs(60));
        bench.list(&[listed(&ours, "7999"), listed(&others, "7001")].concat());
        if lists == 1 {
            let asked = bench.id_of("GetVar");
            bench.receive(&format!("Response: Success\nActionID: {asked}\nVariable: ORIGINATORD\nValue: b/b/ru/R1/c"));
        }
        assert_eq!((bench.count("CoreShowChannels"), bench.count("GetVar")), (lists + 1, 1));
    }
    assert_eq!(bench.engine.list(&Filter::default(), 9, 9).live_total, 1);
    bench.hang_up_halves(&ours, "7999", 16);
    bench.idle(Duration::from_secs(61));
    assert_nothing_left(&bench);
    assert!(bench.engine.reconcile.remembers_nothing());
}

#[test]
fn a_call_known_by_its_receipt_alone_is_over_once_a_list_lacks_it() {
    let mut bench = Bench::ready();
    bench.originate(1, "7999");
    let id = bench.id_of("Originate");
    // Too late for the bot, which was told that nothing is known.
    bench.pass(Duration::from_secs(2));
    bench.receipt(&id);
    bench.reconnect(Duration::from_secs(1));
    bench.list(&[]);
    assert_eq!(bench.ends()[0].unseen, Some((UNIX_EPOCH, bench.wall())));
    bench.originate(2, "7999");
    assert_eq!(bench.count("Originate"), 2);
}

#[test]
fn many_calls_are_settled_few_at_a_time() {
    let mut bench = Bench::ready();
    for who in 0..1000 {
        bench.call(who, &format!("7{who:04}"));
        bench.sent.clear();
    }
    bench.reconnect(Duration::from_secs(1));
    bench.receive("Event: CoreShowChannelsComplete");
    let answer = format!("Response: Success\r\nActionID: {}", bench.id_of("Ping"));
    bench.engine.receive(bench.now(), Received::Frame(Frame::new(answer.into())));
    bench.collect();
    let first = bench.ends().len();
    assert!((1..500).contains(&first), "{first} at once: others wait for as long");
    assert!(bench.ready.is_err());
    // Whatever is heard meanwhile counts.
    let id = bench.engine.list(&Filter::default(), 1, 1).live[0].info.id.to_string();
    bench.event("Hangup", &id, &id, "Cause: 17");
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.ends().len(), bench.ready.clone()), (1000, Ok(())));
    assert_nothing_left(&bench);
}

#[test]
fn a_busy_asterisk_comes_late_to_a_call_that_it_gave_a_receipt_for() {
    let mut bench = Bench::ready();
    let other = bench.call(1, "7001");
    bench.idle(Duration::from_secs(58));
    bench.originate(2, "7999");
    let id = bench.id_of("Originate");
    bench.idle(Duration::from_millis(1400));
    bench.receipt(&id);
    // What is not in these lists has yet to begin.
    for seconds in [1, 1, 1] {
        bench.idle(Duration::from_secs(seconds));
        bench.list(&listed(&other, "7001"));
    }
    assert_eq!(bench.ends().len(), 0);
    bench.event("Newchannel", &id, &id, "");
    bench.event("Newchannel", &lock("7999"), &id, "");
    bench.hang_up_halves(&id, "7999", 17);
    bench.idle(Duration::from_secs(1));
    assert_eq!((bench.ends().len(), bench.ends()[0].outcome.as_str()), (1, "busy"));
}

#[test]
fn whatever_asterisk_says_it_breaks_nothing_and_nothing_is_left() {
    const EVENTS: [&str; 9] = [
        "Newchannel",
        "Newstate",
        "Hangup",
        "ConfbridgeJoin",
        "ConfbridgeLeave",
        "OriginateResponse",
        "UserEvent",
        "CoreShowChannel",
        "CoreShowChannelsComplete",
    ];
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bench = Bench::ready();
        bench.pace(100);
        let mut ids = vec!["1795.1".to_owned(), CallId::new(UNIX_EPOCH, 1).to_string()];
        for step in 0..300 {
            let number = format!("700{}", rng.u32(..4));
            let pick = |rng: &mut fastrand::Rng| rng.choice(&ids).cloned().unwrap_or_default();
            match rng.u32(..20) {
                0 => {
                    bench.originate(step, &number);
                    ids.push(
                        bench.records[bench.records.len() - 1].1.as_ref().map_or(lock("7000"), |i| i.id.to_string()),
                    );
                }
                1 => bench.pass(Duration::from_millis(rng.u64(..700))),
                2 => {
                    let (call, now) = (pick(&mut rng), bench.now());
                    call.parse().into_iter().for_each(|call| bench.engine.hang_up(now, call, "k".into(), step));
                }
                3..6 => {
                    let answered = if rng.bool() { "Success" } else { "Error" };
                    let id = if rng.bool() { pick(&mut rng) } else { rng.u32(..40).to_string() };
                    let value = "originatord/bot/ru/R1/c";
                    bench.receive(&format!(
                        "Response: {answered}\nActionID: {id}\nMessage: No such channel\nValue: {value}"
                    ));
                }
                _ => {
                    let event = rng.choice(EVENTS).unwrap_or_default();
                    let uniqueid = if rng.u32(..3) == 0 { lock(&number) } else { pick(&mut rng) };
                    let (linkedid, id) = (pick(&mut rng), pick(&mut rng));
                    let state = rng.choice(["Up", "Ringing", "Down"]).unwrap_or_default();
                    let result = rng.choice(["Success", "Failure"]).unwrap_or_default();
                    bench.event(
                        event,
                        &uniqueid,
                        &linkedid,
                        &format!(
                            "ActionID: {id}\nResponse: {result}\nChannelStateDesc: {state}\nConference: R1\nCause: {}\n\
                             UserEvent: OriginatordLeg\nTech: SIP 500\nApplication: ConfBridge\nApplicationData: R1\nBridgeId: b",
                            rng.u8(..40)
                        ),
                    );
                }
            }
        }
        bench.reconnect(Duration::from_secs(60));
        bench.list(&[]);
        while !bench.engine.registry.is_empty() {
            bench.idle(Duration::from_secs(3));
            bench.list(&[]);
        }
        bench.pass(Duration::from_secs(2));
        assert_nothing_left(&bench);
        let ended: Vec<_> = bench.records.iter().filter(|(event, _)| event.name() == "call.ended").collect();
        let calls: std::collections::HashSet<_> =
            ended.iter().filter_map(|(_, info)| Some(info.as_ref()?.id)).collect();
        assert_eq!(ended.len(), calls.len(), "seed {seed}");
    }
}
