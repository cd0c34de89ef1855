//! Readers of the event stream: many connections in a process of their own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load::KEY;

/// The readers of one daemon.
pub(crate) struct Readers {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Readers {
    /// Starts `count` readers; all of them receive events once this returns.
    pub(crate) fn start(address: SocketAddr, count: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a program"))
            .args(["--readers", &address.to_string(), &count.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("they start");
        let (input, output) = (child.stdin.take(), child.stdout.take().expect("stdout"));
        let mut readers = Self { child, input, output: BufReader::new(output) };
        assert_eq!(readers.line(), "following");
        readers
    }

    /// Waits until all readers have read this many records, or no reader makes progress; returns the
    /// smallest and the largest number of records that a reader has read.
    pub(crate) fn finish(mut self, expected: u64) -> (u64, u64) {
        let mut input = self.input.take().expect("stdin");
        writeln!(input, "{expected}").expect("they listen");
        let line = self.line();
        let (least, most) = line.split_once(' ').expect("two numbers");
        let _ = self.child.wait();
        (least.parse().expect("a number"), most.parse().expect("a number"))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("they answer");
        line.trim().to_owned()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process that [`Readers::start`] starts.
pub(crate) fn follow(address: &str, count: usize) {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut counts = Vec::with_capacity(count);
        for _ in 0..count {
            let mut stream = TcpStream::connect(address).await.expect("it listens");
            let request =
                format!("GET /api/events HTTP/1.1\r\nHost: x\r\nX-Api-Key: {KEY}\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("it is read");
            let seen = Arc::new(AtomicU64::new(0));
            counts.push(seen.clone());
            let mut buffer = vec![0; 16 * 1024];
            let read = stream.read(&mut buffer).await.expect("an answer");
            assert!(
                buffer[..read].starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&buffer[..read])
            );
            tokio::spawn(async move {
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    let records = memchr::memmem::find_iter(&buffer[..read], b"\"seq\":").count();
                    seen.fetch_add(records as u64, Ordering::Relaxed);
                }
            });
        }
        println!("following");
        let expected = tokio::task::spawn_blocking(|| {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).expect("a line");
            line.trim().parse::<u64>().expect("a number")
        });
        let expected = expected.await.expect("a line");
        let sum = || counts.iter().map(|seen| seen.load(Ordering::Relaxed)).sum::<u64>();
        let mut before = u64::MAX;
        while counts.iter().any(|seen| seen.load(Ordering::Relaxed) < expected) && sum() != before {
            before = sum();
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let counts = || counts.iter().map(|seen| seen.load(Ordering::Relaxed));
        println!("{} {}", counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    });
}
