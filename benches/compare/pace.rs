//! The daemon's pacing of Originates, with three times the load that Asterisk can take.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::observer::Observer;
use crate::relay::Relay;
use crate::{Numbers, quantile};
use testkit::daemon::{Ami, Daemon, KEY};
use testkit::figures::{figure, is_smoke, section};
use testkit::pbx::Pbx;

/// The pace of the daemon, as a share of the calls a second that Asterisk can take.
const PACE_SHARE: f64 = 0.5;

/// Connections that send requests; more than the daemon can hold back within the reply timeout.
const CONNECTIONS: usize = 512;

/// Sends three times `limit` requests a second to a daemon whose pace is half of `limit`, because the
/// bots and this benchmark use the same cores.
pub(crate) fn measure(pbx: &Pbx, observer: &Observer, limit: f64, numbers: &mut Numbers) {
    let pace = ((limit * PACE_SHARE) as u32).max(1);
    let offered = limit * 3.0;
    let time = Duration::from_secs(if is_smoke() { 1 } else { 10 });
    let setting = format!("calls_per_second = {pace}");
    let relay = Relay::start(pbx.setting("AMI_ADDRESS"));
    let ami = Ami { address: &relay.address.to_string(), ..pbx.ami() };
    let daemon =
        Daemon::start(&ami, &[("originate", "ring_timeout = \"4s\""), ("limits", &setting)]);
    let all = numbers.take((offered * time.as_secs_f64()) as usize);
    let next = Mutex::new(all.iter().enumerate());
    let answers = Mutex::new(Vec::new());
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream =
                    BufReader::new(TcpStream::connect(daemon.address).expect("the daemon listens"));
                stream.get_mut().set_nodelay(true).expect("no delay");
                loop {
                    let Some((index, number)) = next.lock().expect("a lock").next() else { return };
                    // Each request has its own time, which earlier replies do not change.
                    let due = began + Duration::from_secs_f64(index as f64 / offered);
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    let answer = post(&mut stream, number);
                    answers.lock().expect("a lock").push((answer, Instant::now()));
                }
            });
        }
    });
    let answers = answers.into_inner().expect("answers");
    let accepted: Vec<_> =
        answers.iter().filter_map(|((_, id), at)| Some((id.as_deref()?, *at))).collect();
    observer.wait_until_ended(&[], Duration::from_secs(60));
    let waits: Vec<_> = accepted
        .iter()
        .filter_map(|(id, at)| {
            Some(observer.dialled(id)?.saturating_duration_since(*at).as_secs_f64())
        })
        .collect();
    let originates = relay.originates();
    // The largest number of Originates within any second.
    let most = (0..originates.len())
        .map(|from| {
            let end = originates[from] + Duration::from_secs(1);
            originates[from..].partition_point(|at| *at < end)
        })
        .max()
        .unwrap_or(0);
    let answered = |with: u16| answers.iter().filter(|((status, _), _)| *status == with).count();
    let refused = answered(429);
    let unconfirmed = answered(504);
    let p99 = quantile(&waits, 0.99) * 1000.0;
    section(&format!(
        "pace {pace} a second, {offered:.0} requests a second for {} s: {} accepted, {refused} refused with 429, \
         {unconfirmed} with 504, {} with another status",
        time.as_secs(),
        accepted.len(),
        answers.len() - accepted.len() - refused - unconfirmed
    ));
    // One more is allowed: a second may begin with a call and end with one, and Originates that
    // arrive together have the same time.
    figure(
        "largest number of Originates within a second / the pace",
        format!("{:.2}", f64::from(most as u32) / f64::from(pace)),
        "<= 1.05",
        f64::from(most as u32) <= f64::from(pace) * 1.05 + 1.0,
    );
    figure(
        "from \"ok\" to the leg to the gateway, p99",
        format!("{p99:.1} ms"),
        "<= 100 ms",
        p99 <= 100.0,
    );
    let unseen = accepted.len() - waits.len();
    figure("accepted calls that Asterisk never dialled", format!("{unseen}"), "0", unseen == 0);
}

/// The status of the reply, and the call id if the request was accepted.
fn post(stream: &mut BufReader<TcpStream>, number: &str) -> (u16, Option<String>) {
    let body = format!(
        r#"{{"api_key":"{KEY}","phone_number":"+{number}","room_name":"R1","caller_id":"Bob"}}"#
    );
    let request = format!(
        "POST /api/conf HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.get_mut().write_all(request.as_bytes()).expect("sends");
    let (mut head, mut length, mut id) = (String::new(), 0, None);
    while !head.ends_with("\r\n\r\n") {
        let from = head.len();
        assert!(
            stream.read_line(&mut head).expect("an answer") > 0,
            "the daemon closed the connection"
        );
        let line = head[from..].trim_end();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.parse().expect("a length");
        }
        id = line.strip_prefix("x-call-id: ").map(ToOwned::to_owned).or(id);
    }
    let mut body = String::new();
    stream.by_ref().take(length).read_to_string(&mut body).expect("a body");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, id.filter(|_| status == 200))
}
