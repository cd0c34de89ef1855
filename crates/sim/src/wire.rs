//! Messages as Asterisk writes them, and actions as Asterisk parses them, with its limits.

use std::borrow::Cow;

use bytes::{BufMut, BytesMut};

/// Longest line that Asterisk accepts, with its line end: `char inbuf[1025]` in `main/manager.c`.
pub const MAX_LINE: usize = 1024;

/// Maximum of headers in an action: `AST_MAX_MANHEADERS` in `include/asterisk/manager.h`.
pub const MAX_HEADERS: usize = 128;

/// The headers of one message, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, String)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.0.push((name.into(), value.to_string()));
        self
    }

    /// Appends the headers of `more`.
    #[must_use]
    pub fn and(mut self, more: Headers) -> Self {
        self.0.extend(more.0);
        self
    }

    /// The value of the first header with this name, in any case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// The value of the first header with this name, unless it is empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// The values of all headers with this name, in any case.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Replaces the value of the first header with this name.
    pub fn set(&mut self, name: &str, value: &str) {
        if let Some((_, old)) = self.0.iter_mut().find(|(n, _)| n == name) {
            value.clone_into(old);
        }
    }

    /// All headers, as name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Appends the message with the empty line that ends it.
    pub fn encode(&self, out: &mut BytesMut) {
        for (name, value) in self.iter() {
            for part in [name, ": ", value, "\r\n"] {
                out.put_slice(part.as_bytes());
            }
        }
        out.put_slice(b"\r\n");
    }

    /// Parses a line like Asterisk, which skips blanks before the value and keeps blanks behind it.
    fn push_line(&mut self, line: &[u8]) {
        let line = String::from_utf8_lossy(line);
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        self.0.push((name.to_owned().into(), value.trim_start().to_owned()));
    }
}

impl IntoIterator for Headers {
    type Item = (Cow<'static, str>, String);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(Cow<'static, str>, String)> for Headers {
    fn from_iter<I: IntoIterator<Item = (Cow<'static, str>, String)>>(headers: I) -> Self {
        Self(headers.into_iter().collect())
    }
}

/// A message from the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// An action.
    Action(Headers),
    /// A message that Asterisk refuses, with the headers parsed so far and the error text.
    Malformed(Headers, &'static str),
}

/// Parses actions. Buffers at most one line and one action, each within its limit.
#[derive(Debug, Default)]
pub struct Input {
    line: Vec<u8>,
    headers: Headers,
    problem: Option<&'static str>,
}

impl Input {
    /// Consumes bytes up to the end of the first action; returns the rest, and that action.
    pub fn read<'b>(&mut self, bytes: &'b [u8]) -> (&'b [u8], Option<Request>) {
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b'\n' {
                if let Some(request) = self.end_line() {
                    return (&bytes[at + 1..], Some(request));
                }
                continue;
            }
            self.line.push(*byte);
            if self.line.len() == MAX_LINE {
                // The line and its end do not fit into Asterisk's buffer. Asterisk reads the rest
                // as a new line.
                self.line.clear();
                self.problem = Some("Failed to parse message: line too long");
            }
        }
        (&[], None)
    }

    fn end_line(&mut self) -> Option<Request> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        if line.is_empty() {
            let headers = std::mem::take(&mut self.headers);
            return Some(match self.problem.take() {
                Some(problem) => Request::Malformed(headers, problem),
                None => Request::Action(headers),
            });
        }
        if self.headers.0.len() < MAX_HEADERS {
            self.headers.push_line(line);
        } else {
            self.problem.get_or_insert("Too many lines in message or allocation failure");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Vec<Request> {
        let (mut input, mut requests) = (Input::default(), Vec::new());
        while !bytes.is_empty() {
            let (rest, request) = input.read(bytes);
            requests.extend(request);
            bytes = rest;
        }
        assert!(input.line.len() < MAX_LINE);
        requests
    }

    fn action(headers: &[(&'static str, &str)]) -> Request {
        Request::Action(
            headers.iter().fold(Headers::new(), |all, (name, value)| all.with(name, value)),
        )
    }

    #[test]
    fn lines_end_with_or_without_cr() {
        let ping = [("Action", "Ping"), ("ActionID", "7 ")];
        assert_eq!(
            read(b"Action: Ping\r\nActionID:  7 \r\n\r\nAction:Ping\nActionID: 7 \n\n"),
            [action(&ping), action(&ping)]
        );
        assert_eq!(read(b"\r\n\n"), [action(&[]), action(&[])]);
    }

    /// Asterisk 22 and 16 accept a line of 1024 bytes, including its end, and refuse one of 1025.
    #[test]
    fn too_long_line_refuses_its_message() {
        let with_line = |length: usize| {
            format!("Action: Ping\r\nX: {}\r\n\r\n", "x".repeat(length - 5)).into_bytes()
        };
        assert!(matches!(read(&with_line(MAX_LINE))[..], [Request::Action(_)]));
        let longer = read(&with_line(MAX_LINE + 100));
        assert!(
            matches!(longer[..], [Request::Malformed(_, "Failed to parse message: line too long")]),
            "{longer:?}"
        );
        // The discarded bytes end with the CR. So the LF alone is an empty line, as is the next.
        let by_one = read(&with_line(MAX_LINE + 1));
        assert!(matches!(by_one[..], [Request::Malformed(..), Request::Action(_)]), "{by_one:?}");
    }

    #[test]
    fn endless_line_takes_no_memory() {
        let mut input = Input::default();
        for _ in 0..1000 {
            assert_eq!(input.read(&[b'x'; 4096]), (&[][..], None));
            assert!(input.line.capacity() <= 2 * MAX_LINE);
        }
    }

    #[test]
    fn action_has_at_most_128_headers() {
        let with = |count: usize| "X: y\r\n".repeat(count) + "\r\n";
        assert!(matches!(read(with(128).as_bytes())[..], [Request::Action(_)]));
        assert!(matches!(read(with(1_000).as_bytes())[..], [Request::Malformed(..)]));
    }
}
