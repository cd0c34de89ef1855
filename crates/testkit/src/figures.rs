//! The benchmarks' run length, medians and table of figures.

use std::time::Duration;

/// Whether this run only checks that the benchmark works. `cargo test` runs benchmarks, too, and
/// only `cargo bench` passes `--bench`.
pub fn is_smoke() -> bool {
    let args: Vec<String> = std::env::args().collect();
    args.iter().any(|arg| arg == "--smoke") || !args.iter().any(|arg| arg == "--bench")
}

/// Heads the figures that follow.
pub fn section(what: &str) {
    println!("\n{what}");
    println!("{:<64} | {:>16} | {:>14} |", "figure", "value", "target");
}

/// One line of the table. A smoke run measures nothing, so it meets and misses nothing.
pub fn figure(what: &str, value: impl AsRef<str>, target: &str, is_met: bool) {
    let verdict = match (is_smoke(), is_met) {
        (true, _) => "smoke",
        (false, true) => "met",
        (false, false) => "NOT MET",
    };
    println!("{what:<64} | {:>16} | {target:>14} | {verdict}", value.as_ref());
}

/// One line of the table with nothing to meet, for scale.
pub fn scale(what: &str, value: impl AsRef<str>) {
    println!("{what:<64} | {:>16} | {:>14} |", value.as_ref(), "");
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The value that this part of all is not over.
pub fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}
