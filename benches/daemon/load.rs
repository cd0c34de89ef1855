//! Bots: kept-alive connections with one request at a time. They use no HTTP library, so that they
//! cost little.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::peer::{DIGITS, STAYS};

/// The key of all bots.
pub(crate) const KEY: &str = "k3y-of-the-bench";

/// How long a reply may take before the benchmark fails.
const REPLY_TIMEOUT: Duration = Duration::from_secs(60);

/// The bots of one server.
pub(crate) struct Bots {
    connections: Vec<TcpStream>,
    /// The request of all bots, into which each request writes its number.
    request: Vec<u8>,
    /// Offset of the number in the request.
    number_at: usize,
    /// The last called number.
    number: u64,
}

impl Bots {
    /// Connects `count` bots. Their calls end at once, unless they `stay`.
    pub(crate) fn connect(address: SocketAddr, count: usize, stay: bool) -> Self {
        let connections = (0..count).map(|_| connect(address)).collect();
        let zeros = "0".repeat(DIGITS);
        let body = format!(
            r#"{{"api_key":"{KEY}","phone_number":"+{zeros}","room_name":"R1","caller_id":"Bob","lang":"ru"}}"#
        );
        let request = format!(
            "POST /api/conf HTTP/1.1\r\nHost: {address}\r\nUser-Agent: python-requests/2.32.3\r\n\
             Accept-Encoding: gzip, deflate\r\nAccept: */*\r\nConnection: keep-alive\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let number_at = request.find(&zeros).expect("a number");
        let first = if stay { STAYS } else { "79" };
        let number = first.parse::<u64>().expect("digits") * 10_u64.pow(DIGITS as u32 - 2);
        Self { connections, request: request.into_bytes(), number_at, number }
    }

    /// Sends a request on each connection, then reads all replies; repeats until there were `count`.
    ///
    /// It reads the reply to the last request first. If it waited for the first one, the kernel
    /// would wake the bots for nearly every reply of a slow server and for few of a fast one, and
    /// the server would pay for these wake-ups.
    pub(crate) fn closed(&mut self, count: usize) -> Duration {
        let began = Instant::now();
        for _ in 0..count.div_ceil(self.connections.len()) {
            for index in 0..self.connections.len() {
                self.send_request(index);
            }
            self.connections.iter_mut().rev().for_each(read_ok);
        }
        began.elapsed()
    }

    /// Sends requests at this rate for this time, whether or not replies arrive; returns for each
    /// request the time from its scheduled instant to its reply. Replies are read in the order of
    /// the requests, so a measured time can be too long, but not too short.
    pub(crate) fn open(&mut self, per_second: u32, time: Duration) -> Vec<Duration> {
        let count = (f64::from(per_second) * time.as_secs_f64()) as u32;
        let (sent, to_read) = mpsc::channel::<(usize, Instant)>();
        let (read, free) = mpsc::channel();
        let mut readers: Vec<TcpStream> = self
            .connections
            .iter()
            .map(|connection| connection.try_clone().expect("a clone"))
            .collect();
        (0..readers.len()).for_each(|index| read.send(index).expect("a receiver"));
        let reader = thread::spawn(move || {
            let mut times = Vec::with_capacity(count as usize);
            for (index, scheduled) in to_read {
                read_ok(&mut readers[index]);
                times.push(scheduled.elapsed());
                // The sender may have ended.
                let _ = read.send(index);
            }
            times
        });
        let began = Instant::now();
        for number in 0..count {
            let scheduled = began + Duration::from_secs(1) * number / per_second;
            let early = scheduled.saturating_duration_since(Instant::now());
            if !early.is_zero() {
                thread::sleep(early);
            }
            let index = free.recv().expect("a connection");
            self.send_request(index);
            sent.send((index, scheduled)).expect("a reader");
        }
        drop(sent);
        reader.join().expect("the reader")
    }

    fn send_request(&mut self, index: usize) {
        self.number += 1;
        let number = &mut self.request[self.number_at..self.number_at + DIGITS];
        let mut rest = self.number;
        for digit in number.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.connections[index].write_all(&self.request).expect("the server reads");
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("it listens");
    stream.set_nodelay(true).expect("no delay");
    stream.set_read_timeout(Some(REPLY_TIMEOUT)).expect("a timeout");
    stream
}

/// Reads a reply; fails unless it is "ok".
fn read_ok(stream: &mut TcpStream) {
    let mut buffer = [0; 1024];
    let mut length = 0;
    loop {
        let read = stream.read(&mut buffer[length..]).expect("a reply");
        assert!(read > 0, "the connection was closed");
        length += read;
        if buffer[..length].trim_ascii_end().ends_with(b"}") {
            break;
        }
    }
    let reply = &buffer[..length];
    let is_ok = reply.starts_with(b"HTTP/1.1 200")
        && reply.trim_ascii_end().ends_with(b"{\"message\":\"ok\"}");
    assert!(is_ok, "{}", String::from_utf8_lossy(reply));
}
