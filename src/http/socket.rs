//! A client's socket, which notices when the reader of an event stream has disconnected.
//!
//! hyper does not read while it sends a response, because a client that closes its sending half
//! after the request still gets its response (`half_close`). So hyper notices a closed connection
//! only when it writes, and an event stream can be silent for long. While a stream is sent, this
//! socket treats the end of the client's data as a closed connection. nginx does the same in front
//! of an upstream server.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::connection_limiter::Slot;

/// The socket of one connection.
pub(super) struct Socket {
    stream: TcpStream,
    slot: Slot,
}

impl Socket {
    /// The socket of the connection that holds this slot.
    pub(super) fn new(stream: TcpStream, slot: Slot) -> Self {
        Self { stream, slot }
    }

    /// Ready once the client has closed its half, or the connection is broken. Bytes that the
    /// client still sends are not read, as the event stream is the last response on its connection.
    /// Over TLS such bytes are the `close_notify` alert.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            let readiness = ready!(pin!(self.stream.ready(Interest::READABLE)).poll(cx));
            if !readiness.is_ok_and(|readiness| !readiness.is_read_closed()) {
                return Poll::Ready(());
            }
            // Clears the readiness, so that the next poll waits for something new.
            let unread = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
            let _ = self.stream.try_io(Interest::READABLE, unread);
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes each time it has polled the body of the response.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.slot.is_stream() && this.poll_closed(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
