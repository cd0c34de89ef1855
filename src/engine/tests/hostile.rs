//! An Asterisk that wants to make us grow, or write without end.

use super::*;
use crate::ami::message::MAX_TEXT;
use crate::call::filter::Filter;
use crate::call::registry::ENDED_KEPT;

#[test]
fn the_end_of_a_list_is_heard_once_however_often_it_is_said() {
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
fn its_words_are_kept_no_longer_than_words_are() {
    let mut bench = Bench::ready();
    let long = "x".repeat(60_000);
    bench.originate(1, "7999");
    bench.receive(&format!("Response: Error\nActionID: {}\nMessage: {long}", bench.id_of("Originate")));
    let id = bench.call(2, "7998");
    bench.event("Newchannel", "leg", &id, "");
    bench.event("ConfbridgeJoin", &id, &id, &format!("Conference: {long}"));
    bench.receive(&format!("Event: UserEvent\nUserEvent: OriginatordLeg\nLinkedid: {id}\nTech: {long}"));
    bench.event("Hangup", "leg", &id, &format!("Cause: 17\nCause-txt: {long}"));
    bench.hang_up_halves(&id, "7998", 17);
    bench.pass(Duration::from_secs(1));
    let mut told = Vec::new();
    for (event, call) in &bench.records {
        let record = crate::journal::Record::new(1, UNIX_EPOCH, event.clone(), call.clone());
        told.push(serde_json::to_string(&record).unwrap());
    }
    let longest = told.iter().map(String::len).max();
    assert!(longest < Some(4 * MAX_TEXT), "{longest:?}");
    assert!(told.iter().filter(|record| record.contains("xxxx")).count() >= 3, "{told:#?}");
}

#[test]
fn a_callee_that_comes_and_goes_without_end_is_told_of_for_a_while() {
    let mut bench = Bench::ready();
    let id = bench.call(1, "7999");
    for _ in 0..1000 {
        bench.event("ConfbridgeJoin", &id, &id, "Conference: R1");
        bench.event("ConfbridgeLeave", &id, &id, "Conference: R1");
    }
    bench.hang_up_halves(&id, "7999", 16);
    bench.pass(Duration::from_secs(1));
    assert!(bench.records.len() < 200, "{} records", bench.records.len());
    assert_eq!(bench.events().last(), Some(&"call.ended"));
}

#[test]
fn a_call_is_listed_with_no_more_legs_than_are_kept() {
    let mut bench = Bench::new();
    bench.log_in();
    let id = CallId::new(UNIX_EPOCH, 1).to_string();
    let listed = |uniqueid: &str| format!("Uniqueid: {uniqueid}\nLinkedid: {id}\nChannelStateDesc: Up");
    let legs = (0..500).map(|n| listed(&format!("leg-{n}")));
    bench.list(&[listed(&id), listed(&lock("7999"))].into_iter().chain(legs).collect::<Vec<_>>());
    let asked = bench.id_of("GetVar");
    bench.receive(&format!("Response: Success\nActionID: {asked}\nValue: originatord/bot/ru/R1/Bob"));
    let call = bench.engine.registry.get(id.parse().unwrap()).unwrap();
    assert_eq!(call.legs().count(), crate::call::machine::MAX_LEGS);
}

#[test]
fn ended_calls_are_forgotten_by_and_by() {
    let mut bench = Bench::ready();
    for n in 0..ENDED_KEPT + 10 {
        let number = (7_000_000_000 + n).to_string();
        let id = bench.call(1, &number);
        bench.hang_up_halves(&id, &number, 17);
        bench.pass(Duration::from_secs(1));
        bench.receive("Event: Other");
    }
    assert_eq!(bench.engine.list(&Filter::default(), usize::MAX, usize::MAX).ended.len(), ENDED_KEPT);
    assert_nothing_left(&bench);
}
