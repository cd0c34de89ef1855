//! The cost of a call for the whole daemon, without a real Asterisk: bots on kept-alive connections,
//! and a peer that answers at once and sends all events of a call. All of them share the cores of
//! this machine.
//!
//! `cargo bench --bench daemon -- PART` runs one part only. `CALLS=10000000` sets the number of
//! calls of the part that measures memory; `DAEMON=PATH` measures another build of the daemon. The
//! part `instructions` needs valgrind, and runs only if it is named.

#![allow(clippy::disallowed_methods, reason = "a benchmark has threads of its own to wait on")]

mod daemon {
    pub(crate) mod instructions;
    pub(crate) mod load;
    pub(crate) mod peer;
    pub(crate) mod process;
    pub(crate) mod readers;
}
mod transcript;

use std::time::Duration;

use daemon::load::Bots;
use daemon::process::Process;
use daemon::readers::Readers;
use daemon::{instructions, peer, process, readers};
use testkit::figures::{figure, is_smoke, median, quantile, scale, section};

/// Number of connected bots.
const BOTS: usize = 64;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match &args[1..] {
        [what, ..] if what == "--bare" => return process::serve_bare(),
        [what, address, count, ..] if what == "--readers" => {
            return readers::follow(address, count.parse().expect("a number"));
        }
        _ => {}
    }
    let only = args[1..].iter().find(|arg| !arg.starts_with("--"));
    let parts: [(&str, fn()); 6] = [
        ("cost", cost),
        ("paced", paced),
        ("latency", latency),
        ("live", live),
        ("memory", memory),
        ("streams", streams),
    ];
    // This part is slow and needs valgrind.
    if only.is_some_and(|only| only == "instructions") {
        instructions::measure();
    }
    for (name, part) in parts {
        if only.is_none_or(|only| only == name) {
            part();
        }
    }
}

/// Compares a whole call with a request that does nothing.
fn cost() {
    let (rounds, calls) = if is_smoke() { (1, BOTS) } else { (9, 20_000) };
    let (daemon, bare) = (Process::daemon(peer::start()), Process::bare());
    let mut sides =
        [&daemon, &bare].map(|process| (process, Bots::connect(process.address, BOTS, false)));
    let (mut cpu, mut rates) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for round in 0..=rounds {
        for (index, (process, bots)) in sides.iter_mut().enumerate() {
            let before = process.cpu();
            let time = bots.closed(calls);
            // The first round warms up.
            if round > 0 {
                cpu[index].push((process.cpu() - before).as_secs_f64() / calls as f64);
                rates[index].push(calls as f64 / time.as_secs_f64());
            }
        }
    }
    let ([daemon, bare], [calls_per_second, requests]) = (cpu.map(median), rates.map(median));
    section(&format!(
        "a call against a bare request, {rounds} rounds of {calls} in turns, {BOTS} bots"
    ));
    scale("CPU of a bare warp handler, per POST", format!("{:.1} µs", bare * 1e6));
    scale(
        "CPU of the daemon, per POST with all its call's events",
        format!("{:.1} µs", daemon * 1e6),
    );
    scale("POSTs a second, bare warp handler", format!("{requests:.0}"));
    let ratio = daemon / bare;
    figure(
        "CPU of a whole call / of a bare request",
        format!("{ratio:.2}"),
        "<= 2.5",
        ratio <= 2.5,
    );
    let rate = calls_per_second;
    figure("whole calls a second", format!("{rate:.0}"), ">= 20000", rate >= 20_000.0);
}

/// The same with single requests, so that no two share a system call.
fn paced() {
    let (rounds, rate, time) = if is_smoke() {
        (1, 200, Duration::from_millis(200))
    } else {
        (7, 2_000, Duration::from_secs(2))
    };
    let (daemon, bare) = (Process::daemon(peer::start()), Process::bare());
    let mut sides = [&daemon, &bare]
        .map(|process| (process, Bots::connect(process.address, BOTS, false), Vec::new()));
    for _ in 0..rounds {
        for (process, bots, cpu) in &mut sides {
            let before = process.cpu();
            let calls = bots.open(rate, time).len();
            cpu.push((process.cpu() - before).as_secs_f64() / calls as f64);
        }
    }
    let [daemon, bare] = sides.map(|(_, _, cpu)| median(cpu));
    section(&format!(
        "the same at {rate} a second, one by one, {rounds} rounds of {time:?} in turns"
    ));
    scale("CPU of a bare warp handler, per POST", format!("{:.1} µs", bare * 1e6));
    scale(
        "CPU of the daemon, per POST with all its call's events",
        format!("{:.1} µs", daemon * 1e6),
    );
    let ratio = daemon / bare;
    figure(
        "CPU of a whole call / of a bare request",
        format!("{ratio:.2}"),
        "<= 2.5",
        ratio <= 2.5,
    );
}

/// Measures how long bots wait at half of the highest rate.
fn latency() {
    let (rate, time) = if is_smoke() {
        (200, Duration::from_millis(200))
    } else {
        (10_000, Duration::from_secs(10))
    };
    let daemon = Process::daemon(peer::start());
    let mut bots = Bots::connect(daemon.address, 4 * BOTS, false);
    bots.closed(4 * BOTS);
    let before = daemon.cpu();
    let mut times = bots.open(rate, time);
    let cpu = (daemon.cpu() - before).as_secs_f64() / time.as_secs_f64();
    section(&format!("POST to reply at {rate} a second, from when it was to be sent"));
    scale("median", format!("{:.3?}", quantile(&mut times, 0.5)));
    scale("CPU of the daemon", format!("{:.0} %", cpu * 100.0));
    let p99 = quantile(&mut times, 0.99);
    figure("p99", format!("{p99:.3?}"), "< 5 ms", p99 < Duration::from_millis(5));
}

/// Compares a call among few live calls with one among many.
fn live() {
    let (many, rounds, calls) = if is_smoke() { (500, 1, BOTS) } else { (200_000, 9, 20_000) };
    let few = 100;
    let mut sides = [few, many].map(|live| {
        let daemon = Process::daemon(peer::start());
        let empty = daemon.resident();
        Bots::connect(daemon.address, 50, true).closed(live);
        let per_call = daemon.resident().saturating_sub(empty) as f64 / live as f64;
        let bots = Bots::connect(daemon.address, BOTS, false);
        (daemon, bots, per_call)
    });
    let mut cpu = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for ((daemon, bots, _), cpu) in sides.iter_mut().zip(&mut cpu) {
            let before = daemon.cpu();
            bots.closed(calls);
            cpu.push((daemon.cpu() - before).as_secs_f64() / calls as f64);
        }
    }
    let [among_few, among_many] = cpu.map(median);
    section(&format!("a call among live ones, {rounds} rounds of {calls} in turns"));
    scale(&format!("CPU among {few} live calls"), format!("{:.1} µs", among_few * 1e6));
    scale(&format!("CPU among {many} live calls"), format!("{:.1} µs", among_many * 1e6));
    let ratio = among_many / among_few;
    figure(
        "among many / among few",
        format!("{ratio:.2}"),
        "0.9 to 1.1",
        (0.9..=1.1).contains(&ratio),
    );
    let [_, (_, _, per_call)] = &sides;
    scale("resident memory per live call, with strings and log", format!("{per_call:.0} bytes"));
}

/// Measures whether memory grows with ended calls.
fn memory() {
    let asked = std::env::var("CALLS").ok().and_then(|calls| calls.parse().ok());
    let calls = asked.unwrap_or(if is_smoke() { 4 * BOTS } else { 1_000_000 });
    let daemon = Process::daemon(peer::start());
    let mut bots = Bots::connect(daemon.address, BOTS, false);
    // Fill the ring and the list of ended calls first, so that the allocator has their memory.
    let warm = calls / 2;
    bots.closed(warm);
    let before = daemon.resident();
    bots.closed(calls - warm);
    let growth = daemon.resident() as f64 - before as f64;
    section(&format!("{calls} calls through one process"));
    scale("resident memory after half of them", format!("{:.1} MB", before as f64 / 1e6));
    let per_call = growth / (calls - warm) as f64;
    figure(
        "growth per call after that",
        format!("{per_call:.2} bytes"),
        "< 1 byte",
        per_call < 1.0,
    );
}

/// Compares calls with many readers of the event stream with calls without readers.
fn streams() {
    let (followers, rounds, rate, time) = if is_smoke() {
        (20, 1, 20, Duration::from_millis(500))
    } else {
        (5_000, 5, 20, Duration::from_secs(4))
    };
    let (watched, alone) = (Process::daemon(peer::start()), Process::daemon(peer::start()));
    let readers = Readers::start(watched.address, followers);
    let mut sides = [&watched, &alone]
        .map(|daemon| (daemon, Bots::connect(daemon.address, 8, false), Vec::new()));
    let mut cpu = Duration::ZERO;
    for _ in 0..rounds {
        for (index, (daemon, bots, times)) in sides.iter_mut().enumerate() {
            let before = daemon.cpu();
            times.extend(bots.open(rate, time));
            cpu += if index == 0 { daemon.cpu() - before } else { Duration::ZERO };
        }
    }
    let [(.., mut times), (.., mut alone)] = sides;
    let calls = times.len() as u64;
    let per_call = RECORDS_PER_CALL;
    let (least, most) = readers.finish(calls * per_call);
    section(&format!(
        "{rate} calls a second while {followers} follow the event stream, {calls} calls in turns"
    ));
    scale(
        "CPU of the daemon",
        format!("{:.0} %", cpu.as_secs_f64() / (time * rounds).as_secs_f64() * 100.0),
    );
    scale("POST to reply, median, nobody follows", format!("{:.3?}", quantile(&mut alone, 0.5)));
    scale("POST to reply, median", format!("{:.3?}", quantile(&mut times, 0.5)));
    scale("POST to reply, p99, nobody follows", format!("{:.3?}", quantile(&mut alone, 0.99)));
    let p99 = quantile(&mut times, 0.99);
    figure("POST to reply, p99", format!("{p99:.3?}"), "< 5 ms", p99 < Duration::from_millis(5));
    let all = calls * per_call;
    figure(
        "records that each has read",
        format!("{least} to {most}"),
        &format!("{all}"),
        (least, most) == (all, all),
    );
}

/// Records of a whole call: requested, queued, ringing, answered, joined, left, ended.
const RECORDS_PER_CALL: u64 = 7;
