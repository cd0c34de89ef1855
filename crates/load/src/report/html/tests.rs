//! The page, with made-up figures that fill all its parts.

use std::time::{Duration, SystemTime};

use super::super::SearchResult;
use super::super::tests::{finished, plan};
use super::*;

#[test]
fn page_loads_nothing_and_runs_no_script() {
    let plan = plan();
    let hostile = "</td><script src=//x.example></script>&\"'\u{7}";
    let page = html(&Report::of_run(SystemTime::now(), &plan, finished(&plan, hostile)));
    let shown = html! { (escaped(hostile)) }.into_string();
    assert!(page.contains("default-src 'none'"));
    // The only address in it is the daemon's, as text.
    assert_eq!(page.matches("://").count(), page.matches("http://127.0.0.1:8080").count());
    for loading in ["<script", "src=", "href=", "url(", "@import", "<link", "<img", "onload"] {
        assert!(!page.replace(&shown, "").contains(loading), "{loading}");
    }
    assert!(page.contains(&shown) && !page.contains(hostile) && !page.contains('\u{7}'));
}

#[test]
fn search_shows_each_step() {
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
