//! Faults on a real Asterisk. Each fault hits calls in every phase. The answers to bots and
//! operators must be true before, during and after the fault. `scene.rs` plays a fault, and
//! `scene/truth.rs` has the assertions.
//!
//! `ROUNDS=20` plays each fault 20 times (default 1), each at another moment. `--nocapture` shows
//! how long after the fault the daemon answered correctly for each number. `make chaos` makes a
//! table of these times.

mod faults;
mod freed;
mod scene;
use std::time::Duration;

use faults::Fault;
use scene::Scene;
use testkit::pbx::Pbx;
use testkit::rounds;

/// The longest time from the start of all calls to the fault.
const MAX_DELAY: Duration = Duration::from_millis(500);

fn play(fault: Fault, pbx: &Pbx) {
    for round in 0..rounds(1) {
        let after = MAX_DELAY.mul_f64(fastrand::Rng::with_seed(round).f64());
        Scene::new(fault, pbx, format!("7999{}{round:03}", fault as u8)).play(after);
    }
}

#[test]
fn calls_survive_a_killed_daemon() {
    play(Fault::DaemonKilled, Pbx::shared("22"));
}

#[test]
fn calls_survive_a_cut_link() {
    play(Fault::LinkCut, Pbx::shared("22"));
}

#[test]
fn calls_survive_a_silent_link() {
    play(Fault::LinkSilent, Pbx::shared("22"));
}

#[test]
fn calls_survive_a_cut_link_and_killed_daemon() {
    play(Fault::LinkCutDaemonKilled, Pbx::shared("22"));
}

// These faults need their own Asterisk.

#[test]
fn daemon_recovers_from_a_killed_asterisk() {
    play(Fault::AsteriskKilled, &Pbx::start("22"));
}

#[test]
fn daemon_recovers_from_a_restarted_asterisk() {
    play(Fault::AsteriskRestarted, &Pbx::start("22"));
}

#[test]
fn daemon_recovers_from_a_stopped_asterisk() {
    play(Fault::AsteriskStopped, &Pbx::start("22"));
}
