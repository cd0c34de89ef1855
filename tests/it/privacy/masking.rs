//! Masked numbers: only Asterisk gets the whole number.

use super::{MASKED, NUMBER, WRITTEN, files_with, start};
use serde_json::json;
use testkit::ami::OnOriginate;
use testkit::daemon::KEY;
use testkit::events::EventStream;
use testkit::eventually;
use testkit::http;
use testkit::sim::Simulator;

#[test]
fn masked_number_is_sent_to_asterisk_only() {
    let (asterisk, daemon) = start(&[("privacy", "mask_numbers = true")]);
    let stream = EventStream::open(daemon.address);
    let live = daemon.call_ok(NUMBER, "R1");
    let channel = asterisk.wait_for("Originate", 1);
    assert_eq!(channel.get("Channel"), Some(&*format!("Local/{NUMBER}@telegram-out/n")));
    let live_page = daemon.get("/api/calls");
    assert_eq!(live_page.json()["live"][0]["number"], MASKED);
    assert_eq!(daemon.call(NUMBER, "R1").json()["text"], "call already in progress");
    asterisk.hang_up(&live);
    daemon.wait_for(&live, "call.ended");
    let folder = daemon.folder.path();
    eventually("the files have the call", || (files_with(folder, &live).len() >= 2).then_some(()));

    let streamed: Vec<_> = stream.wait_len(4).iter().map(|event| event.data.clone()).collect();
    let by_number = daemon.get(&format!("/api/calls?number={NUMBER}"));
    assert_eq!(by_number.json()["ended"][0]["call_id"], *live);
    let shown = [
        live_page.body,
        daemon.get(&format!("/api/calls/{live}")).body,
        by_number.body,
        daemon.get("/api/calls?format=csv").body,
        daemon.output(),
        streamed.concat(),
    ];
    for text in shown {
        assert!(text.contains(&MASKED[1..]) && !text.contains(NUMBER), "{text}");
    }
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    assert!(files_with(folder, MASKED).len() >= 2);
}

#[test]
fn masked_call_is_recognised_after_a_crash() {
    let simulator = Simulator::start("22", "[timing]\nwait = \"0s\"\nbeep = \"10ms\"\n");
    let daemon = simulator.daemon(&[WRITTEN, &[("privacy", "mask_numbers = true")]].concat());
    let id = daemon.call_ok(NUMBER, "R1");
    daemon.wait_for(&id, "call.joined");
    eventually("the files have the call", || {
        (!files_with(daemon.folder.path(), "call.joined").is_empty()).then_some(())
    });
    let daemon = daemon.crash_and_restart();
    let again = daemon.call(NUMBER, "R1");
    assert_eq!(again.json()["text"], "call already in progress");
    // The refusal names the call, so the daemon's own registry has it, not only Asterisk's lock.
    let refused = daemon.wait_for_event("call.refused");
    assert_eq!(refused["in_progress"], *id, "{refused}");
    assert_eq!(daemon.delete(&format!("/api/calls/{id}")).status, 200);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!((&end["outcome"], &end["number"]), (&json!("completed"), &json!(MASKED)));
}

#[test]
fn foreign_texts_do_not_reveal_a_masked_number() {
    let debug = "filter = \"debug\"";
    let (asterisk, daemon) = start(&[("privacy", "mask_numbers = true"), ("log", debug)]);
    let body = json!({
        "api_key": KEY, "phone_number": NUMBER, "room_name": format!("room {NUMBER}"), "caller_id": "8 999 123-45-67",
    });
    let reply = daemon.post(body.to_string().as_bytes());
    let id = reply.header("x-call-id").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
    assert_eq!(daemon.get(&format!("/api/calls/{id}")).json()["room"], "room 7999•••4567");
    asterisk.send(&[
        ("Event", "UserEvent"),
        ("UserEvent", "OriginatordLeg"),
        ("Linkedid", &id),
        ("Tech", &format!("SIP 404 {NUMBER} not found")),
    ]);
    asterisk.hang_up(&id);
    let end = daemon.wait_for(&id, "call.ended");
    assert_eq!(end["gateway_reply"], "SIP 404 7999•••4567 not found", "{end}");
    assert_eq!(end["caller_id"], "8 999 •••-45-67");
    // A client puts the number into a path.
    http::request(daemon.address, "GET", &format!("/{NUMBER}"), &[], b"");
    daemon.get(&format!("/api/calls/{NUMBER}"));
    let folder = daemon.folder.path();
    eventually("the files have the call", || {
        (files_with(folder, "not found").len() >= 2).then_some(())
    });
    assert_eq!(files_with(folder, NUMBER), [""; 0]);
    for text in
        [daemon.output(), daemon.get("/api/calls").body, daemon.get("/api/calls?format=csv").body]
    {
        assert!(!text.contains(NUMBER) && !text.contains("123-45-67"), "{text}");
    }
    asterisk.on_originate(OnOriginate::Refuse);
    daemon.call(NUMBER, "R1");
    daemon.wait_for_event("call.refused");
}
