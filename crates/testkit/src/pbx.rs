//! A real Asterisk with the samples of `asterisk/`.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::daemon::{Ami, Daemon};
use crate::eventually;

/// A running instance of `asterisk/pbx`. It ends with the test process.
pub struct Pbx {
    name: String,
    settings: HashMap<String, String>,
}

impl Pbx {
    /// Starts an instance of this version (`22` or `16`).
    pub fn start(version: &str) -> Self {
        Self::start_with(&["--version", version])
    }

    /// Starts an instance with these arguments of `asterisk/pbx up`.
    pub fn start_with(args: &[&str]) -> Self {
        static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("test-{}-{count}", std::process::id());
        let parent = std::process::id().to_string();
        let output =
            pbx(&[&["up", "--name", &name, "--wait", "0", "--parent", &parent], args].concat());
        let settings = output
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { name, settings: settings.collect() }
    }

    /// The instance of this version that all tests of this executable share.
    pub fn shared(version: &'static str) -> &'static Self {
        static SHARED: [OnceLock<Pbx>; 2] = [const { OnceLock::new() }; 2];
        SHARED[usize::from(version == "16")].get_or_init(|| Self::start(version))
    }

    pub fn setting(&self, name: &str) -> &str {
        &self.settings[name]
    }

    /// The address and secret of its AMI.
    pub fn ami(&self) -> Ami<'_> {
        Ami { address: self.setting("AMI_ADDRESS"), secret: self.setting("AMI_SECRET") }
    }

    /// Starts a daemon for it, with a ring timeout that tests can wait for.
    pub fn daemon(&self) -> Daemon {
        Daemon::start(&self.ami(), &[("originate", "ring_timeout = \"4s\"")])
    }

    /// The live channels, as Asterisk lists them.
    pub fn channels(&self) -> String {
        self.rx("core show channels concise")
    }

    /// Runs a command of Asterisk's command line.
    pub fn rx(&self, command: &str) -> String {
        pbx(&["rx", &self.name, command])
    }

    /// Replaces the first occurrence of a text in one of Asterisk's configuration files; returns the
    /// file's text before.
    pub fn replace_in(&self, file: &str, from: &str, to: &str) -> String {
        let before = std::fs::read_to_string(self.path_of(file)).expect("a configuration file");
        assert!(before.contains(from), "{file} has no {from}");
        self.write(file, &before.replacen(from, to, 1));
        before
    }

    /// Removes the lines that contain one of these texts from one of Asterisk's configuration files.
    /// Returns the file's text before.
    pub fn remove_lines(&self, file: &str, texts: &[&str]) -> String {
        let before = std::fs::read_to_string(self.path_of(file)).expect("a configuration file");
        let is_kept = |line: &&str| !texts.iter().any(|text| line.contains(text));
        let kept: String = before.lines().filter(is_kept).map(|line| format!("{line}\n")).collect();
        self.write(file, &kept);
        before
    }

    /// Writes one of Asterisk's configuration files.
    pub fn write(&self, file: &str, text: &str) {
        std::fs::write(self.path_of(file), text).expect("writes");
    }

    /// The folder with all of Asterisk's files.
    pub fn folder(&self) -> PathBuf {
        crate::repository().join(".run").join(&self.name)
    }

    fn path_of(&self, file: &str) -> PathBuf {
        self.folder().join("etc").join(file)
    }

    /// Adds these lines to one of Asterisk's configuration files.
    pub fn add_to(&self, file: &str, text: &str) {
        let mut file =
            OpenOptions::new().append(true).open(self.path_of(file)).expect("a configuration file");
        writeln!(file, "\n{text}").expect("writes");
    }

    /// Kills Asterisk by SIGKILL.
    pub fn kill(&self) {
        pbx(&["kill", &self.name]);
    }

    /// Starts Asterisk again, on the same ports.
    pub fn start_again(&self) {
        pbx(&["start", &self.name]);
    }

    /// Suspends Asterisk by SIGSTOP.
    pub fn stop(&self) {
        pbx(&["stop", &self.name]);
    }

    /// Resumes a suspended Asterisk.
    pub fn resume(&self) {
        pbx(&["continue", &self.name]);
    }

    /// Number of calls to each of these numbers in Asterisk, counted by their lock channels (`;2`).
    pub fn calls(&self, numbers: &[String]) -> HashMap<String, usize> {
        let channels = self.channels();
        let is_half = |line: &&str, number: &str| {
            line.starts_with(&format!("Local/{number}@")) && line.contains(";2!")
        };
        let count = |number: &String| channels.lines().filter(|line| is_half(line, number)).count();
        numbers.iter().map(|number| (number.clone(), count(number))).collect()
    }

    /// Number of calls to this number in Asterisk.
    pub fn calls_to(&self, number: &str) -> usize {
        self.calls(&[number.to_owned()])[number]
    }

    /// Hangs up the call to this number in Asterisk, and waits until its channels are gone.
    pub fn end_call_to(&self, number: &str) {
        let (half, channels) = (format!("Local/{number}@"), self.channels());
        let channel = channels
            .lines()
            .find(|line| line.starts_with(&half))
            .and_then(|line| line.split('!').next());
        self.rx(&format!("channel request hangup {}", channel.expect("a channel")));
        eventually("the call is over", || (!self.channels().contains(&half)).then_some(()));
    }

    /// Ends the instance.
    pub fn down(self) {
        pbx(&["down", &self.name]);
    }
}

fn pbx(args: &[&str]) -> String {
    let script = crate::repository().join("asterisk/pbx");
    let output = Command::new(script).args(args).output().expect("asterisk/pbx runs");
    assert!(
        output.status.success(),
        "asterisk/pbx {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}
