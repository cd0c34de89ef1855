//! Helpers that tests and benchmarks share: daemons as processes, HTTP clients that can misbehave,
//! simulated and real Asterisks.
//!
//! This crate does not depend on the daemon's library, so a change of the library does not rebuild
//! it.
//!
//! Tests and benchmarks use six kinds of Asterisk, each for another purpose:
//!
//! - [`pbx`], a real Asterisk: the truth, but slow.
//! - [`sim`], a process of `originatord simulate`: whole calls with events in Asterisk's order, and
//!   faults of the link. `tests/asterisk/conformance` compares it with the real one.
//! - [`ami`], a script of a few frames: it sends input that no Asterisk sends (invented calls,
//!   endless texts, no reply at all), and records every action. The simulator cannot replace it, as
//!   the simulator sends only what Asterisk sends.
//! - `tests/simulation` runs the simulator's library in the process of the engines, on virtual
//!   time.
//! - `benches/daemon/peer.rs` replays prepared bytes of the simulator, so that a benchmark of the
//!   daemon does not measure the simulator.
//! - `benches/engine_harness` and the engine's unit tests hand single frames to an engine, without
//!   a connection: the former to measure the engine, the latter to choose the order of events.

#![allow(clippy::disallowed_methods, reason = "tests have threads of their own to wait on")]

pub mod ami;
pub mod browser;
pub mod check;
pub mod daemon;
pub mod events;
pub mod figures;
pub mod http;
pub mod journal_file;
pub mod pbx;
pub mod program;
pub mod prometheus;
pub mod relay;
pub mod resources;
pub mod sim;
pub mod stalled;
pub mod tls;

use std::fmt::Display;
use std::path::Path;
use std::time::{Duration, Instant};

/// The root of the repository, above the fixtures, the samples and the programs that `make
/// setup-tests` installs.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The bots' key in all tests.
pub const KEY: &str = "k3y-of-the-tests";

/// The time after which a test fails. It is generous, as only a failing test waits for it: on a
/// machine with eight other builds, some tests have waited for longer than 30 s.
pub const TEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Waits until `look` returns a value, and returns it. `what` names the awaited fact in the
/// failure.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_ok(what, || look().ok_or(""))
}

/// Waits until `look` succeeds. A failing test prints the last error.
pub fn eventually_ok<T, E: Display>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + TEST_TIMEOUT;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => {
                assert!(Instant::now() < deadline, "did not happen in time: {what} {instead}")
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for this time.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Number of rounds of a test: the environment variable `ROUNDS`, or `by_default`.
pub fn rounds(by_default: u64) -> u64 {
    std::env::var("ROUNDS").map_or(by_default, |text| text.parse().expect("ROUNDS is a number"))
}

/// Prints a measured duration. `tests/chaos/run` makes a table of these lines.
pub fn measured(what: &str, time: Duration) {
    println!("measured {} ms | {what}", time.as_millis());
}
