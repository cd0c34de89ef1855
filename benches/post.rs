//! The time that the daemon adds to an Originate on a real Asterisk: a POST on a kept-alive
//! connection is compared with the same Originate, written to the AMI socket directly. Both take
//! turns. The memory of the idle daemon is measured before.
//!
//! `cargo bench --bench post`; `--smoke` runs a few rounds only.

#![allow(clippy::disallowed_methods, reason = "a benchmark has nothing else to do while it waits")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::daemon::KEY;
use testkit::figures::{figure, is_smoke, quantile, scale, section};
use testkit::pbx::Pbx;
use testkit::{http, resources};

/// The gateway declines these at once, so that calls do not pile up.
const DECLINED: u32 = 603;

fn main() {
    let rounds = if is_smoke() { 20 } else { 500 };
    let pbx = Pbx::start("22");
    let daemon = pbx.daemon();
    let idle = resources::resident(daemon.child.id());
    let mut raw = Ami::log_in(&pbx);
    let mut warm = http::connect(daemon.address);
    let mut raws = Vec::new();
    let mut posts = Vec::new();
    for round in 0..rounds {
        raws.push(raw.originate(round));
        posts.push(post(&mut warm, round));
        // Asterisk has finished the previous pair before the next one begins.
        std::thread::sleep(Duration::from_millis(20));
    }
    let raw = quantile(&mut raws, 0.5);
    let post = quantile(&mut posts, 0.5);
    let added = post.saturating_sub(raw);
    section(&format!("{rounds} rounds, in turns, on one Asterisk {}", pbx.setting("VERSION")));
    scale("raw Originate to its response, median", format!("{raw:.3?}"));
    scale("raw Originate to its response, p99", format!("{:.3?}", quantile(&mut raws, 0.99)));
    scale("POST to its reply, median", format!("{post:.3?}"));
    scale("POST to its reply, p99", format!("{:.3?}", quantile(&mut posts, 0.99)));
    figure(
        "added by the daemon, median",
        format!("{added:.3?}"),
        "< 1 ms",
        added < Duration::from_millis(1),
    );
    figure(
        "resident memory, idle",
        format!("{:.1} MiB", idle as f64 / 1024.0),
        "< 12 MiB",
        idle < 12 * 1024,
    );
    pbx.down();
}

/// Requests a call on a kept-alive connection, as a bot does; returns the time until the reply.
fn post(stream: &mut TcpStream, round: u32) -> Duration {
    let body = format!(
        r#"{{"api_key":"{KEY}","phone_number":"79{:06}{DECLINED}","room_name":"R1","caller_id":"Bob"}}"#,
        100_000 + round
    );
    let request = format!(
        "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let began = Instant::now();
    stream.write_all(request.as_bytes()).expect("sends");
    let (mut reply, mut buffer) = (Vec::new(), [0; 1024]);
    while !reply.ends_with(b"}\n") {
        let read = stream.read(&mut buffer).expect("a reply");
        assert!(read > 0, "the daemon closed the connection");
        reply.extend_from_slice(&buffer[..read]);
    }
    let time = began.elapsed();
    assert!(reply.ends_with(b"{\"message\":\"ok\"}\n"), "{}", String::from_utf8_lossy(&reply));
    time
}

/// An AMI client without the daemon's code.
struct Ami {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Ami {
    fn log_in(pbx: &Pbx) -> Self {
        let stream = TcpStream::connect(pbx.setting("AMI_ADDRESS")).expect("Asterisk listens");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(testkit::TEST_TIMEOUT)).expect("a timeout");
        let mut lines = BufReader::new(stream.try_clone().expect("a clone"));
        lines.read_line(&mut String::new()).expect("a banner");
        let mut ami = Self { stream, lines };
        let secret = pbx.setting("AMI_SECRET");
        let login = format!(
            "Action: Login\r\nActionID: login\r\nUsername: originatord\r\nSecret: {secret}\r\n\r\n"
        );
        ami.stream.write_all(login.as_bytes()).expect("sends");
        ami.answer_to("login");
        ami
    }

    /// Sends the same action as the daemon; returns the time until the response.
    fn originate(&mut self, round: u32) -> Duration {
        let (number, id) = (format!("78{:06}{DECLINED}", 100_000 + round), format!("raw-{round}"));
        let action = format!(
            "Action: Originate\r\nActionID: {id}\r\nChannel: Local/{number}@telegram-out\r\nContext: conf-in\r\n\
             Exten: R1\r\nPriority: 1\r\nTimeout: 30000\r\nCallerID: <Bob>\r\nVariable: LANG=ru\r\n\
             ChannelId: {id}\r\nOtherChannelId: raw-lock-{number}\r\nAsync: true\r\n\r\n"
        );
        let began = Instant::now();
        self.stream.write_all(action.as_bytes()).expect("sends");
        self.answer_to(&id);
        began.elapsed()
    }

    /// Reads until the response to this action.
    fn answer_to(&mut self, id: &str) {
        let (mut frame, wanted) = (String::new(), format!("ActionID: {id}\r\n"));
        loop {
            let start = frame.len();
            assert!(
                self.lines.read_line(&mut frame).expect("a line") > 0,
                "Asterisk closed the connection"
            );
            if frame[start..].trim().is_empty() {
                if frame.starts_with("Response: Success") && frame.contains(&wanted) {
                    return;
                }
                assert!(!frame.starts_with("Response: Error"), "{frame}");
                frame.clear();
            }
        }
    }
}
