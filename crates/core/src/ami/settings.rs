//! A session's settings.

use std::time::Duration;

use secrecy::SecretString;

/// How the session authenticates to the AMI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// MD5 challenge, or the secret itself if Asterisk offers no challenge.
    Auto,
    /// MD5 challenge only.
    Md5,
    /// The secret itself.
    Plain,
}

/// Settings of a session.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    /// The AMI user.
    pub username: String,
    /// Its secret.
    pub secret: SecretString,
    /// The way to log in.
    pub auth: Auth,
    /// The time between two Pings. After twice that time without an answer the link counts as dead.
    pub keepalive: Duration,
    /// How long to wait for the response to an action.
    pub action_timeout: Duration,
}
