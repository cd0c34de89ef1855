//! Everything fails, on a real Asterisk: each fault meets calls in each phase, and whatever a bot
//! asks and an operator reads of them has to be true before, meanwhile and after. What is played is
//! in `scene.rs`, and what is asserted in `scene/truth.rs`.
//!
//! `ROUNDS=20` plays each fault so many times (default 1), at a different moment each;
//! `--nocapture` shows how long it took until a number was answered for as it should be, after the
//! fault was over. `make chaos` makes a table of it.

mod faults;
mod freed;
mod scene;
use std::time::Duration;

use faults::Fault;
use scene::Scene;
use testkit::pbx::Pbx;
use testkit::rounds;

/// When a fault strikes, at most, after all calls are where they are to be.
const LATEST: Duration = Duration::from_millis(500);

fn play(fault: Fault, pbx: &Pbx) {
    for round in 0..rounds(1) {
        let after = LATEST.mul_f64(fastrand::Rng::with_seed(round).f64());
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

// These have an Asterisk of their own.

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
