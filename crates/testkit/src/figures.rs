//! The benchmarks' run length, medians and table of figures.

use std::time::Duration;

/// Whether this run only checks that the benchmark works. `cargo test` runs benchmarks, too, and
/// only `cargo bench` passes `--bench`.
pub fn is_smoke() -> bool {
    let args: Vec<String> = std::env::args().collect();
    args.iter().any(|arg| arg == "--smoke") || !args.iter().any(|arg| arg == "--bench")
}

/// Prints the head of a table.
pub fn section(what: &str) {
    println!("\n{what}");
    println!("{:<64} | {:>16} | {:>14} |", "figure", "value", "target");
}

/// Prints a figure with its target. A smoke run measures nothing, so its verdict is `smoke`.
pub fn figure(what: &str, value: impl AsRef<str>, target: &str, is_met: bool) {
    let verdict = match (is_smoke(), is_met) {
        (true, _) => "smoke",
        (false, true) => "met",
        (false, false) => "NOT MET",
    };
    println!("{what:<64} | {:>16} | {target:>14} | {verdict}", value.as_ref());
}

/// Prints a figure without a target, for scale.
pub fn scale(what: &str, value: impl AsRef<str>) {
    println!("{what:<64} | {:>16} | {:>14} |", value.as_ref(), "");
}

/// The median; the upper one of an even number of values.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The quantile `part`, from 0 to 1.
pub fn quantile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}
