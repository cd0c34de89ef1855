//! The time that the daemon adds to an Originate on a real Asterisk: a POST on a warm connection
//! against the same Originate written to the AMI socket, in turns. Then the memory of the daemon.
//!
//! `cargo bench --bench post`; `--smoke` runs a few rounds only.

#![allow(clippy::disallowed_methods, reason = "a benchmark has nothing else to do while it waits")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use testkit::daemon::KEY;
use testkit::http;
use testkit::pbx::Pbx;

/// The gateway declines these at once, so that calls do not pile up.
const DECLINED: u32 = 603;

fn main() {
    let asked = |word| std::env::args().any(|arg| arg == word);
    // `cargo test` runs the benchmark, too; only `cargo bench` passes `--bench`.
    let rounds = if asked("--smoke") || !asked("--bench") { 20 } else { 500 };
    let pbx = Pbx::start("22");
    let daemon = pbx.daemon();
    let idle = resident_kib(daemon.child.id());
    let mut raw = Ami::log_in(&pbx);
    let mut warm = http::connect(daemon.address);
    let (mut raws, mut posts) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        raws.push(raw.originate(round));
        posts.push(post(&mut warm, round));
        // Asterisk has finished the previous pair before the next one begins.
        std::thread::sleep(Duration::from_millis(20));
    }
    let (raw, post) = (Quantiles::of(raws), Quantiles::of(posts));
    let added = post.median.saturating_sub(raw.median);
    println!("{rounds} rounds, in turns, on one Asterisk {}", pbx.setting("VERSION"));
    println!("raw Originate to its response  median {:>9.3?}  p99 {:>9.3?}", raw.median, raw.p99);
    println!("POST to its reply              median {:>9.3?}  p99 {:>9.3?}", post.median, post.p99);
    report(
        "added by the daemon, median",
        &format!("{added:.3?}"),
        "< 1 ms",
        added < Duration::from_millis(1),
    );
    report(
        "resident, idle",
        &format!("{:.1} MB", f64::from(idle) / 1024.0),
        "< 12 MB",
        idle < 12 * 1024,
    );
    pbx.down();
}

fn report(figure: &str, value: &str, target: &str, met: bool) {
    println!(
        "{figure:<30} {value:>12}   target {target:<8} {}",
        if met { "met" } else { "NOT MET" }
    );
}

struct Quantiles {
    median: Duration,
    p99: Duration,
}

impl Quantiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { median: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

/// A bot on a kept-alive connection.
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

    /// The same action that the daemon sends.
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

fn resident_kib(pid: u32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
