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

use answers::{
    simulator_answers_actions_as_asterisk_does, simulator_answers_strangers_as_asterisk_does,
    simulator_refuses_actions_like_a_stopping_asterisk,
};
use calls::{
    answered_calls_send_the_same_events, failed_calls_send_the_same_events,
    queries_about_a_call_are_answered_alike, unanswered_calls_send_the_same_events,
};
use dialplan::special_extensions_of_the_samples_end_at_once;
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
    simulator_answers_actions_as_asterisk_does,
    simulator_answers_strangers_as_asterisk_does,
    simulator_refuses_actions_like_a_stopping_asterisk,
    unanswered_calls_send_the_same_events,
    answered_calls_send_the_same_events,
    queries_about_a_call_are_answered_alike,
    failed_calls_send_the_same_events,
    special_extensions_of_the_samples_end_at_once,
);
