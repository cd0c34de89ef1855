//! Past conferences, and the story of one.

use serde_json::json;
use testkit::daemon::KEY;
use testkit::sim::Simulator;

use super::{click_row, focused, open_view, wait_part};
use crate::{DESKTOP, ESCAPE, wait_true};

/// Two conferences: one that an operator ended, with everything that can be in a story, and one that
/// nobody talks about.
const CONFERENCES: &str = "
    const at = (seconds) => new Date(Date.UTC(2026, 10, 25, 12, 0, seconds)).toISOString();
    conferences.push({
      conference_id: 'cf-1', room: 'R1', started: at(0), ended: at(100), ended_by: 'boss', most_at_once: 2,
      participants: [
        { id: 'od-1', call_id: 'od-1', number: '+79990000001', caller_id: 'Bob', mutes: [{ from: at(10), to: at(25), by: 'boss' }],
          visits: [{ joined: at(0), left: at(40), seconds: 40, reason: 'moved', by: 'boss', moved_to: 'R2', talked_seconds: 7.2 },
                   { joined: at(60), left: at(100), seconds: 40, reason: 'room_ended', by: 'boss' }] },
        { id: '1795.3', call_id: null, number: null, caller_id: 'Ann', mutes: [],
          visits: [{ joined: at(5), left: at(30), left_after: at(20), seconds: 25, reason: 'kicked', by: 'boss' }] },
      ],
      room_mutes: [{ from: at(50), to: at(55), by: 'boss' }], locks: [{ from: at(45), to: null, by: 'boss' }],
      invited: [{ call_id: 'od-2', number: '+79990000002', room: 'R1', caller_id: 'Carol', key: 'bot', state: 'ended',
                  outcome: 'no_answer', requested: at(3), ended: at(33) }],
    }, {
      conference_id: 'cf-2', room: 'Quiet', started: at(200), ended: at(207), most_at_once: 1,
      participants: [], room_mutes: [], locks: [], invited: [],
    });";

#[test]
fn past_conference_shows_its_story() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, CONFERENCES);
    page.click("#show-conferences");
    wait_part(&page, "#conferences-body", "Quiet", "0:07");
    wait_part(&page, "#conferences-body", "R1", "1:40");
    // Newest first.
    let rooms = page.texts("#conferences-body .room");
    assert_eq!(rooms, ["Quiet", "R1"]);
    click_row(&page, "#conferences-body", "R1", ".link");
    page.wait_text("#story-room", "R1");
    assert_eq!(focused(&page), "story-room");
    page.wait_text(
        "#story-summary",
        "2 participants, at most 2 at once. 1 invited call did not come. Ended by boss.",
    );
    for (name, parts) in [
        (
            "Bob",
            &[
                "+79990000001",
                "1:20",
                "moved to R2 by boss, talked 0:07",
                "the room was ended by boss",
                "muted by boss for 0:15",
            ][..],
        ),
        ("Ann", &["0:25", "kicked by boss"]),
        ("Carol", &["+79990000002", "invited, no answer"]),
    ] {
        for part in parts {
            wait_part(&page, "#visitors-body", name, part);
        }
    }
    page.click("#story-events");
    let events: Vec<_> = page
        .texts("#events-body .row")
        .iter()
        .map(|row| row.split('\n').skip(1).collect::<Vec<_>>().join(" "))
        .collect();
    let expected = [
        "the conference started",
        "Bob came",
        "Carol invited by bot",
        "Ann came",
        "Bob was muted by boss",
        "Bob was unmuted",
        "Ann kicked by boss (after ",
        "Carol did not come: no answer",
        "Bob moved to R2 by boss",
        "the room was locked by boss",
        "the room was muted by boss",
        "the room was unmuted",
        "Bob came",
        "Bob the room was ended by boss",
        "the conference ended by boss",
    ];
    assert_eq!(events.len(), expected.len(), "{events:?}");
    for (event, expected) in events.iter().zip(expected) {
        assert!(event.trim().starts_with(expected), "{event} is not {expected}");
    }
    page.press(ESCAPE);
    assert!(!page.is_visible("#story"));
    wait_true(&page, "the row has the focus", "document.activeElement.textContent === 'R1'");
}

#[test]
fn filter_finds_past_conferences() {
    let simulator = Simulator::start("22", "");
    let daemon = simulator.daemon(&[]);
    let page = open_view(&daemon, KEY, DESKTOP, CONFERENCES);
    page.click("#show-conferences");
    wait_part(&page, "#conferences-body", "Quiet", "0:07");
    page.type_into("#filter-room", "QUI");
    wait_true(
        &page,
        "one row is left",
        "document.querySelectorAll('#conferences-body .row').length === 1",
    );
    page.type_into("#filter-room", "et");
    wait_true(
        &page,
        "the daemon is asked for the room",
        "reads.some((path) => path.includes('room=QUIet'))",
    );
    assert_eq!(page.texts("#conferences-body .room"), ["Quiet"]);
    page.click("#filter-clear");
    // The page knows no numbers of past conferences: the daemon looks whole ones up.
    page.type_into("#filter-number", "7999");
    wait_true(
        &page,
        "the daemon is asked for the number",
        "reads.some((path) => path.includes('number=7999'))",
    );
    page.click("#filter-clear");
    page.type_into("#filter-number", "79");
    page.wait_text("#rooms-empty", "Type a whole number");
    page.click("#filter-clear");
    page.type_into("#filter-room", "none");
    page.wait_text("#rooms-empty", "No match.");
    // A reload keeps filter and table.
    page.run("history.replaceState(null, '', '#tab=rooms&rooms=past&conference=cf-2')", json!([]));
    page.reload();
    page.wait_text("#story-room", "Quiet");
    page.wait_text("#story-summary", "0 participants");
}
