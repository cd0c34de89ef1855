//! The same scenes, played to a real Asterisk with the samples of `asterisk/` and to the simulator:
//! both have to say the same, header by header.
//!
//! What differs from run to run (ids that Asterisk makes, times, the numbers in channel names) is
//! masked. The order of events is compared for each channel: between channels Asterisk promises
//! none.

mod answers;
mod calls;
mod client;
mod dialplan;
mod frames;
#[path = "../support/mod.rs"]
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use answers::{answers, stopping_gracefully, strangers};
use calls::{
    a_live_call_asked_about, answered_joined_and_left, calls_nobody_answers,
    calls_that_are_not_made,
};
use dialplan::special_extensions_end_at_once;
use support::pbx::Pbx;

/// The gateway's callees of `asterisk/gateway.xml` and the waits that `asterisk/pbx --wait 0`
/// leaves.
const SCENARIO: &str = "[timing]\nwait = \"0s\"\n";

/// The real Asterisk of this version, for one scene at a time: its events and lists are of all
/// calls, whoever made them.
fn stage(version: &'static str) -> (&'static Pbx, MutexGuard<'static, ()>) {
    static TURNS: [Mutex<()>; 2] = [const { Mutex::new(()) }; 2];
    // A scene that failed is no reason for the others to.
    let turn = TURNS[usize::from(version == "16")].lock().unwrap_or_else(PoisonError::into_inner);
    (Pbx::shared(version), turn)
}

/// Makes each of these a test on both versions.
macro_rules! on_both_versions {
    ($($name:ident),* $(,)?) => {
        mod asterisk_22 { $(#[test] fn $name() { super::$name("22"); })* }
        mod asterisk_16 { $(#[test] fn $name() { super::$name("16"); })* }
    };
}

on_both_versions!(
    answers,
    strangers,
    stopping_gracefully,
    calls_nobody_answers,
    answered_joined_and_left,
    a_live_call_asked_about,
    calls_that_are_not_made,
    special_extensions_end_at_once,
);
