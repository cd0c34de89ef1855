//! Makes connections to Asterisk's manager: TCP, and TLS where asked.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

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
}

impl Connector {
    /// Connects to `address` (`host:port`) over plain TCP.
    pub fn plain(address: &str) -> Self {
        Self { address: address.into(), tls: None }
    }

    /// Connects over TLS, and expects the certificate of `name`.
    pub fn tls(address: &str, config: Arc<ClientConfig>, name: ServerName<'static>) -> Self {
        Self { address: address.into(), tls: Some((config.into(), name)) }
    }

    /// Where to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes one connection. Takes as long as it takes; the caller has a deadline.
    pub fn connect(&self) -> impl Future<Output = io::Result<Stream>> + Send + use<> {
        let Self { address, tls } = self.clone();
        async move {
            let tcp = TcpStream::connect(&*address).await?;
            // Actions are small and wait for their answers.
            tcp.set_nodelay(true)?;
            // Whatever we give up on must not arrive later: a kernel would send an Originate again for minutes, on a
            // connection that was closed long ago.
            tcp.set_zero_linger()?;
            match tls {
                Some((connector, name)) => {
                    let told = |error: io::Error| io::Error::new(error.kind(), format!("TLS: {error}"));
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
