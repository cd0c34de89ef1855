//! The processes that are measured, the daemon and a bare warp handler, with their CPU time and
//! memory.

use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tempfile::TempDir;
use testkit::resources;
use tokio::net::TcpListener;
use warp::Filter;

use super::load::KEY;

/// A server process, which is killed when dropped.
pub(crate) struct Process {
    pub address: SocketAddr,
    child: Child,
    _folder: TempDir,
}

impl Process {
    /// Starts `originatord serve`, which writes its journal to a pipe, with an Asterisk at `ami`.
    pub(crate) fn daemon(ami: SocketAddr) -> Self {
        Self::daemon_under(&[], ami)
    }

    /// Starts the daemon under another command, such as a profiler.
    pub(crate) fn daemon_under(command: &[&str], ami: SocketAddr) -> Self {
        let folder = TempDir::new().expect("a folder");
        let config = format!(
            "[http]\nlisten = \"127.0.0.1:0\"\nmax_connections = 12000\n[[api_keys]]\nname = \"bot\"\nkey = \"{KEY}\"\n\
             [[asterisk]]\naddress = \"{ami}\"\nusername = \"originatord\"\nsecret = \"secret\"\nauth = \"plain\"\n"
        );
        let path = folder.path().join("config.toml");
        std::fs::write(&path, config).expect("the configuration is written");
        let program = std::env::var("DAEMON")
            .unwrap_or_else(|_| env!("CARGO_BIN_EXE_originatord").to_owned());
        let command_line = [command, &[&program, "serve", "--config"]].concat();
        let mut command = Command::new(command_line[0]);
        command.args(&command_line[1..]).arg(path);
        let is_ready = |line: &str| line.contains("ami.connected");
        Self::start(command, folder, "address=", is_ready)
    }

    /// Starts a warp handler that answers `{"message":"ok"}` to everything.
    pub(crate) fn bare() -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a program"));
        command.arg("--bare");
        Self::start(command, TempDir::new().expect("a folder"), "address=", |_| true)
    }

    /// Starts the command, and waits until it has printed its address and a line that `is_ready`
    /// accepts.
    fn start(
        mut command: Command,
        folder: TempDir,
        before: &str,
        is_ready: fn(&str) -> bool,
    ) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("it starts");
        let mut output = BufReader::new(child.stdout.take().expect("stdout"));
        let (mut address, mut ready) = (None, false);
        while address.is_none() || !ready {
            let mut line = String::new();
            assert!(output.read_line(&mut line).expect("a line") > 0, "it ended");
            ready |= is_ready(&line);
            let after =
                line.split_once(before).and_then(|(_, rest)| rest.split_whitespace().next());
            address = address.or(after.and_then(|text| text.parse().ok()));
        }
        // Read and discard further output, as a service manager would.
        std::thread::spawn(move || io::copy(&mut output, &mut io::sink()));
        Self { address: address.expect("an address"), child, _folder: folder }
    }

    /// Stops the process, and waits for its end.
    pub(crate) fn stop(mut self) {
        let kill =
            Command::new("kill").arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(kill.success(), "kill sends SIGTERM");
        self.child.wait().expect("it ends");
    }

    /// CPU time so far, user and system, of all threads.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks =
            std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("its threads");
        let nanoseconds = tasks.map_while(Result::ok).map(|task| {
            // The first number is the time on a CPU, in nanoseconds.
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            text.split(' ').next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
        });
        Duration::from_nanos(nanoseconds.sum())
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        resources::resident(self.child.id()) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that [`Process::bare`] starts: warp's service in hyper's connection on one thread, as
/// in the daemon, and nothing else.
pub(crate) fn serve_bare() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("address={}", listener.local_addr().expect("an address"));
        io::stdout().flush().expect("stdout is open");
        let route = warp::any().map(|| warp::reply::json(&serde_json::json!({ "message": "ok" })));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            stream.set_nodelay(true).expect("no delay");
            let service = TowerToHyperService::new(warp::service(route));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}
