//! The log on stdout, as text or as JSON lines.

use std::io::{self, Write};

use super::{Sink, text_line};
use crate::config::LogFormat;
use crate::journal::Entry;

/// Writes lines to stdout, or to whatever stands in for it.
pub struct StdoutSink<W> {
    output: W,
    format: LogFormat,
    /// Whether the log's filter lets records through just now.
    shows: fn() -> bool,
}

impl<W: Write + Send + 'static> StdoutSink<W> {
    /// Writes to `output`, while `shows` says so.
    pub fn new(output: W, format: LogFormat, shows: fn() -> bool) -> Self {
        Self { output, format, shows }
    }
}

impl<W: Write + Send + 'static> Sink for StdoutSink<W> {
    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        if !(self.shows)() {
            return Ok(());
        }
        let mut lines = String::new();
        for entry in batch {
            match self.format {
                LogFormat::Text => text_line(entry, &mut lines),
                LogFormat::Json => {
                    lines.push_str(&serde_json::to_string(entry)?);
                    lines.push('\n');
                }
            }
        }
        // One write for whole lines, so that what else is logged cannot come in between. Once it fails, the
        // reader is gone for good.
        self.output.write_all(lines.as_bytes())?;
        self.output.flush()
    }
}
