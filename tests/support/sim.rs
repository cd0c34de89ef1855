//! The simulator as users run it: a process, with a scenario file.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::daemon::{Ami, Daemon};

/// The secret of its user.
pub const SECRET: &str = "s3cr3t-of-the-simulator";

/// A running simulator. Killed when dropped.
pub struct Simulator {
    pub address: String,
    child: Child,
    _folder: TempDir,
}

impl Simulator {
    /// Starts one that plays this version and scenario.
    pub fn start(version: &str, scenario: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("scenario.toml");
        std::fs::write(&file, scenario).expect("the scenario is written");
        let mut child = Command::new(env!("CARGO_BIN_EXE_originatord"))
            .args(["simulate", "--listen", "127.0.0.1:0", "--secret", SECRET, "--asterisk", version, "--scenario"])
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the simulator starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("stdout"));
        output.read_line(&mut line).expect("it says where it listens");
        let address = line.trim().rsplit(' ').next().expect("an address").to_owned();
        Self { address, child, _folder: folder }
    }

    /// How a daemon gets at it.
    pub fn ami(&self) -> Ami<'_> {
        Ami { address: &self.address, secret: SECRET }
    }

    /// A daemon for it.
    pub fn daemon(&self, more: &[(&str, &str)]) -> Daemon {
        Daemon::start(&self.ami(), more)
    }

    /// Sends a signal, and waits for the end; returns the exit code.
    pub fn end_by(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
        super::eventually("the simulator ends", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
