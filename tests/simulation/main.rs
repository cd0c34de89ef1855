//! The promises, under random faults on virtual time: one to three engines, one simulated Asterisk,
//! everything from one seed. What is asserted is in `world/promises.rs`: at any moment, one call
//! per number, an answer to each bot in time that is "ok" only of a call that was made, and with
//! the link in order a number that is free within a second; in the end, nothing left, and one end
//! for each accepted call.
//!
//! A failure prints its seed: `SEED=17 cargo test --test simulation -- --nocapture` plays it again
//! and tells what happens. `STEPS=100000000` plays more.

mod world;

use std::time::Duration;

use world::{Tally, World};

/// Steps for each seed.
const RUN: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn play(seed: u64, is_told: bool) -> Tally {
    // Shown only if it fails.
    println!("seed {seed}");
    run(World::new(seed), is_told)
}

fn run(mut world: World, is_told: bool) -> Tally {
    world.is_told = is_told;
    while world.tally.steps < RUN {
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
    // A world in which nothing happens proves nothing.
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

/// Daemons are killed with records that are not written yet, their files are rotated every few
/// records, and some keep no rotated file: what reached a file is complete all the same.
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
