//! The daemon's promises under random faults, on virtual time: one to three engines and one
//! simulated Asterisk, whose behaviour follows from one seed. `world/promises.rs` asserts the
//! promises: a number never has two calls, and is free within a second after its call has ended if
//! the link works. Each bot gets an answer in time, and gets "ok" only for a call that exists. At the
//! end of a run no call is left, and each accepted call has ended once.
//!
//! A failure prints its seed. `SEED=17 cargo test --test simulation -- --nocapture` plays it again
//! and prints every step. `STEPS=100000000` plays longer.

mod world;

use std::time::Duration;

use world::{Tally, World};

/// Number of steps for each seed.
const STEPS_PER_SEED: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn play(seed: u64, is_verbose: bool) -> Tally {
    // libtest prints this only for a failed test.
    println!("seed {seed}");
    run(World::new(seed), is_verbose)
}

fn run(mut world: World, is_verbose: bool) -> Tally {
    world.is_verbose = is_verbose;
    while world.tally.steps < STEPS_PER_SEED {
        world.step();
    }
    world.finish();
    world.tally
}

#[test]
fn promises_hold_whatever_fails() {
    if let Some(seed) = number("SEED") {
        println!("{:?}", play(seed, true));
        return;
    }
    let steps = number("STEPS").unwrap_or(1_000_000);
    let mut all = Tally::default();
    for seed in 1.. {
        let tally = play(seed, false);
        all.steps += tally.steps;
        all.calls += tally.calls;
        all.oks += tally.oks;
        all.in_progress += tally.in_progress;
        all.unconfirmed += tally.unconfirmed;
        all.ended += tally.ended;
        all.unknown += tally.unknown;
        all.cuts += tally.cuts;
        all.crashes += tally.crashes;
        all.stops += tally.stops;
        all.restarts += tally.restarts;
        all.redirects += tally.redirects;
        all.orphaned += tally.orphaned;
        all.faults += tally.faults;
        all.late_reads += tally.late_reads;
        all.slowest = all.slowest.max(tally.slowest);
        if all.steps >= steps {
            break;
        }
    }
    println!("{all:?}");
    // A simulation without faults proves nothing.
    for count in [
        all.oks,
        all.in_progress,
        all.unconfirmed,
        all.ended,
        all.unknown,
        all.cuts,
        all.crashes,
        all.stops,
        all.restarts,
        all.redirects,
        all.orphaned,
        all.late_reads,
    ] {
        assert!(count > 0, "{all:?}");
    }
    assert!(all.slowest > Duration::ZERO);
}

/// Daemons are killed before they have written all records, rotate their files every few records,
/// and some delete each rotated file. Nevertheless each call in their files has one end.
#[test]
fn journaled_calls_end_once_although_daemons_are_killed() {
    if let Some(seed) = number("SEED") {
        println!("{:?}", run(World::with_journals(seed), true));
        return;
    }
    let steps = number("STEPS").unwrap_or(400_000);
    let (mut adopted, mut crashes, mut done) = (0, 0, 0);
    for seed in 1.. {
        println!("seed {seed}");
        let tally = run(World::with_journals(seed), false);
        adopted += tally.adopted;
        crashes += tally.crashes;
        done += tally.steps;
        if done >= steps {
            break;
        }
    }
    println!("{crashes} crashes, {adopted} calls adopted");
    assert!(adopted > 0 && crashes > 0);
}
