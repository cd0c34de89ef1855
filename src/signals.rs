//! The signals that stop the process or have it reload.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The action that a signal asks for.
pub(crate) enum SignalAction {
    /// Stop the process. Holds the name of the signal.
    Stop(&'static str),
    /// Read the configuration again.
    Reload,
}

/// Receives SIGHUP, SIGTERM and SIGINT, which no longer end the process by themselves.
pub(crate) struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    pub(crate) async fn next(&mut self) -> SignalAction {
        tokio::select! {
            _ = self.terminate.recv() => SignalAction::Stop("SIGTERM"),
            _ = self.interrupt.recv() => SignalAction::Stop("SIGINT"),
            _ = self.hangup.recv() => SignalAction::Reload,
        }
    }

    /// Waits for SIGTERM or SIGINT, and returns its name. SIGHUP is ignored meanwhile.
    pub(crate) async fn stop(&mut self) -> &'static str {
        loop {
            if let SignalAction::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}
