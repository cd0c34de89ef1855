//! Reads `config.toml` and builds the checked, typed settings of each part. Secrets are never
//! printed.

mod load;
mod reader;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use reader::{Problem, Problems};

use crate::history::HistorySettings;
use crate::http::auth::ApiKey;
use crate::http::settings::{ApiSettings, HttpSettings};
use crate::journal::JournalSettings;
use crate::logging::LogSettings;
use crate::state::StateSettings;
use originatord_core::ami::backoff::Backoff;
use originatord_core::ami::settings::SessionSettings;
use originatord_core::call::Lang;
use originatord_core::call::limits::Policy;
use originatord_core::call::numbering::Numbering;
use originatord_core::engine::{EngineSettings, OriginateSettings, RoomSettings};
use originatord_net::tls::ClientTls;

/// The whole configuration.
#[derive(Debug)]
pub struct Config {
    /// Distinguishes this daemon from others on the same Asterisk; 1 to 32 letters, digits, `_`,
    /// `-`, `.`.
    pub instance: Arc<str>,
    /// `[http]`
    pub http: HttpSettings,
    /// `[[api_keys]]`
    pub api_keys: Vec<ApiKey>,
    /// `[[asterisk]]`, exactly one for now.
    pub asterisk: Asterisk,
    /// `[originate]` without its `default_lang`.
    pub originate: OriginateSettings,
    /// `originate.default_lang`: the language of a call whose bot gives none.
    pub default_lang: Lang,
    /// `[limits]`, and the limits of each API key.
    pub limits: Policy,
    /// `[numbers]`: the national form in which bots may write numbers.
    pub numbers: Numbering,
    /// `[log]`
    pub log: LogSettings,
    /// `[journal]`
    pub journal: JournalSettings,
    /// `[history]`; `None` if it names no file.
    pub history: Option<HistorySettings>,
    /// `[state]`; `None` if neither it nor the history or the journal names a file.
    pub state: Option<StateSettings>,
    /// `[rooms]`
    pub rooms: RoomSettings,
    /// `[privacy]`
    pub privacy: Privacy,
    /// Warnings about secrets that were copied from the samples. If the daemon does not listen on a
    /// loopback address, such a secret is an error instead.
    pub placeholders: Vec<Problem>,
    /// Settings that work, but probably not as intended.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// The engine's settings.
    pub fn engine(&self) -> EngineSettings {
        EngineSettings {
            instance: self.instance.clone(),
            asterisk: self.asterisk.name.clone(),
            session: self.asterisk.session.clone(),
            connect_timeout: self.asterisk.connect_timeout,
            backoff: self.asterisk.backoff.clone(),
            originate: self.originate.clone(),
            reply_timeout: self.http.reply_timeout,
            policy: self.limits.clone(),
            rooms: self.rooms.clone(),
        }
    }

    /// The settings of the HTTP API. `max_connections` is the configured number, or fewer if the
    /// system allows fewer open files.
    pub fn api_settings(&self, max_connections: usize) -> ApiSettings {
        ApiSettings {
            reply_timeout: self.http.reply_timeout,
            default_lang: self.default_lang.clone(),
            numbering: self.numbers.clone(),
            mask_numbers: self.privacy.mask_numbers,
            instance: self.instance.clone(),
            tls: self.http.tls.is_some(),
            max_connections,
        }
    }
}

/// `[[asterisk]]`
#[derive(Debug)]
pub struct Asterisk {
    /// Its name in records and the log.
    pub name: Arc<str>,
    /// `host:port` of the AMI.
    pub address: String,
    /// TLS, if configured.
    pub tls: Option<ClientTls>,
    /// The settings of the AMI session.
    pub session: SessionSettings,
    /// The time limit for TCP, TLS and login together.
    pub connect_timeout: Duration,
    /// The pauses before further attempts to connect.
    pub backoff: Backoff,
}

/// `[privacy]`
#[derive(Debug, Clone)]
pub struct Privacy {
    /// Whether numbers are shown and recorded without their middle digits.
    pub mask_numbers: bool,
}
