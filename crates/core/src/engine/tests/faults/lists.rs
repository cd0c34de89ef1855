//! Long and endless lists of channels, and the owner queries that follow a list.

use super::*;
use crate::engine::reconcile::MAX_LISTED;

#[test]
fn endless_list_closes_link() {
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
fn list_of_all_live_calls_is_accepted() {
    let mut bench = Bench::ready();
    let calls: Vec<_> =
        (0..MAX_LISTED).map(|who| (bench.call(who as u32, &format!("7{who:04}")), who)).collect();
    bench.reconnect(Duration::from_secs(1));
    let disconnects = bench.disconnects;
    let all: Vec<_> =
        calls.iter().flat_map(|(id, who)| listed(id, &format!("7{who:04}"))).collect();
    bench.list(&all);
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.disconnects, bench.ready.clone()), (disconnects, Ok(())));
    assert_eq!(bench.calls().live_total, MAX_LISTED);
}

#[test]
fn foreign_call_is_asked_for_owner_once() {
    let mut bench = Bench::ready();
    let (ours, others) = (bench.call(1, "7999"), CallId::new(UNIX_EPOCH, 1).to_string());
    for lists in 1..=3 {
        bench.idle(Duration::from_secs(60));
        bench.list(&[listed(&ours, "7999"), listed(&others, "7001")].concat());
        if lists == 1 {
            let asked = bench.id_of("GetVar");
            bench.receive(&format!(
                "Response: Success\nActionID: {asked}\nVariable: ORIGINATORD\nValue: b/b/ru/R1/c"
            ));
        }
        assert_eq!((bench.count("CoreShowChannels"), bench.count("GetVar")), (lists + 1, 1));
    }
    assert_eq!(bench.calls().live_total, 1);
    bench.hang_up_halves(&ours, "7999", 16);
    bench.idle(Duration::from_secs(61));
    assert_nothing_left(&bench);
    assert!(bench.engine.reconcile.remembers_nothing());
    assert_eq!(bench.engine.reconcile.remembered_unknown(), 0);
}

#[test]
fn many_calls_are_judged_in_batches() {
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
    assert!((1..500).contains(&first), "{first} calls in one batch");
    assert!(bench.ready.is_err());
    // Events between the batches count.
    let id = bench.calls().live[0].info.id.to_string();
    bench.event("Hangup", &id, &id, "Cause: 17");
    bench.pass(Duration::from_secs(1));
    assert_eq!((bench.ends().len(), bench.ready.clone()), (1000, Ok(())));
    assert_nothing_left(&bench);
}
