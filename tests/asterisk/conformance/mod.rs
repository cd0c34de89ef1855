//! Runs the same scenes on a real Asterisk and on the simulator. Both must send the same headers
//! with the same values.
//!
//! The tests mask values that differ from run to run: Asterisk's own ids, times, and numbers in
//! channel names. They compare the order of events per channel, as Asterisk guarantees no order
//! between channels.

mod answers;
mod calls;
mod client;
mod dialplan;
mod frames;
mod guests;
mod rooms;
mod scene;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use answers::{
    simulator_answers_actions_as_asterisk_does, simulator_answers_strangers_as_asterisk_does,
    simulator_refuses_actions_like_a_stopping_asterisk,
};
use calls::{
    answered_calls_send_the_same_events, failed_calls_send_the_same_events,
    queries_about_a_call_get_equal_replies, unanswered_calls_send_the_same_events,
};
use dialplan::special_extensions_of_the_samples_end_at_once;
use guests::{admins_and_waiting_users_are_equal, talking_is_reported_equally};
use rooms::{
    join_sound_delays_kicks_and_moves, kicks_send_the_same_events,
    locked_rooms_refuse_in_the_same_way, moves_send_the_same_events, mutes_send_the_same_events,
    variables_mute_from_the_start,
};
use testkit::pbx::Pbx;

/// Callees as in `asterisk/gateway.xml`, and the waits of `asterisk/pbx --wait 0`.
const SCENARIO: &str = "[timing]\nwait = \"0s\"\n";

/// Locks the real Asterisk of this version for one scene, because its events and lists cover all
/// calls. No other module uses this Asterisk.
fn stage(version: &str) -> MutexGuard<'static, Pbx> {
    static PBX_22: LazyLock<Mutex<Pbx>> = LazyLock::new(|| Mutex::new(Pbx::start("22")));
    static PBX_16: LazyLock<Mutex<Pbx>> = LazyLock::new(|| Mutex::new(Pbx::start("16")));
    let pbx = if version == "16" { &PBX_16 } else { &PBX_22 };
    // A failed scene does not fail the others.
    pbx.lock().unwrap_or_else(PoisonError::into_inner)
}

on_both_versions!(
    simulator_answers_actions_as_asterisk_does,
    simulator_answers_strangers_as_asterisk_does,
    simulator_refuses_actions_like_a_stopping_asterisk,
    unanswered_calls_send_the_same_events,
    answered_calls_send_the_same_events,
    queries_about_a_call_get_equal_replies,
    failed_calls_send_the_same_events,
    mutes_send_the_same_events,
    kicks_send_the_same_events,
    locked_rooms_refuse_in_the_same_way,
    moves_send_the_same_events,
    variables_mute_from_the_start,
    join_sound_delays_kicks_and_moves,
    admins_and_waiting_users_are_equal,
    talking_is_reported_equally,
    special_extensions_of_the_samples_end_at_once,
);
