//! Crowds of clients without a key: they cost the daemon no more than its limits allow, and block
//! no bot. Many clients with one key block no other key.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::http::{KeptAlive, post};
use testkit::resources::{open_files, peak, raise_open_files, reset_peak, resident};
use testkit::{events, eventually, http, stalled};

/// The daemon's open files beside connections, with a margin: the journal, Asterisk, the runtime.
const OTHER_FILES: usize = 32;

/// The most memory that a connection may take, in KiB: buffers for the head of a request and for a
/// reply.
const CONNECTION: u64 = 64;

/// The key of another client.
const OTHER: &str = "k3y-of-somebody-else";

fn other_key() -> (&'static str, &'static str) {
    ("key", "[[api_keys]]\nname = \"other\"\nkey = \"k3y-of-somebody-else\"\nrole = \"watch\"")
}

/// Silent connections that are opened again whenever the daemon closes them, until this is dropped.
struct Crowd(Arc<AtomicBool>);

impl Crowd {
    fn connect(address: SocketAddr, count: usize) -> Self {
        let connect = move || {
            let stream = TcpStream::connect(address).ok()?;
            stream.set_nonblocking(true).expect("a non-blocking socket");
            Some(stream)
        };
        let is_open = |stream: &TcpStream| {
            stream.peek(&mut [0]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
        };
        let mut silent: Vec<_> = (0..count).map(|_| connect()).collect();
        let crowd = Self(Arc::new(AtomicBool::new(true)));
        let is_kept = crowd.0.clone();
        std::thread::spawn(move || {
            while is_kept.load(Ordering::SeqCst) {
                silent
                    .iter_mut()
                    .filter(|s| !s.as_ref().is_some_and(is_open))
                    .for_each(|s| *s = connect());
                testkit::pause(Duration::from_millis(5));
            }
        });
        crowd
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Calls `count` numbers, the first of which is `from`.
fn call(daemon: &Daemon, from: u64, count: u64) {
    for number in from..from + count {
        daemon.call_ok(&number.to_string(), "R1");
    }
}

#[test]
fn ten_thousand_silent_connections_block_no_bot() {
    // Other tests of this process need files, too.
    let crowd = 10_000.min(raise_open_files().saturating_sub(2_000));
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[]);
    let pid = daemon.child.id();
    let (files, before) = (open_files(pid), resident(pid));
    reset_peak(pid);
    let mut idle = Vec::new();
    let mut slowest = Duration::ZERO;
    while idle.len() < crowd {
        for bytes in ["", "G", "POST /api/conf HTTP/1.1\r\nHost: x\r\nX: ", "\r\n"]
            .into_iter()
            .cycle()
            .take(500)
        {
            let mut stream = http::connect(daemon.address);
            let _ = stream.write_all(bytes.as_bytes());
            idle.push(stream);
        }
        let began = Instant::now();
        call(&daemon, 79_990_000_000 + idle.len() as u64, 1);
        slowest = slowest.max(began.elapsed());
    }
    let (open, grown) = (open_files(pid), peak(pid).saturating_sub(before));
    println!(
        "{} connections: slowest call {slowest:?}, {open} files open, {grown} KiB more",
        idle.len()
    );
    assert!(open <= 1024 + OTHER_FILES, "{open} files are open");
    assert!(grown <= 1024 * CONNECTION, "{grown} KiB more");
    // Counts the connections that the daemon has closed.
    let mut closed = 0;
    for mut stream in idle {
        stream.set_nonblocking(true).expect("a non-blocking socket");
        let waits = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
        closed += usize::from(!stream.read(&mut [0]).is_err_and(waits));
    }
    assert!(closed >= crowd - 1024, "{closed} of {crowd} were closed");
    eventually("the daemon has closed all connections", || {
        (open_files(pid) <= files).then_some(())
    });
}

#[test]
fn endless_requests_block_no_bot() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[("http", "max_connections = 4")]);
    let head = "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let bodies = [
        "",
        "\r\n",
        "Content-Length: 1000\r\n\r\n{",
        "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ];
    // The daemon would wait ten seconds for each of these if no client needed a slot. The bot
    // connects last.
    let silent = (0..20).map(|_| http::connect(daemon.address)).collect::<Vec<_>>();
    let unfinished = bodies.map(|body| {
        let mut stream = http::connect(daemon.address);
        stream.write_all(format!("{head}{body}").as_bytes()).expect("a sent request");
        stream
    });
    call(&daemon, 79_990_000_000, 1);
    drop((silent, unfinished));
}

/// Sends requests without reading a reply, until the socket accepts no more. Returns the number of
/// bytes sent.
fn ask_without_reading(stream: &mut TcpStream) -> usize {
    let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let mut sent = 0;
    while let Ok(count) = stream.write(&request) {
        sent += count;
    }
    sent
}

#[test]
fn unread_replies_take_bounded_memory_and_are_dropped() {
    const COUNT: usize = 40;
    let (_asterisk, daemon) =
        FakeAsterisk::with_daemon(&[("http", "max_connections = 256"), ("journal", "ring = 2000")]);
    let pid = daemon.child.id();
    let (files, before) = (open_files(pid), resident(pid));
    reset_peak(pid);
    let connect = |request: &str| stalled::connect(daemon.address, request.as_bytes());
    let streams: Vec<_> = (0..COUNT).map(|_| connect(&events::request("?since=0", &[]))).collect();
    let mut askers: Vec<_> = (0..COUNT).map(|_| connect("")).collect();
    std::thread::scope(|scope| {
        for asker in &mut askers {
            scope.spawn(|| ask_without_reading(asker));
        }
    });
    // The records exceed the socket buffers, so that each event stream is stalled, too.
    call(&daemon, 79_990_000_000, 1);
    let mut bot = KeptAlive::open(daemon.address);
    for _ in 0..10 {
        bot.send(&post("79990000000").repeat(100));
        for _ in 0..100 {
            // On a busy machine the engine's answer may come after `reply_timeout`.
            let reply = bot.reply();
            let is_busy = reply.json()["text"] == "call already in progress";
            assert!(is_busy || reply.status == 504, "{reply:?}");
        }
    }
    drop(bot);
    let (open, grown) = (open_files(pid), peak(pid).saturating_sub(before));
    println!("{COUNT} of each: {open} files open, {grown} KiB more");
    assert!((2 * COUNT..files + 2 * COUNT + 2).contains(&open), "{open} files are open");
    assert!(grown <= 2 * COUNT as u64 * CONNECTION + 16 * 1024, "{grown} KiB more");
    eventually("the daemon drops the stalled connections", || {
        (open_files(pid) <= files).then_some(())
    });
    call(&daemon, 79_990_001_000, 1);
    // The socket buffers held no more than their limit.
    for mut asker in askers {
        let mut kept = Vec::new();
        let _ = asker.read_to_end(&mut kept);
        assert!(kept.len() < stalled::MAX_BUFFERED, "{} bytes", kept.len());
    }
    drop(streams);
}

#[test]
fn unread_lists_take_bounded_memory() {
    let (_asterisk, daemon) = FakeAsterisk::with_daemon(&[other_key()]);
    let pid = daemon.child.id();
    let mut bot = KeptAlive::open(daemon.address);
    bot.send(&(0..1000).flat_map(|n| post(&format!("79990000{n:03}"))).collect::<Vec<_>>());
    for _ in 0..1000 {
        assert_eq!(bot.reply().status, 200);
    }
    let size = daemon.get("/api/calls?limit=1000").body.len();
    let (count, before) = (100, resident(pid));
    reset_peak(pid);
    let request =
        format!("GET /api/calls?limit=1000 HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
    let mut askers: Vec<_> =
        (0..count).map(|_| stalled::connect(daemon.address, request.as_bytes())).collect();
    let refused = askers.iter_mut().map(|asker| {
        let mut status = [0; 12];
        asker.read_exact(&mut status).expect("a reply");
        assert!(
            [b"HTTP/1.1 200", b"HTTP/1.1 503"].contains(&&status),
            "{}",
            String::from_utf8_lossy(&status)
        );
        usize::from(&status == b"HTTP/1.1 503")
    });
    let (refused, grown) = (refused.sum::<usize>(), peak(pid).saturating_sub(before));
    println!("{count} lists of {size} bytes, {refused} refused: {grown} KiB more");
    let other = http::request(
        daemon.address,
        "GET",
        "/api/calls?limit=1&live=10000",
        &[("X-Api-Key", OTHER)],
        b"",
    );
    assert_eq!(other.status, 200, "another key's list");
    assert!(refused > 0 && refused < count, "{refused} refused");
    assert!(grown <= (count * size / 2 / 1024) as u64, "{grown} KiB more");
    call(&daemon, 79_991_000_000, 1);
    drop(askers);
    eventually("the daemon serves lists again", || {
        (daemon.get("/api/calls?limit=1000").status == 200).then_some(())
    });
}

#[test]
fn key_with_all_event_streams_blocks_no_other() {
    let (_asterisk, daemon) =
        FakeAsterisk::with_daemon(&[other_key(), ("http", "max_connections = 16")]);
    let open = |key: &str| {
        let mut stream = KeptAlive::open(daemon.address);
        stream.send(format!("GET /api/events HTTP/1.0\r\nX-Api-Key: {key}\r\n\r\n").as_bytes());
        let status = stream.reply().status;
        (stream, status)
    };
    let of_one: Vec<_> = (0..8).map(|_| open(KEY)).collect();
    assert!(of_one.iter().all(|(_, status)| *status == 200));
    // The first key keeps opening streams, also to regain the slots that it has lost.
    let asks = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let renews = scope.spawn(|| {
            while asks.load(Ordering::SeqCst) {
                assert_eq!(open(KEY).1, 503);
            }
        });
        let of_other: Vec<_> = (0..4).map(|_| open(OTHER)).collect();
        assert_eq!(of_other.iter().map(|(_, status)| *status).collect::<Vec<_>>(), [200; 4]);
        call(&daemon, 79_990_000_000, 5);
        // The daemon has closed the newest streams of the first key.
        let mut of_one = of_one;
        for (stream, _) in &mut of_one[4..] {
            stream.wait_close();
        }
        asks.store(false, Ordering::SeqCst);
        renews.join().expect("each attempt is refused");
        for (stream, _) in of_one[..4].iter().chain(&of_other) {
            assert!(stream.stream().peek(&mut [0]).expect("records of calls") > 0);
        }
    });
}

#[test]
fn low_file_limit_leaves_room_for_asterisk() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let journal = ("journal", "file = \"calls.jsonl\"\nfile_max_size = \"4KiB\"");
    let daemon = Daemon::start_under(&["prlimit", "--nofile=100:100"], &ami, &[journal]);
    assert!(daemon.output().contains("limit on open files is too low"), "{}", daemon.output());
    let crowd = Crowd::connect(daemon.address, 100);
    call(&daemon, 79_990_000_000, 10);
    asterisk.cut();
    daemon.wait_for_event("ami.disconnected");
    daemon.wait_ready();
    call(&daemon, 79_990_000_100, 10);
    assert!(open_files(daemon.child.id()) <= 100);
    drop(crowd);
    eventually("the journal file is rotated", || {
        daemon.folder.path().join("calls.jsonl.1").exists().then_some(())
    });
    assert!(!daemon.output().contains("cannot be written"), "{}", daemon.output());
}

#[test]
fn daemon_raises_its_limit_on_open_files() {
    let asterisk = FakeAsterisk::start(OnOriginate::Accept);
    let ami = Ami { address: &asterisk.address.to_string(), secret: "secret" };
    let daemon = Daemon::start_under(
        &["prlimit", "--nofile=100:400"],
        &ami,
        &[("http", "max_connections = 300")],
    );
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.child.id()))
        .expect("a running process");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("a line");
    assert_eq!(files.split_whitespace().nth(3), Some("364"), "{files}");
    assert!(!daemon.output().contains("limit on open files"), "{}", daemon.output());
}
