//! Runs `originatord check` on a configuration file of the test.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::daemon::Ami;
use crate::program::{Ended, command, run};

/// A configuration in a folder of its own.
pub struct ConfigFile {
    _folder: TempDir,
    path: PathBuf,
}

impl ConfigFile {
    pub fn new(text: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).expect("writes");
        Self { _folder: folder, path }
    }

    pub fn of(user: &str, ami: &Ami<'_>, more: &str) -> Self {
        Self::new(&format!(
            "[[api_keys]]\nname = \"bot\"\nkey = \"hush-hush-key\"\n[[asterisk]]\naddress = \"{}\"\n\
             username = \"{user}\"\nsecret = \"{}\"\n{more}\n[state]\nfile = \"state.db\"\n",
            ami.address, ami.secret
        ))
    }

    pub fn path(&self) -> &str {
        self.path.to_str().expect("a path")
    }

    pub fn check(&self, more: &[&str]) -> Ended {
        let ended = run(command(&[&["check", "--config", self.path()], more].concat()));
        assert!(!format!("{ended:?}").contains("hush"), "{ended:?}");
        ended
    }
}

/// Runs `check --connect` against this Asterisk; returns the exit code, and the lines on stdout
/// after the one about the file.
pub fn connect(ami: &Ami<'_>, more: &str) -> (Option<i32>, Vec<String>) {
    connect_as("originatord", ami, more)
}

pub fn connect_as(user: &str, ami: &Ami<'_>, more: &str) -> (Option<i32>, Vec<String>) {
    let file = ConfigFile::of(user, ami, more);
    let ended = file.check(&["--connect"]);
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    let first = format!("ok       {}: 1 API key(s), Asterisk at {}", file.path(), ami.address);
    assert_eq!((lines.remove(0), &*ended.stderr), (first, ""), "{ended:?}");
    (ended.code, lines)
}

pub fn starting_with(lines: &[String], word: &str) -> Vec<String> {
    lines.iter().filter(|line| line.starts_with(word)).cloned().collect()
}
