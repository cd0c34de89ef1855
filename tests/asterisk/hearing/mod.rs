//! Who hears whom in a conference. Asterisk plays all callees: each speaks a tone of its own, and the
//! tests look for the others' tones in its recording. No event counts as proof.

mod listener;
mod sound;
mod telephone;

use std::sync::LazyLock;

use crate::conformance::client::Client;
use listener::{CONTEXT, Listener};
use telephone::telegram_callee_and_telephone_hear_each_other;
use testkit::daemon::Daemon;
use testkit::pbx::Pbx;

on_both_versions!(
    rooms_hear_only_their_own_callees,
    muted_callee_is_not_heard,
    kicked_callee_is_not_heard,
    moved_callee_is_heard_in_its_new_room_only,
    callee_who_starts_muted_is_never_heard,
    guest_muted_at_its_join_is_heard_briefly,
    telegram_callee_and_telephone_hear_each_other,
);

/// The Asterisk of this version that plays callees, for all tests here.
fn played(version: &str) -> &'static Pbx {
    fn start(version: &str) -> Pbx {
        let pbx = Pbx::start(version);
        pbx.add_to("extensions.conf", CONTEXT);
        pbx.rx("dialplan reload");
        pbx
    }
    static PBX_22: LazyLock<Pbx> = LazyLock::new(|| start("22"));
    static PBX_16: LazyLock<Pbx> = LazyLock::new(|| start("16"));
    if version == "16" { &PBX_16 } else { &PBX_22 }
}

/// A conference of played callees.
struct Stage {
    pbx: &'static Pbx,
    daemon: Daemon,
}

impl Stage {
    fn new(version: &str) -> Self {
        let pbx = played(version);
        let daemon = Daemon::start(
            &pbx.ami(),
            &[("originate", "channel = \"Local/{number}@hearing/n\"\nring_timeout = \"4s\"")],
        );
        Self { pbx, daemon }
    }

    /// Calls this number into a room, and waits until it has joined.
    fn call(&self, number: &str, room: &str) -> Listener {
        let id = self.daemon.call_ok(number, room);
        self.daemon.wait_for(&id, "call.joined");
        Listener::new(self.pbx, number)
    }

    /// Plays a callee whom Asterisk itself brings into a room, without the daemon.
    fn play(&self, number: &str, context: &str, room: &str, variable: &str) -> Listener {
        let action = format!(
            "Action: Originate\nChannel: Local/{number}@hearing/n\nContext: {context}\nExten: {room}\nPriority: 1\n\
             Async: true\nVariable: {variable}"
        );
        let answer = Client::logged_in(&self.pbx.ami(), "off").ask(&action);
        assert!(answer.starts_with("Response: Success"), "{answer}");
        Listener::new(self.pbx, number)
    }

    /// The channel by which a callee is in its room.
    fn channel(&self, of: &Listener) -> String {
        let channels = self.pbx.channels();
        let beginning = format!("Local/{}@hearing-", of.number);
        let names = channels.lines().filter_map(|line| line.split('!').next());
        let mut halves = names.filter(|name| name.starts_with(&beginning) && name.ends_with(";1"));
        halves.next().expect("a channel").to_owned()
    }

    /// Sends an action about a callee.
    fn act(&self, action: &str, of: &Listener, more: &str) {
        let action = format!("Action: {action}\nChannel: {}\n{more}", self.channel(of));
        let answer = Client::logged_in(&self.pbx.ami(), "off").ask(&action);
        assert!(answer.starts_with("Response: Success"), "{action}: {answer}");
    }
}

fn rooms_hear_only_their_own_callees(version: &'static str) {
    let stage = Stage::new(version);
    let [a, b] = ["79990400440", "79990400620"].map(|number| stage.call(number, "Apart1"));
    let alone = stage.call("79990400850", "Apart2");
    a.wait_hears(&b);
    b.wait_hears(&a);
    alone.record_more();
    for (listener, other) in [(&alone, &a), (&alone, &b), (&a, &alone), (&b, &alone), (&a, &a)] {
        listener.assert_never_heard(other);
    }
}

fn muted_callee_is_not_heard(version: &'static str) {
    let stage = Stage::new(version);
    let [a, b] = ["79990401440", "79990401620"].map(|number| stage.call(number, "Mute"));
    b.wait_hears(&a);
    stage.act("ConfbridgeMute", &a, "Conference: Mute");
    b.wait_hears_no_more(&a);
    // A muted callee hears the others.
    a.wait_hears(&b);
    stage.act("ConfbridgeUnmute", &a, "Conference: Mute");
    b.wait_hears(&a);
}

fn kicked_callee_is_not_heard(version: &'static str) {
    let stage = Stage::new(version);
    let [a, b] = ["79990402440", "79990402620"].map(|number| stage.call(number, "Kick"));
    b.wait_hears(&a);
    a.wait_hears(&b);
    stage.act("ConfbridgeKick", &a, "Conference: Kick");
    b.wait_hears_no_more(&a);
}

fn moved_callee_is_heard_in_its_new_room_only(version: &'static str) {
    let stage = Stage::new(version);
    let [a, b] = ["79990403440", "79990403620"].map(|number| stage.call(number, "Move1"));
    let c = stage.call("79990403850", "Move2");
    b.wait_hears(&a);
    c.assert_never_heard(&a);
    stage.act("Redirect", &a, "Context: conf-in\nExten: Move2\nPriority: 1");
    c.wait_hears(&a);
    a.wait_hears(&c);
    b.wait_hears_no_more(&a);
    a.wait_hears_no_more(&b);
    b.assert_never_heard(&c);
}

fn callee_who_starts_muted_is_never_heard(version: &'static str) {
    let stage = Stage::new(version);
    let a = stage.call("79990405620", "Start");
    let b = stage.play("79990405440", "conf-in", "Start", "OD_MUTED=1");
    b.wait_hears(&a);
    a.record_more();
    a.assert_never_heard(&b);
    stage.act("ConfbridgeUnmute", &b, "Conference: Start");
    a.wait_hears(&b);
}

/// A guest's channel has no variable of the daemon, so it can only be muted once its join is known.
fn guest_muted_at_its_join_is_heard_briefly(version: &'static str) {
    let stage = Stage::new(version);
    let a = stage.call("79990406620", "Guest");
    let mut watcher = Client::logged_in(&stage.pbx.ami(), "call,system");
    let guest = stage.play("79990406440", "rooms-dial-in", "Guest", "X=1");
    let joined = format!("Local/{}@hearing-", guest.number);
    watcher.wait("a join", |received| {
        received
            .split("\r\n\r\n")
            .any(|frame| frame.contains("Event: ConfbridgeJoin") && frame.contains(&joined))
    });
    stage.act("ConfbridgeMute", &guest, "Conference: Guest");
    guest.wait_hears(&a);
    a.wait_hears_no_more(&guest);
    println!("{version}: a guest was heard for {} ms", a.heard_ms(&guest));
}
