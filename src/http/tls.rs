//! The daemon's certificate.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// The files of the certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate, followed by the intermediate certificates up to its CA, as PEM.
    pub cert_file: PathBuf,
    /// The private key of the certificate, as PEM.
    pub key_file: PathBuf,
}

/// Builds a server configuration that presents the configured certificate.
///
/// # Errors
///
/// Certificate or key cannot be read, or do not match.
pub(crate) fn server_config(tls: &ServerTls) -> io::Result<Arc<ServerConfig>> {
    let with_path =
        |path: &Path, error: &dyn Display| io::Error::other(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(&tls.cert_file).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| with_path(&tls.cert_file, &error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key_file)
        .map_err(|error| with_path(&tls.key_file, &error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| with_path(&tls.cert_file, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
