//! A client that sends a request and does not read the reply.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};

use crate::TEST_TIMEOUT;

/// The size of this end's receive buffer, in bytes.
const RECEIVE_BUFFER: u32 = 16 * 1024;

/// Maximum of bytes on the way to such a client: the buffers of both ends, with a margin.
pub const MAX_BUFFERED: usize = 512 * 1024;

/// Connects with a small receive buffer, and sends these bytes.
pub fn connect(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(RECEIVE_BUFFER).expect("a buffer");
        socket.connect(address).await.expect("the daemon listens").into_std().expect("a stream")
    });
    stream.set_nonblocking(false).expect("it blocks");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    (&stream).write_all(bytes).expect("sends");
    stream
}
