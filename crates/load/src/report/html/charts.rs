//! The charts of one run.

use super::super::chart::{Axis, Chart, Note, Scale, Series};
use super::super::summary::{Quantiles, Summary};
use super::{short, time, time_or_dash};
use crate::timeline::Slice;

pub(super) fn over_time(slices: &[Slice]) -> Vec<Chart> {
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
    vec![
        Chart {
            title: "Requests a second",
            caption: "Requests sent, and requests accepted.",
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
            caption: "According to the event stream.",
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
            caption: "From the scheduled time of the request.",
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
                    time_or_dash(slice.p50_ms),
                    time_or_dash(slice.p99_ms),
                    time_or_dash(slice.max_ms)
                )
            }),
        },
    ]
}

/// The kinds of times, each with the CSS class of its colour.
pub(super) fn kinds(run: &Summary) -> [(&'static str, &'static str, &Quantiles); 4] {
    let times = &run.latency_ms;
    [
        ("POST → reply", "a", &times.reply),
        ("POST → channel", "b", &times.channel),
        ("POST → answered", "c", &times.answered),
        ("POST → joined", "d", &times.joined),
    ]
}

pub(super) fn by_part(run: &Summary) -> Chart {
    let kinds = kinds(run);
    let most = kinds.iter().map(|(.., times)| times.count).max().unwrap_or_default();
    let points = |times: &Quantiles| {
        // The maximum of n times would be at infinity; draw it at the percentile of the one before.
        let nines = |part: f64| -(1.0 - part.min(1.0 - 1.0 / times.count.max(2) as f64)).log10();
        times.curve.iter().map(|(part, ms)| (nines(*part), Some(*ms))).collect()
    };
    Chart {
        title: "Times by percentile",
        caption: "The share of all calls that took no longer.",
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
