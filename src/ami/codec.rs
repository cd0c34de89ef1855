//! Bytes to frames and actions to bytes.
//!
//! The wire format is in `main/manager.c`: one banner line, then messages of `Name: value` lines, each message
//! ended by an empty line. A line ends in CR LF; a bare LF is taken as well.

use bytes::{Buf, BytesMut};
use memchr::memchr_iter;
use tokio_util::codec::{Decoder, Encoder};

use super::action::{Action, ActionId, Unsendable};
use super::frame::Frame;

/// Longest frame taken. Asterisk's longest, a CoreShowChannel, has under 4 KiB.
pub const MAX_FRAME: usize = 64 * 1024;

/// Longest banner line taken.
pub const MAX_BANNER: usize = 256;

/// What the banner begins with, on every version.
const BANNER: &[u8] = b"Asterisk Call Manager/";

/// What was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Received {
    /// The greeting, as `Asterisk Call Manager/11.0.0`.
    Banner(String),
    /// A message.
    Frame(Frame),
    /// A message over [`MAX_FRAME`], thrown away; its length in bytes.
    Oversized(usize),
}

/// Why a connection cannot be read on.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// Whoever is there does not greet as Asterisk does.
    #[error("not an Asterisk manager: it does not greet with \"Asterisk Call Manager/\"")]
    NotAsterisk,
    /// The action cannot be written.
    #[error(transparent)]
    Unsendable(#[from] Unsendable),
    /// The connection itself failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// The decoder's state; one for each connection.
#[derive(Debug, Default)]
pub struct Codec {
    greeted: bool,
    /// How many bytes at the front of the buffer hold no end of a frame.
    scanned: usize,
    /// Bytes of an oversized frame already thrown away.
    discarded: usize,
}

impl Codec {
    fn banner(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, CodecError> {
        let known = buffer.len().min(BANNER.len());
        if buffer[..known] != BANNER[..known] {
            return Err(CodecError::NotAsterisk);
        }
        match buffer.iter().take(MAX_BANNER).position(|b| *b == b'\n') {
            Some(end) => {
                let line = buffer.split_to(end + 1);
                self.greeted = true;
                Ok(Some(Received::Banner(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())))
            }
            None if buffer.len() >= MAX_BANNER => Err(CodecError::NotAsterisk),
            None => Ok(None),
        }
    }

    /// The first frame's end: where its lines stop, and where the next frame begins.
    fn frame_end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        for newline in memchr_iter(b'\n', &buffer[self.scanned..]).map(|at| at + self.scanned) {
            match buffer[newline + 1..] {
                [b'\n', ..] => return Some((newline, newline + 2)),
                [b'\r', b'\n', ..] => return Some((newline, newline + 3)),
                [] | [b'\r'] => {
                    // Whether this line is the last is in bytes yet to come.
                    self.scanned = newline;
                    return None;
                }
                _ => {}
            }
        }
        self.scanned = buffer.len();
        None
    }
}

impl Decoder for Codec {
    type Item = Received;
    type Error = CodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Received>, CodecError> {
        if !self.greeted {
            return self.banner(buffer);
        }
        if self.scanned == 0 && self.discarded == 0 {
            // Empty lines between frames mean nothing.
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
                    // What is left may be the beginning of the frame's end.
                    self.discarded += self.scanned;
                    buffer.advance(self.scanned);
                    self.scanned = 0;
                }
                Ok(None)
            }
        }
    }
}

impl Encoder<(&Action, &ActionId)> for Codec {
    type Error = CodecError;

    fn encode(&mut self, (action, id): (&Action, &ActionId), buffer: &mut BytesMut) -> Result<(), CodecError> {
        Ok(action.encode(id, buffer)?)
    }
}

#[cfg(test)]
mod tests;
