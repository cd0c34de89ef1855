//! An AMI client that keeps everything it receives.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::frames::{Frame, mask};
use testkit::TEST_TIMEOUT;
use testkit::daemon::Ami;

/// After a silence of this length, the client assumes that the server has sent everything.
pub(super) const QUIET: Duration = Duration::from_millis(150);

/// A connection, and the bytes received over it.
pub(super) struct Client {
    stream: TcpStream,
    received: String,
}

impl Client {
    pub(super) fn connect(ami: &Ami<'_>) -> Self {
        let stream = TcpStream::connect(ami.address).expect("a connection");
        let mut client = Self { stream, received: String::new() };
        client.wait("a banner", |received| received.contains('\n'));
        client.received.clear();
        client
    }

    pub(super) fn logged_in(ami: &Ami<'_>, events: &str) -> Self {
        let mut client = Self::connect(ami);
        client.send(&format!(
            "Action: Login\nUsername: originatord\nSecret: {}\nEvents: {events}",
            ami.secret
        ));
        // Asterisk sends FullyBooted only to users who may read system events.
        let last = if events == "off" { "Authentication accepted" } else { "Fully Booted" };
        client
            .wait("a login", |received| received.contains(last) && received.ends_with("\r\n\r\n"));
        client.received.clear();
        client
    }

    /// Logs in as a user who gets no FullyBooted.
    pub(super) fn logged_in_as(user: &str, ami: &Ami<'_>) -> Self {
        let mut client = Self::connect(ami);
        let answer =
            client.ask(&format!("Action: Login\nUsername: {user}\nSecret: {}", ami.secret));
        assert!(answer.contains("Authentication accepted"), "{answer}");
        client.received.clear();
        client
    }

    pub(super) fn send(&mut self, action: &str) {
        let bytes = action.replace('\n', "\r\n") + "\r\n\r\n";
        self.stream.write_all(bytes.as_bytes()).expect("a sent action");
    }

    /// Reads once, for at most this time. Returns the number of bytes, or `None` if the server has
    /// closed the connection.
    pub(super) fn read(&mut self, timeout: Duration) -> Option<usize> {
        self.stream.set_read_timeout(Some(timeout)).expect("a timeout");
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => None,
            Ok(count) => {
                self.received.push_str(&String::from_utf8_lossy(&buffer[..count]));
                Some(count)
            }
            Err(_) => Some(0),
        }
    }

    /// Reads until `done` accepts all bytes received so far, or the connection is closed. Panics
    /// after [`TEST_TIMEOUT`].
    pub(super) fn wait(&mut self, what: &str, done: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + TEST_TIMEOUT;
        while !done(&self.received) {
            assert!(
                Instant::now() < deadline,
                "{what} did not arrive; received so far:\n{}",
                self.received
            );
            if self.read(Duration::from_millis(100)).is_none() {
                break;
            }
        }
    }

    /// Reads until the server is silent.
    pub(super) fn read_until_silent(&mut self) {
        while self.read(QUIET).is_some_and(|count| count > 0) {}
    }

    /// Sends an action; returns the masked reply, or the whole list, with `|` between its lines.
    pub(super) fn ask(&mut self, action: &str) -> String {
        self.received.clear();
        self.send(action);
        self.wait(action, |received| {
            let is_complete =
                !received.contains("EventList: start") || received.contains("EventList: Complete");
            is_complete && received.ends_with("\r\n\r\n")
        });
        mask(&self.received).trim_end().replace("\r\n", "|")
    }

    /// Sends an action and reads until the server is silent. The frames stay for the comparison.
    pub(super) fn request(&mut self, action: &str) {
        self.send(action);
        self.read_until_silent();
    }

    /// Waits until this event about the channel with this unique id has arrived `count` times.
    pub(super) fn wait_for(&mut self, event: &str, uniqueid: &str, count: usize) {
        let (event, id) = (format!("Event: {event}\r\n"), format!("\r\nUniqueid: {uniqueid}\r\n"));
        self.wait(&format!("{event} {count} times"), |received| {
            let frames = received.split_inclusive("\r\n\r\n");
            let is_it = |frame: &&str| {
                frame.starts_with(&event) && frame.contains(&id) && frame.ends_with("\r\n\r\n")
            };
            frames.filter(is_it).count() >= count
        });
    }

    /// The name of the channel with this unique id, from its Newchannel.
    pub(super) fn channel(&self, uniqueid: &str) -> String {
        let id = format!("\r\nUniqueid: {uniqueid}\r\n");
        let mut frames = self.received.split("\r\n\r\n").map(|frame| format!("{frame}\r\n"));
        let frame =
            frames.find(|frame| frame.starts_with("Event: Newchannel") && frame.contains(&id));
        let frame = frame.expect("a Newchannel of the channel");
        let name = frame.lines().find_map(|line| line.strip_prefix("Channel: "));
        name.expect("a channel").to_owned()
    }

    /// Waits until all channels have hung up and all Originates have their response.
    pub(super) fn wait_for_the_end(&mut self, originates: usize) {
        self.wait("the end of the call", |received| {
            let count = |what: &str| received.matches(what).count();
            count("Event: OriginateResponse\r\n") == originates
                && count("Event: Newchannel\r\n") == count("Event: Hangup\r\n")
                && received.ends_with("\r\n\r\n")
        });
        self.read_until_silent();
    }

    /// All masked frames received so far.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let split = |line: &str| {
            line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()))
        };
        let frames = mask(&self.received);
        frames
            .split("\r\n\r\n")
            .filter(|frame| !frame.is_empty())
            .map(|frame| frame.split("\r\n").filter_map(split).collect())
            .collect()
    }
}
