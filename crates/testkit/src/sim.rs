//! The simulator as users run it: a process, with a scenario file.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::TEST_TIMEOUT;
use crate::daemon::{Ami, Daemon};
use crate::program::executable;

/// The secret of the simulator's AMI user.
pub const SECRET: &str = "s3cr3t-of-the-simulator";

/// A scenario whose callees join right after their answer, without the usual pause and beep.
pub const QUICK: &str = "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n";

/// A running simulator. Killed when dropped.
pub struct Simulator {
    pub address: String,
    child: Child,
    _folder: TempDir,
}

impl Simulator {
    /// Starts a simulator of this version with this scenario.
    pub fn start(version: &str, scenario: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("scenario.toml");
        std::fs::write(&file, scenario).expect("the scenario is written");
        let mut child = Command::new(executable())
            .args([
                "simulate",
                "--listen",
                "127.0.0.1:0",
                "--secret",
                SECRET,
                "--asterisk",
                version,
                "--scenario",
            ])
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

    /// The address and secret of its AMI.
    pub fn ami(&self) -> Ami<'_> {
        Ami { address: &self.address, secret: SECRET }
    }

    /// Starts a daemon for it.
    pub fn daemon(&self, more: &[(&str, &str)]) -> Daemon {
        Daemon::start(&self.ami(), more)
    }

    /// Logs in, sends one action, and reads until `until` arrives or the connection ends.
    pub fn ask(&self, action: &str, until: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("connects");
        stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        let login = format!(
            "Action: Login\r\nUsername: originatord\r\nSecret: {SECRET}\r\nEvents: off\r\n\r\n"
        );
        stream.write_all(format!("{login}{action}\r\n\r\n").as_bytes()).expect("writes");
        let (mut answer, mut buffer) = (String::new(), [0; 4096]);
        while !answer.contains(until) {
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => break,
                Ok(count) => answer.push_str(&String::from_utf8_lossy(&buffer[..count])),
            }
        }
        answer
    }

    /// Number of calls to each of these numbers, counted by their lock channels (`;2`).
    pub fn calls(&self, numbers: &[String]) -> HashMap<String, usize> {
        let listed = self.ask("Action: CoreShowChannels", "Event: CoreShowChannelsComplete");
        assert!(listed.contains("CoreShowChannelsComplete"), "{listed}");
        let is_half = |line: &&str, number: &str| {
            line.starts_with(&format!("Channel: Local/{number}@")) && line.ends_with(";2")
        };
        let count = |number: &String| listed.lines().filter(|line| is_half(line, number)).count();
        numbers.iter().map(|number| (number.clone(), count(number))).collect()
    }

    /// Sends a signal and waits until the simulator has ended; returns the exit code.
    pub fn end_by(mut self, signal: &str) -> Option<i32> {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
        crate::eventually("the simulator ends", || self.child.try_wait().expect("a child")).code()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
