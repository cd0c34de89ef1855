//! How soon a number is free: the time from Asterisk's Hangup, as another AMI client receives it, to
//! the next accepted call to the same number.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use testkit::daemon::Daemon;
use testkit::pbx::Pbx;
use testkit::{eventually, measured, rounds};

/// Half of the calls must be freed within this time.
const FREED_WITHIN: Duration = Duration::from_secs(1);

/// The last digits of the called numbers. Each call ends in another way: the callee is busy, the
/// callee leaves, Asterisk hangs up, an operator hangs up.
const ENDS: [&str; 4] = ["486", "200", "001", "002"];

/// Another AMI client, with the `Uniqueid` and time of each Hangup that it has received.
struct Witness(Arc<Mutex<Vec<(String, Instant)>>>);

impl Witness {
    fn log_in(pbx: &Pbx) -> Self {
        let mut stream = TcpStream::connect(pbx.setting("AMI_ADDRESS")).expect("Asterisk listens");
        let (name, secret) = (pbx.setting("AMI_USERNAME"), pbx.setting("AMI_SECRET"));
        let login = format!(
            "Action: Login\r\nUsername: {name}\r\nSecret: {secret}\r\nEvents: call\r\n\r\n"
        );
        stream.write_all(login.as_bytes()).expect("a sent request");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (hangups, mut lines) =
            (seen.clone(), BufReader::new(stream).lines().map_while(Result::ok));
        lines.find(|line| line == "Message: Authentication accepted").expect("accepted login");
        thread::spawn(move || {
            let mut is_hangup = false;
            for line in lines {
                match line.split_once(": ") {
                    Some(("Event", name)) => is_hangup = name == "Hangup",
                    Some(("Uniqueid", id)) if is_hangup => {
                        hangups.lock().expect("a lock").push((id.to_owned(), Instant::now()));
                    }
                    _ => {}
                }
            }
        });
        Self(seen)
    }

    /// Waits for the Hangups of both halves of a call; returns the time of the later one.
    fn wait_for_end(&self, call: &str, number: &str, since: Instant) -> Instant {
        let lock = format!("od-lock-{number}");
        eventually("both halves are hung up", || {
            let seen = self.0.lock().expect("a lock");
            let last = |id: &str| {
                seen.iter().rev().find(|(of, at)| of == id && *at >= since).map(|(_, at)| *at)
            };
            Some(last(call)?.max(last(&lock)?))
        })
    }
}

#[test]
fn number_is_free_soon_after_asterisk_hangs_up() {
    let pbx = Pbx::shared("22");
    let witness = Witness::log_in(pbx);
    let daemon = Daemon::start(&pbx.ami(), &[("top", "instance = \"freed\"")]);
    let mut times = Vec::new();
    for digits in ENDS {
        let number = format!("7998{digits}");
        let mut began = Instant::now();
        let mut id = daemon.call_ok(&number, "R1");
        for _ in 0..rounds(1) {
            match digits {
                "001" => pbx.end_call_to(&number),
                "002" => assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200),
                _ => {}
            }
            let ended = witness.wait_for_end(&id, &number, began);
            began = Instant::now();
            id = eventually("the number is free", || {
                daemon.call(&number, "R1").header("x-call-id").map(str::to_owned)
            });
            times.push(ended.elapsed());
            measured("number freed after Asterisk's Hangup", ended.elapsed());
        }
        daemon.delete(&format!("/api/calls/{id}"));
        daemon.wait_for(&id, "call.ended");
    }
    // A busy machine can delay single calls, but not half of them.
    times.sort();
    assert!(times[times.len() / 2] <= FREED_WITHIN, "{times:?}");
}
