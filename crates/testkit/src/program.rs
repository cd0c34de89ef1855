//! The program's other commands as users run them, with their output and exit code.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};

use tokio::net::TcpSocket;

use crate::eventually;

/// The path of the program. Cargo builds it before it runs a test or a benchmark of its package, so
/// it is never older than the test.
pub fn executable() -> &'static Path {
    static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();
    EXECUTABLE.get_or_init(|| {
        // Cargo passes the path since 1.94. Otherwise the program is in the folder above that of
        // the test executables.
        let named = std::env::var_os("CARGO_BIN_EXE_originatord").map(PathBuf::from);
        let found = named.unwrap_or_else(|| {
            let test = std::env::current_exe().expect("this executable has a path");
            test.ancestors().nth(2).expect("a folder of the profile").join("originatord")
        });
        assert!(found.exists(), "{} is not built", found.display());
        found
    })
}

/// The program with these arguments, and without the environment variables that change its
/// behaviour.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(executable());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["ORIGINATORD_KEY", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "ORIGINATORD_URL"] {
        command.env_remove(name);
    }
    command
}

/// A running program. Killed when dropped.
pub struct Program {
    pub child: Child,
    stdout: Arc<Mutex<Vec<String>>>,
    stderr: Arc<Mutex<Vec<String>>>,
    gatherers: Vec<JoinHandle<()>>,
}

impl Program {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let (stdout, of_stdout) = gather(child.stdout.take().expect("stdout"));
        let (stderr, of_stderr) = gather(child.stderr.take().expect("stderr"));
        Self { child, stdout, stderr, gatherers: vec![of_stdout, of_stderr] }
    }

    /// The lines on stdout so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lock().expect("a lock").clone()
    }

    /// The lines on stderr so far.
    pub fn stderr(&self) -> Vec<String> {
        self.stderr.lock().expect("a lock").clone()
    }

    /// Waits for a line on stdout that contains this text.
    pub fn wait_for(&self, text: &str) -> String {
        eventually(text, || self.stdout().into_iter().find(|line| line.contains(text)))
    }

    /// Waits for this many lines on stdout.
    pub fn wait_for_lines(&self, count: usize) -> Vec<String> {
        eventually(&format!("{count} lines"), || {
            Some(self.stdout()).filter(|lines| lines.len() >= count)
        })
    }

    /// Waits until the program has ended; returns its exit code.
    pub fn wait_exit(&mut self) -> Option<i32> {
        eventually("the program ends", || self.child.try_wait().expect("a child")).code()
    }

    /// Waits until the program has ended; returns its exit code and its whole output.
    pub fn end(mut self) -> Ended {
        let code = self.wait_exit();
        for gatherer in self.gatherers.drain(..) {
            gatherer.join().expect("all is read");
        }
        let text = |lines: Vec<String>| lines.iter().map(|line| format!("{line}\n")).collect();
        Ended { code, stdout: text(self.stdout()), stderr: text(self.stderr()) }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(output: impl Read + Send + 'static) -> (Arc<Mutex<Vec<String>>>, JoinHandle<()>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let seen = lines.clone();
    let gatherer = thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            seen.lock().expect("a lock").push(line);
        }
    });
    (lines, gatherer)
}

/// The exit code and output of a program.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a program to its end.
pub fn run(mut command: Command) -> Ended {
    let output = command.output().expect("the program runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// An address without a listener. No other process can bind it while the socket is held.
pub fn unused_address() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(([127, 0, 0, 1], 0).into()).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}
