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
