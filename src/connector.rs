//! Makes connections to Asterisk's manager: TCP, and TLS where asked.

mod race;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::tls::{self, ClientTls};

/// A connection, whatever it is made of.
pub type Stream = Box<dyn Duplex>;

/// Can be read and written.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Where to connect to, and how.
#[derive(Clone)]
pub struct Connector {
    address: Arc<str>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// How many of the name's addresses are tried last, as nothing good came of them.
    skipped: Arc<AtomicUsize>,
}

impl Connector {
    /// Connects to `address` (`host:port`) over plain TCP.
    pub fn plain(address: &str) -> Self {
        Self { address: address.into(), tls: None, skipped: Arc::default() }
    }

    /// Connects over TLS, and expects the certificate of `name`.
    pub fn tls(address: &str, config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self { address: address.into(), tls: Some((config.into(), name)), skipped: Arc::default() }
    }

    /// Connects to `address` as the settings say.
    ///
    /// # Errors
    ///
    /// TLS cannot be set up.
    pub fn new(address: &str, tls: Option<&ClientTls>) -> io::Result<Self> {
        let Some(tls) = tls else { return Ok(Self::plain(address)) };
        let host = address.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
        let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        Ok(Self::tls(address, tls::client_config(tls.ca_file.as_deref())?, name))
    }

    /// Where to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Notes that the last connection is over. If it `was_useful` the next one begins with the same
    /// address, else with another one of the name: a process that hangs accepts connections, too.
    pub fn left(&self, was_useful: bool) {
        if !was_useful {
            self.skipped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes one connection, to any of the name's addresses. Takes as long as it takes; the caller
    /// has a deadline.
    pub fn connect(&self) -> impl Future<Output = io::Result<Stream>> + Send + use<> {
        let Self { address, tls, skipped } = self.clone();
        async move {
            let tcp = race::connect(&address, skipped.load(Ordering::Relaxed)).await?;
            // Actions are small and wait for their answers.
            tcp.set_nodelay(true)?;
            // Whatever we give up on must not arrive later: a kernel would send an Originate again
            // for minutes, on a connection that was closed long ago.
            tcp.set_zero_linger()?;
            match tls {
                Some((connector, name)) => {
                    let told =
                        |error: io::Error| io::Error::new(error.kind(), format!("TLS: {error}"));
                    Ok(Box::new(connector.connect(name, tcp).await.map_err(told)?) as Stream)
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
    fn another_address_is_tried_after_connection_that_led_to_nothing() {
        let connector = Connector::plain("asterisk.example:5038");
        for (was_useful, expected) in [(true, 0), (false, 1), (true, 1), (false, 2)] {
            connector.clone().left(was_useful);
            assert_eq!(connector.skipped.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn what_was_not_sent_when_a_connection_is_given_up_is_never_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut stream = Connector::plain(&address).connect().await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        stream.write_all(b"Action: Originate").await.unwrap();
        drop(stream);
        // An orderly close would be an end of file, after everything that was written.
        let mut received = Vec::new();
        let error = peer.read_to_end(&mut received).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
