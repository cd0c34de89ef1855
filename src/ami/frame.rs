//! Frames: what stands between two blank lines, as ordered headers.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::memchr;

/// A received frame. The headers stay where they were received; looking one up copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The frame whose lines are `lines`, without the blank line that ended it.
    pub fn new(lines: Bytes) -> Self {
        Self(lines)
    }

    /// The headers in their order, as name and value. Lines without a colon are passed over.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = &self.0[..];
        std::iter::from_fn(move || {
            while !rest.is_empty() {
                let end = memchr(b'\n', rest).unwrap_or(rest.len());
                let line = &rest[..end];
                rest = &rest[(end + 1).min(rest.len())..];
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if let Some(colon) = memchr(b':', line) {
                    let value = &line[colon + 1..];
                    return Some((&line[..colon], value.strip_prefix(b" ").unwrap_or(value)));
                }
            }
            None
        })
    }

    /// The event's name, if it is one. OriginateResponse has a `Response` as well, but its first header tells.
    pub fn event_name(&self) -> Option<&[u8]> {
        self.headers().next().and_then(|(name, value)| (name == b"Event").then_some(value))
    }

    /// The first header of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.headers().find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The first header of this name as text; what is not UTF-8 is replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map().entries(self.headers().map(|(name, value)| (text(name), text(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(text: &'static str) -> Frame {
        Frame::new(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn headers_keep_their_order_and_values_their_spaces() {
        let frame = frame("Event: Hangup\r\nCause-txt:  a: b \nno colon\r\nEmpty:\r\nevent: second");
        let headers: Vec<_> = frame.headers().collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"Event", b"Hangup"), (b"Cause-txt", b" a: b "), (b"Empty", b""), (b"event", b"second")];
        assert_eq!(headers, expected);
        assert_eq!(frame.text("EVENT").as_deref(), Some("Hangup"));
        assert_eq!(frame.get("Uniqueid"), None);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced_not_refused() {
        let frame = Frame::new(Bytes::from_static(b"Room: \xff\xfe"));
        assert_eq!(frame.text("room").as_deref(), Some("\u{fffd}\u{fffd}"));
    }
}
