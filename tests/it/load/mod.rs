//! `originatord load` with the daemon and the simulator, all three as processes.

mod interrupted;
mod refused;
mod runs;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use testkit::daemon::{Daemon, KEY};
use testkit::program::{self, Ended, run};

/// All callees answer "busy" at once.
const BUSY: &str = "[[callee]]\nnumber = \"*\"\nsip = 486\n";

/// An `originatord load` with the key, for the daemon at this address.
fn load(address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&["load", "--url", &url]);
    command.args(args).env("ORIGINATORD_KEY", KEY);
    command
}

/// A folder for reports.
struct Reports(TempDir);

impl Reports {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a report")
    }

    /// Reads the JSON report and asserts that its figures add up.
    fn json(&self) -> Value {
        let report: Value = serde_json::from_str(&self.read("report.json")).expect("JSON");
        let run = &report["run"];
        let (requests, calls, times) = (&run["requests"], &run["calls"], &run["latency_ms"]);
        let number =
            |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{value} in {report:#}"));
        let sum =
            |counts: &Value| counts.as_object().expect("counts").values().map(number).sum::<u64>();
        let of = |parts: &[&str]| parts.iter().map(|part| number(&requests[part])).sum::<u64>();
        assert_eq!(
            number(&requests["scheduled"]),
            of(&["sent", "held_back", "not_sent"]),
            "{report:#}"
        );
        let answered = number(&requests["accepted"])
            + sum(&requests["refused"])
            + sum(&requests["unanswered"]);
        assert_eq!(number(&requests["sent"]), answered, "{report:#}");
        let ended = sum(&calls["outcomes"]);
        let followed = ended + number(&calls["unseen"]) + number(&calls["alive"]);
        assert_eq!(number(&calls["followed"]), followed, "{report:#}");
        assert_eq!(times["reply"]["count"], requests["accepted"], "{report:#}");
        assert!(number(&times["channel"]["count"]) <= number(&calls["followed"]), "{report:#}");
        for (counted, whole) in [
            ("sent", number(&requests["sent"])),
            ("accepted", number(&requests["accepted"])),
            ("failed", sum(&requests["refused"]) + sum(&requests["unanswered"])),
            ("ended", ended),
        ] {
            let slices = run["timeline"].as_array().expect("slices");
            assert_eq!(
                slices.iter().map(|slice| number(&slice[counted])).sum::<u64>(),
                whole,
                "{counted}: {report:#}"
            );
        }
        report
    }
}

/// Runs `load` to its end; returns how it ended, and the JSON report.
fn report(mut command: Command) -> (Ended, Value) {
    let reports = Reports::new();
    command.arg("--json").arg(reports.path("report.json"));
    let ended = run(command);
    assert!(ended.code.is_some_and(|code| code < 64), "{ended:?}");
    (ended, reports.json())
}

#[track_caller]
fn assert_nothing_lives(daemon: &Daemon) {
    assert_eq!(daemon.get("/api/calls").json()["live_total"], 0);
}
