//! Conferences that are erased, are too old or take too much space.

use super::*;

#[test]
fn erased_number_is_in_no_story() {
    let mut story = Story::new();
    story
        .write(started("call 79990000001", 1), None)
        .write(joined("call 79990000001"), Some(&callee(1)));
    story.write(guest_joined("call 79990000001", 1), None);
    let named = Guest::new("1795521600.9", "101", "mobile 79990000001");
    let change = GuestChange::Joined { after: None };
    let event = Event::Guest { guest: Arc::new(named), room: "call 79990000001".into(), change };
    story.write(event, None);
    let erased = erase(&story.case.path(), callee(1).number);
    assert_eq!((erased.count, erased.failed.len(), erased.kept.len()), (2, 0, 1), "{erased:?}");
    assert!(erased.kept[0].contains("1 names of rooms"), "{erased:?}");
    let detail = story.detail(1);
    let left = detail["participants"].as_array().unwrap();
    assert_eq!((left.len(), &left[0]["caller_id"]), (1, &json!("Телефон")));
    // Nor does a new file get it.
    assert!(story.case.sink.erase(guest(1).number.unwrap()).failed.is_empty());
    fs::remove_file(story.case.path()).unwrap();
    story.case.sink.write(&[]).unwrap();
    let text = story.detail(1).to_string();
    assert!(text.contains("79990000001") && !text.contains("79980000001"), "{text}");
}

#[test]
fn masked_records_of_a_room_named_by_a_number_find_it() {
    let mut story = Story::new();
    story.write(started("call 79990000001", 1), None);
    let call = callee(1);
    let event = joined("call 79990000001").masked(call.number);
    story.write(event, Some(&call.masked()));
    let participant = story.detail(1)["participants"][0].clone();
    assert_eq!(participant["number"], "+7999•••0001");
    assert_eq!(erase(&story.case.path(), call.number).count, 1);
}

#[test]
fn old_conferences_are_deleted_with_their_participants() {
    let mut story = Story::of(Case::new(30 * DAY, 1 << 30));
    for n in 0..4 {
        let name = format!("R{n}");
        story.write(started(&name, story.seq + 1), None).write(guest_joined(&name, n), None);
        story.write(guest_left(&name, n), None);
        if n < 3 {
            story.write(ended(&name, story.seq - 2), None);
        }
    }
    let mut counts = Vec::new();
    for _ in 0..4 {
        story.case.sink.clean_up(at(0) + 31 * DAY, Duration::from_secs(36_500 * 86_400)).unwrap();
        let connection = open_to_read(&story.case.path()).unwrap();
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, usize>(0)).unwrap()
        };
        counts.push((count("conferences"), count("visits")));
    }
    // A quarter at a time. The last one is not over, but its visit is.
    assert_eq!(counts, [(3, 2), (2, 1), (1, 0), (1, 0)]);
}

#[test]
fn oversized_history_deletes_the_older_of_calls_and_conferences() {
    let mut story = Story::of(Case::new(36_500 * DAY, 1 << 20));
    for n in 0..3000 {
        let name = format!("{n} {}", "x".repeat(70));
        let entries = [
            story.entry(started(&name, n * 4 + 1), None),
            story.entry(guest_joined(&name, n as u32), None),
            story.entry(ended(&name, n * 4 + 1), None),
        ];
        story.case.sink.write(&entries).unwrap();
        let (info, end) = (callee(n as u32), samples::end(Outcome::Busy));
        let info = CallInfo { id: CallId::new(at(n * 4 + 2), n.into()), ..info };
        story.case.write(&[(info, end)]);
        story.seq = n * 4 + 4;
    }
    let kept = story.list(&ConferenceFilter::default(), 10_000);
    let connection = open_to_read(&story.case.path()).unwrap();
    let calls = rows::page(&connection, &Filter::default(), 10_000).unwrap();
    // The newest of both are left, back to about the same time.
    assert!(kept.len() > 300 && calls.len() > 100, "{} {}", kept.len(), calls.len());
    assert!(kept.len().abs_diff(calls.len()) < 600, "{} {}", kept.len(), calls.len());
    assert_eq!(kept[0]["conference_id"], id(2999 * 4 + 1).to_string());
}
