//! The client side of TLS.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How to verify the peer.
#[derive(Debug)]
pub struct ClientTls {
    /// The PEM file with the CAs that may sign its certificate; without it, the system's CAs.
    pub ca_file: Option<PathBuf>,
    /// The name in its certificate; without it, the host of the address.
    pub server_name: Option<String>,
}

/// Builds a client configuration that trusts the CAs in `ca_file`, or without it those of the
/// system.
///
/// # Errors
///
/// The file cannot be read, or there is no CA certificate.
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
        let place = if ca_file.is_some() { "the file holds" } else { "the system has" };
        return Err(io::Error::other(format!("{place} no CA certificate")));
    }
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}
