//! Callees that Asterisk plays: each speaks a tone of its own, and records what it hears.

use std::path::PathBuf;

use super::sound::{RATE, levels};
use testkit::eventually;
use testkit::pbx::Pbx;

/// A context that answers, records what it hears, and plays the tone whose frequency is the last
/// three digits of the number.
pub(super) const CONTEXT: &str = "\
[hearing]
exten => _X.,1,Answer()
 same => n,MixMonitor(,r(${EXTEN}.sln48))
 same => n,Playtones(${EXTEN:-3})
 same => n,Wait(600)
 same => n,Hangup()
";

/// A tenth of a second: whole periods of all tones that the tests play.
const WINDOW: usize = RATE as usize / 10;

/// A hundredth of a second, to measure how long somebody was heard.
const SHORT_WINDOW: usize = RATE as usize / 100;

/// A tone is heard if its level is above this. Alone or mixed, the tone of [`CONTEXT`] has a level
/// of 7250.
const HEARD: f64 = 3500.0;

/// A tone is absent if its level is below this. The prompts of a conference reach 200.
const ABSENT: f64 = 500.0;

/// A played callee.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    pub(super) number: String,
    hz: u32,
    recording: PathBuf,
}

impl Listener {
    /// The callee with this number, which the context plays in this Asterisk.
    pub(super) fn new(pbx: &Pbx, number: &str) -> Self {
        let hz = number[number.len() - 3..].parse().expect("a frequency");
        let recording = pbx.folder().join("spool/monitor").join(format!("{number}.sln48"));
        Self { number: number.to_owned(), hz, recording }
    }

    /// Waits until this callee hears the other one.
    pub(super) fn wait_hears(&self, other: &Self) {
        eventually(&format!("{} hears {}", self.number, other.number), || {
            let levels = self.levels_of(other);
            let last = levels.last_chunk::<3>()?;
            last.iter().all(|level| *level > HEARD).then_some(())
        });
    }

    /// Waits until this callee does not hear the other one, and continues not to for a second.
    pub(super) fn wait_hears_no_more(&self, other: &Self) {
        let from = eventually(&format!("{} hears {} no more", self.number, other.number), || {
            let levels = self.levels_of(other);
            let last = levels.last_chunk::<3>()?;
            last.iter().all(|level| *level < ABSENT).then_some(levels.len())
        });
        self.record_more();
        self.assert_absent(other, from);
    }

    /// Waits until another second is recorded.
    pub(super) fn record_more(&self) {
        let enough = self.recorded_windows() + 10;
        eventually("another second is recorded", || {
            (self.recorded_windows() >= enough).then_some(())
        });
    }

    /// Panics if this callee has heard the other one at all.
    pub(super) fn assert_never_heard(&self, other: &Self) {
        self.assert_absent(other, 0);
    }

    fn assert_absent(&self, other: &Self, from: usize) {
        let levels = &self.levels_of(other)[from..];
        let is_absent = levels.iter().all(|level| *level < ABSENT);
        assert!(is_absent, "{} hears {}: {levels:.0?}", self.number, other.number);
    }

    /// How many windows are recorded.
    fn recorded_windows(&self) -> usize {
        std::fs::metadata(&self.recording)
            .map_or(0, |file| usize::try_from(file.len()).unwrap_or(usize::MAX) / 2 / WINDOW)
    }

    /// For how many milliseconds this callee has heard the other one.
    pub(super) fn heard_ms(&self, other: &Self) -> usize {
        let levels = levels(&self.samples(), other.hz, SHORT_WINDOW);
        levels.iter().filter(|level| **level > HEARD).count() * 10
    }

    fn levels_of(&self, other: &Self) -> Vec<f64> {
        levels(&self.samples(), other.hz, WINDOW)
    }

    fn samples(&self) -> Vec<i16> {
        let bytes = std::fs::read(&self.recording).unwrap_or_default();
        bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
    }
}
