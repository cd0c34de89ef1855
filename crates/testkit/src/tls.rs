//! A CA for tests, and a relay that terminates TLS in front of a plain AMI server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd,
};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A certificate authority.
pub struct Ca {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Ca {
    pub fn generate() -> Self {
        let mut params = CertificateParams::new([]).expect("parameters");
        // Each CA needs its own name: a client that trusts one of two CAs with equal names would
        // report a bad signature of the other's certificates, rather than an unknown issuer.
        params.distinguished_name.push(DnType::CommonName, format!("CA {}", fastrand::u64(..)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            certificate,
            issuer: Issuer::new(params, key),
            folder: TempDir::new().expect("a folder"),
        }
    }

    /// Writes the CA's certificate to a file; returns its path.
    pub fn file(&self) -> PathBuf {
        let path = self.folder.path().join("ca.pem");
        std::fs::write(&path, self.certificate.pem()).expect("writes");
        path
    }

    /// The certificate of a server of this name, and its key, as PEM.
    pub fn pem(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The TLS settings of a server of this name, with an expired certificate if `outdated`.
    pub fn server(&self, name: &str, outdated: bool) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        if outdated {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth();
        Arc::new(
            config
                .with_single_cert(vec![certificate.der().clone()], key)
                .expect("a certificate of this key"),
        )
    }
}

/// The relay. Ends when dropped.
pub struct TlsRelay {
    pub address: SocketAddr,
    _runtime: Runtime,
}

impl TlsRelay {
    pub fn start(server: Arc<ServerConfig>, to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("starts");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let acceptor = TlsAcceptor::from(server.clone());
                tokio::spawn(async move {
                    let mut near = acceptor.accept(near).await?;
                    let mut far = TcpStream::connect(to).await?;
                    tokio::io::copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Self { address, _runtime: runtime }
    }
}
