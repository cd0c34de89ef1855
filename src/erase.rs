//! `originatord erase`: a number is taken out of all that was written down.
//!
//! A daemon that runs does it itself (`http/history.rs`), as it may be writing. Where nobody listens at its address, the
//! files are changed right here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::call::{Invalid, Number};
use crate::client::{Client, ClientError};
use crate::config::{Config, Problems, Role};
use crate::history;
use crate::journal::sink::erase_in_files;
use crate::lifecycle::{EX_CONFIG, EX_IOERR, EX_UNAVAILABLE, EX_USAGE};

/// What `erase` can be told.
#[derive(Debug, clap::Args)]
pub struct EraseArgs {
    /// The number, with or without +.
    number: String,
    /// The daemon's configuration: it tells where the daemon listens, its keys, and the files.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    /// Where the daemon is, if it speaks HTTPS: as its certificate names it.
    #[arg(long)]
    url: Option<String>,
    /// With https, the CA that signed the daemon's certificate, if the system does not trust it.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// Why the number is not erased.
#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error("{0}")]
    Number(#[from] Invalid),
    #[error("{0}")]
    Config(#[from] Problems),
    #[error("the daemon speaks HTTPS: say with --url where it is, as its certificate names it")]
    NoUrl,
    #[error("no key of the configuration may erase: one with role = \"call\" is needed")]
    NoKey,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the daemon says {0}: {1}")]
    Refused(StatusCode, String),
    #[error("a log file cannot be changed: {0}")]
    File(#[from] io::Error),
    #[error("the history cannot be changed: {0}")]
    History(#[from] rusqlite::Error),
}

/// Erases the number, and says how much there was of it.
pub async fn run(args: EraseArgs) -> ExitCode {
    match erase(&args).await {
        Ok(erased) => {
            println!("erased: {erased} records and calls");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(match error {
                EraseError::Number(_) | EraseError::NoUrl => EX_USAGE,
                EraseError::Config(_) | EraseError::NoKey => EX_CONFIG,
                EraseError::Client(_) | EraseError::Refused(..) => EX_UNAVAILABLE,
                EraseError::File(_) | EraseError::History(_) => EX_IOERR,
            })
        }
    }
}

async fn erase(args: &EraseArgs) -> Result<u64, EraseError> {
    let number: Number = args.number.parse()?;
    let config = Config::load(&args.config)?;
    if let Some(url) = &args.url {
        return ask(&config, args, url, number).await;
    }
    let address = reachable(config.http.listen);
    match TcpStream::connect(address).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => in_files(&config, number),
        _ if config.http.tls.is_some() => Err(EraseError::NoUrl),
        _ => ask(&config, args, &format!("http://{address}"), number).await,
    }
}

/// Where one gets at who listens on this address.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Has the daemon do it.
async fn ask(config: &Config, args: &EraseArgs, url: &str, number: Number) -> Result<u64, EraseError> {
    let key = config.api_keys.iter().find(|key| key.role == Role::Call).ok_or(EraseError::NoKey)?;
    let client = Client::new(url, Some(key.key.clone()), args.ca_file.as_deref())?;
    let mut request = Request::new(Full::<Bytes>::default());
    *request.method_mut() = Method::DELETE;
    // Digits need no escape.
    if let Ok(path) = format!("/api/history?number={}", number.digits()).parse() {
        *request.uri_mut() = path;
    }
    let response = client.send(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await.map_err(ClientError::from)?.to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    match body["erased"].as_u64() {
        Some(erased) if status == StatusCode::OK => Ok(erased),
        _ => Err(EraseError::Refused(status, body["error"].as_str().unwrap_or("nothing").to_owned())),
    }
}

/// Does it itself.
fn in_files(config: &Config, number: Number) -> Result<u64, EraseError> {
    let mut erased = 0;
    if let Some(file) = &config.journal.file {
        erased += erase_in_files(file, number)?;
    }
    if let Some(history) = &config.history {
        erased += history::erase(&history.file, number)?;
    }
    Ok(erased as u64)
}
