//! TLS: whom to trust as a client, and who we are as a server.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// TLS towards the AMI.
#[derive(Debug)]
pub struct ClientTls {
    /// The CA that signed Asterisk's certificate; the system's CAs without it.
    pub ca_file: Option<PathBuf>,
    /// The name in Asterisk's certificate; the host of its address without it.
    pub server_name: Option<String>,
}

/// TLS towards bots and operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// Our certificate and what leads to its CA, as PEM.
    pub cert_file: PathBuf,
    /// Its private key, as PEM.
    pub key_file: PathBuf,
}

/// Trusts the certificates of `ca_file`, or those the system trusts.
///
/// # Errors
///
/// No certificate can be read.
pub fn client_config(ca_file: Option<&Path>) -> io::Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in CertificateDer::pem_file_iter(path).map_err(io::Error::other)? {
                roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
            }
        }
        None => _ = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    }
    if roots.is_empty() {
        let place = if ca_file.is_some() { "it holds" } else { "the system has" };
        return Err(io::Error::other(format!("{place} no CA certificate")));
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

/// Shows the configured certificate.
///
/// # Errors
///
/// Certificate or key cannot be read, or do not fit each other.
pub fn server_config(tls: &ServerTls) -> io::Result<Arc<ServerConfig>> {
    let read =
        |path: &Path, error: &dyn Display| io::Error::other(format!("{}: {error}", path.display()));
    let chain = CertificateDer::pem_file_iter(&tls.cert_file).and_then(Iterator::collect);
    let chain: Vec<_> = chain.map_err(|error| read(&tls.cert_file, &error))?;
    let key =
        PrivateKeyDer::from_pem_file(&tls.key_file).map_err(|error| read(&tls.key_file, &error))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config = config.map_err(|error| read(&tls.cert_file, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
