//! A parser of server-sent events (HTML standard, 9.2.6) that accepts bytes in pieces of any size.
//!
//! eventsource-stream, the crate for this, does not limit the length of an event, so that a hostile
//! server could fill the memory; and it drops events without data, in which the daemon sends the
//! position of the stream.

use std::borrow::Cow;

use memchr::memchr2;

/// The longest accepted event, in bytes; every record is shorter.
const MAX_EVENT: usize = 256 * 1024;

/// An event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    /// The field `id`, if there is one.
    pub id: Option<String>,
    /// The field `event`.
    pub event: String,
    /// The fields `data`, joined by line breaks.
    pub data: String,
}

/// The parser's state.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    after_cr: bool,
    current: Event,
    has_data: bool,
}

/// An event is longer than any record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of over {MAX_EVENT} bytes")]
pub struct TooLong;

impl Parser {
    /// Parses more bytes, and calls `event` with each event that they complete.
    ///
    /// # Errors
    ///
    /// An event is too long. The parser cannot be used any more.
    pub fn feed(&mut self, mut bytes: &[u8], mut event: impl FnMut(Event)) -> Result<(), TooLong> {
        let Some(first) = bytes.first() else { return Ok(()) };
        if std::mem::take(&mut self.after_cr) && *first == b'\n' {
            bytes = &bytes[1..];
        }
        while let Some(end) = memchr2(b'\r', b'\n', bytes) {
            self.push(&bytes[..end])?;
            if let Some(complete) = self.end_line() {
                event(complete);
            }
            let rest = &bytes[end + 1..];
            bytes = match (bytes[end], rest.first()) {
                (b'\r', Some(b'\n')) => &rest[1..],
                (b'\r', None) => {
                    self.after_cr = true;
                    rest
                }
                _ => rest,
            };
        }
        self.push(bytes)
    }

    fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.current.data.len() + bytes.len() > MAX_EVENT {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        if self.line.is_empty() {
            let event = std::mem::take(&mut self.current);
            // The standard drops an event without data, but the daemon sends its position in one.
            let has_data = std::mem::take(&mut self.has_data);
            return (has_data || event.id.is_some()).then_some(event);
        }
        // The daemon sends valid UTF-8, and checking that is much faster than the lossy conversion.
        let line = std::str::from_utf8(&self.line);
        let line = line.map_or_else(|_| String::from_utf8_lossy(&self.line), Cow::Borrowed);
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.current.id = Some(value.to_owned()),
            "event" => self.current.event = value.to_owned(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.current.data.push('\n');
                }
                self.current.data.push_str(value);
            }
            _ => {}
        }
        drop(line);
        self.line.clear();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Event> {
        let (mut parser, mut events) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.feed(piece, |event| events.push(event)).expect("short enough");
        }
        events
    }

    #[test]
    fn stream_can_be_cut_at_any_byte() {
        let stream =
            ": hello\n\nevent:call.queued\r\nid: 7-1\ndata:{\"a\":1}\r\ndata: Я\r\rdata\n\nevent:x\n\nid:7-2\n\n"
                .as_bytes();
        let event = |id: Option<&str>, event: &str, data: &str| Event {
            id: id.map(str::to_owned),
            event: event.to_owned(),
            data: data.to_owned(),
        };
        let expected = [
            event(Some("7-1"), "call.queued", "{\"a\":1}\nЯ"),
            event(None, "", ""),
            event(Some("7-2"), "", ""),
        ];
        for cut in 0..stream.len() {
            let (a, b) = stream.split_at(cut);
            assert_eq!(parse([a, b"", b]), expected, "cut at {cut}");
        }
    }

    #[test]
    fn endless_event_is_rejected() {
        let mut parser = Parser::default();
        let endless = (0..1000).try_for_each(|_| parser.feed(&[b'x'; 1024], |_| {}));
        assert_eq!(endless, Err(TooLong));
    }
}
