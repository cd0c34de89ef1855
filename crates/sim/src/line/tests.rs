//! What each fault does to what a session says.

use super::*;

fn line(faults: Faults) -> (Line, Instant) {
    let now = Instant::now();
    (Line::new(faults, 1, now), now)
}

fn event(text: &str) -> Outgoing {
    Outgoing { is_event: true, is_receipt: false, bytes: text.as_bytes().into() }
}

fn written(line: &mut Line, now: Instant) -> String {
    line.tick(now);
    line.output()
        .map(|output| String::from_utf8_lossy(&output.split()).into_owned())
        .unwrap_or_default()
}

#[test]
fn without_faults_all_passes_in_order() {
    let (mut line, now) = line(Faults::default());
    for text in ["a", "b", "c"] {
        line.push(now, event(text));
    }
    assert_eq!(written(&mut line, now), "abc");
    assert!(line.reads() && !line.is_over(false) && line.is_over(true));
}

#[test]
fn events_are_repeated_dropped_and_reordered_and_answers_never() {
    for (faults, expected) in [
        (Faults { repeat: 1.0, ..Faults::default() }, "aabb!"),
        (Faults { drop: 1.0, ..Faults::default() }, "!"),
        (Faults { reorder: 1.0, ..Faults::default() }, "ba!"),
    ] {
        let (mut line, now) = line(faults);
        line.push(now, event("a"));
        line.push(now, event("b"));
        line.push(now, Outgoing { is_event: false, ..event("!") });
        assert_eq!(written(&mut line, now), expected);
    }
}

#[test]
fn what_is_delayed_comes_later_and_in_order() {
    let (mut line, now) = line(Faults { delay: Duration::from_secs(1), ..Faults::default() });
    line.push(now, event("a"));
    line.set(Faults::default(), now);
    line.push(now, event("b"));
    assert_eq!(written(&mut line, now), "");
    assert_eq!(line.deadline(), Some(now + Duration::from_secs(1)));
    assert_eq!(written(&mut line, now + Duration::from_secs(1)), "ab");
}

#[test]
fn a_line_is_cut_after_so_many_bytes_or_before_a_receipt() {
    let (mut cut_after, now) = line(Faults { cut_after: Some(3), ..Faults::default() });
    cut_after.push(now, event("ab"));
    cut_after.push(now, event("cd"));
    assert_eq!(written(&mut cut_after, now), "abc");
    assert!(cut_after.is_over(false));
    let (mut before_receipt, now) = line(Faults { cut_before_receipt: true, ..Faults::default() });
    before_receipt
        .push(now, Outgoing { is_event: false, is_receipt: true, bytes: b"x"[..].into() });
    assert_eq!(written(&mut before_receipt, now), "");
    assert!(before_receipt.is_over(false));
}

#[test]
fn who_does_not_read_is_cut_off() {
    let (mut line, now) = line(Faults { stop_writing: true, ..Faults::default() });
    for _ in 0..=MAX_BACKLOG / 65536 {
        line.push(now, event(&"x".repeat(65536)));
        line.tick(now);
        assert!(line.output().is_none());
    }
    assert!(line.is_over(false) && line.output.is_empty());
}

#[test]
fn a_flood_has_its_rate() {
    let (mut line, now) = line(Faults { flood: 500, ..Faults::default() });
    for step in 1..=100 {
        line.flood(now + FLOOD_EVERY * step);
    }
    let events =
        written(&mut line, now + Duration::from_secs(2)).matches("Event: Newchannel").count();
    assert_eq!(events, 500);
}
