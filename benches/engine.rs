//! Whether the cost of a call grows with the number of live calls: the engine alone, with an
//! Asterisk that answers at once, among few live calls and among many, in turns. And the memory of a
//! live call.
//!
//! `cargo bench --bench engine`

mod engine_harness;

use allocation_counter::measure;
use cpu_time::ThreadTime;
use engine_harness::EngineHarness;
use testkit::figures::{self, figure, median, scale, section};

fn main() {
    let (many, rounds, calls) =
        if figures::is_smoke() { (1_000, 3, 50) } else { (200_000, 60, 1_000) };
    let few = 100;
    let (mut among_few, mut among_many) = (EngineHarness::new(few), EngineHarness::new(0));
    let weight = grow(&mut among_many, many);
    let (mut fews, mut manys) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        fews.push(time(&mut among_few, calls));
        manys.push(time(&mut among_many, calls));
    }
    let (few_took, many_took) = (median(fews), median(manys));
    section(&format!(
        "the engine alone: a whole call, from request to end, {rounds} rounds of {calls} in turns"
    ));
    scale(&format!("among {few} live calls"), format!("{few_took:.2} µs"));
    scale(&format!("among {many} live calls"), format!("{many_took:.2} µs"));
    // Here caches that are too small weigh more than in the whole daemon, for which the target is.
    scale("among many / among few", format!("{:.2}", many_took / few_took));
    figure(
        "memory of a live call, besides its strings",
        format!("{weight} bytes"),
        "<= 512 bytes",
        weight <= 512,
    );
}

/// Starts `count` calls that stay in their conferences; returns the memory of one call, in bytes.
fn grow(harness: &mut EngineHarness, calls: u64) -> i64 {
    let mut strings = 0;
    let weighed = measure(|| {
        for _ in 0..calls {
            let call = harness.begin();
            strings += harness.join(&call);
        }
    });
    assert_eq!(harness.live() as u64, calls);
    (weighed.bytes_current - strings as i64) / calls as i64
}

/// The time of a whole call, in microseconds, as the mean of `count` calls.
fn time(harness: &mut EngineHarness, calls: u32) -> f64 {
    let live = harness.live();
    let began = ThreadTime::now();
    for _ in 0..calls {
        let call = harness.begin();
        harness.end(&call);
    }
    let time = began.elapsed();
    assert_eq!(harness.live(), live, "every call has ended");
    time.as_secs_f64() * 1e6 / f64::from(calls)
}
