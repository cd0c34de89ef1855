//! Frames: the ordered headers between two blank lines.

use std::borrow::Cow;
use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

/// A received frame. The headers stay in the receive buffer; looking one up copies nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// The frame whose lines are `lines`, without the blank line that ended it.
    pub fn new(lines: Bytes) -> Self {
        Self(lines)
    }

    /// The headers in their order, as name and value. Lines without a colon are skipped.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().filter_map(header)
    }

    /// The header of the first line, which names the kind of the message.
    pub fn first(&self) -> Option<(&[u8], &[u8])> {
        let Self(lines) = self;
        header(&lines[..memchr(b'\n', lines).unwrap_or(lines.len())])
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let Self(lines) = self;
        let mut start = 0;
        memchr_iter(b'\n', lines)
            .chain([lines.len()])
            .map(move |end| &lines[std::mem::replace(&mut start, end + 1)..end])
    }

    /// The event's name, if the first header is `Event`. OriginateResponse has a `Response` header
    /// as well, so only the first one decides.
    pub fn event_name(&self) -> Option<&[u8]> {
        self.first().and_then(|(name, value)| (name == b"Event").then_some(value))
    }

    /// The first header of this name, in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.lines().find_map(|line| value_of(name, line))
    }

    /// The value of the first header of each name, empty if there is none. The spelling of `names`
    /// takes precedence over others, which differ in case.
    pub(crate) fn pick<const N: usize>(&self, names: [&Name; N]) -> [&[u8]; N] {
        names.map(|name| self.find(name).or_else(|| self.get(name.text())).unwrap_or_default())
    }

    /// The first header that is spelled like this, from the second line on. Searching for the name
    /// in all lines at once is several times faster than going from line to line.
    fn find(&self, name: &Name) -> Option<&[u8]> {
        let Self(lines) = self;
        let rest = &lines[name.finder().find(lines)? + name.line.len()..];
        Some(value(&rest[..memchr(b'\n', rest).unwrap_or(rest.len())]))
    }

    /// The first header of this name as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.get(name).map(String::from_utf8_lossy)
    }
}

/// The name of a header that is searched for in many frames.
pub struct Name {
    line: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Name {
    /// `line` is the name between a line end and a colon, as it stands in any line but the first.
    pub const fn new(line: &'static str) -> Self {
        Self { line, finder: OnceLock::new() }
    }

    fn text(&self) -> &'static str {
        self.line.trim_start_matches('\n').trim_end_matches(':')
    }

    fn finder(&self) -> &Finder<'static> {
        self.finder.get_or_init(|| Finder::new(self.line))
    }
}

fn header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    Some((&line[..colon], value(&line[colon + 1..])))
}

/// The value, if the line is a header of this name. Most lines are rejected by the byte where the
/// colon would be.
fn value_of<'l>(name: &str, line: &'l [u8]) -> Option<&'l [u8]> {
    let colon = name.len();
    (line.get(colon) == Some(&b':') && line[..colon].eq_ignore_ascii_case(name.as_bytes()))
        .then(|| value(&line[colon + 1..]))
}

/// The bytes after the colon, without the space before them and the line end.
fn value(rest: &[u8]) -> &[u8] {
    let rest = rest.strip_suffix(b"\r").unwrap_or(rest);
    rest.strip_prefix(b" ").unwrap_or(rest)
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes| String::from_utf8_lossy(bytes);
        f.debug_map()
            .entries(self.headers().map(|(name, value)| (text(name), text(value))))
            .finish()
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
        let frame =
            frame("Event: Hangup\r\nCause-txt:  a: b \nno colon\r\nEmpty:\r\nevent: second");
        let headers: Vec<_> = frame.headers().collect();
        let expected: [(&[u8], &[u8]); 4] = [
            (b"Event", b"Hangup"),
            (b"Cause-txt", b" a: b "),
            (b"Empty", b""),
            (b"event", b"second"),
        ];
        assert_eq!(headers, expected);
        assert_eq!(frame.text("EVENT").as_deref(), Some("Hangup"));
        assert_eq!(frame.get("Uniqueid"), None);
    }

    #[test]
    fn headers_are_picked_by_name_in_any_case_and_not_from_values() {
        let [uniqueid, cause, event] = ["\nUniqueid:", "\nCause:", "\nEvent:"].map(Name::new);
        let frame = frame(
            "Event: Uniqueid: 1\r\nCause-txt: Cause: 2\r\nDestUniqueid: 3\r\nUniqueid:  4 \r\nUniqueid: 5",
        );
        assert_eq!(frame.pick([&uniqueid, &cause, &event]), [&b" 4 "[..], b"", b"Uniqueid: 1"]);
        assert_eq!(Frame::new(Bytes::from_static(b"a: b\ncause: 6")).pick([&cause]), [b"6"]);
    }

    #[test]
    fn bytes_other_than_utf8_are_replaced() {
        let frame = Frame::new(Bytes::from_static(b"Room: \xff\xfe"));
        assert_eq!(frame.text("room").as_deref(), Some("\u{fffd}\u{fffd}"));
    }

    proptest::proptest! {
        /// The headers come after the first line, among random others.
        #[test]
        fn picked_header_is_first_of_its_name(
            words in proptest::collection::vec(
                proptest::sample::select(vec!["\n", "\r\n", "\r", "Cause", "Cause:", "Cause-txt:", ":", " ", "x", "\0"]), 0..30)
        ) {
            let frame = Frame::new(format!("Event: x\n{}", words.concat()).into());
            let [cause, text] = ["\nCause:", "\nCause-txt:"].map(Name::new);
            let first = ["Cause", "Cause-txt"].map(|name| frame.get(name).unwrap_or_default());
            proptest::prop_assert_eq!(frame.pick([&cause, &text]), first);
        }
    }
}
