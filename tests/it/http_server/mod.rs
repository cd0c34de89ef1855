//! The daemon as an HTTP server.

mod connections;
mod requests;
mod stop;

use testkit::ami::{FakeAsterisk, OnOriginate};
use testkit::daemon::Daemon;

fn start(on_originate: OnOriginate, more: &[(&str, &str)]) -> (FakeAsterisk, Daemon) {
    let asterisk = FakeAsterisk::start(on_originate);
    let daemon = asterisk.daemon(more);
    (asterisk, daemon)
}
