//! One page with charts, which asks nobody for anything.

use std::fmt::{Display, Write};

use super::chart::{Axis, Chart, Note, Scale, Series};
use super::summary::{Quantiles, Summary};
use super::{Report, SearchStep};
use crate::counters::FAILED;
use crate::timeline::Slice;
use originatord_core::clock::rfc3339;

const STYLE: &str = include_str!("page.css");

/// Writing to a string does not fail.
macro_rules! out {
    ($out:expr, $($text:tt)*) => { _ = writeln!($out, $($text)*) };
}

/// For people in a browser.
pub fn html(report: &Report) -> String {
    let mut out = String::new();
    out!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>Load test of {url}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n\
         <h1>Load test</h1>\n<p>{url}, {started}{ended}</p>\n</header>",
        url = escaped(&report.plan.url),
        started = rfc3339(report.started),
        ended = if report.interrupted { ", ended before its time" } else { "" },
    );
    if let Some(run) = &report.run {
        tiles(&mut out, report, run);
    }
    if let Some(steps) = &report.steps {
        search(&mut out, steps);
    }
    if let Some(run) = &report.run {
        let rate = report.limit.map(|rate| format!(" at {}/s", short(rate))).unwrap_or_default();
        out!(out, "<h2>The run{rate}</h2>\n<div class=\"charts\">");
        for chart in over_time(&run.timeline).iter().chain([&by_part(run)]) {
            out.push_str(&chart.figure());
        }
        out!(out, "</div>");
        times(&mut out, run);
        outcomes(&mut out, run);
    }
    plan(&mut out, report);
    out!(out, "<footer><p>originatord {}</p></footer>\n</body>\n</html>", report.originatord);
    out
}

/// Text as text, wherever in a page.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// A time in milliseconds, to three digits and with its unit.
fn time(ms: f64) -> String {
    if ms >= 1000.0 { format!("{} s", short(ms / 1000.0)) } else { format!("{} ms", short(ms)) }
}

/// Three digits, more only of what is greater, and no zeros at the end.
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

fn tiles(out: &mut String, report: &Report, run: &Summary) {
    let tile = |out: &mut String, class: &str, name: &str, value: &str, more: &str| {
        out!(
            out,
            "<div class=\"{class}\"><dt>{name}</dt><dd>{value} <small>{more}</small></dd></div>"
        );
    };
    out!(out, "<dl class=\"tiles\">");
    if report.steps.is_some() {
        let limit = report.limit.map_or("none".to_owned(), short);
        tile(
            out,
            "",
            "Highest rate that holds",
            &limit,
            if report.limit.is_some() { "/s" } else { "" },
        );
    }
    tile(out, "", "Offered", &short(run.rates.offered), "/s");
    tile(out, "", "Accepted", &short(run.rates.accepted), "/s");
    let reply = &run.latency_ms.reply;
    for (name, value) in [("Reply, median", reply.p50), ("Reply, p99", reply.p99)] {
        let value = value.map_or("–".to_owned(), time);
        let (value, unit) = value.split_once(' ').unwrap_or((&value, ""));
        tile(out, "", name, value, unit);
    }
    tile(out, "", "Calls followed", &run.calls.followed.to_string(), "");
    let failed = run.failures;
    tile(out, if failed > 0 { "bad" } else { "" }, "Failed", &failed.to_string(), "");
    out!(out, "</dl>");
}

fn search(out: &mut String, steps: &[SearchStep]) {
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
    let per_second = |rate: f64| format!("{}/s", short(rate));
    let charts = [
        chart("p99 of POST → reply, by rate", "Each dot is a step.", Scale::Log, &time, &|step| {
            step.p99_ms
        }),
        chart(
            "Accepted, by rate",
            "A step that breaks is not played to its end.",
            Scale::Log,
            &per_second,
            &|step| Some(step.accepted_per_second).filter(|rate| *rate > 0.0),
        ),
    ];
    out!(
        out,
        "<h2>The search</h2>\n<div class=\"charts\">{}</div>",
        charts.map(|chart| chart.figure()).concat()
    );
    let rows = steps.iter().map(|step| {
        let ms = |ms: Option<f64>| ms.map_or("–".to_owned(), time);
        let verdict =
            if step.held { "holds".to_owned() } else { step.why.clone().unwrap_or_default() };
        let cells = [
            step.sent.to_string(),
            short(step.accepted_per_second),
            ms(step.p50_ms),
            ms(step.p99_ms),
        ];
        (format!("{}/s", short(step.rate)), cells.to_vec(), Some(verdict))
    });
    table(out, &["Rate", "Sent", "Accepted /s", "p50", "p99", ""], rows);
}

fn over_time(slices: &[Slice]) -> Vec<Chart> {
    let line = |name, class, y: &dyn Fn(&Slice) -> Option<f64>| {
        Series::line(
            name,
            class,
            slices.iter().map(|slice| (slice.until - slice.seconds / 2.0, y(slice))).collect(),
        )
    };
    let x = || {
        Axis::of(Scale::Linear, slices.iter().map(|slice| slice.until), |at| {
            format!("{} s", short(at))
        })
    };
    let notes = |text: &dyn Fn(&Slice) -> String| {
        let note = |slice: &Slice| Note {
            from: slice.until - slice.seconds,
            to: slice.until,
            text: format!("{} s: {}", short(slice.until), text(slice)),
        };
        slices.iter().map(note).collect::<Vec<_>>()
    };
    let rate = |count: u64, slice: &Slice| {
        if slice.seconds > 0.0 { count as f64 / slice.seconds } else { 0.0 }
    };
    let rates =
        slices.iter().flat_map(|slice| [rate(slice.sent, slice), rate(slice.accepted, slice)]);
    let failed = slices.iter().any(|slice| slice.failed > 0);
    let ms = |value: Option<f64>| value.map_or("–".to_owned(), time);
    vec![
        Chart {
            title: "Requests a second",
            caption: "What left, and what was accepted.",
            x: x(),
            y: Axis::of(Scale::Linear, rates, short),
            series: vec![
                line("offered", "still", &|slice| Some(rate(slice.sent, slice))),
                line("accepted", "a", &|slice| Some(rate(slice.accepted, slice))),
                line("not accepted", "bad", &|slice| failed.then(|| rate(slice.failed, slice))),
            ],
            notes: notes(&|slice| {
                format!(
                    "{} sent, {} accepted, {} not accepted",
                    slice.sent, slice.accepted, slice.failed
                )
            }),
        },
        Chart {
            title: "Calls alive",
            caption: "As far as the event stream has told.",
            x: x(),
            y: Axis::of(Scale::Counts, slices.iter().map(|slice| slice.live as f64), short),
            series: vec![Series::line(
                "alive",
                "c",
                slices.iter().map(|slice| (slice.until, Some(slice.live as f64))).collect(),
            )],
            notes: notes(&|slice| format!("{} alive, {} ended", slice.live, slice.ended)),
        },
        Chart {
            title: "POST → reply",
            caption: "From when the request was to leave.",
            x: x(),
            y: Axis::of(
                Scale::Log,
                slices.iter().flat_map(|slice| [slice.p50_ms, slice.max_ms]).flatten(),
                time,
            ),
            series: vec![
                line("longest", "still", &|slice| slice.max_ms),
                line("p99", "b", &|slice| slice.p99_ms),
                line("median", "a", &|slice| slice.p50_ms),
            ],
            notes: notes(&|slice| {
                format!(
                    "median {}, p99 {}, longest {}",
                    ms(slice.p50_ms),
                    ms(slice.p99_ms),
                    ms(slice.max_ms)
                )
            }),
        },
    ]
}

/// The kinds of times, with the colours they are drawn in.
fn kinds(run: &Summary) -> [(&'static str, &'static str, &Quantiles); 4] {
    let times = &run.latency_ms;
    [
        ("POST → reply", "a", &times.reply),
        ("POST → channel", "b", &times.channel),
        ("POST → answered", "c", &times.answered),
        ("POST → joined", "d", &times.joined),
    ]
}

fn by_part(run: &Summary) -> Chart {
    let kinds = kinds(run);
    let most = kinds.iter().map(|(.., times)| times.count).max().unwrap_or_default();
    let points = |times: &Quantiles| {
        // The longest of n is drawn where all but one of n are.
        let nines = |part: f64| -(1.0 - part.min(1.0 - 1.0 / times.count.max(2) as f64)).log10();
        times.curve.iter().map(|(part, ms)| (nines(*part), Some(*ms))).collect()
    };
    Chart {
        title: "How long most took",
        caption: "This part of all took no longer than that.",
        x: Axis::of_parts(most),
        y: Axis::of(
            Scale::Log,
            kinds.iter().flat_map(|(.., times)| times.curve.iter().map(|(_, ms)| *ms)),
            time,
        ),
        series: kinds
            .iter()
            .map(|(name, class, times)| Series::line(name, class, points(times)))
            .collect(),
        notes: Vec::new(),
    }
}

fn times(out: &mut String, run: &Summary) {
    let (refusal, send_delay) = (&run.latency_ms.refusal, &run.latency_ms.send_delay);
    let more = [("POST → refusal", "", refusal), ("Left late by", "", send_delay)];
    let rows = kinds(run).into_iter().chain(more).filter(|(.., times)| times.count > 0).map(
        |(name, _, times)| {
            let shown =
                [times.min, times.mean, times.p50, times.p90, times.p99, times.p999, times.max]
                    .map(|ms| ms.map_or("–".to_owned(), time));
            (name.to_owned(), [vec![times.count.to_string()], shown.to_vec()].concat(), None)
        },
    );
    table(out, &["", "Count", "min", "mean", "p50", "p90", "p99", "p99.9", "max"], rows);
}

fn outcomes(out: &mut String, run: &Summary) {
    let (requests, calls) = (&run.requests, &run.calls);
    let bars = |out: &mut String, title: &str, rows: Vec<(String, u64, bool)>| {
        let most = rows.iter().map(|(_, count, _)| *count).max().unwrap_or_default().max(1);
        out!(out, "<h2>{title}</h2>\n<div class=\"table\"><table><tbody>");
        for (name, count, is_bad) in rows.into_iter().filter(|(_, count, _)| *count > 0) {
            let (class, width) =
                (if is_bad { "bad" } else { "a" }, 100.0 * count as f64 / most as f64);
            out!(
                out,
                "<tr><td class=\"text\">{}</td><td>{count}</td>\
                 <td class=\"bar {class}\"><i style=\"width:{width:.1}%\"></i></td></tr>",
                escaped(&name)
            );
        }
        out!(out, "</tbody></table></div>");
    };
    let reasons = |counts: &crate::counters::Counts, what: &str| {
        let reasons = counts.sorted().into_iter();
        reasons
            .map(|(reason, count)| (format!("{what}: {reason}"), count, true))
            .collect::<Vec<_>>()
    };
    let unsent = [
        ("not sent: all numbers were in calls".to_owned(), requests.held_back, true),
        ("not sent: ended before".to_owned(), requests.not_sent, false),
    ];
    let accepted = vec![("accepted".to_owned(), requests.accepted, false)];
    let answered = [
        accepted,
        reasons(&requests.refused, "refused"),
        reasons(&requests.unanswered, "fate unknown"),
    ];
    bars(out, "Requests", [answered.concat(), unsent.to_vec()].concat());
    let ended = calls.outcomes.sorted().into_iter();
    let ended =
        ended.map(|(outcome, count)| (outcome.to_owned(), count, FAILED.contains(&outcome)));
    let others = [
        ("over, but the log did not tell how".to_owned(), calls.unseen, true),
        ("alive".to_owned(), calls.alive, false),
        ("fate still unknown".to_owned(), calls.unknown, true),
        ("gaps in the log".to_owned(), calls.gaps, true),
    ];
    bars(out, "Calls", ended.chain(others).collect());
}

fn plan(out: &mut String, report: &Report) {
    out!(out, "<h2>What was asked for</h2>\n<div class=\"table\"><table><tbody>");
    for line in report.plan.to_string().lines() {
        let (name, text) = line.trim().split_at_checked(8).unwrap_or((line, ""));
        out!(
            out,
            "<tr><th>{}</th><td class=\"text\">{}</td></tr>",
            escaped(name.trim()),
            escaped(text.trim())
        );
    }
    out!(out, "</tbody></table></div>");
}

/// A table of rows that each have a name, figures, and perhaps words at their end.
fn table(
    out: &mut String,
    head: &[impl Display],
    rows: impl Iterator<Item = (String, Vec<String>, Option<String>)>,
) {
    let head: String = head.iter().map(|name| format!("<th>{name}</th>")).collect();
    out!(out, "<div class=\"table\"><table><thead><tr>{head}</tr></thead><tbody>");
    for (name, figures, words) in rows {
        let figures: String =
            figures.iter().map(|figure| format!("<td>{}</td>", escaped(figure))).collect();
        let words = words
            .map(|words| format!("<td class=\"text\">{}</td>", escaped(&words)))
            .unwrap_or_default();
        out!(out, "<tr><th>{}</th>{figures}{words}</tr>", escaped(&name));
    }
    out!(out, "</tbody></table></div>");
}

#[cfg(test)]
mod tests;
