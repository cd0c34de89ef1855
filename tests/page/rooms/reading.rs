//! When the page reads rooms again, and how many it can show.

use serde_json::{Value, json};
use testkit::daemon::KEY;
use testkit::eventually;
use testkit::sim::Simulator;

use super::{ROOMS, open_room, open_view, wait_part};
use crate::{DESKTOP, wait_true};

#[test]
fn records_cause_one_read_a_second_at_most() {
    let simulator = Simulator::start("22", "[timing]\ndial = \"0s\"\n");
    let daemon = simulator.daemon(&[]);
    // Notes the times of the reads.
    let clock = "window.times = []; reads.push = (path) => { times.push([path, performance.now()]); return 0 };";
    let page = open_view(&daemon, KEY, DESKTOP, &format!("{ROOMS}{clock}"));
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Bob", "In the room");
    page.run("rooms[0].participants[0].caller_id = 'Robert'", json!([]));
    let calls: Vec<_> =
        (0..40).map(|n| daemon.call_ok(&format!("799909600{n:02}"), "R1")).collect();
    for call in &calls {
        daemon.wait_for(call, "call.joined");
    }
    wait_part(&page, "#people-body", "Robert", "In the room");
    let times = page.run("return times", json!([]));
    let times: Vec<(String, f64)> = serde_json::from_value(times).expect("paths and times");
    for path in ["api/rooms/R1", "api/rooms?limit=10000"] {
        let of_path: Vec<_> =
            times.iter().filter(|(read, _)| read == path).map(|(_, at)| at).collect();
        assert!(of_path.len() >= 2, "{path}: {times:?}");
        // A timer may be early by less than a millisecond.
        let is_slow = |pair: &[&f64]| pair[1] - pair[0] > 995.0;
        assert!(of_path.windows(2).all(is_slow), "{path}: {times:?}");
    }
}

#[test]
fn records_of_other_rooms_cause_no_read_of_this_one() {
    let simulator = Simulator::start("22", "[timing]\ndial = \"0s\"\n");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, ROOMS);
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Bob", "In the room");
    let reads_of = |path: &str| {
        page.run("return reads.filter((read) => read === arguments[0]).length", json!([path]))
    };
    let (before, lists) = (reads_of("api/rooms/R1"), reads_of("api/rooms?limit=10000"));
    let call = daemon.call_ok("79990960001", "OTHER");
    daemon.wait_for(&call, "call.joined");
    eventually("the list is read again", || {
        (reads_of("api/rooms?limit=10000").as_u64() > lists.as_u64()).then_some(())
    });
    assert_eq!(reads_of("api/rooms/R1"), before);
}

#[test]
fn talking_is_shown_without_records() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let talk = "bob.talking = false;";
    let page = open_view(&daemon, KEY, DESKTOP, &format!("{ROOMS}{talk}"));
    open_room(&page, "R1");
    wait_part(&page, "#people-body", "Bob", "In the room");
    page.run("rooms[0].participants[0].talking = true", json!([]));
    wait_part(&page, "#people-body", "Bob", "Talking");
    // A closed room is not read any more.
    page.click("#room-close");
    wait_true(&page, "the room is closed", "location.hash === '#tab=rooms'");
    let reads =
        || page.run("return reads.filter((path) => path === 'api/rooms/R1').length", json!([]));
    let before = reads();
    let wait = "const done = arguments[0]; setTimeout(() => done(null), 2500)";
    assert_eq!(page.run_async(wait), Value::Null);
    assert_eq!(reads(), before);
}

#[test]
fn thousands_of_participants_make_few_elements() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let many = "const people = Array.from({ length: 2000 }, (_, n) => participant(`1795.${n}`, `Guest ${n}`));
                for (let n = 0; n < 199; n += 1) rooms.push(room(`room-${n}`, []));
                rooms.push(room('zoo', people));";
    let page = open_view(&daemon, KEY, DESKTOP, many);
    page.wait_text("#rooms-count", "200");
    let to_end =
        "const box = document.getElementById(arguments[0]); box.scrollTop = box.scrollHeight";
    page.run(to_end, json!(["rooms"]));
    open_room(&page, "zoo");
    page.wait_text("#room-summary", "2000 participants");
    page.run(to_end, json!(["people"]));
    wait_part(&page, "#people-body", "Guest 1999", "In the room");
    for (table, rows) in [("rooms", "201"), ("people", "2001")] {
        let elements = page.count(&format!("#{table} *"));
        assert!(elements < 1000, "{table}: {elements}");
        let count = "return document.getElementById(arguments[0]).getAttribute('aria-rowcount')";
        assert_eq!(page.run(count, json!([table])), rows);
    }
    // Drawing all again is a matter of milliseconds, however many there are.
    let script = "const box = document.getElementById('people'); const begin = performance.now();
                  for (let n = 0; n < 50; n += 1) { box.scrollTop = n * 900; box.dispatchEvent(new Event('scroll')); }
                  return (performance.now() - begin) / 50";
    let each = page.run(script, json!([])).as_f64().expect("a time");
    assert!(each < 100.0, "{each} ms");
}
