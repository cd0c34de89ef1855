//! `originatord erase`: a number is taken out of all that was written down.
//!
//! A daemon that runs does it itself (`http/history.rs`), as it may be writing. Where nobody listens at its address, the
//! files are changed right here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use hyper::{Method, StatusCode, Uri};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::call::{Invalid, Number};
use crate::client::{Client, request};
use crate::config::{Config, Problems, Role};
use crate::history;
use crate::journal::sink::erase_in_files;
use crate::lifecycle::{EX_CONFIG, EX_IOERR, EX_USAGE};
use crate::terminal::TerminalError;
use crate::terminal::connection::Connection;

/// What `erase` can be told.
#[derive(Debug, clap::Args)]
pub struct EraseArgs {
    /// The number, with or without +.
    number: String,
    /// The daemon's configuration. It tells the files and, where that is not said, where the daemon listens and a key.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    #[command(flatten)]
    connection: Connection,
}

/// The end of the help of `erase`.
pub const HELP: &str = "\
A daemon that speaks HTTPS has to be named with --url, as its certificate does.

Exit codes:
  0    the number is erased, or there was nothing of it
  64   the command line is wrong
  66   the key file cannot be read
  69   the daemon cannot be reached, or does not do it, as while the number is in a call
  74   a file cannot be changed
  77   the daemon does not know this key, or the key may only watch
  78   the configuration is wrong, or has no key for it";

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
    Daemon(#[from] TerminalError),
    #[error("a log file cannot be changed: {0}")]
    File(#[from] io::Error),
    #[error("the history cannot be changed: {0}")]
    History(#[from] rusqlite::Error),
}

/// Erases the number, and says how much there was of it.
pub async fn run(args: EraseArgs) -> ExitCode {
    match erase(&args).await {
        Ok(erased) => {
            println!("erased: {erased} records and calls that were written down");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(match error {
                EraseError::Number(_) | EraseError::NoUrl => EX_USAGE,
                EraseError::Config(_) | EraseError::NoKey => EX_CONFIG,
                EraseError::Daemon(error) => error.exit_code(),
                EraseError::File(_) | EraseError::History(_) => EX_IOERR,
            })
        }
    }
}

async fn erase(args: &EraseArgs) -> Result<u64, EraseError> {
    let number: Number = args.number.parse()?;
    let Connection { url, ca_file, .. } = &args.connection;
    let key = args.connection.key()?;
    let client = |url: &str, key| Client::new(url, Some(key), ca_file.as_deref()).map_err(TerminalError::from);
    if let (Some(url), Some(key)) = (url, &key) {
        return ask(client(url, key.clone())?, number).await;
    }
    let config = Config::load(&args.config)?;
    let key = || key.or_else(|| key_of(&config)).ok_or(EraseError::NoKey);
    if let Some(url) = url {
        return ask(client(url, key()?)?, number).await;
    }
    let address = reachable(config.http.listen);
    match TcpStream::connect(address).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => in_files(&config, number),
        _ if config.http.tls.is_some() => Err(EraseError::NoUrl),
        _ => ask(client(&format!("http://{address}"), key()?)?, number).await,
    }
}

/// A key that may erase.
fn key_of(config: &Config) -> Option<SecretString> {
    config.api_keys.iter().find(|key| key.role == Role::Call).map(|key| key.key.clone())
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
async fn ask(client: Client, number: Number) -> Result<u64, EraseError> {
    // Digits need no escape.
    let uri = Uri::try_from(format!("/api/history?number={}", number.digits())).unwrap_or_default();
    let answer = client.ask(request(Method::DELETE, uri)).await.map_err(TerminalError::from)?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    match body["erased"].as_u64() {
        Some(erased) if answer.status() == StatusCode::OK => Ok(erased),
        _ => Err(TerminalError::of_answer(&answer).into()),
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
