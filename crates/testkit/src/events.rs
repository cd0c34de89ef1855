//! A reader of `GET /api/events`, on a thread of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::daemon::KEY;
use crate::{eventually, http};

/// An event of the stream: the fields `id` and `event`, and `data` as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Event {
    pub id: Option<String>,
    pub name: String,
    pub data: String,
}

impl Event {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The record's `seq`; none for a gap.
    pub fn seq(&self) -> Option<u64> {
        self.json()["seq"].as_u64()
    }
}

/// An event stream that is read as fast as it arrives.
pub struct EventStream {
    pub head: String,
    events: Arc<Mutex<Vec<Event>>>,
    ended: Arc<AtomicBool>,
}

impl EventStream {
    /// Opens the stream without a position, so that it begins with the next record.
    pub fn open(address: SocketAddr) -> Self {
        Self::from(address, "", &[])
    }

    /// Opens the stream with this query, the key and these headers.
    pub fn from(address: SocketAddr, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut stream = http::connect(address);
        stream.write_all(request(query, headers).as_bytes()).expect("sends");
        Self::over(stream)
    }

    /// Opens the stream with only these headers, which have to include the key.
    pub fn with(address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let lines: String =
            headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let mut stream = http::connect(address);
        stream
            .write_all(format!("GET /api/events HTTP/1.0\r\n{lines}\r\n").as_bytes())
            .expect("sends");
        Self::over(stream)
    }

    /// Reads the stream from this connection.
    pub fn over(stream: std::net::TcpStream) -> Self {
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        let head =
            lines.by_ref().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
        assert!(head.starts_with("HTTP/1.0 200"), "{head}");
        let (events, ended) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen, is_over) = (events.clone(), ended.clone());
        thread::spawn(move || {
            let mut event = Event::default();
            for line in lines {
                match line.split_once(':') {
                    None if line.is_empty() && !event.data.is_empty() => {
                        seen.lock().expect("a lock").push(std::mem::take(&mut event));
                    }
                    Some(("id", id)) => event.id = Some(id.to_owned()),
                    Some(("event", name)) => event.name = name.to_owned(),
                    Some(("data", data)) => event.data.push_str(data),
                    // A comment keeps the connection alive.
                    Some(("", _)) => {}
                    None if line.is_empty() => {}
                    _ => panic!("this is no line of an event: {line}"),
                }
            }
            is_over.store(true, Ordering::SeqCst);
        });
        Self { head, events, ended }
    }

    /// The events so far.
    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("a lock").clone()
    }

    /// The events since the last call.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.events.lock().expect("a lock"))
    }

    /// Whether the daemon has closed the stream, so that no more events arrive.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Number of events so far.
    pub fn count(&self) -> usize {
        self.events.lock().expect("a lock").len()
    }

    /// The names of the events so far.
    pub fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|event| event.name).collect()
    }

    /// Waits until there are `count` events; returns all.
    pub fn wait_len(&self, count: usize) -> Vec<Event> {
        eventually(&format!("{count} events; so far: {:?}", self.names()), || {
            (self.count() >= count).then(|| self.events())
        })
    }

    /// Waits for the first event of this name.
    pub fn wait_for(&self, name: &str) -> Event {
        eventually(&format!("{name}; so far: {:?}", self.names()), || {
            self.events().into_iter().find(|event| event.name == name)
        })
    }

    /// Waits until the daemon has closed the stream; returns all events.
    pub fn wait_end(&self) -> Vec<Event> {
        eventually("the stream ends", || self.has_ended().then(|| self.events()))
    }
}

/// The request for the stream. HTTP/1.0 has no chunks, so the body arrives unchanged.
pub fn request(query: &str, headers: &[(&str, &str)]) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("GET /api/events{query} HTTP/1.0\r\nX-Api-Key: {KEY}\r\n{more}\r\n")
}
