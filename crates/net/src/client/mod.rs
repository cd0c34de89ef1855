//! An HTTP/1.1 client for the daemon's API.

pub mod event_stream;
pub mod pool;
pub mod reply;
pub mod sse;

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::connector::Connector;
use crate::tls;

/// The longest accepted body, in bytes; the largest real one is a list of 10 000 calls.
const MAX_BODY: usize = 32 << 20;

/// The time limit for connecting, over all addresses of the daemon's name.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The time limit for a response. The daemon's own limits are all shorter.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(180);

/// A client of one daemon.
pub struct Client {
    connector: Connector,
    host: HeaderValue,
    key: Option<SecretString>,
}

/// The reason why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The URL is invalid.
    #[error("{0} is not a URL like http://127.0.0.1:8080")]
    Url(String),
    /// TLS cannot be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(io::Error),
    /// The daemon cannot be reached.
    #[error("cannot connect to {0}: {1}")]
    Connect(String, io::Error),
    /// The daemon closed the connection before the end of the response.
    #[error("the daemon has closed the connection")]
    Closed,
    /// The body is longer than any of the daemon's.
    #[error("the response is too long to be the daemon's")]
    TooLong,
    /// The daemon did not respond in time.
    #[error("the daemon does not answer")]
    Silent,
    /// HTTP failed in another way.
    #[error("{error}{}", error.source().map(|cause| format!(": {cause}")).unwrap_or_default())]
    Http {
        /// hyper's error.
        error: hyper::Error,
    },
}

impl From<hyper::Error> for ClientError {
    fn from(error: hyper::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let cause =
            error.source().and_then(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
        let is_gone =
            cause.is_some_and(|kind| matches!(kind, BrokenPipe | ConnectionReset | UnexpectedEof));
        // Which of these errors hyper reports depends on how far the exchange had come.
        if is_gone || error.is_canceled() || error.is_incomplete_message() {
            Self::Closed
        } else {
            Self::Http { error }
        }
    }
}

impl ClientError {
    /// The error for a body that is longer than its limit, or could not be read.
    fn of_body(error: Box<dyn Error + Send + Sync>) -> Self {
        error.downcast::<hyper::Error>().map_or(Self::TooLong, |error| (*error).into())
    }
}

impl Client {
    /// A client of the daemon at `url` that sends `key`. With `https`, the daemon's certificate is
    /// verified with the CAs in `ca_file`, or without a file with those of the system.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or TLS cannot be set up.
    pub fn new(
        url: &str,
        key: Option<SecretString>,
        ca_file: Option<&Path>,
    ) -> Result<Self, ClientError> {
        let bad = || ClientError::Url(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(bad());
        };
        let default_port = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return Err(bad()),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(bad());
        }
        let address =
            format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(default_port));
        let connector = if scheme == "https" {
            let name = authority.host().trim_matches(['[', ']']).to_owned();
            let name = ServerName::try_from(name).map_err(|_| bad())?;
            Connector::tls(&address, tls::client_config(ca_file).map_err(ClientError::Tls)?, name)
        } else {
            Connector::plain(&address)
        };
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| bad())?;
        Ok(Self { connector, host, key })
    }

    /// Sends a request with the key on a new connection.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, or does not speak HTTP.
    pub async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, ClientError> {
        self.authorize(&mut request);
        request.headers_mut().insert(HOST, self.host.clone());
        // The connection's task ends after the response's body.
        Ok(self.connect().await?.send_request(request).await?)
    }

    /// Sends a request, and reads the whole response.
    ///
    /// # Errors
    ///
    /// The daemon cannot be reached, or does not respond. After any error but
    /// [`ClientError::Connect`], the daemon may have executed the request.
    pub async fn fetch(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, ClientError> {
        let response = async {
            let (head, body) = self.send(request).await?.into_parts();
            let body =
                Limited::new(body, MAX_BODY).collect().await.map_err(ClientError::of_body)?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        timeout(RESPONSE_TIMEOUT, response).await.unwrap_or(Err(ClientError::Silent))
    }

    /// Opens a connection.
    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let address = self.connector.address();
        let late = |_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
        let stream =
            timeout(CONNECT_TIMEOUT, self.connector.connect()).await.map_err(late).flatten();
        let stream = stream.map_err(|error| ClientError::Connect(address.to_owned(), error))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Adds the key to a request.
    fn authorize(&self, request: &mut Request<Full<Bytes>>) {
        if let Some(key) = &self.key
            && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret()))
        {
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
    }
}

/// A request without a body.
pub fn request(method: Method, uri: Uri) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request
}

/// Percent-encodes the text for a query or a segment of a path (RFC 3986, 2.1).
pub fn percent_encode(text: &str) -> String {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:".contains(&b);
    text.bytes()
        .map(|b| if is_plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_percent_encoded() {
        assert_eq!(percent_encode("КОМ&a=b c+#%"), "%D0%9A%D0%9E%D0%9C%26a%3Db%20c%2B%23%25");
        assert_eq!(percent_encode("2026-11-25T18:20:00.000Z"), "2026-11-25T18:20:00.000Z");
    }
}
