//! The accept loop: a cap on connections, a limit on how long headers may take, and an end with a deadline.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use warp::Filter;
use warp::reply::Response;

/// Longest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Pause after a connection could not be accepted, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the server keeps to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at once; further ones wait until one of these ends.
    pub max_connections: usize,
    /// How long a request's headers may take, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long requests under way may take to end, once told to stop.
    pub drain_timeout: Duration,
}

/// Serves `routes` until `stop` is cancelled. Returns how many connections had to be cut.
pub async fn serve<F>(listener: TcpListener, tls: Tls, routes: F, limits: Limits, stop: CancellationToken) -> usize
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    while let Some((stream, place)) = accept(&listener, &places, &mut connections, &stop).await {
        let (tls, routes, stop, timeout) = (tls.clone(), routes.clone(), stop.clone(), limits.header_timeout);
        connections.spawn(async move {
            // Answers are small and waited for.
            let _ = stream.set_nodelay(true);
            match shake_hands(stream, &tls, timeout).await {
                Ok(Shaken::Plain(stream)) => serve_one(stream, routes, timeout, stop).await,
                Ok(Shaken::Tls(stream)) => serve_one(*stream, routes, timeout, stop).await,
                Err(error) => tracing::debug!(%error, "no TLS on a connection"),
            }
            drop(place);
        });
    }
    drop(listener);
    let drained = timeout(limits.drain_timeout, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_ok() { 0 } else { connections.len() }
}

/// The next connection, once there is a place for it; none when told to stop.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    connections: &mut JoinSet<()>,
    stop: &CancellationToken,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let next = async {
        // The semaphore is never closed.
        let place = places.clone().acquire_owned().await.ok()?;
        loop {
            match listener.accept().await {
                Ok((stream, _)) => return Some((stream, place)),
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
            () = stop.cancelled() => return None,
            accepted = &mut next => return accepted,
            Some(_) = connections.join_next() => {}
        }
    }
}

/// TLS as configured now; none for plain HTTP.
pub type Tls = Option<watch::Receiver<Arc<ServerConfig>>>;

enum Shaken {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

async fn shake_hands(stream: TcpStream, tls: &Tls, limit: Duration) -> io::Result<Shaken> {
    let Some(tls) = tls else { return Ok(Shaken::Plain(stream)) };
    let acceptor = TlsAcceptor::from(tls.borrow().clone());
    let stream = timeout(limit, acceptor.accept(stream)).await??;
    Ok(Shaken::Tls(Box::new(stream)))
}

async fn serve_one<F, S>(stream: S, routes: F, header_timeout: Duration, stop: CancellationToken)
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let service = TowerToHyperService::new(warp::service(routes));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        // Who has sent its request and closed that half still waits for the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}
