//! Connects to the AMI, or to a daemon, over TCP and optionally TLS.

mod race;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{self, ClientTls};

/// A connection over plain TCP or TLS.
pub type Stream = Box<dyn Duplex>;

/// A stream that can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Connects to one `host:port`. Clones share the order in which they try the host's addresses.
#[derive(Clone)]
pub struct Connector {
    address: Arc<str>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How many of the host's first addresses are tried last, because their connections were of no
    /// use.
    skipped: Arc<AtomicUsize>,
}

impl Connector {
    /// Connects to `address` (`host:port`) over plain TCP.
    pub fn plain(address: &str) -> Self {
        Self { address: address.into(), tls: None, skipped: Arc::default() }
    }

    /// Connects to `address` over TLS, and expects a certificate for `name`.
    pub fn tls(address: &str, config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self { address: address.into(), tls: Some((config.into(), name)), skipped: Arc::default() }
    }

    /// Connects to `address`, over TLS if there are settings for it.
    ///
    /// # Errors
    ///
    /// The CA file cannot be used, or the address names no host.
    pub fn new(address: &str, tls: Option<&ClientTls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::plain(address)) };
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        Ok(Self::tls(address, tls::client_config(tls.ca_file.as_deref())?, name))
    }

    /// The address, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The number of addresses that the name has.
    ///
    /// # Errors
    ///
    /// The name cannot be resolved.
    pub async fn count_addresses(&self) -> io::Result<usize> {
        Ok(race::resolve(&self.address, 0).await?.len())
    }

    /// Reports the end of the last connection. Unless it `was_useful`, the next attempt begins with
    /// another address of the host. (A hanging process still accepts connections, so a successful
    /// connect alone does not show that an address is good.)
    pub fn report_end(&self, was_useful: bool) {
        if !was_useful {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Connects to one of the name's addresses. There is no time limit; the caller sets one.
    pub fn connect(&self) -> impl Future<Output = io::Result<Stream>> + Send + use<> {
        let Self { address, tls, skipped } = self.clone();
        async move {
            let tcp = race::connect(&address, skipped.load(Ordering::Relaxed)).await?;
            // Requests are small and each one's answer is awaited, so none may wait for more data.
            tcp.set_nodelay(true)?;
            // Closing discards unsent data. Otherwise the kernel would retransmit an Originate for
            // minutes after we gave up the connection.
            tcp.set_zero_linger()?;
            match tls {
                Some((connector, name)) => {
                    let name_tls =
                        |error: io::Error| io::Error::new(error.kind(), format!("TLS: {error}"));
                    Ok(Box::new(connector.connect(name, tcp).await.map_err(name_tls)?) as Stream)
                }
                None => Ok(Box::new(tcp) as Stream),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn useless_connection_moves_on_to_next_address() {
        let connector = Connector::plain("asterisk.example:5038");
        for (was_useful, expected) in [(true, 0), (false, 1), (true, 1), (false, 2)] {
            connector.clone().report_end(was_useful);
            assert_eq!(connector.skipped.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn dropped_connection_never_sends_the_rest() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut stream = Connector::plain(&address).connect().await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        stream.write_all(b"Action: Originate").await.unwrap();
        drop(stream);
        // An orderly close would deliver the data and then an end of file.
        let mut received = Vec::new();
        let error = peer.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
