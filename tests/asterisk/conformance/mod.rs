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
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use answers::{answers, stopping_gracefully, strangers};
use calls::{
    a_live_call_asked_about, answered_joined_and_left, calls_nobody_answers,
    calls_that_are_not_made,
};
use dialplan::special_extensions_end_at_once;
use testkit::pbx::Pbx;

/// The gateway's callees of `asterisk/gateway.xml` and the waits that `asterisk/pbx --wait 0`
/// leaves.
const SCENARIO: &str = "[timing]\nwait = \"0s\"\n";

/// The real Asterisk of this version, for one scene at a time: its events and lists are of all
/// calls, whoever made them. So no other test uses it.
fn stage(version: &str) -> MutexGuard<'static, Pbx> {
    static PBX_22: LazyLock<Mutex<Pbx>> = LazyLock::new(|| Mutex::new(Pbx::start("22")));
    static PBX_16: LazyLock<Mutex<Pbx>> = LazyLock::new(|| Mutex::new(Pbx::start("16")));
    let pbx = if version == "16" { &PBX_16 } else { &PBX_22 };
    // A scene that failed is no reason for the others to.
    pbx.lock().unwrap_or_else(PoisonError::into_inner)
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
