//! The daemon behind nginx, which keeps its connections alive and reuses them.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon};
use testkit::http::post;
use testkit::relay::Relay;
use testkit::{TEST_TIMEOUT, eventually, pause};

/// Connections between nginx and the daemon.
const CONNECTIONS: u32 = 30;

/// The delay between nginx and the daemon. For this time, nginx does not notice that the daemon has
/// closed a connection, and may send a request over it.
const DELAY: Duration = Duration::from_millis(100);

/// nginx in front of the daemon. Killed when dropped.
struct Nginx {
    folder: TempDir,
    child: Child,
}

impl Nginx {
    /// Starts an nginx with this upstream address; `more` are further settings of the upstream.
    fn start(upstream: &str, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {};\n", at(name)))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {};\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\
             upstream originatord {{ server {upstream}; keepalive {CONNECTIONS}; {more} }}\n\
             server {{ listen unix:{};\nlocation / {{ proxy_pass http://originatord; proxy_http_version 1.1; \
             proxy_set_header Connection \"\"; }} }} }}\n",
            at("pid"),
            at("socket"),
        );
        fs::write(folder.path().join("nginx.conf"), config).expect("a written file");
        let mut command = Command::new(program());
        command
            .args(["-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(folder.path().join("nginx.conf"));
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx starts: make setup-tests installs it");
        let nginx = Self { folder, child };
        eventually("nginx listens", || UnixStream::connect(nginx.socket()).ok());
        nginx
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Requests [`CONNECTIONS`] calls to different numbers in parallel, the first at `at`, each
    /// other one `offset` after the one before. Returns the status lines. `round` makes the numbers
    /// unique.
    fn post_all(&self, round: u32, at: Instant, offset: Duration) -> Vec<String> {
        let ask = |index: u32| {
            pause((at + offset * index).saturating_duration_since(Instant::now()));
            let mut stream = UnixStream::connect(self.socket()).expect("nginx listens");
            stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
            stream
                .write_all(&closing(&post(&format!("7999{round:03}{index:04}"))))
                .expect("a sent request");
            let mut reply = String::new();
            let _ = stream.read_to_string(&mut reply);
            reply.lines().next().unwrap_or_default().to_owned()
        };
        thread::scope(|scope| {
            let asking: Vec<_> =
                (0..CONNECTIONS).map(|index| scope.spawn(move || ask(index))).collect();
            asking.into_iter().map(|asks| asks.join().expect("a reply")).collect()
        })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The path of nginx. Debian installs it in a folder that only root has in `PATH`.
fn program() -> &'static Path {
    let debian = Path::new("/usr/sbin/nginx");
    if debian.exists() { debian } else { Path::new("nginx") }
}

/// Adds `Connection: close` to the request.
fn closing(request: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(request).replacen("\r\n", "\r\nConnection: close\r\n", 1).into_bytes()
}

/// Makes nginx open all its connections, leaves them idle for about `idle`, and makes it reuse
/// them.
fn reuse_after(idle: Duration, http: &str, upstream: &str) {
    // Without events, the daemon takes 250 ms to answer, so that each of the first requests needs a
    // connection of its own.
    let asterisk = FakeAsterisk::start(OnOriginate::ResponseOnly);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start(&ami, &[("http", http)]);
    let relay = Relay::start(&daemon.address.to_string());
    relay.delay(DELAY);
    let nginx = Nginx::start(&relay.address.to_string(), upstream);
    let ok = vec!["HTTP/1.1 200 OK".to_owned(); CONNECTIONS as usize];
    assert_eq!(nginx.post_all(0, Instant::now(), Duration::ZERO), ok);
    let opened = relay.accepted();
    assert!(opened > 1, "nginx uses several connections");
    // The requests are spread around the timeout, over more time than a close takes to arrive.
    let (last_used, step) = (Instant::now(), 2 * DELAY / CONNECTIONS * 3);
    assert_eq!(nginx.post_all(1, last_used + idle - 3 * DELAY, step), ok, "after {idle:?}");
}

#[test]
fn connections_idle_for_ten_seconds_are_usable() {
    reuse_after(Duration::from_secs(10), "", "");
}

#[test]
fn proxy_may_reuse_connections_until_the_timeout() {
    reuse_after(Duration::from_secs(4), "keep_alive = \"4s\"", "keepalive_timeout 4s;");
}
