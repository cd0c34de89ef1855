//! `originatord tail`, in a terminal and in a pipe.

mod connection;
mod lines;
mod usage;

use std::process::Command;

use serde_json::Value;
use testkit::daemon::{Daemon, KEY};
use testkit::program;

/// An `originatord tail` with the key, for the daemon at this address.
fn tail(address: impl ToString, args: &[&str]) -> Command {
    let url = format!("http://{}", address.to_string());
    let mut command = program::command(&[&["tail", "--url", &url], args].concat());
    command.env("ORIGINATORD_KEY", KEY).env("TZ", "UTC0");
    command
}

/// Waits for a record of this event; returns all records on stdout so far.
fn records(daemon: &Daemon, event: &str) -> Vec<Value> {
    daemon.wait_for_event(event);
    daemon.records()
}
