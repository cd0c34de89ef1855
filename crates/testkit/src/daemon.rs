//! The daemon as users run it: a process with a configuration file.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{self, PendingReply, Reply};
use crate::journal_file::JournalFile;
use crate::program::executable;
use crate::{TEST_TIMEOUT, eventually};

pub use crate::KEY;

/// The name of the bots' key.
pub const KEY_NAME: &str = "tester";

/// A running daemon. Killed when dropped.
pub struct Daemon {
    pub address: SocketAddr,
    pub folder: Arc<TempDir>,
    pub child: Child,
    /// The process that reads the daemon's stdout; none if the test itself reads it.
    pub watcher: Option<Child>,
    lines: Arc<Mutex<Vec<String>>>,
    config: String,
}

/// A process that reads the daemon's stdout, and can be stopped or killed.
pub struct Watcher {
    stdout: Stdio,
    child: Child,
}

impl Watcher {
    /// Reads from a pipe.
    pub fn of_pipe() -> Self {
        let mut child = Self::spawn(Command::new("cat").stdin(Stdio::piped()));
        Self { stdout: child.stdin.take().expect("stdin").into(), child }
    }

    /// Reads the file that stdout is written to.
    pub fn of_file(path: &Path) -> Self {
        let file = std::fs::File::create(path).expect("a file");
        Self {
            stdout: file.into(),
            child: Self::spawn(Command::new("tail").args(["-n", "+1", "-f"]).arg(path)),
        }
    }

    fn spawn(command: &mut Command) -> Child {
        command.stdout(Stdio::piped()).spawn().expect("it starts")
    }
}

/// The address and secret of an Asterisk.
pub struct Ami<'a> {
    pub address: &'a str,
    pub secret: &'a str,
}

impl Daemon {
    /// Starts a daemon and waits until it is ready. `more` is further configuration, as pairs of a
    /// section and its text.
    pub fn start(ami: &Ami<'_>, more: &[(&str, &str)]) -> Self {
        let daemon = Self::start_unready(ami, more);
        daemon.wait_ready();
        daemon
    }

    /// Starts a daemon and waits until it listens.
    pub fn start_unready(ami: &Ami<'_>, more: &[(&str, &str)]) -> Self {
        Self::start_in(TempDir::new().expect("a folder"), ami, more)
    }

    /// Starts a daemon with its configuration in this folder, and waits until it listens.
    pub fn start_in(folder: TempDir, ami: &Ami<'_>, more: &[(&str, &str)]) -> Self {
        Self::launch(Arc::new(folder), Self::config(ami, more), &[], None)
    }

    /// Starts a daemon with exactly this configuration, and waits until it is ready. The
    /// configuration must have the key [`KEY`].
    pub fn start_as_configured(folder: TempDir, config: String) -> Self {
        let daemon = Self::launch(Arc::new(folder), config, &[], None);
        daemon.wait_ready();
        daemon
    }

    /// Starts a daemon through another command, such as `prlimit`, and waits until it is ready.
    pub fn start_under(command: &[&str], ami: &Ami<'_>, more: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let daemon = Self::launch(Arc::new(folder), Self::config(ami, more), command, None);
        daemon.wait_ready();
        daemon
    }

    /// Starts a daemon whose stdout goes to the watcher, and waits until it is ready.
    pub fn start_watched(watcher: Watcher, ami: &Ami<'_>, more: &[(&str, &str)]) -> Self {
        Self::start_watched_under(&[], watcher, ami, more)
    }

    /// Starts a daemon through another command, with its stdout going to the watcher, and waits
    /// until it is ready.
    pub fn start_watched_under(
        command: &[&str],
        watcher: Watcher,
        ami: &Ami<'_>,
        more: &[(&str, &str)],
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let daemon =
            Self::launch(Arc::new(folder), Self::config(ami, more), command, Some(watcher));
        daemon.wait_ready();
        daemon
    }

    fn config(ami: &Ami<'_>, more: &[(&str, &str)]) -> String {
        let section = |name: &str| {
            more.iter()
                .filter(|(section, _)| *section == name)
                .map(|(_, text)| format!("{text}\n"))
                .collect::<String>()
        };
        let limits = section("limits");
        let limits = if limits.is_empty() { limits } else { format!("[limits]\n{limits}") };
        format!(
            "{}\n[http]\nlisten = \"127.0.0.1:0\"\n{}\n[[api_keys]]\nname = \"{KEY_NAME}\"\nkey = \"{KEY}\"\n{}\n\
             [[asterisk]]\naddress = \"{}\"\nusername = \"originatord\"\nsecret = \"{}\"\n{}\n\
             [originate]\n{}\n{}\n[log]\nformat = \"json\"\n{}\n[journal]\n{}\n[history]\n{}\n[privacy]\n{}\n",
            section("top"),
            section("http"),
            section("key"),
            ami.address,
            ami.secret,
            section("asterisk"),
            section("originate"),
            limits,
            section("log"),
            section("journal"),
            section("history"),
            section("privacy"),
        )
    }

    fn launch(
        folder: Arc<TempDir>,
        config: String,
        under: &[&str],
        watcher: Option<Watcher>,
    ) -> Self {
        let path = folder.path().join("config.toml");
        std::fs::write(&path, &config).expect("the configuration is written");
        // Tests limit the file size to simulate a full disk. Only with SIGXFSZ ignored does a write
        // beyond the limit fail, as on a full disk, rather than end the process. `env` replaces
        // itself by the daemon, so the process id is the daemon's.
        let program = executable().to_str().expect("a path of text");
        let serve = ["env", "--ignore-signal=XFSZ", program, "serve", "--config"];
        let command: Vec<_> = under.iter().chain(&serve).collect();
        let (stdout, mut watcher) =
            watcher.map_or((Stdio::piped(), None), |watcher| (watcher.stdout, Some(watcher.child)));
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(stdout)
            .spawn()
            .expect("the daemon starts");
        let lines = Arc::new(Mutex::new(Vec::new()));
        let output = watcher.as_mut().unwrap_or(&mut child).stdout.take().expect("stdout");
        let seen = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                seen.lock().expect("a lock").push(line);
            }
        });
        let address = eventually("the daemon listens", || {
            assert!(child.try_wait().expect("a child").is_none(), "the daemon ended");
            let lines = lines.lock().expect("a lock");
            let line = lines.iter().find_map(|line| {
                let line: Value = serde_json::from_str(line).ok()?;
                (line["message"] == "listening").then_some(line)
            })?;
            line["address"].as_str()?.parse().ok()
        });
        Self { address, folder, child, watcher, lines, config }
    }

    /// Waits until the journal file, if there is one, has every logged record; kills the daemon by
    /// SIGKILL; starts another with the same configuration.
    pub fn crash_and_restart(mut self) -> Self {
        self.wait_written();
        self.crash();
        self.restart()
    }

    /// Waits until the journal file, if there is one, has every logged record. The daemon logs a
    /// record before it writes it to the file.
    pub fn wait_written(&self) {
        let [_, journal] = self.config.split("\n[journal]\n").collect::<Vec<_>>()[..] else {
            return;
        };
        let settings = journal.lines().take_while(|line| !line.starts_with('['));
        let mut file =
            settings.filter_map(|line| line.strip_prefix("file = \"")?.strip_suffix('"'));
        let Some(path) = file.next().map(|name| self.folder.path().join(name)) else { return };
        let logged = self.records().iter().filter_map(|record| record["seq"].as_u64()).max();
        eventually("the journal file has every logged record", || {
            (JournalFile::read(&path).last_seq() >= logged).then_some(())
        });
    }

    /// Kills the daemon by SIGKILL.
    pub fn crash(&mut self) {
        self.child.kill().expect("the daemon is killed");
        self.child.wait().expect("the daemon is gone");
    }

    /// Starts another daemon with the same configuration, and waits until it is ready.
    pub fn restart(self) -> Self {
        let daemon = self.successor();
        daemon.wait_ready();
        daemon
    }

    /// Starts another daemon with the same configuration, and waits until it listens.
    pub fn successor(&self) -> Self {
        Self::launch(self.folder.clone(), self.config.clone(), &[], None)
    }

    /// Waits until the daemon is ready.
    pub fn wait_ready(&self) {
        eventually("the daemon is ready", || (self.get("/readyz").status == 200).then_some(()));
    }

    /// `POST /api/conf` with this body.
    pub fn post(&self, body: &[u8]) -> Reply {
        http::request(
            self.address,
            "POST",
            "/api/conf",
            &[("Content-Type", "application/json")],
            body,
        )
    }

    /// Requests a call like a bot; returns the reply.
    pub fn call(&self, number: &str, room: &str) -> Reply {
        self.ask(number, room).reply()
    }

    /// Requests a call without waiting for the reply.
    pub fn ask(&self, number: &str, room: &str) -> PendingReply {
        let body = json!({
            "api_key": KEY, "phone_number": number, "room_name": room, "caller_id": "tests", "lang": "en",
        });
        let headers = [("Content-Type", "application/json")];
        let body = body.to_string();
        http::send(
            self.address,
            &http::bytes_of(self.address, "POST", "/api/conf", &headers, body.as_bytes()),
        )
    }

    /// Requests a call that must be accepted; returns its id.
    pub fn call_ok(&self, number: &str, room: &str) -> String {
        let reply = self.call(number, room);
        assert_eq!((reply.status, &reply.body[..]), (200, "{\"message\":\"ok\"}\n"), "{reply:?}");
        reply.header("x-call-id").expect("an id").to_owned()
    }

    /// `GET`, with the key.
    pub fn get(&self, path: &str) -> Reply {
        http::request(self.address, "GET", path, &[("X-Api-Key", KEY)], b"")
    }

    /// `PATCH` with this JSON, with the key.
    pub fn patch(&self, path: &str, body: &str) -> Reply {
        let headers = [("X-Api-Key", KEY), ("Content-Type", "application/json")];
        http::request(self.address, "PATCH", path, &headers, body.as_bytes())
    }

    /// `DELETE`, with the key.
    pub fn delete(&self, path: &str) -> Reply {
        http::request(self.address, "DELETE", path, &[("X-Api-Key", KEY)], b"")
    }

    /// The records on stdout so far, without the member `level` that JSON log lines have.
    pub fn records(&self) -> Vec<Value> {
        let lines = self.lines.lock().expect("a lock");
        let parsed = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut records: Vec<_> = parsed.filter(|line| line.get("event").is_some()).collect();
        records
            .iter_mut()
            .filter_map(Value::as_object_mut)
            .for_each(|record| drop(record.shift_remove("level")));
        records
    }

    /// All lines on stdout so far.
    pub fn output(&self) -> String {
        self.lines.lock().expect("a lock").join("\n")
    }

    /// The events of one call so far.
    pub fn events(&self, call: &str) -> Vec<String> {
        let records = self.records();
        let of_call = records.iter().filter(|record| record["call_id"] == call);
        of_call.map(|record| record["event"].as_str().expect("a name").to_owned()).collect()
    }

    /// Waits for a record of this call.
    pub fn wait_for(&self, call: &str, event: &str) -> Value {
        eventually(&format!("{event} of {call}; so far: {:?}", self.events(call)), || {
            self.records()
                .into_iter()
                .find(|record| record["call_id"] == call && record["event"] == event)
        })
    }

    /// Waits for a record of this event; returns the newest.
    pub fn wait_for_event(&self, event: &str) -> Value {
        eventually(event, || {
            self.records().into_iter().rev().find(|record| record["event"] == event)
        })
    }

    /// Sends a signal to the daemon.
    pub fn signal(&self, signal: &str) {
        self::signal(&self.child, signal);
    }

    /// Waits until the daemon has ended; returns its exit code.
    pub fn wait_exit(&mut self) -> Option<i32> {
        let deadline = std::time::Instant::now() + TEST_TIMEOUT;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code();
            }
            assert!(std::time::Instant::now() < deadline, "the daemon does not end");
            thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Sends a signal to a child.
pub fn signal(child: &Child, signal: &str) {
    let sent =
        Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

impl Drop for Daemon {
    fn drop(&mut self) {
        for child in [Some(&mut self.child), self.watcher.as_mut()].into_iter().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
