//! Lists of conferences.

use super::*;

#[tokio::test]
async fn conferences_are_found_page_by_page() {
    let mut story = Story::new();
    for n in 0..10 {
        let name = if n % 2 == 0 { "Even" } else { "odd" };
        story.write(started(name, story.seq + 1), None).write(guest_joined(name, n), None);
        story.write(ended(name, story.seq - 1), None);
    }
    let ids = |filter: &ConferenceFilter, limit| -> Vec<String> {
        let list = story.list(filter, limit);
        list.iter().map(|view| view["conference_id"].as_str().unwrap().to_owned()).collect()
    };
    let all = ids(&ConferenceFilter::default(), 100);
    assert_eq!((all.len(), all[0].clone()), (10, id(28).to_string()));
    let mut filter = ConferenceFilter::default();
    let mut seen = Vec::new();
    loop {
        let page = ids(&filter, 3);
        let Some(last) = page.last() else { break };
        filter.before = last.parse().ok();
        seen.extend(page);
    }
    assert_eq!(seen, all);
    let of_room = ConferenceFilter { room: Some("eVEN".into()), ..ConferenceFilter::default() };
    assert_eq!(ids(&of_room, 100).len(), 5);
    let of_number = ConferenceFilter { number: guest(3).number, ..ConferenceFilter::default() };
    assert_eq!(ids(&of_number, 100), [id(10).to_string()]);
    let (from, to) = (Some(at(4)), Some(at(10)));
    let between = ConferenceFilter { from, to, ..ConferenceFilter::default() };
    assert_eq!(ids(&between, 100), [id(7).to_string(), id(4).to_string()]);
    // A page has as many visible ones as it may.
    let history = &story.case.history;
    let visible = history.conferences(ConferenceFilter::default(), 4, |room| room == "odd");
    let visible = visible.await.unwrap();
    assert!(visible.len() == 4 && visible.iter().all(|view| view.conference.room == "odd"));
}

#[test]
fn queries_use_the_indexes() {
    let story = Story::new();
    drop(schema::SCHEMA.open_to_write(&story.case.path()).unwrap());
    let connection = open_to_read(&story.case.path()).unwrap();
    for (sql, index) in [
        (
            "SELECT id FROM conferences WHERE room = 'x' COLLATE NOCASE ORDER BY id DESC",
            "conferences_by_room",
        ),
        ("SELECT id FROM conferences WHERE ended IS NULL", "conferences_open"),
        ("SELECT conference FROM visits WHERE number IN ('x')", "visits_by_number"),
        (
            "SELECT conference FROM visits WHERE participant = 'x' AND \"left\" IS NULL",
            "visits_open",
        ),
    ] {
        let plan = format!("EXPLAIN QUERY PLAN {sql}");
        let plan: String = connection.query_row(&plan, [], |row| row.get(3)).unwrap();
        assert!(plan.contains(index), "{plan}");
    }
}
