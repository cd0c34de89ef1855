//! On a real Asterisk, an operator redirects a participant or the callee's own channel out of its
//! call. No number is called twice.

use std::sync::Once;

use serde_json::json;
use testkit::daemon::Daemon;
use testkit::eventually;
use testkit::pbx::Pbx;

/// A context with sound on both sides, outside of any conference.
const ELSEWHERE: &str = "\
[elsewhere]
exten => dial,1,Dial(Local/tone@elsewhere/n)
exten => tone,1,Answer()
 same => n,Milliwatt()
";

on_both_versions!(
    participant_in_a_dial_keeps_its_number,
    participant_without_n_keeps_its_number,
    redirected_leg_keeps_its_number,
    redirected_leg_is_adopted_after_a_crash,
);

/// The shared Asterisk with the context [`ELSEWHERE`].
fn with_elsewhere(version: &'static str) -> &'static Pbx {
    static READY: [Once; 2] = [const { Once::new() }; 2];
    let pbx = Pbx::shared(version);
    READY[usize::from(version == "16")].call_once(|| {
        pbx.add_to("extensions.conf", ELSEWHERE);
        pbx.rx("dialplan reload");
    });
    pbx
}

/// The channel of the call to this number whose name has this beginning and end.
fn channel_of(pbx: &Pbx, number: &str, begin: &str, end: &str) -> Option<String> {
    let channels = pbx.channels();
    let lines = channels.lines().filter(|line| line.contains(number));
    let mut names = lines.filter_map(|line| line.split('!').next());
    names.find(|name| name.starts_with(begin) && name.ends_with(end)).map(str::to_owned)
}

fn redirect(pbx: &Pbx, channel: &str) {
    let reply = pbx.rx(&format!("channel redirect {channel} elsewhere,dial,1"));
    assert!(reply.contains("successfully redirected"), "{reply}");
}

/// Makes a call that joins its room, and redirects its `;1` half into a Dial.
fn call_redirected_into_a_dial(pbx: &Pbx, daemon: &Daemon, number: &str) -> String {
    let id = daemon.call_ok(number, "R1");
    daemon.wait_for(&id, "call.joined");
    let half = channel_of(pbx, number, &format!("Local/{number}@"), ";1").expect(";1");
    redirect(pbx, &half);
    daemon.wait_for(&id, "call.left");
    id
}

/// Asserts that the number is in progress while the callee's leg is alive, and free after a
/// hang-up.
fn assert_taken_until_hung_up(pbx: &Pbx, daemon: &Daemon, number: &str, id: &str) {
    assert!(channel_of(pbx, number, "PJSIP/", "").is_some(), "the callee has no channel");
    let busy = daemon.call(number, "R1");
    assert_eq!(busy.json()["text"], "call already in progress", "{busy:?}");
    let call = daemon.get(&format!("/api/calls/{id}")).json();
    assert_eq!((&call["state"], &call["ended"]), (&json!("left"), &json!(null)), "{call}");
    let reply = daemon.delete(&format!("/api/calls/{id}"));
    assert_eq!(reply.status, 200, "{reply:?}\n{}", daemon.output());
    let end = daemon.wait_for(id, "call.ended");
    assert_eq!(
        (&end["outcome"], &end["hung_up_by"]),
        (&json!("completed"), &json!("tester")),
        "{end}"
    );
    eventually("the callee is gone", || {
        channel_of(pbx, number, "PJSIP/", "").is_none().then_some(())
    });
    let again = daemon.call_ok(number, "R1");
    daemon.delete(&format!("/api/calls/{again}"));
    daemon.wait_for(&again, "call.ended");
}

fn participant_in_a_dial_keeps_its_number(version: &'static str) {
    let pbx = with_elsewhere(version);
    let (daemon, number) = (pbx.daemon(), "79990120001");
    let id = call_redirected_into_a_dial(pbx, &daemon, number);
    eventually("the redirected channel plays a tone", || {
        pbx.channels().contains("Milliwatt").then_some(())
    });
    assert_eq!(pbx.calls_to(number), 1, "the Local channel is gone");
    assert_taken_until_hung_up(pbx, &daemon, number, &id);
}

/// Earlier builds had no `/n` by default. Without it, Asterisk optimises the Local channel away,
/// and the lock channel with it.
fn participant_without_n_keeps_its_number(version: &'static str) {
    let pbx = with_elsewhere(version);
    let channel = ("originate", "channel = \"Local/{number}@telegram-out\"");
    let (daemon, number) = (Daemon::start(&pbx.ami(), &[channel]), "79990121001");
    let id = call_redirected_into_a_dial(pbx, &daemon, number);
    eventually("the Local channel is gone", || (pbx.calls_to(number) == 0).then_some(()));
    assert_taken_until_hung_up(pbx, &daemon, number, &id);
}

fn redirected_leg_keeps_its_number(version: &'static str) {
    let pbx = with_elsewhere(version);
    let (daemon, number) = (pbx.daemon(), "79990122001");
    let id = daemon.call_ok(number, "R1");
    daemon.wait_for(&id, "call.joined");
    redirect(pbx, &channel_of(pbx, number, "PJSIP/", "").expect("the leg"));
    daemon.wait_for(&id, "call.left");
    eventually("the Local channel is gone", || (pbx.calls_to(number) == 0).then_some(()));
    assert_taken_until_hung_up(pbx, &daemon, number, &id);
}

fn redirected_leg_is_adopted_after_a_crash(version: &'static str) {
    let pbx = with_elsewhere(version);
    let more = [("top", "instance = \"redirected\""), ("journal", "file = \"calls.jsonl\"")];
    let (mut daemon, number) = (Daemon::start(&pbx.ami(), &more), "79990123001");
    let id = daemon.call_ok(number, "R1");
    daemon.wait_for(&id, "call.joined");
    redirect(pbx, &channel_of(pbx, number, "PJSIP/", "").expect("the leg"));
    daemon.wait_for(&id, "call.left");
    let path = daemon.folder.path().join("calls.jsonl");
    let is_written = || std::fs::read_to_string(&path).is_ok_and(|text| text.contains("call.left"));
    eventually("the file has the record", || is_written().then_some(()));
    daemon.crash();
    eventually("the Local channel is gone", || (pbx.calls_to(number) == 0).then_some(()));
    let daemon = daemon.restart();
    daemon.wait_ready();
    assert_taken_until_hung_up(pbx, &daemon, number, &id);
}
