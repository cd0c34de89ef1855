//! A hostile Asterisk that tries to fill memory or journal.

use super::*;
use crate::ami::message::MAX_TEXT;
use crate::engine::registry::MAX_ENDED;

#[test]
fn repeated_end_of_list_sends_one_ping() {
    let mut bench = Bench::new();
    bench.log_in();
    let before = bench.count("Ping");
    for _ in 0..100 {
        bench.receive("Event: CoreShowChannelsComplete");
    }
    assert_eq!(bench.count("Ping"), before + 1);
    bench.receive(&format!("Response: Success\nActionID: {}", bench.id_of("Ping")));
    assert_eq!(bench.ready, Ok(()));
    for _ in 0..100 {
        bench.receive("Event: CoreShowChannelsComplete");
    }
    assert_eq!(bench.count("Ping"), before + 1, "no list was asked for");
}

#[test]
fn overlong_texts_of_asterisk_are_cut() {
    let mut bench = Bench::ready();
    let long = "x".repeat(60_000);
    bench.originate(1, "7999");
    bench.receive(&format!(
        "Response: Error\nActionID: {}\nMessage: {long}",
        bench.id_of("Originate")
    ));
    let id = bench.call(2, "7998");
    bench.event("Newchannel", "leg", &id, "");
    bench.event("ConfbridgeJoin", &id, &id, &format!("Conference: {long}"));
    bench.receive(&format!(
        "Event: UserEvent\nUserEvent: OriginatordLeg\nLinkedid: {id}\nTech: {long}"
    ));
    bench.event("Hangup", "leg", &id, &format!("Cause: 17\nCause-txt: {long}"));
    bench.hang_up_halves(&id, "7998", 17);
    bench.pass(Duration::from_secs(1));
    let mut records = Vec::new();
    for (event, call) in &bench.records {
        let record = crate::record::Record::new(1, UNIX_EPOCH, event.clone(), call.clone());
        records.push(serde_json::to_string(&record).unwrap());
    }
    let longest = records.iter().map(String::len).max();
    assert!(longest < Some(4 * MAX_TEXT), "{longest:?}");
    assert!(records.iter().filter(|record| record.contains("xxxx")).count() >= 3, "{records:#?}");
}

#[test]
fn endless_joins_and_leaves_are_recorded_for_a_while() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    for _ in 0..1000 {
        bench.event("ConfbridgeJoin", &id, &id, "Conference: R1");
        bench.event("ConfbridgeLeave", &id, &id, "Conference: R1");
    }
    bench.hang_up_halves(&id, "7999", 16);
    bench.pass(Duration::from_secs(1));
    let of_calls = bench.records.iter().filter(|(_, call)| call.is_some()).count();
    assert!(of_calls < 200, "{of_calls} records");
    assert_eq!(bench.events().last(), Some(&"call.ended"));
}

#[test]
fn adopted_call_keeps_bounded_number_of_legs() {
    let mut bench = Bench::new();
    bench.log_in();
    let id = CallId::new(UNIX_EPOCH, 1).to_string();
    let listed =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {id}\nChannelStateDesc: Up");
    let legs = (0..500).map(|n| listed(&format!("leg-{n}")));
    bench.list(&[listed(&id), listed(&lock("7999"))].into_iter().chain(legs).collect::<Vec<_>>());
    let asked = bench.id_of("GetVar");
    bench.receive(&format!(
        "Response: Success\nActionID: {asked}\nValue: originatord/bot/ru/R1/Bob"
    ));
    let call = bench.engine.registry.get(id.parse().unwrap()).unwrap();
    assert_eq!(call.legs().count(), crate::call::machine::MAX_LEGS);
}

#[test]
fn oldest_ended_calls_are_forgotten() {
    let mut bench = Bench::ready();
    for n in 0..MAX_ENDED + 10 {
        let number = (7_000_000_000 + n).to_string();
        let id = bench.call(1, &number);
        bench.hang_up_halves(&id, &number, 17);
        bench.pass(Duration::from_secs(1));
        bench.receive("Event: Other");
    }
    assert_eq!(bench.calls().ended.len(), MAX_ENDED);
    assert_nothing_left(&bench);
}

/// The channels that Asterisk lists for a call in a conference.
fn invented(id: CallId, number: u64) -> [String; 2] {
    let half =
        |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {id}\nChannelStateDesc: Up");
    [half(&id.to_string()), half(&lock(&number.to_string()))]
}

/// Answers every owner query with this daemon's instance.
fn claim_all(bench: &mut Bench) {
    for _ in 0..10 {
        let sent = std::mem::take(&mut bench.sent);
        let asked = sent.split("\r\n\r\n").filter(|frame| frame.starts_with("Action: GetVar"));
        for frame in asked {
            let id = frame.lines().find_map(|line| line.strip_prefix("ActionID: ")).unwrap();
            bench.receive(&format!(
                "Response: Success\nActionID: {id}\nValue: originatord/bot/ru/R1/Bob"
            ));
        }
    }
}

#[test]
fn invented_calls_are_neither_adopted_nor_recorded() {
    let mut bench = Bench::new();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let earlier = EarlierRuns { recorded_until: Some(at(50)), ..EarlierRuns::default() };
    // The earlier run recorded until second 50, and this run starts at second 0, as the clock was
    // set back. So no listed call can be ours.
    bench.engine.remember(bench.now(), earlier);
    bench.log_in();
    let times = [1, 49, 50, 51, 99, 101, 5000];
    let ids = times.iter().enumerate().map(|(n, seconds)| CallId::new(at(*seconds), n as u128));
    let listed: Vec<_> = ids.zip(7001..).flat_map(|(id, number)| invented(id, number)).collect();
    bench.list(&listed);
    assert_eq!((bench.ready.clone(), bench.events()), (Ok(()), vec!["ami.connected"]));
    assert_eq!((bench.count("GetVar"), bench.engine.reconcile.remembered_unknown()), (0, 0));
}

#[test]
fn call_whose_records_may_be_lost_is_adopted() {
    let mut bench = Bench::starting_at(Duration::from_secs(100));
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    bench.engine.remember(
        bench.now(),
        EarlierRuns { recorded_until: Some(at(50)), ..EarlierRuns::default() },
    );
    bench.log_in();
    let ids =
        [(49, 1), (50, 2), (100, 3), (101, 4)].map(|(seconds, n)| CallId::new(at(seconds), n));
    let listed: Vec<_> =
        ids.into_iter().zip(7001..).flat_map(|(id, number)| invented(id, number)).collect();
    bench.list(&listed);
    claim_all(&mut bench);
    let calls = bench.calls().live;
    assert_eq!(calls.iter().map(|call| call.info.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
    assert_eq!(bench.events(), ["call.adopted", "call.adopted", "ami.connected"]);
    // Once they have ended, they are not adopted again, however late Asterisk lists them.
    bench.hang_up_halves(&ids[1].to_string(), "7002", 16);
    bench.hang_up_halves(&ids[2].to_string(), "7003", 16);
    bench.pass(Duration::from_secs(1));
    for n in 0..MAX_ENDED as u64 {
        let number = (7_000_000_000 + n).to_string();
        let id = bench.call(1, &number);
        bench.hang_up_halves(&id, &number, 17);
        bench.pass(Duration::from_secs(1));
        bench.receive("Event: Other");
    }
    bench.reconnect(Duration::from_secs(1));
    bench.list(&listed);
    claim_all(&mut bench);
    assert_eq!(bench.events().iter().filter(|event| **event == "call.adopted").count(), 2);
}

#[test]
fn adopted_calls_are_bounded_without_a_journal() {
    let mut bench = Bench::new();
    bench.log_in();
    for round in 0..3 {
        let ids = (0..400).map(|n| CallId::new(UNIX_EPOCH, round * 1000 + n));
        let listed: Vec<_> =
            ids.zip(7_000_001..).flat_map(|(id, number)| invented(id, number)).collect();
        bench.list(&listed);
        claim_all(&mut bench);
        assert_eq!(bench.ready, Ok(()));
        assert!(bench.engine.reconcile.remembered_unknown() <= 400);
        bench.reconnect(Duration::from_secs(1));
    }
    let adopted = bench.events().iter().filter(|event| **event == "call.adopted").count();
    assert_eq!(adopted, 100);
}

#[test]
fn flapping_link_is_recorded_every_ten_seconds() {
    let mut bench = Bench::ready();
    for _ in 0..1000 {
        bench.reconnect(Duration::ZERO);
        bench.list(&[]);
    }
    let most = 100 + bench.time.as_secs() as usize / 10;
    assert!(
        bench.time.as_secs() > 100 && bench.records.len() <= most + 1,
        "{} records",
        bench.records.len()
    );
    assert!(bench.records.len() >= most - 1, "{} records", bench.records.len());
    // The link stays up, so its last record is written.
    bench.idle(Duration::from_secs(11));
    assert_eq!(bench.events().last(), Some(&"ami.connected"));
    let after = bench.records.len();
    bench.idle(Duration::from_secs(60));
    assert_eq!(bench.records.len(), after, "nothing is recorded twice");
}
