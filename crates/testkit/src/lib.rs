//! What the tests have in common: a daemon as a process, an HTTP client that can misbehave, an
//! Asterisk that can be told what to say, and a real one.

#![allow(clippy::disallowed_methods, reason = "tests have threads of their own to wait on")]

pub mod ami;
pub mod browser;
pub mod check;
pub mod daemon;
pub mod events;
pub mod figures;
pub mod http;
pub mod log;
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

/// The root of the repository: fixtures, samples and what `make setup-tests` installs are below it.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// How long anything may take at most before a test says that it does not happen. Generous: it is
/// only waited for when something is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `look` finds something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    eventually_ok(what, || look().ok_or(""))
}

/// Waits until `look` succeeds. A failing test prints the last error, which is what was there
/// instead.
pub fn eventually_ok<T, E: Display>(what: &str, mut look: impl FnMut() -> Result<T, E>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => {
                assert!(Instant::now() < give_up, "this does not happen: {what} {instead}")
            }
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for this long, at least.
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// How often something is played that is worth playing again: `ROUNDS`, or else `by_default`.
pub fn rounds(by_default: u64) -> u64 {
    std::env::var("ROUNDS").map_or(by_default, |text| text.parse().expect("ROUNDS is a number"))
}

/// Notes down, for whoever reads the output, how long something took that may take longer on a
/// slower machine. `tests/chaos/run` makes a table of it.
pub fn measured(what: &str, time: Duration) {
    println!("measured {} ms | {what}", time.as_millis());
}
