//! The level of a frequency in recorded sound.

use std::f64::consts::TAU;

/// Samples per second of a recording. Asterisk writes a recording in blocks of 32 KiB; at this rate
/// a block is a third of a second.
pub(super) const RATE: u32 = 48_000;

/// The amplitude of the frequency `hz` in each window of `window` samples, by Goertzel's algorithm.
/// Other frequencies do not count, if a window holds whole numbers of all their periods.
pub(super) fn levels(samples: &[i16], hz: u32, window: usize) -> Vec<f64> {
    samples.chunks_exact(window).map(|samples| level(samples, hz)).collect()
}

fn level(samples: &[i16], hz: u32) -> f64 {
    let coefficient = 2.0 * (TAU * f64::from(hz) / f64::from(RATE)).cos();
    let (mut last, mut before) = (0.0, 0.0);
    for sample in samples {
        (last, before) = (f64::from(*sample) + coefficient * last - before, last);
    }
    let power = last * last + before * before - coefficient * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

#[test]
fn levels_tell_mixed_tones_apart() {
    let tone = |hz: f64, at: usize| (TAU * hz * at as f64 / f64::from(RATE)).sin();
    let second = RATE as usize;
    // Two tones for half a second, then one of them.
    let sample = |at: usize| {
        let first = if at < second / 2 { 7000.0 * tone(440.0, at) } else { 0.0 };
        (first + 3000.0 * tone(620.0, at)) as i16
    };
    let samples: Vec<i16> = (0..second).map(sample).collect();
    let is_near = |expected: f64| move |level: &f64| (level - expected).abs() < 20.0;
    let first = levels(&samples, 440, second / 10);
    assert!(first[..5].iter().all(is_near(7000.0)), "{first:?}");
    assert!(first[5..].iter().all(is_near(0.0)), "{first:?}");
    let other = levels(&samples, 620, second / 10);
    assert!(other.len() == 10 && other.iter().all(is_near(3000.0)), "{other:?}");
    assert!(levels(&samples, 850, second / 10).iter().all(is_near(0.0)));
}
