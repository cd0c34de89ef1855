//! Who watches Asterisk from aside, the same for every side: an AMI connection of its own.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use originatord::ami::frame::Frame;
use originatord::ami::parser::{Parser, Received};

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// When the first channel of a number's call came to be.
    begun: HashMap<String, Instant>,
    /// When the first leg towards the gateway came to be, by the call's Linkedid.
    dialled: HashMap<String, Instant>,
    live: i64,
    /// When the last channel was hung up.
    over: Option<Instant>,
}

/// The observer.
pub struct Observer {
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Observer {
    /// Logs in, and watches from now on.
    pub fn start(address: &str, secret: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("Asterisk listens");
        let login = format!(
            "Action: Login\r\nUsername: originatord\r\nSecret: {secret}\r\nEvents: call\r\n\r\n"
        );
        stream.write_all(login.as_bytes()).expect("sends");
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let told = seen.clone();
        thread::spawn(move || {
            let (mut parser, mut input, mut buffer) =
                (Parser::default(), BytesMut::new(), vec![0; 64 * 1024]);
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                let at = Instant::now();
                input.extend_from_slice(&buffer[..read]);
                let mut seen = told.0.lock().expect("a lock");
                while let Some(received) = parser.parse(&mut input).expect("Asterisk's words") {
                    if let Received::Frame(frame) = received {
                        seen.take(&frame, at);
                    }
                }
                told.1.notify_all();
            }
        });
        Self { seen }
    }

    /// Waits until all of these numbers' calls have begun and no channel is left; returns when each
    /// began, and when the last was over. Calls that do not begin within the patience are left out.
    pub fn wait_over(
        &self,
        numbers: &[String],
        patience: Duration,
    ) -> (Vec<Instant>, Option<Instant>) {
        let give_up = Instant::now() + patience;
        let mut seen = self.seen.0.lock().expect("a lock");
        loop {
            let begun: Vec<_> =
                numbers.iter().filter_map(|number| seen.begun.get(number).copied()).collect();
            let left = give_up.saturating_duration_since(Instant::now());
            if (begun.len() == numbers.len() && seen.live == 0) || left.is_zero() {
                return (begun, seen.over);
            }
            seen = self.seen.1.wait_timeout(seen, left).expect("a lock").0;
        }
    }

    /// When the call of this id was first dialled towards the gateway.
    pub fn dialled(&self, linkedid: &str) -> Option<Instant> {
        self.seen.0.lock().expect("a lock").dialled.get(linkedid).copied()
    }
}

impl Seen {
    fn take(&mut self, frame: &Frame, at: Instant) {
        match frame.event_name() {
            Some(b"Newchannel") => {
                self.live += 1;
                let [channel, linkedid] =
                    ["Channel", "Linkedid"].map(|name| frame.text(name).unwrap_or_default());
                if let Some(number) =
                    channel.strip_prefix("Local/").and_then(|rest| rest.split('@').next())
                {
                    self.begun.entry(number.to_owned()).or_insert(at);
                } else {
                    self.dialled.entry(linkedid.into_owned()).or_insert(at);
                }
            }
            Some(b"Hangup") => {
                self.live -= 1;
                self.over = Some(at);
            }
            _ => {}
        }
    }
}
