//! A client's socket, which also notices that the reader of an event stream has gone.
//!
//! hyper does not read while it sends a reply: a client that closes its sending half after the
//! request still gets its answer (`half_close`). A closed connection then shows only when something
//! is written to it, and an event stream can be silent for long. So while a stream is sent, the end
//! of what the client sends counts as the end of the client, as it does for nginx in front of an
//! upstream.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::places::Place;

/// The socket of one connection.
pub struct Socket {
    stream: TcpStream,
    place: Place,
}

impl Socket {
    /// The socket of the connection that holds this place.
    pub fn new(stream: TcpStream, place: Place) -> Self {
        Self { stream, place }
    }

    /// Ready once the client has closed its half, or the connection is broken. Bytes that the
    /// client still sends are not read: the event stream is the last reply on its connection. Over
    /// TLS such bytes say that it closes.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.stream.poll_read_ready(cx)).is_err() {
                return Poll::Ready(());
            }
            let readiness = ready!(pin!(self.stream.ready(Interest::READABLE)).poll(cx));
            if !readiness.is_ok_and(|readiness| !readiness.is_read_closed()) {
                return Poll::Ready(());
            }
            // Makes the socket unready until it has news.
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

    /// hyper flushes whenever it has looked for more of the reply.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.place.is_stream() && this.poll_closed(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
