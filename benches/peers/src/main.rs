//! `peers NAME FILE`: for each line on stdin, the parser NAME parses the file, and the program
//! prints the CPU time in seconds.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use asterisk_ami::AmiConnection;
use asterisk_rs_ami::{AmiCodec, AmiEvent};
use bytes::BytesMut;
use cpu_time::ThreadTime;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::codec::Decoder;

/// Size of one read, in bytes, as for the benchmark's own codec.
const CHUNK: usize = 64 * 1024;

const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, file] = &arguments[..] else { panic!("peers NAME FILE") };
    let transcript = std::fs::read(file).expect("a transcript");
    for line in std::io::stdin().lines() {
        line.expect("a line");
        let time = match &**name {
            "asterisk-rs-ami" => asterisk_rs_ami(&transcript),
            "asterisk-ami" => asterisk_ami(&transcript),
            _ => panic!("not known: {name}"),
        };
        println!("{}", time.as_secs_f64());
    }
}

/// Parses with its codec and its typed events.
fn asterisk_rs_ami(transcript: &[u8]) -> Duration {
    let (mut codec, mut input, mut events) = (AmiCodec::new(), BytesMut::from(BANNER), 0);
    let mut time = Duration::ZERO;
    for chunk in transcript.chunks(CHUNK) {
        input.extend_from_slice(chunk);
        let began = ThreadTime::now();
        while let Some(raw) = codec.decode(&mut input).expect("messages") {
            events += usize::from(AmiEvent::from_raw(&raw).is_some());
        }
        time += began.elapsed();
    }
    assert!(events > 0, "it understood nothing");
    time
}

/// Its parser is private, so the bytes arrive through a socket, which costs little.
fn asterisk_ami(transcript: &[u8]) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection");
            stream
                .write_all(BANNER)
                .and_then(|()| stream.write_all(transcript))
                .expect("it is read");
        });
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(listen(address))
    })
}

/// Parses until the end of the connection.
async fn listen(address: SocketAddr) -> Duration {
    let began = ThreadTime::now();
    let connection = AmiConnection::connect(address).await.expect("a connection");
    let mut events = connection.events();
    loop {
        match events.recv().await {
            Ok(Some(_)) | Err(RecvError::Lagged(_)) => {}
            Ok(None) | Err(RecvError::Closed) => return began.elapsed(),
        }
    }
}
