//! The report for people in a browser: one page with charts, which loads nothing from elsewhere.

mod charts;

use maud::{Markup, PreEscaped, html};

use self::charts::{by_part, kinds, over_time};
use super::chart::{Axis, Chart, Scale, Series};
use super::summary::{Quantiles, Summary};
use super::{Report, SearchStep};
use crate::counters::{Counts, FAILED};
use originatord_core::clock::rfc3339;
use originatord_core::escape::escaped;

const STYLE: &str = include_str!("page.css");

/// The page.
pub fn html(report: &Report) -> String {
    let url = escaped(&report.plan.url);
    let page = html! {
        (PreEscaped("<!doctype html>\n"))
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { "Load test of " (url) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { "Load test" }
                    p {
                        (url) ", " (rfc3339(report.started))
                        @if report.interrupted { ", stopped early" }
                    }
                }
                @if let Some(run) = &report.run { (tiles(report, run)) }
                @if let Some(steps) = &report.steps { (search(steps)) }
                @if let Some(run) = &report.run {
                    h2 { "The run" @if let Some(rate) = report.limit { " at " (per_second(rate)) } }
                    div.charts {
                        @for chart in over_time(&run.timeline) { (chart.figure()) }
                        (by_part(run).figure())
                    }
                    (times(run))
                    (outcomes(run))
                }
                (plan(report))
                footer { p { "originatord " (report.originatord) } }
            }
        }
    };
    page.into_string() + "\n"
}

/// A time in milliseconds, to three digits and with its unit.
fn time(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", short(ms / 1000.0)) } else { format!("{} ms", short(ms)) }
}

/// A time in milliseconds as [`time`] writes it; a dash if there is none.
fn time_or_dash(ms: Option<f64>) -> String {
    ms.map_or("–".to_owned(), time)
}

fn per_second(rate: f64) -> String {
    format!("{}/s", short(rate))
}

/// A figure to three digits, without trailing zeros; more digits only for values above 999.
fn short(value: f64) -> String {
    let decimals = match value.abs() {
        value if value >= 100.0 => 0,
        value if value >= 10.0 => 1,
        value if value >= 0.1 => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

fn tiles(report: &Report, run: &Summary) -> Markup {
    let tile = |name: &str, value: &str, unit: &str| {
        html! { div { dt { (name) } dd { (value) " " small { (unit) } } } }
    };
    let reply = |name: &str, ms: Option<f64>| {
        let text = time_or_dash(ms);
        let (value, unit) = text.split_once(' ').unwrap_or((&text, ""));
        tile(name, value, unit)
    };
    let limit = report.limit.map(short);
    html! {
        dl.tiles {
            @if report.steps.is_some() {
                @let unit = if limit.is_some() { "/s" } else { "" };
                (tile("Highest rate that holds", limit.as_deref().unwrap_or("none"), unit))
            }
            (tile("Offered", &short(run.rates.offered), "/s"))
            (tile("Accepted", &short(run.rates.accepted), "/s"))
            (reply("Reply, median", run.latency_ms.reply.p50))
            (reply("Reply, p99", run.latency_ms.reply.p99))
            (tile("Calls followed", &run.calls.followed.to_string(), ""))
            div.bad[run.failures > 0] { dt { "Failed" } dd { (run.failures) } }
        }
    }
}

fn search(steps: &[SearchStep]) -> Markup {
    let dots = |name, class, held: bool, y: &dyn Fn(&SearchStep) -> Option<f64>| {
        let of_kind = steps.iter().filter(|step| step.held == held);
        Series {
            dots: true,
            ..Series::line(name, class, of_kind.map(|step| (step.rate, y(step))).collect())
        }
    };
    let chart = |title,
                 caption,
                 scale,
                 unit: &dyn Fn(f64) -> String,
                 y: &dyn Fn(&SearchStep) -> Option<f64>| {
        Chart {
            title,
            caption,
            x: Axis::of(Scale::Log, steps.iter().map(|step| step.rate), |rate| {
                format!("{}/s", short(rate))
            }),
            y: Axis::of(scale, steps.iter().filter_map(y), unit),
            series: vec![dots("holds", "a", true, y), dots("breaks", "bad", false, y)],
            notes: Vec::new(),
        }
    };
    let charts = [
        chart("p99 of POST → reply, by rate", "Each dot is a step.", Scale::Log, &time, &|step| {
            step.p99_ms
        }),
        chart(
            "Accepted, by rate",
            "A step that breaks is stopped early.",
            Scale::Log,
            &per_second,
            &|step| Some(step.accepted_per_second).filter(|rate| *rate > 0.0),
        ),
    ];
    let rows = steps.iter().map(|step| {
        let verdict = if step.held {
            "holds".into()
        } else {
            escaped(step.why.as_deref().unwrap_or_default())
        };
        let cells = [
            step.sent.to_string(),
            short(step.accepted_per_second),
            time_or_dash(step.p50_ms),
            time_or_dash(step.p99_ms),
        ];
        Row { name: per_second(step.rate), figures: cells.to_vec(), text: Some(verdict.into()) }
    });
    html! {
        h2 { "The search" }
        div.charts { @for chart in charts { (chart.figure()) } }
        (table(&["Rate", "Sent", "Accepted /s", "p50", "p99", ""], rows))
    }
}

fn times(run: &Summary) -> Markup {
    let latency = &run.latency_ms;
    let more =
        [("POST → refusal", "", &latency.refusal), ("Sent late by", "", &latency.send_delay)];
    let kinds = kinds(run).into_iter().chain(more).filter(|(.., times)| times.count > 0);
    let rows = kinds.map(|(name, _, times)| {
        let Quantiles { min, mean, p50, p90, p99, p999, max, .. } = *times;
        let shown = [min, mean, p50, p90, p99, p999, max].map(time_or_dash);
        let figures = [vec![times.count.to_string()], shown.to_vec()].concat();
        Row { name: name.to_owned(), figures, text: None }
    });
    table(&["", "Count", "min", "mean", "p50", "p90", "p99", "p99.9", "max"], rows)
}

fn outcomes(run: &Summary) -> Markup {
    let (requests, calls) = (&run.requests, &run.calls);
    let good = |name: &str, count| Bar { name: name.to_owned(), count, is_bad: false };
    let bad = |name: &str, count| Bar { name: name.to_owned(), count, is_bad: true };
    let reasons = |what: &'static str, counts: &Counts| {
        let sorted = counts.sorted().into_iter();
        sorted.map(|(reason, n)| bad(&format!("{what}: {reason}"), n)).collect::<Vec<_>>()
    };
    let requests = [
        vec![good("accepted", requests.accepted)],
        reasons("refused", &requests.refused),
        reasons("unconfirmed", &requests.unanswered),
        vec![
            bad("not sent: all numbers were in calls", requests.held_back),
            good("not sent: stopped early", requests.not_sent),
        ],
    ];
    let ended = calls.outcomes.sorted().into_iter().map(|(outcome, count)| Bar {
        name: outcome.to_owned(),
        count,
        is_bad: FAILED.contains(&outcome),
    });
    let others = [
        bad("over, but their last record is missing", calls.unseen),
        good("alive", calls.alive),
        bad("still unconfirmed", calls.unknown),
        bad("gaps in the event stream", calls.gaps),
    ];
    html! {
        h2 { "Requests" }
        (bars(&requests.concat()))
        h2 { "Calls" }
        (bars(&ended.chain(others).collect::<Vec<_>>()))
    }
}

fn plan(report: &Report) -> Markup {
    let plan = report.plan.to_string();
    let lines = plan.lines().map(|line| line.trim().split_at_checked(8).unwrap_or((line, "")));
    html! {
        h2 { "Plan" }
        div.table { table { tbody {
            @for (name, text) in lines {
                tr { th { (name.trim()) } td.text { (escaped(text.trim())) } }
            }
        } } }
    }
}

/// A number of requests or calls, drawn as a bar.
#[derive(Clone)]
struct Bar {
    name: String,
    count: u64,
    is_bad: bool,
}

/// Draws bars in proportion to the longest one, and leaves out bars whose count is 0.
fn bars(bars: &[Bar]) -> Markup {
    let longest = bars.iter().map(|bar| bar.count).max().unwrap_or_default().max(1);
    html! {
        div.table { table { tbody {
            @for Bar { name, count, is_bad } in bars.iter().filter(|bar| bar.count > 0) {
                @let width = format!("width:{:.1}%", 100.0 * *count as f64 / longest as f64);
                tr {
                    td.text { (escaped(name)) }
                    td { (count) }
                    td.bar.a[!is_bad].bad[*is_bad] { i style=(width) {} }
                }
            }
        } } }
    }
}

/// A row of a table: a name, figures, and perhaps a text at its end.
struct Row {
    name: String,
    figures: Vec<String>,
    text: Option<String>,
}

fn table(head: &[&str], rows: impl Iterator<Item = Row>) -> Markup {
    html! {
        div.table { table {
            thead { tr { @for name in head { th { (name) } } } }
            tbody {
                @for Row { name, figures, text } in rows {
                    tr {
                        th { (name) }
                        @for figure in figures { td { (figure) } }
                        @if let Some(text) = text { td.text { (text) } }
                    }
                }
            }
        } }
    }
}

#[cfg(test)]
mod tests;
