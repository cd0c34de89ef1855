//! The options of every command that talks to a daemon.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::CommandError;
use originatord_net::client::Client;

/// The URL of a daemon with the default `http.listen` on this machine.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// The options for the daemon's address and the key.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct ConnectionArgs {
    /// The daemon's URL; without it, http://127.0.0.1:8080.
    #[arg(long, env = "ORIGINATORD_URL", hide_env_values = true, help_heading = "Connection")]
    pub url: Option<String>,
    #[command(flatten)]
    pub credentials: CredentialArgs,
}

/// The options for the API key and the daemon's certificate.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CredentialArgs {
    /// A file that holds an API key; without it, the variable ORIGINATORD_KEY holds the key itself.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub key_file: Option<PathBuf>,
    /// With https, the CA that signed the daemon's certificate, if the system does not trust it.
    #[arg(long, value_name = "FILE", help_heading = "Connection")]
    pub ca_file: Option<PathBuf>,
}

impl CredentialArgs {
    /// The API key from the file, or without a file from the variable `ORIGINATORD_KEY`.
    ///
    /// # Errors
    ///
    /// The file cannot be read.
    pub(crate) fn key(&self) -> Result<Option<SecretString>, CommandError> {
        let key = match &self.key_file {
            Some(path) => Some(read_key_file(path)?),
            None => std::env::var("ORIGINATORD_KEY").ok(),
        };
        Ok(key.map(|key| key.trim().to_owned().into()))
    }

    /// A client of the daemon at `url` that sends `key`.
    ///
    /// # Errors
    ///
    /// The URL is invalid, or TLS cannot be set up.
    pub(crate) fn client(
        &self,
        url: &str,
        key: Option<SecretString>,
    ) -> Result<Client, CommandError> {
        Ok(Client::new(url, key, self.ca_file.as_deref())?)
    }
}

fn read_key_file(path: &Path) -> Result<String, CommandError> {
    std::fs::read_to_string(path)
        .map_err(|error| CommandError::KeyFile(path.display().to_string(), error))
}

impl ConnectionArgs {
    /// A client of the daemon that sends the key.
    ///
    /// # Errors
    ///
    /// The key file cannot be read, the URL is invalid, or TLS cannot be set up.
    pub(crate) fn client(&self) -> Result<Client, CommandError> {
        let url = self.url.as_deref().unwrap_or(DEFAULT_URL);
        self.credentials.client(url, self.credentials.key()?)
    }

    /// These options as text, for a command line that the user can paste to reach the same daemon.
    /// A space precedes each word.
    pub(crate) fn as_options(&self) -> String {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let options = [
            ("--url", self.url.clone()),
            ("--key-file", path(&self.credentials.key_file)),
            ("--ca-file", path(&self.credentials.ca_file)),
        ];
        let given = options.into_iter().filter_map(|(name, value)| Some((name, value?)));
        given.map(|(name, value)| format!(" {name} {}", shell_word(&value))).collect()
    }
}

/// The text as one word of a shell command.
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
    fn options_can_be_pasted_into_a_shell() {
        let credentials = CredentialArgs { key_file: Some("my keys/it's".into()), ca_file: None };
        let url = Some("https://pbx.example.org:8443".to_owned());
        assert_eq!(
            ConnectionArgs { url, credentials }.as_options(),
            r" --url https://pbx.example.org:8443 --key-file 'my keys/it'\''s'"
        );
    }
}
