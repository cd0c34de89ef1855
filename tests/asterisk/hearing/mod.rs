//! Who hears whom in a conference. Asterisk plays all callees: each speaks a tone of its own, and the
//! tests look for the others' tones in its recording. No event counts as proof.

mod listener;
mod sound;
mod telephone;

use std::sync::LazyLock;

use listener::{CONTEXT, Listener};
use serde_json::Value;
use telephone::telegram_callee_and_telephone_hear_each_other;
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::pbx::Pbx;

on_both_versions!(
    rooms_hear_only_their_own_callees,
    muted_callee_is_not_heard,
    kicked_callee_is_not_heard,
    moved_callee_is_heard_in_its_new_room_only,
    callee_who_joins_a_muted_room_is_never_heard,
    guest_who_joins_a_muted_room_is_muted_at_once,
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
    /// A daemon of its own. Its instance name keeps it from adopting the calls of other tests.
    fn new(version: &str, instance: &str) -> Self {
        let pbx = played(version);
        let instance = format!("instance = \"{instance}\"");
        let originate = "channel = \"Local/{number}@hearing/n\"\nring_timeout = \"4s\"";
        let daemon = Daemon::start(&pbx.ami(), &[("top", &instance), ("originate", originate)]);
        Self { pbx, daemon }
    }

    /// Calls this number into a room, and waits until it has joined.
    fn call(&self, number: &str, room: &str) -> Participant {
        let id = self.daemon.call_ok(number, room);
        self.daemon.wait_for(&id, "call.joined");
        Participant { id, listener: Listener::new(self.pbx, number) }
    }

    /// Plays a guest: a callee whom Asterisk itself brings into a room. Returns once the daemon has
    /// read its join.
    fn guest(&self, number: &str, room: &str) -> Participant {
        self.pbx.rx(&format!(
            "channel originate Local/{number}@hearing/n extension {room}@rooms-dial-in"
        ));
        // Callees of other tests are guests to this daemon, too.
        let id = eventually("the guest's join is recorded", || {
            let records = self.daemon.records();
            let of_room =
                |record: &&Value| record["room"] == room && record["event"] == "guest.joined";
            records.iter().find(of_room)?["guest_id"].as_str().map(ToOwned::to_owned)
        });
        Participant { id, listener: Listener::new(self.pbx, number) }
    }

    /// Changes a room.
    fn change(&self, room: &str, body: &str) {
        change(&self.daemon, &format!("/api/rooms/{room}"), body);
    }
}

/// Somebody in a room, with the id that the API gives it.
struct Participant {
    id: String,
    listener: Listener,
}

impl std::ops::Deref for Participant {
    type Target = Listener;

    fn deref(&self) -> &Listener {
        &self.listener
    }
}

impl Participant {
    fn path(&self, room: &str) -> String {
        format!("/api/rooms/{room}/participants/{}", self.id)
    }
}

/// Sends a PATCH that must succeed.
fn change(daemon: &Daemon, path: &str, body: &str) {
    let reply = daemon.patch(path, body);
    assert_eq!(reply.status, 200, "{path} {body}: {reply:?}");
}

fn rooms_hear_only_their_own_callees(version: &'static str) {
    let stage = Stage::new(version, "apart");
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
    let stage = Stage::new(version, "mute");
    let [a, b] = ["79990401440", "79990401620"].map(|number| stage.call(number, "Mute"));
    b.wait_hears(&a);
    change(&stage.daemon, &a.path("Mute"), r#"{"muted":true}"#);
    b.wait_hears_no_more(&a);
    // A muted callee hears the others.
    a.wait_hears(&b);
    change(&stage.daemon, &a.path("Mute"), r#"{"muted":false}"#);
    b.wait_hears(&a);
}

fn kicked_callee_is_not_heard(version: &'static str) {
    let stage = Stage::new(version, "kick");
    let [a, b] = ["79990402440", "79990402620"].map(|number| stage.call(number, "Kick"));
    b.wait_hears(&a);
    a.wait_hears(&b);
    assert_eq!(stage.daemon.delete(&a.path("Kick")).status, 200);
    b.wait_hears_no_more(&a);
}

fn moved_callee_is_heard_in_its_new_room_only(version: &'static str) {
    let stage = Stage::new(version, "move");
    let [a, b] = ["79990403440", "79990403620"].map(|number| stage.call(number, "Move1"));
    let c = stage.call("79990403850", "Move2");
    b.wait_hears(&a);
    c.assert_never_heard(&a);
    change(&stage.daemon, &a.path("Move1"), r#"{"room":"Move2"}"#);
    c.wait_hears(&a);
    a.wait_hears(&c);
    b.wait_hears_no_more(&a);
    a.wait_hears_no_more(&b);
    b.assert_never_heard(&c);
}

fn callee_who_joins_a_muted_room_is_never_heard(version: &'static str) {
    let stage = Stage::new(version, "start");
    let a = stage.call("79990405620", "Start");
    stage.change("Start", r#"{"muted":true}"#);
    let b = stage.call("79990405440", "Start");
    b.wait_hears_no_more(&a);
    a.record_more();
    a.assert_never_heard(&b);
    stage.change("Start", r#"{"muted":false}"#);
    a.wait_hears(&b);
    b.wait_hears(&a);
}

/// A guest's channel has no variable of the daemon, so the daemon can only mute it once it has read
/// of the join.
fn guest_who_joins_a_muted_room_is_muted_at_once(version: &'static str) {
    let stage = Stage::new(version, "guest");
    let a = stage.call("79990406620", "Guest");
    stage.change("Guest", r#"{"muted":true}"#);
    let guest = stage.guest("79990406440", "Guest");
    a.wait_hears_no_more(&guest);
    println!("{version}: a guest of a muted room was heard for {} ms", a.heard_ms(&guest));
    stage.change("Guest", r#"{"muted":false}"#);
    a.wait_hears(&guest);
}
