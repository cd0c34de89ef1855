//! `originatord erase`: erases a number from the history and the journal files.
//!
//! The command asks the running daemon to erase (`http/history.rs`), because the daemon writes to
//! the files. If no daemon listens at the configured address, the command changes the files itself.

use std::fs::{File, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hyper::{Method, StatusCode, Uri};
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpStream;

use super::terminal::CommandError;
use super::terminal::connection::ConnectionArgs;
use crate::config::{Config, Problems};
use crate::exit::{EX_CONFIG, EX_IOERR, EX_UNAVAILABLE, EX_USAGE};
use crate::files;
use crate::history;
use crate::http::auth::Role;
use crate::journal::sink::{Erased, erase_in_files};
use crate::state;
use originatord_core::call::numbering::Spelling;
use originatord_core::call::{Invalid, Number};
use originatord_core::escape::escaped;
use originatord_net::client::{Client, percent_encode, request};

/// The arguments of `originatord erase`.
#[derive(Debug, clap::Args)]
pub(super) struct EraseArgs {
    /// The number, with or without +.
    number: String,
    /// The daemon's configuration, which names the files. It is also the source of the daemon's
    /// address and of a key, unless --url and a key are given.
    #[arg(long, value_name = "FILE", default_value = "config.toml")]
    config: PathBuf,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The end of the help of `erase`.
pub(super) const HELP: &str = "\
If the daemon uses HTTPS, give its URL with --url, with the host name of its certificate.

Exit codes:
  0    the number is erased, or was not found
  1    erased, but copies of the files or texts of other calls may still contain it; each is named
  64   the command line is wrong
  66   the key file cannot be read
  69   the daemon cannot be reached or refuses, for example while the number is in a call
  74   a file cannot be changed (each is named); the other files are done
  77   the daemon does not know this key, or the key may only watch
  78   the configuration is wrong, or none of its keys may erase";

/// The exit code if the number may remain in something that `erase` does not change.
const KEPT: u8 = 1;

/// Why the number was not erased.
#[derive(Debug, thiserror::Error)]
enum EraseError {
    #[error("{0}")]
    Number(#[from] Invalid),
    #[error("{0}")]
    Config(#[from] Problems),
    #[error(
        "the daemon uses HTTPS: give its URL with --url, with the host name of its certificate"
    )]
    NoUrl,
    #[error("no key of the configuration may erase: one with role = \"call\" is needed")]
    NoKey,
    #[error(transparent)]
    Daemon(#[from] CommandError),
    #[error(
        "a daemon that does not listen at {0} writes to the journal: give its URL with --url, or stop it"
    )]
    InUse(SocketAddr),
}

/// Erases the number, and prints how many records and calls contained it.
pub(super) async fn run(args: EraseArgs) -> ExitCode {
    match erase(&args).await {
        Ok(erased) => report(&erased),
        Err(error) => {
            eprintln!("originatord: {error}");
            ExitCode::from(match error {
                EraseError::Number(_) | EraseError::NoUrl => EX_USAGE,
                EraseError::Config(_) | EraseError::NoKey => EX_CONFIG,
                EraseError::Daemon(error) => error.exit_code(),
                EraseError::InUse(_) => EX_UNAVAILABLE,
            })
        }
    }
}

/// Prints what was erased and what was not.
fn report(erased: &Erased) -> ExitCode {
    println!("erased: {} records of the journal and calls of the history", erased.count);
    for left in erased.failed.iter().chain(&erased.kept) {
        eprintln!("originatord: not erased: {left}");
    }
    if !erased.failed.is_empty() {
        ExitCode::from(EX_IOERR)
    } else if !erased.kept.is_empty() {
        ExitCode::from(KEPT)
    } else {
        ExitCode::SUCCESS
    }
}

async fn erase(args: &EraseArgs) -> Result<Erased, EraseError> {
    // Only the daemon's configuration defines the national form of a number, so the daemon gets the
    // text unchanged.
    let spelling: Spelling = args.number.parse()?;
    let ConnectionArgs { url, credentials } = &args.connection;
    let key = credentials.key()?;
    let client = |url: &str, key| credentials.client(url, Some(key));
    if let (Some(url), Some(key)) = (url, &key) {
        return ask(client(url, key.clone())?, spelling).await;
    }
    let config = Config::load(&args.config)?;
    let key = || key.or_else(|| erasing_key(&config)).ok_or(EraseError::NoKey);
    if let Some(url) = url {
        return ask(client(url, key()?)?, spelling).await;
    }
    let address = connect_address(config.http.listen);
    match TcpStream::connect(address).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            in_files(&config, config.numbers.read_to_search(&args.number)?, address)
        }
        _ if config.http.tls.is_some() => Err(EraseError::NoUrl),
        _ => ask(client(&format!("http://{address}"), key()?)?, spelling).await,
    }
}

/// A key of the configuration that may erase.
fn erasing_key(config: &Config) -> Option<SecretString> {
    config.api_keys.iter().find(|key| key.role == Role::Call).map(|key| key.key.clone())
}

/// The address to connect to for a daemon that listens on `listen`.
fn connect_address(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Asks the daemon to erase the number.
async fn ask(client: Client, number: Spelling) -> Result<Erased, EraseError> {
    let uri = Uri::try_from(format!("/api/history?number={}", percent_encode(&number.to_string())))
        .unwrap_or_default();
    let answer = client.fetch(request(Method::DELETE, uri)).await.map_err(CommandError::from)?;
    let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
    let kept = body["kept"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let kept = kept.map(|text| escaped(text).into_owned()).collect();
    match body["erased"].as_u64() {
        Some(count) if answer.status() == StatusCode::OK => {
            Ok(Erased { count: count as usize, failed: Vec::new(), kept })
        }
        _ => Err(CommandError::of_answer(&answer).into()),
    }
}

/// Erases the number in the files, after no daemon answered at `address`.
fn in_files(config: &Config, number: Number, address: SocketAddr) -> Result<Erased, EraseError> {
    let mut erased = Erased::default();
    if let Some(file) = &config.journal.file {
        // A daemon that was started with another address may still write to the file.
        let journal = open_regular(&file.path);
        if journal
            .as_ref()
            .is_some_and(|journal| matches!(journal.try_lock(), Err(TryLockError::WouldBlock)))
        {
            return Err(EraseError::InUse(address));
        }
        erased.add(erase_in_files(file, number));
    }
    if let Some(history) = &config.history {
        erased.add(history::erase(&history.file, number));
    }
    if let Some(settings) = &config.state {
        erased.add(state::erase(&settings.file, number));
    }
    Ok(erased)
}

/// Opens the file at `path`, if it is a regular file that can be read.
fn open_regular(path: &Path) -> Option<File> {
    files::require_regular(path).ok()?;
    File::open(path).ok()
}
