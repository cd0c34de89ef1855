//! Where the daemon is, and what it is shown: what all commands that talk to a running one can be
//! told.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::TerminalError;
use crate::client::{self, Client};

/// Where a daemon is that listens where it does by default.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// How to get at a daemon.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// Where the daemon is; without it, http://127.0.0.1:8080.
    #[arg(long, env = "ORIGINATORD_URL", hide_env_values = true, help_heading = "Connection")]
    pub url: Option<String>,
    /// A file that holds an API key; without it, the variable ORIGINATORD_KEY holds the key itself.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub key_file: Option<PathBuf>,
    /// With https, the CA that signed the daemon's certificate, if the system does not trust it.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_file: Option<PathBuf>,
}

impl Connection {
    /// The key, if there is one.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub fn key(&self) -> Result<Option<SecretString>, TerminalError> {
        client::key(self.key_file.as_deref()).map_err(|error| {
            let file = self.key_file.as_deref().unwrap_or(Path::new("ORIGINATORD_KEY"));
            TerminalError::KeyFile(file.display().to_string(), error)
        })
    }

    /// A client of the daemon, which shows it the key.
    ///
    /// # Errors
    ///
    /// The key file cannot be read, the URL is none, or TLS cannot be set up.
    pub fn client(&self) -> Result<Client, TerminalError> {
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        Ok(Client::new(url, self.key()?, self.ca_file.as_deref())?)
    }

    /// What has to be typed to get at the same daemon, each word after a space.
    pub fn words(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = [
            ("--url", self.url.clone()),
            ("--key-file", path(&self.key_file)),
            ("--ca-file", path(&self.ca_file)),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| format!(" {name} {}", shell_word(&value))).collect()
    }
}

/// The text as one word of a shell's.
fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/:._-@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_typed_can_be_pasted() {
        let connection = Connection {
            url: Some("https://pbx.example.org:8443".to_owned()),
            key_file: Some("my keys/it's".into()),
            ca_file: None,
        };
        assert_eq!(
            connection.words(),
            r" --url https://pbx.example.org:8443 --key-file 'my keys/it'\''s'"
        );
    }
}
