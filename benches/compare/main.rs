//! Compares six ways to have one real Asterisk place calls, in turns: calls a second, time until a
//! call begins, CPU and memory. Then it measures the daemon's pacing, with three times the load
//! that Asterisk can take.
//!
//! `make compare`; `cargo bench --bench compare -- --smoke` is a short run, `--svg FOLDER` writes
//! charts. The gateway declines every called number at once, so that calls do not pile up.

#![allow(clippy::disallowed_methods, reason = "a benchmark has nothing else to do while it waits")]

mod chart;
mod observer;
mod pace;
mod relay;
mod side;

use std::time::{Duration, Instant};

use observer::Observer;
use side::Side;
use testkit::figures::{figure, is_smoke, section};
use testkit::pbx::Pbx;
use testkit::resources;

/// How long the calls of a burst may take to end.
const END_TIMEOUT: Duration = Duration::from_secs(60);

/// Number of calls that each side makes before it is measured.
const WARM_UP: usize = 10;

/// The function that starts a side.
type Start = fn(&Pbx) -> Side;

/// All sides with their names.
const SIDES: [(&str, Start); 6] = [
    ("raw AMI, pipelined", Side::raw),
    ("originatord", Side::originatord),
    ("Asterisk's /rawman", Side::rawman),
    ("Asterisk's ARI", Side::ari),
    ("call files, Flask", |pbx| Side::python("call_files.py", pbx)),
    ("panoramisk, aiohttp", |pbx| Side::python("panoramisk_aiohttp.py", pbx)),
];

/// Measurements of one side, over all rounds.
#[derive(Default)]
pub struct Figures {
    /// Calls a second in each burst: accepted, and ended in Asterisk.
    pub rates: Vec<f64>,
    /// From the request until Asterisk has the call's first channel, one call at a time.
    pub to_channel: Vec<Duration>,
    /// CPU seconds for 1000 calls: of the side's process and of Asterisk.
    cpu: Vec<(f64, f64)>,
    /// Resident memory of the side's process, in KiB, if it has one.
    resident: Option<u64>,
    /// Number of calls that were not accepted, or did not begin.
    failed: usize,
}

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let folder = args.iter().position(|arg| arg == "--svg").and_then(|at| args.get(at + 1));
    let (rounds, burst, singles) = if is_smoke() { (1, 20, 5) } else { (7, 800, 30) };

    let pbx = Pbx::start_with(&["--version", "22", "--http"]);
    let observer = Observer::start(pbx.setting("AMI_ADDRESS"), pbx.setting("AMI_SECRET"));
    let asterisk: u32 = pbx.setting("ASTERISK_PID").parse().expect("a pid");
    let mut figures = SIDES.map(|_| Figures::default());
    let mut numbers = Numbers(0);
    for _ in 0..rounds {
        for ((_, start), figures) in SIDES.iter().zip(&mut figures) {
            // A side runs during its own turn only, as it would receive the events of other sides'
            // calls and slow them down.
            let side = start(&pbx);
            let warm_up = numbers.take(WARM_UP);
            side.burst(&warm_up);
            observer.wait_until_ended(&warm_up, END_TIMEOUT);
            measure_burst(&side, figures, &observer, asterisk, &numbers.take(burst));
            measure_singles(&side, figures, &observer, &numbers.take(singles));
        }
    }
    report(&figures, rounds, burst);
    let names = SIDES.map(|(name, _)| name);
    if let Some(folder) = folder {
        let (rates, times): (Vec<_>, Vec<_>) = figures
            .iter()
            .map(|figures| (median(&figures.rates), median(&seconds(&figures.to_channel)) * 1000.0))
            .unzip();
        chart::write(folder, "compare-rate.svg", "Calls a second, sustained", &names, &rates);
        chart::write(
            folder,
            "compare-latency.svg",
            "Request to channel, median in ms",
            &names,
            &times,
        );
    }
    let limit = median(&figures[0].rates);
    pace::measure(&pbx, &observer, limit, &mut numbers);
    pbx.down();
}

/// Numbers that were not called before. The gateway declines those that end with 603.
pub struct Numbers(u32);

impl Numbers {
    fn take(&mut self, count: usize) -> Vec<String> {
        (0..count)
            .map(|_| {
                self.0 += 1;
                format!("79{:07}603", self.0)
            })
            .collect()
    }
}

fn measure_burst(
    side: &Side,
    figures: &mut Figures,
    observer: &Observer,
    asterisk: u32,
    numbers: &[String],
) {
    let before = (side.pid.map_or(0.0, cpu_seconds), cpu_seconds(asterisk));
    let began = Instant::now();
    let (accepted, answered) = side.burst(numbers);
    let (begun, last_hangup) = observer.wait_until_ended(numbers, END_TIMEOUT);
    let good = accepted.min(begun.len());
    figures.failed += numbers.len() - good;
    // Count until the calls have ended: a rate at which accepted work piles up cannot be sustained.
    figures
        .rates
        .push(good as f64 / (last_hangup.unwrap_or(answered).max(answered) - began).as_secs_f64());
    let per_thousand = |before: f64, now: f64| (now - before) * 1000.0 / numbers.len() as f64;
    let of_side = per_thousand(before.0, side.pid.map_or(0.0, cpu_seconds));
    figures.cpu.push((of_side, per_thousand(before.1, cpu_seconds(asterisk))));
    figures.resident = side.pid.map(resources::resident);
}

fn measure_singles(side: &Side, figures: &mut Figures, observer: &Observer, numbers: &[String]) {
    for number in numbers {
        let one = std::slice::from_ref(number);
        let began = Instant::now();
        side.burst(one);
        match observer.wait_until_ended(one, Duration::from_secs(10)).0[..] {
            [begun] => figures.to_channel.push(begun.saturating_duration_since(began)),
            _ => figures.failed += 1,
        }
    }
}

fn report(figures: &[Figures], rounds: usize, burst: usize) {
    println!("{rounds} rounds in turns; bursts of {burst} calls; one Asterisk 22 on this machine");
    println!(
        "{:<22} {:>9} {:>9} {:>12} {:>12} {:>12} {:>14} {:>9} {:>7}",
        "",
        "calls/s",
        "of raw",
        "to channel",
        "p99",
        "CPU s/1000",
        "Asterisk's",
        "memory",
        "failed"
    );
    let raw = median(&figures[0].rates);
    for ((name, _), figures) in SIDES.iter().zip(figures) {
        let times = seconds(&figures.to_channel);
        let (of_side, of_asterisk) = cpu(figures);
        let of_process =
            |text: String| if figures.resident.is_some() { text } else { "-".to_owned() };
        println!(
            "{:<22} {:>9.0} {:>9.2} {:>9.2} ms {:>9.2} ms {:>12} {:>14.3} {:>9} {:>7}",
            name,
            median(&figures.rates),
            median(&figures.rates) / raw,
            median(&times) * 1000.0,
            quantile(&times, 0.99) * 1000.0,
            of_process(format!("{of_side:.3}")),
            of_asterisk,
            of_process(format!("{} MB", figures.resident.unwrap_or(0) / 1024)),
            figures.failed,
        );
    }
    let [of_raw, ours, _, _, call_files, _] = figures else { return };
    let of = |figures: &Figures| median(&figures.rates);
    let added =
        (median(&seconds(&ours.to_channel)) - median(&seconds(&of_raw.to_channel))) * 1000.0;
    let (our_cpu, asterisks) = cpu(ours);
    let (ratio, over_files) = (of(ours) / of(of_raw), of(ours) / of(call_files));
    section("originatord against the others");
    figure("calls a second / raw AMI's", format!("{ratio:.2}"), ">= 0.95", ratio >= 0.95);
    figure(
        "request to channel, median, minus raw AMI's",
        format!("{added:.2} ms"),
        "<= 0.30 ms",
        added <= 0.3,
    );
    let is_limit = ratio >= 0.95;
    // Call files cannot be beaten by much where raw AMI is at its limit, too.
    figure(
        "calls a second / call files'",
        format!("{over_files:.1}"),
        ">= 5, or limit",
        over_files >= 5.0 || is_limit,
    );
    let (of_files, of_asterisk) = (our_cpu / cpu(call_files).0, our_cpu / asterisks);
    figure("CPU of a call / call files'", format!("{of_files:.3}"), "<= 0.1", of_files <= 0.1);
    figure(
        "CPU of a call / Asterisk's own",
        format!("{of_asterisk:.3}"),
        "<= 0.1",
        of_asterisk <= 0.1,
    );
}

/// CPU seconds for 1000 calls, of the side and of Asterisk. A burst takes few ticks of the system's
/// counter, so the mean of all bursts is more exact than the median.
fn cpu(figures: &Figures) -> (f64, f64) {
    let (sides, asterisks): (Vec<_>, Vec<_>) = figures.cpu.iter().copied().unzip();
    let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len().max(1) as f64;
    (mean(sides), mean(asterisks))
}

fn seconds(times: &[Duration]) -> Vec<f64> {
    times.iter().map(Duration::as_secs_f64).collect()
}

/// The median; 0 if there is no value.
pub fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

/// A quantile, by the nearest rank; 0 if there is no value.
pub fn quantile(values: &[f64], quantile: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// User and system time of a process so far.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
    // Fields 14 and 15 of proc(5), in ticks of 1/100 s. They follow the name, which may contain
    // blanks.
    let fields: Vec<_> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks: f64 = [11, 12].iter().map(|at| fields[*at].parse::<f64>().expect("ticks")).sum();
    ticks / 100.0
}
