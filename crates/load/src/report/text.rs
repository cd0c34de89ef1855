//! The report for the terminal.

use std::fmt::Write;

use super::summary::{Quantiles, Summary};
use super::{Report, SearchStep};
use originatord_core::escape::escaped;

/// The report as plain text.
pub fn text(report: &Report) -> String {
    let mut out = String::new();
    if let Some(steps) = &report.steps {
        search(&mut out, report.limit, steps);
    }
    if let Some(run) = &report.run {
        summary(&mut out, run);
    }
    if report.interrupted {
        out.push_str("\nstopped early\n");
    }
    out
}

/// Appends a line. Drops the result, as writing to a `String` cannot fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => { _ = writeln!($out, $($text)*) };
}

fn search(out: &mut String, limit: Option<f64>, steps: &[SearchStep]) {
    line!(out, "\nsteps");
    for step in steps {
        line!(out, "{step}");
    }
    match limit {
        Some(rate) => line!(out, "\nlimit      {rate:.1} calls a second hold; of that rate:"),
        None => line!(out, "\nlimit      no rate that was tried holds; of the last one:"),
    }
}

fn summary(out: &mut String, run: &Summary) {
    let Summary { requests, rates, calls, latency_ms, .. } = run;
    let part = |count: u64, of: u64| if of == 0 { 0.0 } else { 100.0 * count as f64 / of as f64 };
    let count = |out: &mut String, name: &str, count: u64, of: u64| {
        if count > 0 {
            line!(out, "  {count:>9}  {:>5.1} %  {name}", part(count, of));
        }
    };
    line!(
        out,
        "\nrequests   {} sent, {:.1}/s offered, {:.1}/s accepted",
        requests.sent,
        rates.offered,
        rates.accepted
    );
    count(out, "accepted", requests.accepted, requests.sent);
    for (reason, times) in requests.refused.sorted() {
        count(out, &format!("refused: {}", escaped(reason)), times, requests.sent);
    }
    for (reason, times) in requests.unanswered.sorted() {
        count(out, &format!("unconfirmed: {}", escaped(reason)), times, requests.sent);
    }
    let statuses: Vec<_> =
        requests.statuses.iter().map(|(status, count)| format!("{status} × {count}")).collect();
    line!(
        out,
        "  by status  {}",
        if statuses.is_empty() { "-".to_owned() } else { statuses.join(", ") }
    );
    count(out, "not sent: all numbers were in calls", requests.held_back, requests.scheduled);
    count(out, "not sent: stopped early", requests.not_sent, requests.scheduled);

    line!(out, "\ncalls      {} followed", calls.followed);
    for (outcome, times) in calls.outcomes.sorted() {
        count(out, &escaped(outcome), times, calls.followed);
    }
    count(out, "over, but their last record is missing", calls.unseen, calls.followed);
    count(out, "alive", calls.alive, calls.followed);
    if calls.unknown > 0 {
        line!(out, "  {:>9}           requests still unconfirmed", calls.unknown);
    }
    if calls.gaps > 0 {
        line!(
            out,
            "  {:>9}           gaps in the event stream; these figures miss the records in them",
            calls.gaps
        );
    }

    line!(out, "\nms from the scheduled time of the request");
    line!(
        out,
        "{:<18} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "",
        "count",
        "p50",
        "p90",
        "p99",
        "p99.9",
        "max"
    );
    for (name, quantiles) in [
        ("POST → reply", &latency_ms.reply),
        ("POST → refusal", &latency_ms.refusal),
        ("POST → channel", &latency_ms.channel),
        ("POST → answered", &latency_ms.answered),
        ("POST → joined", &latency_ms.joined),
        ("sent late by", &latency_ms.send_delay),
    ] {
        times(out, name, quantiles);
    }
}

fn times(out: &mut String, name: &str, quantiles: &Quantiles) {
    let Quantiles { count, p50, p90, p99, p999, max, .. } = *quantiles;
    if count == 0 {
        return;
    }
    let _ = write!(out, "{name:<18} {count:>9}");
    for time in [p50, p90, p99, p999, max].into_iter().flatten() {
        let _ = write!(out, " {time:>9.2}");
    }
    out.push('\n');
}
