//! The ways to have the same Asterisk make a call, behind common functions.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use testkit::TEST_TIMEOUT;
use testkit::daemon::{Daemon, KEY};
use testkit::pbx::Pbx;

/// Number of connections, each of one bot.
const CONNECTIONS: usize = 64;

/// A connection that stays open until the peer closes it.
type KeptConnection = Mutex<Option<BufReader<TcpStream>>>;

/// One way to make calls.
pub(crate) struct Side {
    way: Way,
    /// Process of the side; none if it is part of Asterisk.
    pub pid: Option<u32>,
    /// The process, which ends with the side.
    _process: Option<SideProcess>,
}

enum Way {
    /// Originates on one AMI socket, without waiting for responses.
    Raw(Box<Mutex<Raw>>),
    /// One HTTP request for each call.
    Http(Http),
}

struct Http {
    port: u16,
    request: Box<dyn Fn(&str) -> String + Sync>,
    accepted: &'static str,
    connections: Vec<KeptConnection>,
}

impl Http {
    /// Opens the connections one after the other: Asterisk's server loses some of many simultaneous
    /// ones, and the benchmark would measure TCP's retries.
    fn open(port: u16, request: Box<dyn Fn(&str) -> String + Sync>, accepted: &'static str) -> Way {
        let connections = (0..CONNECTIONS).map(|_| Mutex::new(connect(port))).collect();
        Way::Http(Self { port, request, accepted, connections })
    }
}

#[allow(dead_code, reason = "stops the process when dropped")]
enum SideProcess {
    Daemon(Box<Daemon>),
    Python(Python),
}

/// A Python process, which is killed when dropped.
struct Python(Child);

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An AMI connection without the daemon's code.
struct Raw {
    stream: TcpStream,
    lines: BufReader<TcpStream>,
}

impl Side {
    /// Raw Originates, the upper limit of all sides.
    pub(crate) fn raw(pbx: &Pbx) -> Self {
        let stream = TcpStream::connect(pbx.setting("AMI_ADDRESS")).expect("Asterisk listens");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        let lines = BufReader::with_capacity(256 * 1024, stream.try_clone().expect("a clone"));
        let mut raw = Raw { stream, lines };
        let login = format!(
            "Action: Login\r\nUsername: originatord\r\nSecret: {}\r\nEvents: off\r\n\r\n",
            pbx.setting("AMI_SECRET")
        );
        raw.stream.write_all(login.as_bytes()).expect("sends");
        assert_eq!(raw.accepted(1), 1, "Asterisk accepts the login");
        Self { way: Way::Raw(Box::new(Mutex::new(raw))), pid: None, _process: None }
    }

    /// This daemon.
    pub(crate) fn originatord(pbx: &Pbx) -> Self {
        let daemon = pbx.daemon();
        let (port, pid) = (daemon.address.port(), daemon.child.id());
        let way = Http::open(port, Box::new(conf_request), r#"{"message":"ok"}"#);
        Self { way, pid: Some(pid), _process: Some(SideProcess::Daemon(Box::new(daemon))) }
    }

    /// Asterisk's own HTTP manager.
    pub(crate) fn rawman(pbx: &Pbx) -> Self {
        let port: u16 = pbx.setting("HTTP_PORT").parse().expect("a port");
        let login = format!(
            "/rawman?action=login&username=originatord&secret={}",
            pbx.setting("AMI_SECRET")
        );
        let answer = exchange(&mut None, port, &get(&login, "")).expect("rawman answers");
        let cookie = answer
            .lines()
            .find_map(|line| line.strip_prefix("Set-Cookie: "))
            .and_then(|cookie| cookie.split(';').next())
            .unwrap_or_else(|| panic!("no session: {answer}"))
            .to_owned();
        let request = move |number: &str| {
            let path = format!(
                "/rawman?action=originate&channel=Local/{number}@telegram-out&context=conf-in&exten=R1&priority=1\
                 &timeout=30000&callerid=%3CBob%3E&variable=LANG%3Dru&async=true&channelid=rm-{number}\
                 &otherchannelid=rm-lock-{number}"
            );
            get(&path, &format!("Cookie: {cookie}\r\n"))
        };
        let way = Http::open(port, Box::new(request), "Response: Success");
        Self { way, pid: None, _process: None }
    }

    /// Asterisk's REST interface.
    pub(crate) fn ari(pbx: &Pbx) -> Self {
        let port = pbx.setting("HTTP_PORT").parse().expect("a port");
        let keys = format!("api_key=originatord:{}", pbx.setting("AMI_SECRET"));
        let request = move |number: &str| {
            let body = r#"{"variables":{"LANG":"ru"}}"#;
            format!(
                "POST /ari/channels?{keys}&endpoint=Local/{number}@telegram-out&context=conf-in&extension=R1&priority=1\
                 &timeout=30&callerId=Bob&channelId=ari-{number}&otherChannelId=ari-lock-{number} HTTP/1.1\r\n\
                 Host: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let way = Http::open(port, Box::new(request), "\"id\"");
        Self { way, pid: None, _process: None }
    }

    /// A Python program of this folder with its arguments.
    pub(crate) fn python(program: &str, pbx: &Pbx) -> Self {
        let root = env!("CARGO_MANIFEST_DIR");
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let spool = std::path::Path::new(pbx.setting("ASTERISK_LOG"))
            .ancestors()
            .nth(2)
            .expect("a folder")
            .join("spool");
        std::fs::create_dir_all(spool.join("outgoing")).expect("a spool");
        let child = Command::new(format!("{root}/.cache/venv-compare/bin/python"))
            .arg(format!("{root}/benches/compare/{program}"))
            .envs([
                ("API_KEY", KEY),
                ("AMI_PORT", pbx.setting("AMI_PORT")),
                ("AMI_SECRET", pbx.setting("AMI_SECRET")),
            ])
            .env("SPOOL", spool)
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("make compare has set Python up");
        let python = Python(child);
        let pid = python.0.id();
        testkit::eventually("the Python program listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        let way = Http::open(port, Box::new(conf_request), "ok");
        Self { way, pid: Some(pid), _process: Some(SideProcess::Python(python)) }
    }

    /// Requests all these calls as fast as possible; returns how many were accepted, and the time of
    /// the last one.
    pub(crate) fn burst(&self, numbers: &[String]) -> (usize, Instant) {
        let accepted = match &self.way {
            Way::Raw(raw) => {
                let mut raw = raw.lock().expect("a lock");
                let all: String = numbers.iter().map(|number| originate(number)).collect();
                let mut writer = raw.stream.try_clone().expect("a clone");
                thread::scope(|scope| {
                    scope.spawn(move || writer.write_all(all.as_bytes()).expect("sends"));
                    raw.accepted(numbers.len())
                })
            }
            Way::Http(http) => {
                let next = Mutex::new(numbers.iter());
                let worker = |kept: &KeptConnection| {
                    let (mut kept, mut count) = (kept.lock().expect("a lock"), 0);
                    loop {
                        let Some(number) = next.lock().expect("a lock").next() else {
                            return count;
                        };
                        let answer = exchange(&mut kept, http.port, &(http.request)(number));
                        count += usize::from(
                            answer.is_some_and(|answer| answer.contains(http.accepted)),
                        );
                    }
                };
                thread::scope(|scope| {
                    let workers: Vec<_> = http
                        .connections
                        .iter()
                        .take(numbers.len())
                        .map(|kept| scope.spawn(|| worker(kept)))
                        .collect();
                    workers.into_iter().map(|worker| worker.join().expect("a worker")).sum()
                })
            }
        };
        (accepted, Instant::now())
    }
}

/// The request of a bot.
fn conf_request(number: &str) -> String {
    let body = format!(
        r#"{{"api_key":"{KEY}","phone_number":"+{number}","room_name":"R1","caller_id":"Bob"}}"#
    );
    format!(
        "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The Originate that the daemon would send.
fn originate(number: &str) -> String {
    format!(
        "Action: Originate\r\nActionID: {number}\r\nChannel: Local/{number}@telegram-out\r\nContext: conf-in\r\n\
         Exten: R1\r\nPriority: 1\r\nTimeout: 30000\r\nCallerID: <Bob>\r\nVariable: LANG=ru\r\n\
         ChannelId: raw-{number}\r\nOtherChannelId: raw-lock-{number}\r\nAsync: true\r\n\r\n"
    )
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
}

fn connect(port: u16) -> Option<BufReader<TcpStream>> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    Some(BufReader::new(stream))
}

/// Sends a request over a connection that stays open until the peer closes it; returns head and body
/// of the reply.
fn exchange(kept: &mut Option<BufReader<TcpStream>>, port: u16, request: &str) -> Option<String> {
    for _ in 0..2 {
        let is_fresh = kept.is_none();
        let mut stream = match kept.take() {
            Some(stream) => stream,
            None => connect(port)?,
        };
        let sent = stream.get_mut().write_all(request.as_bytes());
        let (mut head, mut length, mut closes) = (String::new(), None, false);
        while sent.is_ok() && !head.ends_with("\r\n\r\n") {
            let from = head.len();
            if !stream.read_line(&mut head).is_ok_and(|read| read > 0) {
                break;
            }
            let line = head[from..].trim_end().to_ascii_lowercase();
            length = line
                .strip_prefix("content-length: ")
                .map_or(length, |length| length.parse::<u64>().ok());
            closes |= line == "connection: close" || line.starts_with("http/1.0");
        }
        if !head.ends_with("\r\n\r\n") {
            // The peer may have closed a kept connection. The failure of a new one is final.
            if is_fresh { return None } else { continue }
        }
        match length {
            Some(length) => _ = stream.by_ref().take(length).read_to_string(&mut head).ok()?,
            None => _ = stream.read_to_string(&mut head).ok()?,
        }
        if length.is_some() && !closes {
            *kept = Some(stream);
        }
        return Some(head);
    }
    None
}

impl Raw {
    /// Reads this many responses; returns how many are `Success`.
    fn accepted(&mut self, responses: usize) -> usize {
        let (mut seen, mut accepted, mut line) = (0, 0, String::new());
        while seen < responses {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).expect("a line") > 0,
                "Asterisk closed the connection"
            );
            if let Some(response) = line.strip_prefix("Response: ") {
                seen += 1;
                accepted += usize::from(response.trim_end() == "Success");
            }
        }
        accepted
    }
}
