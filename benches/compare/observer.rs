//! Who watches Asterisk from aside, the same for every side: an AMI connection of its own.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// When the first channel of a number's call came to be.
    begun: HashMap<String, Instant>,
    /// When the first leg towards the gateway came to be, by the call's Linkedid.
    dialled: HashMap<String, Instant>,
    live: i64,
}

/// The observer.
pub struct Observer {
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Observer {
    /// Logs in, and watches from now on.
    pub fn start(address: &str, secret: &str) -> Self {
        let mut stream = TcpStream::connect(address).expect("Asterisk listens");
        let login = format!("Action: Login\r\nUsername: originatord\r\nSecret: {secret}\r\nEvents: call\r\n\r\n");
        stream.write_all(login.as_bytes()).expect("sends");
        let seen = Arc::new((Mutex::new(Seen::default()), Condvar::new()));
        let told = seen.clone();
        thread::spawn(move || {
            let mut lines = BufReader::with_capacity(256 * 1024, stream);
            let (mut line, mut frame) = (String::new(), HashMap::<String, String>::new());
            while lines.read_line(&mut line).is_ok_and(|length| length > 0) {
                if let Some((name, value)) = line.split_once(": ") {
                    frame.insert(name.to_owned(), value.trim_end().to_owned());
                } else if line.trim_end().is_empty() {
                    told.0.lock().expect("a lock").take(&frame);
                    told.1.notify_all();
                    frame.clear();
                }
                line.clear();
            }
        });
        Self { seen }
    }

    /// Waits until all of these numbers' calls have begun and no channel is left; returns when each began. Calls that
    /// do not begin within the patience are left out.
    pub fn wait_over(&self, numbers: &[String], patience: Duration) -> Vec<Instant> {
        let give_up = Instant::now() + patience;
        let mut seen = self.seen.0.lock().expect("a lock");
        loop {
            let begun: Vec<_> = numbers.iter().filter_map(|number| seen.begun.get(number).copied()).collect();
            let left = give_up.saturating_duration_since(Instant::now());
            if (begun.len() == numbers.len() && seen.live == 0) || left.is_zero() {
                return begun;
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
    fn take(&mut self, frame: &HashMap<String, String>) {
        let get = |name: &str| frame.get(name).map_or("", String::as_str);
        match get("Event") {
            "Newchannel" => {
                self.live += 1;
                let channel = get("Channel");
                if let Some(number) = channel.strip_prefix("Local/").and_then(|rest| rest.split('@').next()) {
                    self.begun.entry(number.to_owned()).or_insert_with(Instant::now);
                } else {
                    self.dialled.entry(get("Linkedid").to_owned()).or_insert_with(Instant::now);
                }
            }
            "Hangup" => self.live -= 1,
            _ => {}
        }
    }
}
