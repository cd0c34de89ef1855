//! A client that asks and then does not read.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::PATIENCE;

/// How much this end takes in, in bytes, about.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// The most that can be on the way to such a client, in bytes: what the daemon's end and this one
/// hold, with room to spare.
pub const MOST_BUFFERED: usize = 512 * 1024;

/// Connects, with a small buffer for what comes, and sends these bytes.
pub fn connect(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a buffer");
        socket.connect(address).await.expect("the daemon listens").into_std().expect("a stream")
    });
    stream.set_nonblocking(false).expect("it blocks");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    (&stream).write_all(bytes).expect("sends");
    stream
}
