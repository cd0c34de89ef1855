//! Those who write the log down: to stdout, and to a file.
//!
//! Each runs on a thread of its own and reads the ring like everybody else, so that a full disk or a terminal
//! that is held up stops nobody but itself, and finds a gap named when it goes on.

mod file;
mod stdout;
#[cfg(test)]
mod tests;
mod text;

use std::io;
use std::thread::{Builder, JoinHandle};

use tokio::runtime::Handle;

pub use file::{FileSink, last_seq};
pub use stdout::StdoutSink;
pub use text::{quoted, text_line};

use super::{Entry, Reader};

/// Something that entries are written to.
pub trait Sink: Send + 'static {
    /// Writes the entries, or gives up writing for good.
    fn write(&mut self, batch: &[Entry]) -> io::Result<()>;
}

/// Lets `sink` write whatever `reader` reads, on a thread of this name, until the log is closed.
///
/// # Errors
///
/// The thread cannot be started.
pub fn spawn(name: &str, mut reader: Reader, mut sink: impl Sink) -> io::Result<JoinHandle<()>> {
    let runtime = Handle::current();
    Builder::new().name(name.to_owned()).spawn(move || {
        loop {
            let batch = runtime.block_on(reader.next_batch());
            if batch.is_empty() || sink.write(&batch).is_err() {
                return;
            }
        }
    })
}
