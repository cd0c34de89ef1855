//! The share of a core that the engine needs for 1 to 10 000 calls a second, with up to 1 000 000
//! live calls. Time is virtual, and a stand-in answers for Asterisk, so that no real one limits the
//! rates.
//!
//! `cargo bench --bench scaling`; `--smoke` runs the small rows only.

mod engine_harness;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use engine_harness::EngineHarness;
use testkit::figures::is_smoke;
use testkit::resources;

/// Calls a second, and how many are alive at once if each takes 100 s.
const ROWS: [(u64, u64); 5] =
    [(1, 100), (10, 1_000), (100, 10_000), (1_000, 100_000), (10_000, 1_000_000)];

/// Number of calls that begin and end in each row.
const CALLS: u64 = 20_000;

fn main() {
    let (rows, calls) = if is_smoke() { (&ROWS[..2], 200) } else { (&ROWS[..], CALLS) };
    println!("one engine on virtual time; each call lives for 100 s and has 9 messages");
    println!(
        "{:>8} {:>10} {:>12} {:>16} {:>15} {:>16} {:>18}",
        "calls/s", "live", "a call", "of a core", "memory", "a live call", "list, a minute"
    );
    for &(rate, live) in rows {
        let before = resident();
        let mut harness = EngineHarness::new(0);
        let mut alive: VecDeque<_> = (0..live).map(|_| harness.begin()).collect();
        let grown = resident().saturating_sub(before);
        let busy = run(&mut harness, &mut alive, rate, calls);
        let a_call = busy / calls as u32;
        let of_a_core = a_call.as_secs_f64() * rate as f64 * 100.0;
        let list = time_next_list(&mut harness, &alive);
        println!(
            "{rate:>8} {live:>10} {a_call:>12.2?} {of_a_core:>14.3} % {:>12} KiB {:>14} B {list:>18.2?}",
            grown,
            grown * 1024 / live
        );
    }
    println!();
    println!(
        "events of another daemon's call on the same Asterisk: {:.2?} a call",
        foreign_calls(calls)
    );
}

/// Begins `calls` calls at this rate and ends the oldest call for each; returns the time that the
/// engine takes, without the handling of lists.
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
        let list_action = harness.advance(step);
        busy += began.elapsed();
        if let Some(id) = list_action {
            answer_list(harness, alive, &id);
        }
        let began = Instant::now();
        let oldest = alive.pop_front().expect("live calls");
        harness.end(&oldest);
        alive.push_back(harness.begin());
        busy += began.elapsed();
    }
    // Handle the events that are left of the last call.
    if let Some(id) = harness.advance(Duration::from_secs(1)) {
        answer_list(harness, alive, &id);
    }
    assert_eq!(harness.live(), alive.len(), "calls are alive");
    busy
}

/// Waits until the engine requests a list of all channels, as it does each minute; returns the time
/// that it takes to handle the list.
fn time_next_list(harness: &mut EngineHarness, alive: &VecDeque<(String, String)>) -> Duration {
    let list_action = (0..120)
        .find_map(|_| harness.advance(Duration::from_secs(1)))
        .expect("the engine requests a list each minute");
    answer_list(harness, alive, &list_action)
}

/// Answers the action `action_id` with a list of all channels, three for each call; returns the time
/// that the engine takes to handle it.
fn answer_list(
    harness: &mut EngineHarness,
    alive: &VecDeque<(String, String)>,
    action_id: &str,
) -> Duration {
    let mut busy = Duration::ZERO;
    harness.receive(format!("Response: Success\r\nActionID: {action_id}\r\nEventList: start"));
    for (id, lock) in alive {
        for uniqueid in [id, lock, &format!("leg-{id}")] {
            let frame = format!(
                "Event: CoreShowChannel\r\nActionID: {action_id}\r\nChannel: Local/79990000000@telegram-out-00000001;1\r\n\
                 ChannelState: 6\r\nChannelStateDesc: Up\r\nUniqueid: {uniqueid}\r\nLinkedid: {id}\r\n\
                 Application: ConfBridge\r\nApplicationData: R1\r\nDuration: 00:00:10\r\nBridgeId: 1"
            );
            let began = Instant::now();
            harness.receive(frame);
            busy += began.elapsed();
        }
    }
    let began = Instant::now();
    harness.receive(format!("Event: CoreShowChannelsComplete\r\nActionID: {action_id}"));
    harness.advance(Duration::ZERO);
    busy + began.elapsed()
}

/// The time that the engine takes for all events of another daemon's call, as the mean of `calls`
/// calls.
fn foreign_calls(calls: u64) -> Duration {
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

/// Resident memory of this process, in KiB.
fn resident() -> u64 {
    resources::resident(std::process::id())
}
