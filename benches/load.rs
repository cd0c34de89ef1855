//! The CPU time of the load generator for each request, against that of a bare hyper client. That
//! client sends the same requests at the same rate on kept-alive connections, and neither counts nor
//! follows calls. Both talk to the same stand-in for a daemon, which accepts every request and sends
//! all records of the call in its event stream at once.
//!
//! `cargo bench --bench load`; `--smoke` runs for a second only.

#![allow(clippy::disallowed_methods, reason = "a benchmark has nothing else to do while it waits")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use originatord_core::call::CallId;
use serde_json::Value;
use testkit::figures::{figure, is_smoke, scale, section};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

const KEY: &str = "k3y-of-the-benchmark";

/// Connections of the bare client.
const CONNECTIONS: u64 = 16;

/// Upper limit of the generator's CPU time, as a multiple of the bare client's. The generator also
/// follows seven events for each call.
const MAX_RATIO: f64 = 4.0;

/// Maximum of events that wait for the generator, large enough that none is lost.
const EVENTS: usize = 1 << 16;

fn main() {
    let args: Vec<_> = std::env::args().collect();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    if let Some(at) = args.iter().position(|arg| arg == "--bare") {
        let number = |n: usize| args[at + n].parse().expect("a number");
        return runtime().block_on(bare(
            args[at + 1].parse().expect("an address"),
            number(2),
            number(3),
        ));
    }
    let seconds = if is_smoke() { 1 } else { 5 };
    let (address_sender, address) = std::sync::mpsc::channel();
    std::thread::spawn(move || runtime().block_on(serve(address_sender)));
    let address = address.recv().expect("an address");
    let program = std::env::current_exe().expect("a program");
    for rate in [500, 5000] {
        let count = rate * seconds;
        let bare = [address.to_string(), rate.to_string(), count.to_string()];
        let bare = cpu_of(Command::new(&program).arg("--bare").args(bare));
        let report = tempfile::NamedTempFile::new().expect("a file");
        let mut load = Command::new(env!("CARGO_BIN_EXE_originatord"));
        load.args([
            "load",
            "--url",
            &format!("http://{address}"),
            "--numbers",
            "1000000-1099999",
            "--json",
        ]);
        load.arg(report.path()).args([
            "--rate",
            &rate.to_string(),
            "--duration",
            &format!("{seconds}s"),
        ]);
        let load = cpu_of(load.env("ORIGINATORD_KEY", KEY));
        let report: Value =
            serde_json::from_reader(report.reopen().expect("a report")).expect("JSON");
        assert_eq!(report["run"]["calls"]["outcomes"]["completed"], count, "{report:#}");
        let each = |cpu: Duration| format!("{:.1} µs", cpu.as_secs_f64() * 1e6 / f64::from(count));
        let late = &report["run"]["latency_ms"]["late"]["p99"];
        let ratio = load.as_secs_f64() / bare.as_secs_f64();
        section(&format!("{count} requests at {rate} a second"));
        scale("CPU of the bare client, per request", each(bare));
        scale("CPU of the load generator, per request", each(load));
        scale("delay of the load generator's requests, p99", format!("{late} ms"));
        figure(
            "CPU of the load generator / of the bare client",
            format!("{ratio:.2}"),
            &format!("< {MAX_RATIO}"),
            ratio < MAX_RATIO,
        );
    }
}

/// Runs a program, and returns its CPU time.
fn cpu_of(command: &mut Command) -> Duration {
    let before = cpu_of_children();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it runs");
    assert!(status.success(), "{command:?}");
    cpu_of_children() - before
}

/// CPU time of all children that have ended (`man 5 proc_pid_stat`, fields 16 and 17).
fn cpu_of_children() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(") ").next().expect("fields");
    let ticks =
        after_name.split(' ').skip(13).take(2).map(|field| field.parse::<u32>().expect("a number"));
    // A clock tick is 1/100 s on every Linux that Rust supports.
    ticks.sum::<u32>() * Duration::from_millis(10)
}

/// Sends `count` requests at this rate, as evenly as tokio's timers allow.
async fn bare(address: SocketAddr, rate: u64, count: u64) {
    let began = Instant::now();
    let sent = Arc::new(AtomicU64::new(0));
    let clients = (0..CONNECTIONS).map(|_| {
        let sent = sent.clone();
        tokio::spawn(async move {
            let stream = TcpStream::connect(address).await.expect("connects");
            stream.set_nodelay(true).expect("no delay");
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
            tokio::spawn(connection);
            loop {
                let n = sent.fetch_add(1, Ordering::Relaxed);
                if n >= count {
                    return;
                }
                sleep_until(began + Duration::from_nanos(n * 1_000_000_000 / rate)).await;
                let body = format!(
                    "{{\"api_key\":\"{KEY}\",\"caller_id\":\"load\",\"room_name\":\"load-1\",\"phone_number\":\"{}\"}}",
                    1_000_000 + n
                );
                let request = Request::post("/api/conf").header("host", "x").header("content-type", "application/json");
                sender.ready().await.expect("a connection");
                let reply = sender.send_request(request.body(Full::new(Bytes::from(body))).expect("a request")).await;
                reply.expect("a reply").into_body().collect().await.expect("a body");
            }
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client");
    }
}

/// The stand-in for a daemon.
async fn serve(address_sender: std::sync::mpsc::Sender<SocketAddr>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    address_sender.send(address).expect("main waits");
    let (events, _) = broadcast::channel(EVENTS);
    let calls = Arc::new(AtomicU64::new(0));
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let (events, calls) = (events.clone(), calls.clone());
        let service = service_fn(move |request| {
            let (events, calls) = (events.clone(), calls.clone());
            async move { Ok::<_, Infallible>(answer(request, &events, &calls).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

type Body = http_body_util::combinators::BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    events: &broadcast::Sender<Bytes>,
    calls: &AtomicU64,
) -> Response<Body> {
    if request.uri().path() == "/api/events" {
        let first = stream::iter([Bytes::from_static(b"id:1-0\n\n")]);
        let more = stream::unfold(events.subscribe(), |mut events| async {
            Some((events.recv().await.expect("no event is missed"), events))
        });
        let frames = first.chain(more).map(|event| Ok(Frame::data(event)));
        return Response::new(BodyExt::boxed(StreamBody::new(frames)));
    }
    let is_call = request.method() == Method::POST;
    let body = request.into_body().collect().await.expect("a body").to_bytes();
    let mut response = Response::new(Full::from("{\"message\":\"ok\"}\n").boxed());
    if is_call {
        let n = calls.fetch_add(1, Ordering::Relaxed);
        let id = CallId::new(UNIX_EPOCH, u128::from(n));
        response.headers_mut().insert("x-call-id", id.to_string().parse().expect("a header"));
        let body: Value = serde_json::from_slice(&body).expect("JSON");
        let number = body["phone_number"].as_str().expect("a number").trim_start_matches('+');
        for step in ["requested", "queued", "ringing", "answered", "joined", "left", "ended"] {
            let event = format!(
                "event:call.{step}\nid:1-{n}\ndata:{{\"seq\":{n},\"time\":\"2026-11-24T12:00:04.123Z\",\
                 \"event\":\"call.{step}\",\"call_id\":\"{id}\",\"number\":\"+{number}\",\"room\":\"load-1\",\
                 \"caller_id\":\"load\",\"lang\":\"ru\",\"key\":\"bot\",\"outcome\":\"completed\",\"cause\":16,\
                 \"cause_text\":\"Normal Clearing\",\"ring_seconds\":2.5,\"talk_seconds\":61.0}}\n\n"
            );
            // There may be no reader.
            let _ = events.send(Bytes::from(event));
        }
    }
    response
}
