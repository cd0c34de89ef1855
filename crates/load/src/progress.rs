//! The progress of a run: one line that is rewritten on a terminal, else a line every few seconds.

use std::io::Write;
use std::time::{Duration, Instant};

use super::run::Run;

/// Interval between two updates of the line on a terminal.
const REWRITE: Duration = Duration::from_millis(250);

/// Interval between two lines on any other output.
const LINE: Duration = Duration::from_secs(5);

/// Shows the progress of a run on `output`, without colours.
pub struct Progress {
    output: Box<dyn Write + Send>,
    is_terminal: bool,
    shown: Instant,
    /// Length in characters of the line that will be rewritten; 0 if there is none.
    width: usize,
    /// Beginning of each line.
    label: String,
}

impl Progress {
    /// Shows nothing yet. Later it rewrites one line if `output` is a terminal.
    pub fn new(output: impl Write + Send + 'static, is_terminal: bool) -> Self {
        let output = Box::new(output);
        Self { output, is_terminal, shown: Instant::now(), width: 0, label: String::new() }
    }

    /// Begins a run, whose lines begin with `label`.
    pub fn begin(&mut self, label: String) {
        (self.label, self.shown) = (label, Instant::now());
    }

    /// Shows the progress of a run if the interval has passed.
    pub fn show(&mut self, run: &Run<'_>, now: Instant) {
        let pause = if self.is_terminal { REWRITE } else { LINE };
        if now < self.shown + pause {
            return;
        }
        self.shown = now;
        if self.is_terminal {
            self.show_last(run, now);
        } else {
            self.write(&format!("{}{}\n", self.label, line(run, now)));
        }
    }

    /// Shows the final figures of a run, on a terminal only.
    pub(crate) fn show_last(&mut self, run: &Run<'_>, now: Instant) {
        if self.is_terminal {
            self.rewrite(&format!("{}{}", self.label, line(run, now)));
        }
    }

    /// Prints a line that stays.
    pub fn note(&mut self, text: &str) {
        if self.width > 0 {
            self.rewrite("");
            self.write("\r");
        }
        self.write(&format!("{text}\n"));
    }

    /// Ends the line that is being rewritten.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.width) > 0 {
            self.write("\n");
        }
    }

    fn rewrite(&mut self, line: &str) {
        let width = line.chars().count();
        self.write(&format!("\r{line}{}", " ".repeat(self.width.saturating_sub(width))));
        self.width = width;
    }

    /// Writes `text`. Ignores errors: the run goes on if nobody reads its progress.
    fn write(&mut self, text: &str) {
        let _ = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
    }
}

fn line(run: &Run<'_>, now: Instant) -> String {
    let (counters, since) = (run.counters(), run.since(now));
    let p99 =
        counters.reply.quantile(0.99).map(|p99| format!("  p99 {:.1} ms", p99.as_secs_f64() * 1e3));
    let failures = counters.failures();
    let failures = if failures > 0 { format!("  failed {failures}") } else { String::new() };
    format!(
        "{:6.1} s  sent {}  accepted {}{failures}  live {}  ended {}{}",
        since.as_secs_f64(),
        counters.sent,
        counters.accepted,
        run.live(),
        counters.outcomes.total(),
        p99.unwrap_or_default(),
    )
}
