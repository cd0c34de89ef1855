//! Connects to the first of a name's addresses that answers ("Happy Eyeballs", RFC 8305).
//!
//! A host name often has several addresses, and some of them may be silent: IPv6 without a route, a
//! machine that is switched off, a firewall that drops packets. Trying them one after the other
//! spends the whole connect timeout on the first silent one, at every attempt. So each address gets
//! a head start of 250 ms; then, or as soon as it has failed, the next one is tried beside it. The
//! first connection that is made is used and the other attempts are dropped.
//!
//! hyper-util implements this for its own HTTP connector only, and the crates that are named after
//! it are hardly maintained.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

/// The delay before the next address is tried beside the last one: the "Connection Attempt Delay"
/// of RFC 8305.
const HEAD_START: Duration = Duration::from_millis(250);

/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// Connects to one of the addresses of `host_and_port`. The first `skipped` of them are tried last.
///
/// # Errors
///
/// The name has no address, or all of its addresses refuse. In the latter case the error names
/// each.
pub(super) async fn connect(host_and_port: &str, skipped: usize) -> io::Result<TcpStream> {
    race(&resolve(host_and_port, skipped).await?).await
}

/// Returns the addresses of `host_and_port` in the order in which they are tried.
pub(super) async fn resolve(host_and_port: &str, skipped: usize) -> io::Result<Vec<SocketAddr>> {
    Ok(in_order(lookup_host(host_and_port).await?, skipped))
}

/// Returns the addresses in the order in which they are tried, each once.
fn in_order(resolved: impl Iterator<Item = SocketAddr>, skipped: usize) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in resolved {
        // Some resolvers list an address once for each kind of socket.
        if addresses.len() < MAX_ADDRESSES && !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    let mut addresses = alternate(addresses);
    let first = skipped.checked_rem(addresses.len()).unwrap_or(0);
    addresses.rotate_left(first);
    addresses
}

/// Connects to the first of `addresses` that answers. Each has a head start over the next.
async fn race(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut waiting = addresses.iter();
    let mut failures = Vec::new();
    loop {
        let started = waiting.next();
        if let Some(&address) = started {
            attempts.spawn(async move { (address, TcpStream::connect(address).await) });
        } else if attempts.is_empty() {
            return Err(all_failed(failures));
        }
        tokio::select! {
            Some(Ok((address, result))) = attempts.join_next() => match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, error)),
            },
            () = sleep(HEAD_START), if started.is_some() && waiting.len() > 0 => {}
            else => {}
        }
    }
}

/// Alternates IPv6 and IPv4 addresses, beginning with the family of the first one, because one
/// family may have no route at all. The order within a family stays.
fn alternate(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else { return addresses };
    let is_v6 = first.is_ipv6();
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_v6);
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    let mut mixed = Vec::new();
    loop {
        let pair = [one.next(), other.next()];
        if pair == [None, None] {
            return mixed;
        }
        mixed.extend(pair.into_iter().flatten());
    }
}

/// Combines the errors of all addresses. If there is one address, the caller names it.
fn all_failed(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    match failures.len() {
        0 => io::Error::new(io::ErrorKind::NotFound, "the name has no address"),
        1 => failures.remove(0).1,
        _ => {
            let texts: Vec<String> =
                failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
            io::Error::new(failures[0].1.kind(), texts.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    /// Longer than any machine needs, and shorter than the kernel's limit for an attempt.
    const TIMEOUT: Duration = Duration::from_secs(20);

    /// An address that drops every packet: a listener whose queue is full, and the connections that
    /// fill it.
    async fn silent() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) =
            timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            queued.push(stream);
        }
        (address, listener, queued)
    }

    async fn refusing() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
    }

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn silent_address_does_not_block_the_next() {
        let (first, _listener, _queued) = silent().await;
        let second = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addresses = [first, second.local_addr().unwrap()];
        let stream =
            timeout(TIMEOUT, race(&addresses)).await.expect("the second is tried").unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[1]);
    }

    #[tokio::test]
    async fn first_address_is_used_if_it_answers() {
        let [first, second] =
            [TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await];
        let addresses =
            [first, second].map(|listener| listener.unwrap()).map(|l| (l.local_addr().unwrap(), l));
        let stream = race(&addresses.each_ref().map(|(address, _)| *address)).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addresses[0].0);
    }

    #[tokio::test]
    async fn error_names_each_address_that_refuses() {
        let (first, second) = (refusing().await, refusing().await);
        let error = race(&[first, second]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        for address in [first, second] {
            assert!(
                error.to_string().contains(&format!("{address}: Connection refused")),
                "{error}"
            );
        }
        // A single address is named by the caller.
        assert!(race(&[first]).await.unwrap_err().to_string().starts_with("Connection refused"));
        assert_eq!(race(&[]).await.unwrap_err().to_string(), "the name has no address");
    }

    #[test]
    fn skipped_addresses_are_tried_last() {
        let listed = ["[::1]:1", "[::1]:1", "[::2]:1", "127.0.0.1:1"];
        for (skipped, expected) in [
            (0, ["[::1]:1", "127.0.0.1:1", "[::2]:1"]),
            (1, ["127.0.0.1:1", "[::2]:1", "[::1]:1"]),
            (5, ["[::2]:1", "[::1]:1", "127.0.0.1:1"]),
        ] {
            assert_eq!(in_order(addresses(&listed).into_iter(), skipped), addresses(&expected));
        }
        assert_eq!(in_order([].into_iter(), 3), []);
        let many = (1..100).map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        assert_eq!(in_order(many, 0).len(), MAX_ADDRESSES);
    }

    #[test]
    fn address_families_alternate() {
        let listed = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "127.0.0.1:1"]);
        assert_eq!(alternate(listed), addresses(&["[::1]:1", "127.0.0.1:1", "[::2]:1", "[::3]:1"]));
        let one_family = addresses(&["127.0.0.2:1", "127.0.0.1:1"]);
        assert_eq!(alternate(one_family.clone()), one_family);
        assert_eq!(alternate(Vec::new()), []);
    }
}
