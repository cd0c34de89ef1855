//! The page, of figures that are made up to show everything.

use std::time::{Duration, Instant, SystemTime};

use super::*;
use crate::numbers::Numbers;
use crate::plan::Plan;
use crate::report::SearchResult;
use crate::run::{FinishedRun, Run, RunParams, Task};
use crate::schedule::Schedule;
use originatord_net::client::reply::{Reply, Verdict};

fn plan() -> Plan {
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

/// A second of requests that are refused in these words.
fn finished(plan: &Plan, words: &str) -> FinishedRun {
    let (start, mut numbers) = (Instant::now(), Numbers::new(plan.numbers));
    let mut run = Run::new(plan.params, &mut numbers, start);
    for ms in 0..1000 {
        let now = start + Duration::from_millis(ms);
        while let Some(Task::Post { number, n }) = run.next_task(now) {
            let verdict = Verdict::Refused(words.to_owned());
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
fn the_page_asks_nobody_for_anything_and_runs_nothing() {
    let plan = plan();
    let hostile = "</td><script src=//x.example></script>&\"'\u{7}";
    let page = html(&Report::of_run(SystemTime::now(), &plan, finished(&plan, hostile)));
    assert!(page.contains("default-src 'none'"));
    // The only address in it is the daemon's, as text.
    assert_eq!(page.matches("://").count(), page.matches("http://127.0.0.1:8080").count());
    for loading in ["<script", "src=", "href=", "url(", "@import", "<link", "<img", "onload"] {
        assert!(!page.replace(&escaped(hostile), "").contains(loading), "{loading}");
    }
    assert!(page.contains(&escaped(hostile)) && !page.contains(hostile) && !page.contains('\u{7}'));
}

#[test]
fn a_search_shows_each_step() {
    let (plan, mut found) = (plan(), SearchResult::default());
    for (rate, held) in [(10.0, true), (20.0, false)] {
        let run = finished(&plan, "busy");
        let step = SearchStep::of(&run, Duration::from_secs(1));
        assert!(!step.held, "{step:?}");
        found.add(SearchStep { rate, held, why: Some("<why>".to_owned()), ..step }, run);
    }
    let report = Report::of_search(SystemTime::now(), &plan, found);
    assert_eq!((report.limit, report.is_good()), (Some(10.0), true));
    let page = html(&report);
    for shown in ["10/s", "20/s", "&lt;why&gt;", "Highest rate that holds"] {
        assert!(page.contains(shown), "{shown}");
    }
}

#[test]
fn figures_have_three_digits_and_a_unit() {
    for (ms, text) in [
        (0.001, "0.001 ms"),
        (0.5, "0.5 ms"),
        (1.0, "1 ms"),
        (12.34, "12.3 ms"),
        (999.9, "1000 ms"),
    ] {
        assert_eq!(time(ms), text);
    }
    assert_eq!(
        (time(1700.0), time(20_000.0), short(120.0), short(0.0)),
        ("1.7 s".into(), "20 s".into(), "120".into(), "0".into())
    );
}
