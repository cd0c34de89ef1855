//! Whether the cost of a request grows with the number of live calls: the engine alone, with an Asterisk that
//! answers at once, among 10 live calls and among 50 000, in turns.
//!
//! `cargo bench --bench engine`, with `--smoke` for a few rounds only.

mod world;

use std::time::{Duration, Instant};

use world::World;

fn main() {
    let smoke = std::env::args().any(|arg| arg == "--smoke");
    let (many, rounds, calls) = if smoke { (1_000, 3, 50) } else { (50_000, 40, 1_000) };
    let (mut few, mut full) = (World::new(10), World::new(many));
    let (mut among_few, mut among_many) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        among_few.push(time(&mut few, calls));
        among_many.push(time(&mut full, calls));
    }
    let (among_few, among_many) = (median(among_few) / calls, median(among_many) / calls);
    let ratio = among_many.as_secs_f64() / among_few.as_secs_f64();
    println!("a whole call, from request to end, {rounds} rounds of {calls} in turns");
    println!("among     10 live calls   {among_few:>9.3?}");
    println!("among {many:>6} live calls   {among_many:>9.3?}");
    println!("ratio {ratio:.2}");
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// The time that so many whole calls take.
fn time(world: &mut World, calls: u32) -> Duration {
    let live = world.live();
    let began = Instant::now();
    for _ in 0..calls {
        let call = world.begin();
        world.end(&call);
    }
    let time = began.elapsed();
    assert_eq!(world.live(), live, "every call has ended");
    time
}
