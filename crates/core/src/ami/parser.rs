//! Parses bytes into frames.
//!
//! The wire format is in `main/manager.c`: one banner line, then messages of `Name: value` lines,
//! each message ended by an empty line. A line ends in CR LF; a bare LF is accepted as well.

use bytes::{Buf, BytesMut};
use memchr::memmem::Finder;

use super::frame::Frame;

/// Longest frame that is accepted. Asterisk's longest, a CoreShowChannel, has under 4 KiB.
pub const MAX_FRAME: usize = 64 * 1024;

/// Longest banner line that is accepted.
pub const MAX_BANNER: usize = 256;

/// How many bytes `Parser::frame_end` searches at once: a frame or two.
const WINDOW: usize = 1024;

/// The beginning of the banner, in every version.
const BANNER: &[u8] = b"Asterisk Call Manager/";

/// A received item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The greeting, as `Asterisk Call Manager/11.0.0`.
    Banner(String),
    /// A message.
    Frame(Frame),
    /// A message over [`MAX_FRAME`], which was discarded; its length in bytes.
    Oversized(usize),
}

/// The peer does not greet as Asterisk does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Asterisk manager: it does not greet with \"Asterisk Call Manager/\"")]
pub struct NotAsterisk;

/// Parses the bytes of one connection, one item after the other.
#[derive(Debug)]
pub struct Parser {
    /// Finds a frame's end, if its empty line ends in CR LF.
    crlf: Finder<'static>,
    /// Finds a frame's end, if its empty line ends in a bare LF.
    lf: Finder<'static>,
    /// Whether the banner was received.
    greeted: bool,
    /// How many bytes at the front of the buffer do not contain the end of a frame.
    scanned: usize,
    /// How many bytes of an oversized frame were discarded.
    discarded: usize,
}

impl Parser {
    /// Removes the next item from the front of `buffer`; `None` if it is not complete yet.
    ///
    /// # Errors
    ///
    /// The banner is not Asterisk's.
    pub fn parse(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, NotAsterisk> {
        if !self.greeted {
            return self.banner(buffer);
        }
        if self.scanned == 0 && self.discarded == 0 {
            // Empty lines between frames are skipped.
            while matches!(buffer[..], [b'\n', ..] | [b'\r', b'\n', ..]) {
                buffer.advance(if buffer[0] == b'\r' { 2 } else { 1 });
            }
            if buffer[..] == *b"\r" {
                return Ok(None);
            }
        }
        match self.frame_end(buffer) {
            Some((end, next)) => {
                self.scanned = 0;
                let discarded = std::mem::take(&mut self.discarded);
                if discarded > 0 || end > MAX_FRAME {
                    buffer.advance(next);
                    return Ok(Some(Received::Oversized(discarded + end)));
                }
                let mut lines = buffer.split_to(next);
                lines.truncate(end);
                Ok(Some(Received::Frame(Frame::new(lines.freeze()))))
            }
            None => {
                if self.discarded > 0 || self.scanned > MAX_FRAME {
                    // The remaining bytes may be the beginning of the frame's end.
                    self.discarded += self.scanned;
                    buffer.advance(self.scanned);
                    self.scanned = 0;
                }
                Ok(None)
            }
        }
    }

    fn banner(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, NotAsterisk> {
        let known = buffer.len().min(BANNER.len());
        if buffer[..known] != BANNER[..known] {
            return Err(NotAsterisk);
        }
        match buffer.iter().take(MAX_BANNER).position(|b| *b == b'\n') {
            Some(end) => {
                let line = buffer.split_to(end + 1);
                self.greeted = true;
                Ok(Some(Received::Banner(
                    String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
                )))
            }
            None if buffer.len() >= MAX_BANNER => Err(NotAsterisk),
            None => Ok(None),
        }
    }

    /// The end of the first frame's lines, and the beginning of the next frame.
    ///
    /// Searching for the two kinds of frame end is several times faster than looking at every line
    /// end. But Asterisk hardly ever sends the bare kind, so a search for it in the whole buffer
    /// would go on far behind the first frame. So both kinds are searched in one short window after
    /// the other. Two windows overlap by two bytes, as a frame end has three.
    fn frame_end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        let mut from = self.scanned;
        loop {
            let window = &buffer[from..buffer.len().min(from + WINDOW)];
            let crlf = self.crlf.find(window);
            let before = &window[..crlf.map_or(window.len(), |end| end + 1)];
            if let Some(end) = self.lf.find(before) {
                return Some((from + end, from + end + 2));
            }
            if let Some(end) = crlf {
                return Some((from + end, from + end + 3));
            }
            if from + window.len() == buffer.len() {
                break;
            }
            from += WINDOW - 2;
        }
        // The last bytes may be the beginning of a frame's end.
        self.scanned = match buffer[from..] {
            [.., b'\n'] => buffer.len() - 1,
            [.., b'\n', b'\r'] => buffer.len() - 2,
            _ => buffer.len(),
        };
        None
    }
}

impl Default for Parser {
    fn default() -> Self {
        let (crlf, lf) = (Finder::new(b"\n\r\n"), Finder::new(b"\n\n"));
        Self { crlf, lf, greeted: false, scanned: 0, discarded: 0 }
    }
}

#[cfg(test)]
mod tests;
