//! Observes Asterisk on an AMI connection of its own, in the same way for every side.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use originatord_core::ami::frame::Frame;
use originatord_core::ami::parser::{Parser, Received};

/// The observations so far.
#[derive(Default)]
struct Observed {
    /// Time of the first channel of a number's call.
    begun: HashMap<String, Instant>,
    /// Time of the first leg to the gateway, by the call's `Linkedid`.
    dialled: HashMap<String, Instant>,
    /// Number of channels.
    live: i64,
    /// Time of the last hangup.
    last_hangup: Option<Instant>,
}

/// The observer.
pub(crate) struct Observer {
    observed: Arc<(Mutex<Observed>, Condvar)>,
}

impl Observer {
    /// Logs in, and observes from then on.
    pub(crate) fn start(address: &str, secret: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("Asterisk listens");
        let login = format!(
            "Action: Login\r\nUsername: originatord\r\nSecret: {secret}\r\nEvents: call\r\n\r\n"
        );
        stream.write_all(login.as_bytes()).expect("sends");
        let observed = Arc::new((Mutex::new(Observed::default()), Condvar::new()));
        let writer = observed.clone();
        thread::spawn(move || {
            let mut parser = Parser::default();
            let mut input = BytesMut::new();
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                let at = Instant::now();
                input.extend_from_slice(&buffer[..read]);
                let mut observed = writer.0.lock().expect("a lock");
                while let Some(received) = parser.parse(&mut input).expect("valid AMI") {
                    if let Received::Frame(frame) = received {
                        observed.record(&frame, at);
                    }
                }
                writer.1.notify_all();
            }
        });
        Self { observed }
    }

    /// Waits until the calls to all these numbers have begun and no channel is left; returns when
    /// each began, and when the last one ended. Calls that do not begin in time are left out.
    pub(crate) fn wait_until_ended(
        &self,
        numbers: &[String],
        limit: Duration,
    ) -> (Vec<Instant>, Option<Instant>) {
        let deadline = Instant::now() + limit;
        let mut observed = self.observed.0.lock().expect("a lock");
        loop {
            let begun: Vec<_> =
                numbers.iter().filter_map(|number| observed.begun.get(number).copied()).collect();
            let left = deadline.saturating_duration_since(Instant::now());
            if (begun.len() == numbers.len() && observed.live == 0) || left.is_zero() {
                return (begun, observed.last_hangup);
            }
            observed = self.observed.1.wait_timeout(observed, left).expect("a lock").0;
        }
    }

    /// Time when the call with this id was first dialled to the gateway.
    pub(crate) fn dialled(&self, linkedid: &str) -> Option<Instant> {
        self.observed.0.lock().expect("a lock").dialled.get(linkedid).copied()
    }
}

impl Observed {
    fn record(&mut self, frame: &Frame, at: Instant) {
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
                self.last_hangup = Some(at);
            }
            _ => {}
        }
    }
}
