//! The journal on stdout, as text or as JSON lines.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write};
use std::time::SystemTime;

use super::{Erased, Sink, pause};
use crate::logging::LogFormat;
use originatord_core::call::Number;
use originatord_core::record::Entry;
use originatord_core::record::text::text_line;

/// About how long a line is, in bytes.
const LINE: usize = 256;

/// Writes lines to stdout, or to another output in tests.
pub struct StdoutSink<W> {
    output: W,
    format: LogFormat,
    /// Whether `[log] filter` lets records through at present.
    shows: fn() -> bool,
}

impl<W: Write + Send + 'static> StdoutSink<W> {
    /// Writes to `output` whenever `shows` returns true.
    pub fn new(output: W, format: LogFormat, shows: fn() -> bool) -> Self {
        Self { output, format, shows }
    }
}

impl<W: Write + Send + 'static> Sink for StdoutSink<W> {
    /// Does nothing: written output cannot be taken back.
    fn erase(&mut self, _: Number) -> Erased {
        Erased::default()
    }

    fn write(&mut self, batch: &[Entry]) -> io::Result<()> {
        if !(self.shows)() {
            return Ok(());
        }
        let mut lines = String::with_capacity(batch.len() * LINE);
        for entry in batch {
            match self.format {
                LogFormat::Text => text_line(entry, SystemTime::now(), &mut lines),
                LogFormat::Json => {
                    // Other log lines begin with a level, and programs that sort lines by it expect one
                    // in each.
                    let _ =
                        writeln!(lines, "{{\"level\":\"{}\",{}", entry.level(), &entry.json()[1..]);
                }
            }
        }
        // Whole lines in one write, so that no other log line comes in between.
        let mut rest = lines.as_bytes();
        while !rest.is_empty() {
            match until_it_works(|| self.output.write(rest))? {
                0 => return Err(ErrorKind::WriteZero.into()),
                written => rest = &rest[written..],
            }
        }
        until_it_works(|| self.output.flush())
    }
}

/// Repeats a write that failed, because a full disk may get space again. A closed pipe stays closed
/// and ends the attempts.
fn until_it_works<T>(mut write: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match write() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() != ErrorKind::BrokenPipe => pause(),
            result => return result,
        }
    }
}
