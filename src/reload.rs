//! The reload after SIGHUP, which drops no call and no connection.
//!
//! The writers of the journal, the history and the state check whether their files were moved. The daemon
//! reads keys, limits, lists of numbers, the log filter and certificates again. If the
//! configuration has a problem, all of the old settings stay.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::config::Config;
use crate::http::Api;
use crate::http::auth::Keys;
use crate::http::tls;
use crate::journal::sink::FileCheck;
use crate::logging::Logging;
use crate::state::State;

/// The parts of a running daemon that can be reconfigured.
pub(crate) struct Reload {
    /// The configuration file.
    pub path: PathBuf,
    /// Receives keys and limits.
    pub api: Arc<Api>,
    /// Receives the certificate, if TLS is on.
    pub tls: Option<watch::Sender<Arc<ServerConfig>>>,
    /// Receives the log filter.
    pub logging: Logging,
    /// Wake the writers, which then reopen a file that log rotation has moved.
    pub file_checks: Vec<FileCheck>,
    /// Checks its file as well.
    pub state: State,
    /// The settings at the start that a reload cannot change.
    pub started_with: RestartOnly,
}

impl Reload {
    /// Reads the configuration again.
    pub(crate) fn reload(&self) {
        self.file_checks.iter().for_each(FileCheck::start);
        self.state.check_file();
        let config = match Config::load(&self.path) {
            Ok(config) => config,
            Err(problems) => {
                for problem in problems.to_string().lines() {
                    tracing::error!("not reloaded: {problem}");
                }
                return;
            }
        };
        // `Config::load` has checked the certificate, so this fails only if the file has changed
        // since.
        let tls = match config.http.tls.as_ref().map(tls::server_config).transpose() {
            Ok(tls) => tls,
            Err(error) => return tracing::error!("not reloaded: http.tls: {error}"),
        };
        self.logging.reload(&config.log);
        let ignored = self.started_with.differences(&RestartOnly::of(&config));
        // Limits before keys, so that no new key is ever used without its limits.
        self.api.handle().set_policy(config.limits);
        self.api.authenticator().replace_keys(Keys::new(&config.api_keys));
        if let (Some(sender), Some(tls)) = (&self.tls, tls) {
            sender.send_replace(tls);
        }
        tracing::info!(path = %self.path.display(), "configuration reloaded");
        if !ignored.is_empty() {
            tracing::warn!(
                "not reloaded, because these settings need a restart: {}",
                ignored.join(", ")
            );
        }
    }
}

/// The settings that take effect only at a start, each with its value as text. A reload compares
/// the values; they are never printed, because one contains the AMI secret.
pub(crate) struct RestartOnly([(&'static str, String); 11]);

impl RestartOnly {
    /// The settings of this configuration.
    pub(crate) fn of(config: &Config) -> Self {
        let Config {
            instance,
            http,
            asterisk,
            originate,
            default_lang,
            numbers,
            log,
            journal,
            history,
            state,
            rooms,
            privacy,
            ..
        } = config;
        let secret = asterisk.session.secret.expose_secret();
        // A reload reads the certificate files of `[http]` again. Other paths, or turning TLS on or
        // off, need a restart.
        Self([
            ("instance", instance.to_string()),
            ("[http]", format!("{http:?}")),
            ("[[asterisk]]", format!("{asterisk:?} {secret}")),
            ("[originate]", format!("{originate:?} {default_lang}")),
            ("[numbers]", format!("{numbers:?}")),
            ("log.format", format!("{:?}", log.format)),
            ("[journal]", format!("{journal:?}")),
            ("[history]", format!("{history:?}")),
            ("[state]", format!("{state:?}")),
            ("[rooms]", format!("{rooms:?}")),
            ("[privacy]", format!("{privacy:?}")),
        ])
    }

    /// The names of the settings that differ.
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(a, b)| a != b).map(|(a, _)| a.0).collect()
    }
}
