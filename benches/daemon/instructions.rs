//! The number of instructions of a call. Unlike a time, it does not depend on the load of the machine.

use tempfile::TempDir;

use super::load::Bots;
use super::peer;
use super::process::Process;
use testkit::figures::{scale, section};

/// Number of bots; few, as valgrind makes everything about fifty times slower.
const BOTS: usize = 4;

/// Prints the instructions of one call: the difference between a run with few calls and one with
/// many, so that start and end of the daemon do not count.
pub(crate) fn measure() {
    let (few, many) = (1_000, 3_000);
    let [of_few, of_many] = [few, many].map(count);
    section("instructions, as callgrind counts them");
    scale(
        "for a whole call, in user space",
        format!("{}", (of_many - of_few) / (many - few) as u64),
    );
}

/// All instructions of a daemon from its start to its end, with this number of calls.
fn count(calls: usize) -> u64 {
    let folder = TempDir::new().expect("a folder");
    let log = folder.path().join("log");
    let log_file = format!("--log-file={}", log.display());
    let valgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", &log_file];
    let daemon = Process::daemon_under(&valgrind, peer::start());
    Bots::connect(daemon.address, BOTS, false).closed(calls);
    daemon.stop();
    let log = std::fs::read_to_string(log).expect("valgrind's log");
    // The line is "==123== Collected : 123456789".
    let (_, count) = log.lines().find_map(|line| line.split_once("Collected : ")).expect("a count");
    count.trim().parse().expect("a number")
}
