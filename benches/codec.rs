//! The speed of the AMI codec, compared with memchr over the same bytes, which no parser can beat,
//! and with other AMI parsers. The bytes are the messages of many simultaneous calls, with every
//! class of events.
//!
//! `cargo bench --bench codec`; the other parsers are processes of their own (`benches/peers/`). All
//! parsers take turns. A piece of the bytes takes the codec only microseconds, so its fastest time
//! counts, which leaves out the other load of the machine. For the other parsers the CPU time of
//! their fastest turn counts, which favours them.

mod transcript;

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use allocation_counter::{AllocationInfo, measure};
use bytes::{Bytes, BytesMut};
use memchr::{memchr, memchr_iter};
use originatord_core::ami::frame::Frame;
use originatord_core::ami::message::Message;
use originatord_core::ami::parser::{Parser, Received};
use tempfile::NamedTempFile;
use testkit::figures::{self, figure, scale, section};
use transcript::NEEDED;

/// Size of the pieces that the parsers get, as of reads from a busy socket, in bytes.
const CHUNK: usize = 64 * 1024;

/// The last digits of the called numbers. The simulator's callees answer at 200 and decline with a
/// SIP status at the others.
const CALLEES: [&str; 8] = ["200", "200", "200", "200", "486", "603", "200", "480"];

fn main() {
    let (calls, rounds, passes) = if figures::is_smoke() { (20, 1, 1) } else { (1_000, 7, 20) };
    let messages = transcript::of_calls(calls, &CALLEES);
    let transcript = Transcript {
        bytes: messages.iter().flat_map(|message| message.bytes.iter().copied()).collect(),
        frames: messages.len(),
        needed: messages.iter().filter(|message| is_needed(&message.name)).count(),
    };
    let Transcript { bytes, frames, needed } = &transcript;
    println!(
        "{calls} calls: {frames} messages, {:.1} MB; {needed} of them are needed",
        mega(bytes.len() as f64)
    );

    let mut sides = [
        // Fold the positions; a mere count would not have to compute them.
        Side::new("memchr, line by line", |transcript, times| {
            scan(transcript, times, |bytes| memchr_iter(b'\n', bytes).fold(0, |all, at| all ^ at))
        }),
        Side::new("memchr, for a byte that is not there", |transcript, times| {
            scan(transcript, times, |bytes| memchr(0, bytes).unwrap_or_default())
        }),
        Side::new("codec", |transcript, times| decode(transcript, times, |_| {})),
        Side::new("codec and messages", |transcript, times| {
            let mut others = 0;
            decode(transcript, times, |frame| {
                others += usize::from(Message::parse(frame) == Message::Other)
            });
            assert_eq!(others, transcript.frames - transcript.needed);
        }),
    ];
    let mut peers = Peer::all(&transcript);
    for _ in 0..rounds {
        for _ in 0..passes {
            sides.iter_mut().for_each(|side| side.take_turn(&transcript));
        }
        peers.iter_mut().for_each(Peer::take_turn);
    }

    section(&format!("frames and bytes a second, {rounds} rounds in turns"));
    let show = |name: &str, seconds: f64| {
        let (frames, bytes) = (mega(*frames as f64 / seconds), mega(bytes.len() as f64 / seconds));
        scale(name, format!("{frames:.2} M, {bytes:.0} MB"));
        seconds
    };
    let [lines, absent, codec, all] = sides.map(|side| show(side.name, side.seconds()));
    let best = peers
        .into_iter()
        .map(|peer| show(&peer.name.clone(), peer.finish()))
        .fold(f64::INFINITY, f64::min);

    section("the codec's speed as a multiple of the others'");
    for (what, other, least) in [
        ("codec and messages / memchr line by line", lines, 0.3),
        ("codec and messages / memchr for a byte that is not there", absent, 0.3),
        ("codec alone / memchr for a byte that is not there", absent, 0.3),
        ("codec and messages / best of the other parsers", best, 5.0),
    ] {
        let ratio = other / if what.starts_with("codec alone") { codec } else { all };
        figure(what, format!("{ratio:.2}"), &format!(">= {least}"), ratio >= least);
    }
    allocations(&transcript);
    skipping(&messages);
}

fn mega(count: f64) -> f64 {
    count / 1e6
}

/// The input of all sides.
struct Transcript {
    bytes: Vec<u8>,
    frames: usize,
    needed: usize,
}

/// A pass over the transcript, which records the time of each piece.
type Pass = fn(&Transcript, &mut Vec<Duration>);

/// One of our own parsers.
struct Side {
    name: &'static str,
    pass: Pass,
    /// The fastest time of each piece.
    fastest: Vec<Duration>,
}

impl Side {
    fn new(name: &'static str, pass: Pass) -> Self {
        Self { name, pass, fastest: Vec::new() }
    }

    fn take_turn(&mut self, transcript: &Transcript) {
        let mut times = Vec::new();
        (self.pass)(transcript, &mut times);
        self.fastest.resize(times.len(), Duration::MAX);
        for (fastest, time) in self.fastest.iter_mut().zip(times) {
            *fastest = time.min(*fastest);
        }
    }

    fn seconds(&self) -> f64 {
        self.fastest.iter().sum::<Duration>().as_secs_f64()
    }
}

/// Scans all bytes in pieces as from a socket.
fn scan(transcript: &Transcript, times: &mut Vec<Duration>, search: impl Fn(&[u8]) -> usize) {
    let mut buffer = Vec::new();
    for chunk in transcript.bytes.chunks(CHUNK) {
        // Copy the bytes as a read from a socket does, so that they are in the cache. The copy is
        // not measured.
        buffer.clear();
        buffer.extend_from_slice(chunk);
        let began = Instant::now();
        black_box(search(black_box(&buffer)));
        times.push(began.elapsed());
    }
}

/// Decodes all bytes in pieces as from a socket.
fn decode(transcript: &Transcript, times: &mut Vec<Duration>, mut on_frame: impl FnMut(&Frame)) {
    let (mut parser, mut input) =
        (Parser::default(), BytesMut::from("Asterisk Call Manager/11.0.0\r\n"));
    assert!(matches!(parser.parse(&mut input), Ok(Some(Received::Banner(_)))));
    let mut frames = 0;
    for chunk in transcript.bytes.chunks(CHUNK) {
        input.extend_from_slice(chunk);
        let began = Instant::now();
        while let Some(received) = parser.parse(&mut input).expect("frames") {
            if let Received::Frame(frame) = received {
                frames += 1;
                on_frame(black_box(&frame));
            }
        }
        times.push(began.elapsed());
    }
    assert_eq!(frames, transcript.frames);
}

/// Whether the daemon uses messages with this name.
fn is_needed(name: &str) -> bool {
    // Every UserEvent in the transcript comes from the sample dialplan.
    name == "Response" || NEEDED.contains(&name)
}

/// Counts the memory allocations.
fn allocations(transcript: &Transcript) {
    section("allocations");
    let headers = memchr_iter(b'\n', &transcript.bytes).count() - transcript.frames;
    let times = || Vec::with_capacity(transcript.bytes.len() / CHUNK + 1);
    let per_header = |info: AllocationInfo| info.count_total as f64 / headers as f64;
    let codec = per_header(measure(|| decode(transcript, &mut times(), |_| {})));
    let all = per_header(measure(|| {
        decode(transcript, &mut times(), |frame| _ = black_box(Message::parse(frame)))
    }));
    figure("by the codec, per header", format!("{codec:.4}"), "< 0.001", codec < 0.001);
    figure("by codec and messages, per header", format!("{all:.4}"), "< 0.01", all < 0.01);
}

/// Checks that an unused event costs the same whatever it contains.
fn skipping(messages: &[transcript::Message]) {
    section("events that the daemon does not use");
    let unneeded = messages.iter().find(|message| message.name == "VarSet").expect("an event");
    let short = Frame::new(Bytes::from(unneeded.bytes.clone()));
    let long = Frame::new(unneeded.bytes.repeat(100).into());
    let (count, rounds) = if figures::is_smoke() { (10, 1) } else { (10_000, 100) };
    let parse = |frame: &Frame| {
        let began = Instant::now();
        (0..count).for_each(|_| assert_eq!(Message::parse(black_box(frame)), Message::Other));
        began.elapsed().as_secs_f64() / f64::from(count)
    };
    let fastest = |times: Vec<f64>| times.into_iter().fold(f64::INFINITY, f64::min);
    let (shorts, longs): (Vec<f64>, Vec<f64>) =
        (0..rounds).map(|_| (parse(&short), parse(&long))).unzip();
    let (short, long) = (fastest(shorts), fastest(longs));
    scale("parsing one", format!("{:.0} ns", short * 1e9));
    let ratio = long / short;
    figure(
        "parsing one of a hundred times the length / parsing one",
        format!("{ratio:.2}"),
        "< 1.2",
        ratio < 1.2,
    );
}

/// Another parser: a process that parses the transcript for each line on its stdin, and prints the
/// time.
struct Peer {
    name: String,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    seconds: Vec<f64>,
    _transcript: NamedTempFile,
}

impl Peer {
    /// All other parsers: those published for Rust, and one for Python to compare.
    fn all(transcript: &Transcript) -> Vec<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (manifest, target) = (here.join("benches/peers/Cargo.toml"), here.join("target/peers"));
        let profile = if figures::is_smoke() { "dev" } else { "release" };
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--locked", "--profile", profile, "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(&target)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "building the other parsers failed");
        let program =
            target.join(if figures::is_smoke() { "debug/peers" } else { "release/peers" });
        let crates = ["asterisk-rs-ami", "asterisk-ami"];
        let mut peers: Vec<Self> = crates
            .into_iter()
            .map(|name| Self::start(name, Command::new(&program).arg(name), transcript))
            .collect();
        let python = here.join(".cache/venv-compare/bin/python3");
        assert!(python.exists(), "make bench installs panoramisk first");
        let script = here.join("benches/peers/peer.py");
        peers.push(Self::start(
            "panoramisk (Python)",
            Command::new(python).arg(script),
            transcript,
        ));
        peers
    }

    fn start(name: &str, command: &mut Command, transcript: &Transcript) -> Self {
        let mut file = NamedTempFile::new().expect("a file");
        file.write_all(&transcript.bytes).expect("the transcript is written");
        let mut child = command
            .arg(file.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let input = child.stdin.take().expect("its input");
        let output = BufReader::new(child.stdout.take().expect("its output"));
        Self { name: name.to_owned(), child, input, output, seconds: Vec::new(), _transcript: file }
    }

    fn take_turn(&mut self) {
        self.input.write_all(b"\n").expect("it reads its input");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it answers");
        self.seconds
            .push(line.trim().parse().unwrap_or_else(|_| panic!("{} printed {line:?}", self.name)));
    }

    /// The fastest of its times.
    fn finish(mut self) -> f64 {
        drop(self.input);
        assert!(self.child.wait().expect("a child").success(), "{} failed", self.name);
        self.seconds.into_iter().fold(f64::INFINITY, f64::min)
    }
}
