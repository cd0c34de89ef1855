//! What a session has to know to log in and to keep the link alive.

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
    /// How often Asterisk is pinged; after twice that without an answer the link is dead.
    pub keepalive: Duration,
    /// How long an action's response is waited for.
    pub action_timeout: Duration,
}
