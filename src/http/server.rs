//! The accept loop: a cap on connections, limits on how long each may stall, and a shutdown with a
//! deadline.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tracing::Instrument;
use tracing::field::Empty;
use warp::Filter;
use warp::reply::Response;

use super::connection_limiter::{ConnectionLimiter, Slot};
use super::drain::Drain;
use super::endpoint::prefix;
use super::idle::{self, IdleTimer};
use super::routes::{self, metric_path};
use super::socket::Socket;
use originatord_core::call::CallId;

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Send buffer of each connection, in bytes: the kernel keeps this much for a client that does not
/// read. Linux uses up to twice the value.
const SEND_BUFFER: u32 = 64 * 1024;

/// `TCP_USER_TIMEOUT`: how long sent data can stay unacknowledged, in ms. Without it, an event stream
/// to a vanished machine keeps its slot for a quarter of an hour, because the kernel retransmits the
/// keep-alive comments that long.
const USER_TIMEOUT_MS: u32 = 30_000;

/// Longest queue of connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Pause after a failed `accept`. The usual reason is a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The limits of the server.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// Connections that are open at once. See `connection_limiter` for which one is evicted.
    pub max_connections: usize,
    /// Limit for a TLS handshake, for a request's headers, and for a client that reads nothing
    /// while a response waits for it.
    pub client_timeout: Duration,
    /// How long a connection can be idle between two requests, once a valid key was shown on it.
    pub keep_alive: Duration,
    /// How long connections can stay open after the shutdown began.
    pub drain_timeout: Duration,
}

/// Listens for connections.
///
/// # Errors
///
/// The address cannot be bound.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for connections of the last run in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    // Accepted connections inherit both options from the listening socket.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    rustix::net::sockopt::set_tcp_user_timeout(&socket, USER_TIMEOUT_MS)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `routes` until `drain` ends the connections. Returns how many had to be cut.
pub(crate) async fn serve<F>(
    listener: TcpListener,
    tls: Tls,
    routes: F,
    limits: Limits,
    drain: Drain,
) -> usize
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let limiter = ConnectionLimiter::new(limits.max_connections);
    let mut connections = JoinSet::new();
    while let Some((stream, slot)) = accept(&listener, &limiter, &mut connections, &drain).await {
        let (tls, routes, limits, drain) =
            (tls.clone(), routes.clone(), limits.clone(), drain.clone());
        connections.spawn(async move {
            let evicted = slot.clone();
            tokio::select! {
                biased;
                () = evicted.evicted() => tracing::debug!("a connection was evicted for a new one"),
                () = serve_connection(stream, &tls, routes, slot, &limits, drain) => {}
            }
        });
    }
    drop(listener);
    let drained =
        timeout(limits.drain_timeout, async { while connections.join_next().await.is_some() {} })
            .await;
    if drained.is_ok() { 0 } else { connections.len() }
}

/// Accepts the next connection, and waits for its slot. Returns `None` when the shutdown begins.
async fn accept(
    listener: &TcpListener,
    limiter: &ConnectionLimiter,
    connections: &mut JoinSet<()>,
    drain: &Drain,
) -> Option<(TcpStream, Slot)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, limiter.take().await),
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    let mut next = std::pin::pin!(next);
    loop {
        tokio::select! {
            () = drain.ending() => return None,
            accepted = &mut next => return Some(accepted),
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The path as the debug log shows it. A client can request any path, even one with a number that
/// is masked elsewhere, so only call ids are shown.
fn logged_path(path: &str) -> &str {
    let id = path.strip_prefix(prefix(routes::CALL)).and_then(|id| id.parse::<CallId>().ok());
    if id.is_some() { path } else { metric_path(path) }
}

async fn serve_connection<F>(
    stream: TcpStream,
    tls: &Tls,
    routes: F,
    slot: Slot,
    limits: &Limits,
    drain: Drain,
) where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    // Responses are small, and clients wait for them: send them without Nagle's delay.
    let _ = stream.set_nodelay(true);
    let timer = IdleTimer::new(slot.clone(), limits.client_timeout, limits.keep_alive);
    let mut stream = TimeoutWriter::new(Socket::new(stream, slot.clone()));
    stream.set_timeout(Some(limits.client_timeout));
    let stream = Box::pin(stream);
    let routes = TowerToHyperService::new(warp::service(routes));
    let (idle, request_drain) = (timer.clone(), drain.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let keeps_alive = idle::keeps_alive(request.version(), request.headers());
        request.extensions_mut().insert(slot.clone());
        // warp panics on a target without a path, as CONNECT has.
        if request.uri().path_and_query().is_none() {
            *request.uri_mut() = Uri::from_static("*");
        }
        let path = logged_path(request.uri().path());
        let span =
            tracing::debug_span!("request", method = %request.method(), path, call_id = Empty);
        let (drain, idle, response) = (request_drain.clone(), idle.clone(), routes.call(request));
        let answer = async move {
            let mut response = drain.answer(response).await;
            if keeps_alive && !drain.is_ending() {
                idle.announce(response.headers_mut());
            }
            Ok::<_, Infallible>(response)
        };
        answer.instrument(span)
    });
    match accept_tls(stream, tls, limits.client_timeout).await {
        Ok(MaybeTls::Plain(stream)) => serve_http(stream, service, timer, drain).await,
        Ok(MaybeTls::Tls(stream)) => serve_http(*stream, service, timer, drain).await,
        Err(error) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

/// The current TLS configuration; none for plain HTTP.
pub(crate) type Tls = Option<watch::Receiver<Arc<ServerConfig>>>;

/// A client's connection, which fails once the client has read nothing for too long.
type Stream = Pin<Box<TimeoutWriter<Socket>>>;

enum MaybeTls {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

async fn accept_tls(stream: Stream, tls: &Tls, limit: Duration) -> io::Result<MaybeTls> {
    let Some(tls) = tls else { return Ok(MaybeTls::Plain(stream)) };
    let acceptor = TlsAcceptor::from(tls.borrow().clone());
    let stream = timeout(limit, acceptor.accept(stream)).await??;
    Ok(MaybeTls::Tls(Box::new(stream)))
}

async fn serve_http<S, T>(stream: T, service: S, timer: IdleTimer, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let connection = http1::Builder::new()
        // hyper starts this timeout at the end of the previous response. `IdleTimer` replaces its
        // length by the one that holds for this connection at that time.
        .header_read_timeout(timer.limit())
        .timer(timer)
        .max_buf_size(MAX_HEAD)
        // A client that closes its sending half after the request still gets the response.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = drain.ending() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_connections_time_out_when_unacknowledged() {
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("it listens");
        let (accepted, _) = listener.accept().await.expect("a connection");
        assert_eq!(
            rustix::net::sockopt::tcp_user_timeout(&accepted).expect("an option"),
            USER_TIMEOUT_MS
        );
    }
}
