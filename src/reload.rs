//! What SIGHUP does: the journal and the history look after their files, and keys, limits, lists,
//! the log's filter and certificates are taken anew from the file, without dropping a call or a
//! connection. A file with a problem is refused whole, and the old settings stay.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use crate::config::Config;
use crate::http::Api;
use crate::http::auth::Keys;
use crate::journal::sink::Nudge;
use crate::logging::Logging;
use crate::tls;

/// What can be set anew while the daemon runs.
pub struct Reload {
    /// The configuration.
    pub path: PathBuf,
    /// Where keys and limits go.
    pub api: Arc<Api>,
    /// Where the certificate goes, with TLS.
    pub tls: Option<watch::Sender<Arc<ServerConfig>>>,
    /// Where the log's filter goes.
    pub logging: Logging,
    /// Those who write files, which somebody may have moved just before.
    pub nudges: Vec<Nudge>,
    /// What the daemon was started with.
    pub started_with: Fixed,
}

impl Reload {
    /// Reads the configuration again.
    pub fn reload(&self) {
        self.nudges.iter().for_each(Nudge::look);
        let config = match Config::load(&self.path) {
            Ok(config) => config,
            Err(problems) => {
                for problem in problems.to_string().lines() {
                    tracing::error!("not reloaded: {problem}");
                }
                return;
            }
        };
        // Loading has tried the certificate, so only one that is replaced this very moment fails
        // here.
        let tls = match config.http.tls.as_ref().map(tls::server_config).transpose() {
            Ok(tls) => tls,
            Err(error) => return tracing::error!("not reloaded: http.tls: {error}"),
        };
        self.logging.reload(&config.log);
        let later = self.started_with.differs(&Fixed::of(&config));
        // First, so that no key is let in before its limits are.
        self.api.handle.set_policy(config.limits);
        self.api.door.replace(Keys::new(&config.api_keys));
        if let (Some(sender), Some(tls)) = (&self.tls, tls) {
            sender.send_replace(tls);
        }
        tracing::info!(path = %self.path.display(), "configuration reloaded");
        if !later.is_empty() {
            tracing::warn!("changed, and taken up only by a restart: {}", later.join(", "));
        }
    }
}

/// The settings that only a start takes up, in a form to be compared and never printed.
pub struct Fixed([(&'static str, String); 9]);

impl Fixed {
    /// Those of this configuration.
    pub fn of(config: &Config) -> Self {
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
            privacy,
            ..
        } = config;
        let secret = asterisk.session.secret.expose_secret();
        // Whether there is TLS is fixed, its files' contents are not.
        Self([
            ("instance", instance.to_string()),
            ("[http]", format!("{http:?}")),
            ("[[asterisk]]", format!("{asterisk:?} {secret}")),
            ("[originate]", format!("{originate:?} {default_lang}")),
            ("[numbers]", format!("{numbers:?}")),
            ("log.format", format!("{:?}", log.format)),
            ("[journal]", format!("{journal:?}")),
            ("[history]", format!("{history:?}")),
            ("[privacy]", format!("{privacy:?}")),
        ])
    }

    fn differs(&self, other: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&other.0);
        pairs.filter(|(a, b)| a != b).map(|(a, _)| a.0).collect()
    }
}
