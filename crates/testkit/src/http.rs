//! An HTTP/1.1 client that sends exactly the given bytes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::{Value, json};

use crate::{KEY, TEST_TIMEOUT};

/// A reply as received.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    fn parse(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw);
        let (head, body) =
            text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .expect("a status line");
        let split =
            |line: &str| line.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned()));
        Self { status, headers: lines.filter_map(split).collect(), body: body.to_owned() }
    }
}

/// Asserts that the reply is an error in the daemon's common form: JSON with an `error`.
#[track_caller]
pub fn assert_error(reply: &Reply, status: u16, what: &str) {
    assert_eq!(reply.status, status, "{what}: {reply:?}");
    assert!(reply.json()["error"].is_string(), "{what}: {reply:?}");
    assert_eq!(reply.header("content-type"), Some("application/json"), "{what}");
}

/// Connects, with a read timeout.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the daemon listens");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends these bytes, and reads until the daemon closes the connection.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Reply {
    send(address, bytes).reply()
}

/// Sends these bytes.
pub fn send(address: SocketAddr, bytes: &[u8]) -> PendingReply {
    let mut stream = connect(address);
    // The daemon may answer and close before it has read everything.
    let _ = stream.write_all(bytes);
    PendingReply(stream)
}

/// A sent request that waits for its reply.
pub struct PendingReply(TcpStream);

impl PendingReply {
    /// Reads until the daemon closes the connection.
    pub fn reply(mut self) -> Reply {
        let mut raw = Vec::new();
        let _ = self.0.read_to_end(&mut raw);
        Reply::parse(&raw)
    }
}

/// A request with these headers and this body, and its reply.
pub fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    exchange(address, &bytes_of(address, method, path, headers, body))
}

/// The bytes of a request with these headers and this body.
pub fn bytes_of(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    [head.as_bytes(), body].concat()
}

/// A bot's request for a call, for a connection that is kept alive.
pub fn post(number: &str) -> Vec<u8> {
    let body =
        json!({ "api_key": KEY, "phone_number": number, "room_name": "R1", "caller_id": "Bob" })
            .to_string();
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// A connection that is kept alive.
pub struct KeptAlive(BufReader<TcpStream>);

impl KeptAlive {
    pub fn open(address: SocketAddr) -> Self {
        Self(BufReader::new(connect(address)))
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).expect("sends");
    }

    /// The next reply.
    pub fn reply(&mut self) -> Reply {
        let mut raw = Vec::new();
        while !raw.ends_with(b"\r\n\r\n") {
            let count = self.0.read_until(b'\n', &mut raw).expect("a reply");
            assert!(count > 0, "closed instead of a reply: {:?}", String::from_utf8_lossy(&raw));
        }
        let length = Reply::parse(&raw)
            .header("content-length")
            .map_or(0, |length| length.parse().expect("a length"));
        let head = raw.len();
        raw.resize(head + length, 0);
        self.0.read_exact(&mut raw[head..]).expect("a body");
        Reply::parse(&raw)
    }

    /// `GET`, without a key.
    pub fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        self.reply()
    }

    /// A second handle to the connection, for another thread.
    pub fn stream(&self) -> TcpStream {
        self.0.get_ref().try_clone().expect("a clone")
    }

    /// Whether nothing arrives within this time.
    pub fn is_silent_for(&mut self, time: std::time::Duration) -> bool {
        self.0.get_ref().set_read_timeout(Some(time)).expect("a timeout");
        let is_silent = self.0.fill_buf().is_err();
        self.0.get_ref().set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        is_silent
    }

    /// Closes the sending half.
    pub fn close_write(&self) {
        self.0.get_ref().shutdown(std::net::Shutdown::Write).expect("closes");
    }

    /// Waits until the daemon closes the connection; returns the bytes until then.
    pub fn wait_close(&mut self) -> String {
        let mut rest = Vec::new();
        // The kernel resets the connection if the daemon closes it while the client still sends.
        match self.0.read_to_end(&mut rest) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => {
                panic!("not closed: {error}")
            }
            _ => String::from_utf8_lossy(&rest).into_owned(),
        }
    }
}
