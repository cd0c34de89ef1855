//! Line charts as inline SVG, without scripts and fonts. Colours come from the page's style sheet,
//! so that charts follow its dark and light schemes.

use std::fmt::Write;

use maud::{Markup, html};

/// Width and height of a chart in its own units; the page scales it.
const SIZE: (f64, f64) = (560.0, 260.0);

/// Edges of the plot in the chart: left, top, right, bottom.
const PLOT: (f64, f64, f64, f64) = (58.0, 10.0, 550.0, 232.0);

/// Approximate number of marks on an axis.
const MARKS: f64 = 5.0;

/// The scale of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    /// Linear, from zero.
    Linear,
    /// Linear, from zero, with marks at whole numbers only.
    Counts,
    /// Logarithmic.
    Log,
}

/// An axis with its marks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    marks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis that contains all values, with marks formatted by `label`.
    pub(super) fn of(
        scale: Scale,
        values: impl Iterator<Item = f64>,
        label: impl Fn(f64) -> String,
    ) -> Self {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
            (if value > 0.0 { least.min(value) } else { least }, most.max(value))
        });
        match scale {
            Scale::Linear => Self::linear(if most > 0.0 { most } else { 1.0 }, 0.0, label),
            Scale::Counts => Self::linear(most.max(1.0), 1.0, label),
            Scale::Log if most > 0.0 => Self::log(least, most, label),
            Scale::Log => Self::log(1.0, 10.0, label),
        }
    }

    fn linear(most: f64, shortest_step: f64, label: impl Fn(f64) -> String) -> Self {
        let rough = most / MARKS;
        let decade = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * decade)
            .into_iter()
            .find(|step| *step >= rough);
        let step = step.unwrap_or(rough).max(shortest_step);
        let count = (most / step).ceil().max(1.0);
        let marks =
            (0..=count as u32).map(|n| f64::from(n) * step).map(|at| (at, label(at))).collect();
        Self { scale: Scale::Linear, from: 0.0, to: step * count, marks }
    }

    fn log(least: f64, most: f64, label: impl Fn(f64) -> String) -> Self {
        let decades = least.log10().floor() as i32..=most.log10().ceil() as i32 + 1;
        let grid: Vec<_> = decades
            .flat_map(|n| [1.0, 2.0, 5.0].map(|factor| (factor, factor * 10f64.powi(n))))
            .collect();
        let from =
            grid.iter().map(|(_, at)| *at).rfind(|at| *at <= least * 1.000_001).unwrap_or(least);
        let to = grid
            .iter()
            .map(|(_, at)| *at)
            .find(|at| *at >= most * 0.999_999 && *at > from)
            .unwrap_or(most);
        // An axis over many decades has marks at powers of ten only.
        let is_marked = |factor: f64| factor == 1.0 || to / from <= 100.0;
        let inside =
            grid.into_iter().filter(|(factor, at)| (from..=to).contains(at) && is_marked(*factor));
        let marks = inside.map(|(_, at)| (at, label(at))).collect();
        Self { scale: Scale::Log, from, to, marks }
    }

    /// An axis for percentiles, from 0 to the percentile of the largest of `count` values. Each
    /// further nine (90 %, 99 %, 99.9 %) has the same width.
    pub(crate) fn of_parts(count: u64) -> Self {
        let last = (count.max(10) as f64).log10();
        let mark = |nines: u32| {
            let label = match nines {
                0 => "0 %".to_owned(),
                1 => "90 %".to_owned(),
                2 => "99 %".to_owned(),
                more => format!("99.{} %", "9".repeat(more as usize - 2)),
            };
            (f64::from(nines), label)
        };
        let mut marks: Vec<_> = (0..=last.floor() as u32).map(mark).collect();
        marks.insert(1, (0.5f64.log10().abs(), "50 %".to_owned()));
        Self { scale: Scale::Linear, from: 0.0, to: last, marks }
    }

    /// Position of a value on the axis: 0 is its beginning, 1 its end.
    fn place(&self, value: f64) -> f64 {
        let place = match self.scale {
            Scale::Linear | Scale::Counts => (value - self.from) / (self.to - self.from),
            Scale::Log => {
                (value.max(self.from) / self.from).log10() / (self.to / self.from).log10()
            }
        };
        place.clamp(0.0, 1.0)
    }
}

/// A data series, drawn in one colour.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Name in the legend.
    pub name: &'static str,
    /// CSS class that sets the colour.
    pub class: &'static str,
    /// Points from left to right. The line has a gap at a point without a value.
    pub points: Vec<(f64, Option<f64>)>,
    /// Draws dots instead of a line.
    pub dots: bool,
}

impl Series {
    /// A series that is drawn as a line.
    pub(super) fn line(
        name: &'static str,
        class: &'static str,
        points: Vec<(f64, Option<f64>)>,
    ) -> Self {
        Self { name, class, points, dots: false }
    }

    fn is_empty(&self) -> bool {
        self.points.iter().all(|(_, y)| y.is_none())
    }
}

/// A tooltip for a part of the x axis.
#[derive(Debug, Clone)]
pub(super) struct Note {
    /// Beginning of the part.
    pub from: f64,
    /// End of the part.
    pub to: f64,
    /// Text of the tooltip.
    pub text: String,
}

#[derive(Debug, Clone)]
pub(super) struct Chart {
    /// Title, which is also the label for screen readers.
    pub title: &'static str,
    /// A sentence that explains the chart.
    pub caption: &'static str,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    pub series: Vec<Series>,
    pub notes: Vec<Note>,
}

impl Chart {
    /// The chart with its title and its legend; empty if no series has a value.
    pub(super) fn figure(&self) -> Markup {
        let drawn: Vec<_> = self.series.iter().filter(|series| !series.is_empty()).collect();
        html! {
            @if !drawn.is_empty() {
                figure {
                    figcaption { h3 { (self.title) } p { (self.caption) } }
                    @if drawn.len() > 1 {
                        ul.legend {
                            @for series in &drawn { li { i class=(series.class) {} (series.name) } }
                        }
                    }
                    svg viewBox=(format!("0 0 {} {}", SIZE.0, SIZE.1)) role="img" aria-label=(self.title) {
                        (self.axes())
                        @for series in drawn { (self.series(series)) }
                        @for note in &self.notes { (self.note(note)) }
                    }
                }
            }
        }
    }

    fn x_position(&self, x: f64) -> f64 {
        PLOT.0 + (PLOT.2 - PLOT.0) * self.x.place(x)
    }

    fn y_position(&self, y: f64) -> f64 {
        PLOT.3 - (PLOT.3 - PLOT.1) * self.y.place(y)
    }

    fn axes(&self) -> Markup {
        let (left, _, right, bottom) = PLOT;
        html! {
            @for (at, label) in &self.y.marks {
                @let y = self.y_position(*at);
                path.grid d=(format!("M{left} {y:.1}H{right}")) {}
                text.y x=(left - 8.0) y=(tenths(y + 4.0)) { (label) }
            }
            @for (at, label) in &self.x.marks {
                @let x = self.x_position(*at);
                @let anchor = if x > right - 20.0 { "end" } else { "middle" };
                text x=(tenths(x)) y=(bottom + 20.0) text-anchor=(anchor) { (label) }
            }
        }
    }

    fn series(&self, series: &Series) -> Markup {
        let points = || series.points.iter().filter_map(|(x, y)| Some((*x, (*y)?)));
        html! {
            @if series.dots {
                @for (x, y) in points() {
                    circle class=(series.class) cx=(tenths(self.x_position(x))) cy=(tenths(self.y_position(y))) r="5" {}
                }
            } @else {
                path class={ "line " (series.class) } d=(self.path(series)) {}
            }
        }
    }

    /// The SVG path of a series, which starts anew after each gap.
    fn path(&self, series: &Series) -> String {
        let (mut path, mut is_on) = (String::new(), false);
        for (x, y) in &series.points {
            if let Some(y) = y {
                let command = if is_on { 'L' } else { 'M' };
                let _ =
                    write!(path, "{command}{:.1} {:.1}", self.x_position(*x), self.y_position(*y));
            }
            is_on = y.is_some();
        }
        path
    }

    fn note(&self, note: &Note) -> Markup {
        let (_, top, _, bottom) = PLOT;
        let from = self.x_position(note.from);
        let width = (self.x_position(note.to) - from).max(1.0);
        html! {
            rect.note x=(tenths(from)) y=(top) width=(tenths(width)) height=(bottom - top) {
                title { (note.text) }
            }
        }
    }
}

/// A coordinate, to a tenth of a unit.
fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(axis: &Axis) -> Vec<&str> {
        axis.marks.iter().map(|(_, label)| &**label).collect()
    }

    fn axis(scale: Scale, values: &[f64]) -> Axis {
        Axis::of(scale, values.iter().copied(), |value| ((value * 1e6).round() / 1e6).to_string())
    }

    #[test]
    fn marks_are_round_and_contain_all_values() {
        assert_eq!(marks(&axis(Scale::Linear, &[3.0, 98.0])), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(marks(&axis(Scale::Linear, &[1300.0])), ["0", "500", "1000", "1500"]);
        assert_eq!(marks(&axis(Scale::Linear, &[0.9])), ["0", "0.2", "0.4", "0.6", "0.8", "1"]);
        assert_eq!(marks(&axis(Scale::Counts, &[3.0])), ["0", "1", "2", "3"]);
        assert_eq!(marks(&axis(Scale::Log, &[1.1, 2400.0])), ["1", "10", "100", "1000"]);
        assert_eq!(marks(&axis(Scale::Log, &[3.0, 40.0])), ["2", "5", "10", "20", "50"]);
        for scale in [Scale::Linear, Scale::Counts, Scale::Log] {
            for values in [&[][..], &[0.0], &[1.0], &[0.001, 0.002], &[1e-9, 1e9], &[10.0, 10.0]] {
                let axis = axis(scale, values);
                assert!(
                    axis.marks.len() >= 2 && axis.marks.len() <= 20,
                    "{scale:?} {values:?}: {axis:?}"
                );
                let inside = |value: &f64| *value >= axis.from * 0.999 && *value <= axis.to * 1.001;
                assert!(
                    values.iter().filter(|value| **value > 0.0).all(inside),
                    "{scale:?} {values:?}: {axis:?}"
                );
                assert!((0.0..=1.0).contains(&axis.place(5.0)));
            }
        }
    }

    #[test]
    fn percentile_axis_widens_towards_the_end() {
        let axis = Axis::of_parts(20_000);
        assert_eq!(marks(&axis), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert!(Axis::of_parts(0).marks.len() >= 2);
    }

    #[test]
    fn line_has_gaps_and_text_stays_text() {
        let chart = Chart {
            title: "Title",
            caption: "",
            x: axis(Scale::Linear, &[10.0]),
            y: axis(Scale::Linear, &[10.0]),
            series: vec![
                Series::line(
                    "a",
                    "a",
                    vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(5.0)), (3.0, Some(5.0))],
                ),
                Series::line("nothing", "b", vec![(0.0, None)]),
            ],
            notes: vec![Note { from: 0.0, to: 1.0, text: "</title><script>".to_owned() }],
        };
        let svg = chart.figure().into_string();
        let (_, path) = svg.split_once("class=\"line a\" d=\"").expect("a line");
        let (path, _) = path.split_once('"').expect("an end");
        assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
        assert!(!svg.contains("nothing") && !svg.contains("<script>"), "{svg}");
        assert_eq!(Chart { series: Vec::new(), ..chart }.figure().into_string(), "");
    }
}
