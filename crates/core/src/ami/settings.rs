//! A session's settings.

use std::time::Duration;

use secrecy::SecretString;

/// How the session proves to the AMI who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// MD5 challenge; the plain secret if Asterisk offers no challenge.
    Auto,
    /// MD5 challenge only.
    Md5,
    /// The secret as it is.
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
    /// How often a Ping is sent; after twice that without an answer the link counts as dead.
    pub keepalive: Duration,
    /// How long to wait for the response to an action.
    pub action_timeout: Duration,
}
