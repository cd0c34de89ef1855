//! Texts of other programs are escaped in every report.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::numbers::Numbers;
use crate::run::{Run, RunParams, Task};
use crate::schedule::Schedule;
use originatord_net::client::reply::{Reply, Verdict};

pub(super) fn plan() -> Plan {
    let schedule = Schedule { rate: 10.0, ramp: Duration::ZERO, duration: Duration::from_secs(10) };
    let params = RunParams {
        schedule,
        concurrency: 256,
        hold: None,
        linger: Duration::from_secs(30),
        leaves_calls: false,
    };
    Plan {
        url: "http://127.0.0.1:8080".to_owned(),
        numbers: "1000-1999".parse().expect("a range"),
        rooms: 1,
        room_prefix: "load-".to_owned(),
        caller_id: "load".parse().expect("a caller id"),
        lang: None,
        params,
        timeout: Duration::from_secs(10),
        max_calls: 100_000,
        search: None,
    }
}

/// A run of one second, whose requests are all refused with this reason.
pub(super) fn finished(plan: &Plan, reason: &str) -> FinishedRun {
    let (start, mut numbers) = (Instant::now(), Numbers::new(plan.numbers));
    let mut run = Run::new(plan.params, &mut numbers, start);
    for ms in 0..1000 {
        let now = start + Duration::from_millis(ms);
        while let Some(Task::Post { number, n }) = run.next_task(now) {
            let verdict = Verdict::Refused(reason.to_owned());
            run.replied(
                n,
                number,
                now + Duration::from_millis(3),
                Ok(Reply { status: 502, verdict }),
            );
        }
    }
    run.finish(start + Duration::from_secs(1))
}

#[test]
fn texts_of_other_programs_are_escaped() {
    let hostile = "bad \u{1b}[2J\u{9b}\u{202e}\n\u{7f}words";
    let plan = plan();
    let mut run = finished(&plan, hostile);
    run.counters.outcomes.add(hostile);
    let mut found = SearchResult::default();
    found.add(SearchStep::of(&run, Duration::from_secs(1)), run);
    let report = Report::of_search(SystemTime::now(), &plan, found);
    let json = json(&report);
    for shown in [&json, &text(&report), &html(&report)] {
        assert!(!shown.replace('\n', "").contains(escape::is_risky), "{shown}");
        assert!(!shown.contains("\nwords") && shown.contains("words"), "{shown}");
    }
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["run"]["calls"]["outcomes"][hostile], 1, "JSON keeps the words");
}
