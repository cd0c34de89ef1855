//! The effect of each fault on the messages of a session.

use super::*;

fn link(faults: Faults) -> (FaultyLink, Instant) {
    let now = Instant::now();
    (FaultyLink::new(faults, 1, now), now)
}

fn event(text: &str) -> Outgoing {
    Outgoing { is_event: true, answers_originate: false, bytes: text.as_bytes().into() }
}

fn written(link: &mut FaultyLink, now: Instant) -> String {
    link.tick(now);
    link.output()
        .map(|output| String::from_utf8_lossy(&output.split()).into_owned())
        .unwrap_or_default()
}

#[test]
fn messages_pass_in_order_without_faults() {
    let (mut link, now) = link(Faults::default());
    for text in ["a", "b", "c"] {
        link.push(now, event(text));
    }
    assert_eq!(written(&mut link, now), "abc");
    assert!(link.reads() && !link.is_over(false) && link.is_over(true));
}

#[test]
fn only_events_are_repeated_dropped_or_reordered() {
    for (faults, expected) in [
        (Faults { repeat: 1.0, ..Faults::default() }, "aabb!"),
        (Faults { drop: 1.0, ..Faults::default() }, "!"),
        (Faults { reorder: 1.0, ..Faults::default() }, "ba!"),
    ] {
        let (mut link, now) = link(faults);
        link.push(now, event("a"));
        link.push(now, event("b"));
        link.push(now, Outgoing { is_event: false, ..event("!") });
        assert_eq!(written(&mut link, now), expected);
    }
}

#[test]
fn delayed_messages_keep_their_order() {
    let (mut link, now) = link(Faults { delay: Duration::from_secs(1), ..Faults::default() });
    link.push(now, event("a"));
    link.set(Faults::default(), now);
    link.push(now, event("b"));
    assert_eq!(written(&mut link, now), "");
    assert_eq!(link.deadline(), Some(now + Duration::from_secs(1)));
    assert_eq!(written(&mut link, now + Duration::from_secs(1)), "ab");
}

#[test]
fn link_is_cut_after_bytes_or_before_response() {
    let (mut cut_after, now) = link(Faults { cut_after: Some(3), ..Faults::default() });
    cut_after.push(now, event("ab"));
    cut_after.push(now, event("cd"));
    assert_eq!(written(&mut cut_after, now), "abc");
    assert!(cut_after.is_over(false));
    let (mut before_receipt, now) = link(Faults { cut_before_receipt: true, ..Faults::default() });
    before_receipt
        .push(now, Outgoing { is_event: false, answers_originate: true, bytes: b"x"[..].into() });
    assert_eq!(written(&mut before_receipt, now), "");
    assert!(before_receipt.is_over(false));
}

#[test]
fn client_that_does_not_read_is_cut() {
    let (mut link, now) = link(Faults { stop_writing: true, ..Faults::default() });
    for _ in 0..=MAX_BACKLOG / 65536 {
        link.push(now, event(&"x".repeat(65536)));
        link.tick(now);
        assert!(link.output().is_none());
    }
    assert!(link.is_over(false) && link.output.is_empty());
}

#[test]
fn flood_has_the_requested_rate() {
    let (mut link, now) = link(Faults { flood: 500, ..Faults::default() });
    for step in 1..=100 {
        link.flood(now + FLOOD_INTERVAL * step);
    }
    let events =
        written(&mut link, now + Duration::from_secs(2)).matches("Event: Newchannel").count();
    assert_eq!(events, 500);
}
