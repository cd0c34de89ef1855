//! The accept loop: a cap on connections, limits on how long they may hold theirs up, and an end
//! with a deadline.

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

use super::drain::Drain;
use super::endpoint::prefix;
use super::idle::{self, IdleTimer};
use super::places::{Place, Places};
use super::routes::{self, metric_path};
use super::socket::Socket;
use crate::call::CallId;

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How much the system keeps for each client that does not read, in bytes; it takes up to twice
/// that.
const SEND_BUFFER: u32 = 64 * 1024;

/// How long a client may leave unacknowledged what it is sent, in ms. Without it, a reader of the
/// event stream whose machine is gone keeps its slot for a quarter of an hour: the system takes in
/// our signs of life and sends them again.
const UNACKNOWLEDGED: u32 = 30_000;

/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

/// Pause after a connection could not be accepted, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server keeps to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once. Of those that are not being served for a key, the one that has
    /// waited longest makes room for whoever comes.
    pub max_connections: usize,
    /// How long a TLS handshake and a request's headers may take, and how long a client may take in
    /// nothing of what there is for it.
    pub patience: Duration,
    /// How long a connection may be idle between two requests, if it was served for a valid key.
    pub keep_alive: Duration,
    /// How long requests under way may take to end, once told to stop.
    pub drain_timeout: Duration,
}

/// Listens for connections.
///
/// # Errors
///
/// The address is not to be had.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart must not wait for the last run's connections to be forgotten.
    socket.set_reuseaddr(true)?;
    // The connections take both over from the socket that accepts them.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    rustix::net::sockopt::set_tcp_user_timeout(&socket, UNACKNOWLEDGED)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `routes` until `drain` says so. Returns how many connections had to be cut.
pub async fn serve<F>(
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
    let places = Places::new(limits.max_connections);
    let mut connections = JoinSet::new();
    while let Some((stream, place)) = accept(&listener, &places, &mut connections, &drain).await {
        let (tls, routes, limits, drain) =
            (tls.clone(), routes.clone(), limits.clone(), drain.clone());
        connections.spawn(async move {
            let needed = place.clone();
            tokio::select! {
                biased;
                () = needed.needed() => tracing::debug!("a connection made room for another"),
                () = converse(stream, &tls, routes, place, &limits, drain) => {}
            }
        });
    }
    drop(listener);
    let drained =
        timeout(limits.drain_timeout, async { while connections.join_next().await.is_some() {} })
            .await;
    if drained.is_ok() { 0 } else { connections.len() }
}

/// The next connection, once there is a place for it; none when told to stop.
async fn accept(
    listener: &TcpListener,
    places: &Places,
    connections: &mut JoinSet<()>,
    drain: &Drain,
) -> Option<(TcpStream, Place)> {
    let next = async {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return (stream, places.take().await),
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

/// The path as the debug log shows it. A client can type anything, numbers that are masked
/// elsewhere among it.
fn logged_path(path: &str) -> &str {
    let id = path.strip_prefix(prefix(routes::CALL)).and_then(|id| id.parse::<CallId>().ok());
    if id.is_some() { path } else { metric_path(path) }
}

async fn converse<F>(
    stream: TcpStream,
    tls: &Tls,
    routes: F,
    place: Place,
    limits: &Limits,
    drain: Drain,
) where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let timer = IdleTimer::new(place.clone(), limits.patience, limits.keep_alive);
    let mut stream = TimeoutWriter::new(Socket::new(stream, place.clone()));
    stream.set_timeout(Some(limits.patience));
    let stream = Box::pin(stream);
    let routes = TowerToHyperService::new(warp::service(routes));
    let (idle, of_requests) = (timer.clone(), drain.clone());
    let service = service_fn(move |mut request: Request<Incoming>| {
        let is_wanted = idle::is_wanted(request.version(), request.headers());
        request.extensions_mut().insert(place.clone());
        // warp panics where the target has no path at all, as that of CONNECT.
        if request.uri().path_and_query().is_none() {
            *request.uri_mut() = Uri::from_static("*");
        }
        let path = logged_path(request.uri().path());
        let span =
            tracing::debug_span!("request", method = %request.method(), path, call_id = Empty);
        let (drain, idle, response) = (of_requests.clone(), idle.clone(), routes.call(request));
        let answer = async move {
            let mut response = drain.answer(response).await;
            if is_wanted && !drain.is_ending() {
                idle.announce(response.headers_mut());
            }
            Ok::<_, Infallible>(response)
        };
        answer.instrument(span)
    });
    match shake_hands(stream, tls, limits.patience).await {
        Ok(Shaken::Plain(stream)) => serve_one(stream, service, timer, drain).await,
        Ok(Shaken::Tls(stream)) => serve_one(*stream, service, timer, drain).await,
        Err(error) => tracing::debug!(%error, "no TLS on a connection"),
    }
}

/// TLS as configured now; none for plain HTTP.
pub type Tls = Option<watch::Receiver<Arc<ServerConfig>>>;

/// A client's connection, which fails once nothing was taken in for too long.
type Stream = Pin<Box<TimeoutWriter<Socket>>>;

enum Shaken {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
}

async fn shake_hands(stream: Stream, tls: &Tls, limit: Duration) -> io::Result<Shaken> {
    let Some(tls) = tls else { return Ok(Shaken::Plain(stream)) };
    let acceptor = TlsAcceptor::from(tls.borrow().clone());
    let stream = timeout(limit, acceptor.accept(stream)).await??;
    Ok(Shaken::Tls(Box::new(stream)))
}

async fn serve_one<S, T>(stream: T, service: S, timer: IdleTimer, drain: Drain)
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let connection = http1::Builder::new()
        // hyper waits for a request's headers from the end of the reply before it. The timer says
        // how long.
        .header_read_timeout(timer.limit())
        .timer(timer)
        .max_buf_size(MAX_HEAD)
        // Who has sent its request and closed that half still waits for the answer.
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
    async fn accepted_connections_give_up_machines_that_are_gone() {
        let listener = listen(([127, 0, 0, 1], 0).into()).expect("a port");
        let _client = TcpStream::connect(listener.local_addr().expect("an address"))
            .await
            .expect("it listens");
        let (accepted, _) = listener.accept().await.expect("a connection");
        assert_eq!(
            rustix::net::sockopt::tcp_user_timeout(&accepted).expect("an option"),
            UNACKNOWLEDGED
        );
    }
}
