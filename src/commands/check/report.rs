//! The report of `check`.

use std::io::{self, Write};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};

use originatord_core::escape::escaped;

/// The severity of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Correct.
    Ok,
    /// Could not be checked.
    Note,
    /// Works, but worse or less safely than it could.
    Warning,
    /// Does not work.
    Failure,
}

/// Prints findings, and remembers whether one was a failure.
pub(super) struct Report {
    output: AutoStream<io::Stdout>,
    failed: bool,
}

impl Report {
    pub(super) fn to_stdout() -> Self {
        Self { output: anstream::stdout(), failed: false }
    }

    /// Whether one of the findings so far was a failure.
    pub(super) fn has_failed(&self) -> bool {
        self.failed
    }

    /// Prints one finding. The text is escaped for the terminal, because it may contain text from
    /// Asterisk.
    pub(super) fn line(&mut self, verdict: Verdict, text: &str) {
        let (word, color) = match verdict {
            Verdict::Ok => ("ok", AnsiColor::Green),
            Verdict::Note => ("note", AnsiColor::Cyan),
            Verdict::Warning => ("warning", AnsiColor::Yellow),
            Verdict::Failure => ("failure", AnsiColor::Red),
        };
        let style: Style = color.on_default();
        self.failed |= verdict == Verdict::Failure;
        // The output may be closed; the exit code still tells the result.
        let _: io::Result<()> =
            writeln!(self.output, "{style}{word:<8}{style:#} {}", escaped(text));
    }

    /// Prints `good` if the condition holds, and else `bad` with the verdict `otherwise`.
    pub(super) fn expect(&mut self, holds: bool, good: &str, otherwise: Verdict, bad: &str) {
        if holds { self.line(Verdict::Ok, good) } else { self.line(otherwise, bad) }
    }
}
