//! The engine's share of a core from 1 to 10 000 calls a second, and with up to 1 000 000 live
//! calls. Time is virtual and every call runs to its end, so that no Asterisk limits the rates.
//!
//! `cargo bench --bench scaling`; `--smoke` runs the small rows only.

mod engine_harness;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine_harness::EngineHarness;

/// Calls a second, and how many live at once if each takes 100 s.
const ROWS: [(u64, u64); 5] =
    [(1, 100), (10, 1_000), (100, 10_000), (1_000, 100_000), (10_000, 1_000_000)];

/// Whole calls in each row.
const CALLS: u64 = 20_000;

fn main() {
    let asked = |word| std::env::args().any(|arg| arg == word);
    // `cargo test` runs the benchmark, too; only `cargo bench` passes `--bench`.
    let smoke = asked("--smoke") || !asked("--bench");
    let (rows, calls) = if smoke { (&ROWS[..2], 200) } else { (&ROWS[..], CALLS) };
    println!("one engine on virtual time; each call lives for 100 s and has 9 messages");
    println!(
        "{:>8} {:>10} {:>12} {:>16} {:>15} {:>16} {:>18}",
        "calls/s", "live", "a call", "of a core", "memory", "a live call", "list, a minute"
    );
    for &(rate, live) in rows {
        let before = resident_kib();
        let mut harness = EngineHarness::new(0);
        let mut alive: VecDeque<_> = (0..live).map(|_| harness.begin()).collect();
        let resident = resident_kib().saturating_sub(before);
        let busy = run(&mut harness, &mut alive, rate, calls);
        let a_call = busy / calls as u32;
        let of_a_core = a_call.as_secs_f64() * rate as f64 * 100.0;
        let list = next_list(&mut harness, &alive);
        println!(
            "{rate:>8} {live:>10} {a_call:>12.2?} {of_a_core:>14.3} % {:>12} KiB {:>14} B {list:>18.2?}",
            resident,
            resident * 1024 / live
        );
    }
    println!();
    println!(
        "the calls of another daemon on the same Asterisk, told to this one: {:.2?} a call",
        foreign(calls)
    );
}

/// Runs calls at this rate, each new one in place of the oldest; returns the time, without the
/// handling of lists.
fn run(
    harness: &mut EngineHarness,
    alive: &mut VecDeque<(String, String)>,
    rate: u64,
    calls: u64,
) -> Duration {
    let mut busy = Duration::ZERO;
    let step = Duration::from_secs(1) / rate as u32;
    for _ in 0..calls {
        let began = Instant::now();
        let asked = harness.advance(step);
        busy += began.elapsed();
        if let Some(asked) = asked {
            list(harness, alive, &asked);
        }
        let began = Instant::now();
        let oldest = alive.pop_front().expect("calls live");
        harness.end(&oldest);
        alive.push_back(harness.begin());
        busy += began.elapsed();
    }
    // Handle the events that are left of the last call.
    if let Some(asked) = harness.advance(Duration::from_secs(1)) {
        list(harness, alive, &asked);
    }
    assert_eq!(harness.live(), alive.len(), "each ended, and no other");
    busy
}

/// Waits until the engine asks for a list of all channels, as it does each minute; returns the time
/// to reconcile with the list.
fn next_list(harness: &mut EngineHarness, alive: &VecDeque<(String, String)>) -> Duration {
    let asked = (0..120)
        .find_map(|_| harness.advance(Duration::from_secs(1)))
        .expect("a list is asked for each minute");
    list(harness, alive, &asked)
}

/// The time to reconcile with a list of all channels, three for each call.
fn list(harness: &mut EngineHarness, alive: &VecDeque<(String, String)>, asked: &str) -> Duration {
    let mut busy = Duration::ZERO;
    harness.receive(format!("Response: Success\r\nActionID: {asked}\r\nEventList: start"));
    for (id, lock) in alive {
        for uniqueid in [id, lock, &format!("leg-{id}")] {
            let frame = format!(
                "Event: CoreShowChannel\r\nActionID: {asked}\r\nChannel: Local/79990000000@telegram-out-00000001;1\r\n\
                 ChannelState: 6\r\nChannelStateDesc: Up\r\nUniqueid: {uniqueid}\r\nLinkedid: {id}\r\n\
                 Application: ConfBridge\r\nApplicationData: R1\r\nDuration: 00:00:10\r\nBridgeId: 1"
            );
            let began = Instant::now();
            harness.receive(frame);
            busy += began.elapsed();
        }
    }
    let began = Instant::now();
    harness.receive(format!("Event: CoreShowChannelsComplete\r\nActionID: {asked}"));
    harness.advance(Duration::ZERO);
    busy + began.elapsed()
}

/// The cost of the events of another daemon's call.
fn foreign(calls: u64) -> Duration {
    let mut harness = EngineHarness::new(100);
    let began = Instant::now();
    for call in 0..calls {
        let (id, lock) =
            (format!("od-01m80000000000000000{call:06}"), format!("od-lock-78{call:09}"));
        for (event, uniqueid) in [
            ("Newchannel", &id),
            ("Newchannel", &lock),
            ("Newstate", &id),
            ("Hangup", &lock),
            ("Hangup", &id),
        ] {
            harness.receive(format!(
                "Event: {event}\r\nChannelStateDesc: Ringing\r\nUniqueid: {uniqueid}\r\nLinkedid: {id}\r\nCause: 17"
            ));
        }
    }
    began.elapsed() / calls as u32
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this process");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
