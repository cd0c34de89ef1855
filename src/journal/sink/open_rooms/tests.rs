//! Open rooms over rotations, crashes and restarts of the journal's writer.

use std::fs;
use std::io::Write;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::file::numbered;
use super::super::{FileSink, Replay, Sink};
use super::*;
use crate::journal::{Journal, JournalFile, JournalOptions};
use originatord_core::record::samples;
use originatord_core::room::{Guest, Left};

/// A journal file whose writer is killed and started again.
struct Case {
    _folder: TempDir,
    settings: JournalFile,
    masks: bool,
    sink: FileSink,
    seq: u64,
}

impl Case {
    fn new(max_size: u64, keep: usize) -> Self {
        let folder = TempDir::new().unwrap();
        let settings = JournalFile { path: folder.path().join("calls.jsonl"), max_size, keep };
        let sink = FileSink::new(settings.clone(), journal(false));
        Self { _folder: folder, settings, masks: false, sink, seq: 0 }
    }

    fn write(&mut self, event: Event) {
        self.seq += 1;
        let event = if self.masks { event.guest_masked() } else { event };
        let record = Record::new(self.seq, time(self.seq), event, None);
        self.sink.write(&[Entry::Record(Arc::new(record))]).unwrap();
    }

    fn write_others(&mut self, count: usize) {
        for _ in 0..count {
            self.write(Event::DaemonStopping { reason: "x".into() });
        }
    }

    /// The writer is killed in the middle of a line, and started anew.
    fn restart(&mut self) {
        let file = fs::OpenOptions::new().append(true).create(true).open(&self.settings.path);
        file.unwrap().write_all(b"{\"seq\":").unwrap();
        let Replay { open, rooms, .. } = Replay::read(&self.settings).unwrap();
        // The lock on the file is free only after the first writer is gone.
        self.sink = FileSink::new(self.settings.clone(), journal(self.masks));
        self.sink = FileSink::new(self.settings.clone(), journal(self.masks)).carrying(open, rooms);
    }

    fn open(&self) -> Vec<OpenRoom> {
        Replay::read(&self.settings).unwrap().rooms.into_rooms()
    }

    fn text(&self) -> String {
        let rotated = (1..=self.settings.keep).map(|n| numbered(&self.settings.path, n));
        let paths = rotated.chain([self.settings.path.clone()]);
        paths.map(|path| fs::read_to_string(path).unwrap_or_default()).collect()
    }
}

fn journal(masks: bool) -> Journal {
    Journal::new(JournalOptions { capacity: 1, ..JournalOptions::default() }).masking(masks)
}

fn time(seq: u64) -> SystemTime {
    samples::time() + Duration::from_secs(seq)
}

fn id(n: u64) -> ConferenceId {
    ConferenceId::new(time(n), n.into())
}

fn guest(n: u32) -> Arc<Guest> {
    Arc::new(Guest::new(&format!("1795521600.{n}"), &format!("7999000{n:04}"), ""))
}

fn started(room: &str, n: u64) -> Event {
    Event::Room { room: room.into(), change: RoomChange::Started { id: id(n), after: None } }
}

fn ended(room: &str) -> Event {
    let change = RoomChange::Ended { id: id(0), after: None, by: None };
    Event::Room { room: room.into(), change }
}

fn of_guest(room: &str, n: u32, change: GuestChange) -> Event {
    Event::Guest { guest: guest(n), room: room.into(), change }
}

fn joined(room: &str, n: u32) -> Event {
    of_guest(room, n, GuestChange::Joined { after: None })
}

fn left(room: &str, n: u32) -> Event {
    of_guest(room, n, GuestChange::Left(Left::default()))
}

#[test]
fn open_room_outlives_the_files_that_had_its_records() {
    for keep in [0, 2] {
        let mut case = Case::new(1000, keep);
        case.write(started("R1", 1));
        case.write(of_guest("R1", 1, GuestChange::Joined { after: Some(time(0)) }));
        case.write(joined("r1", 2));
        case.write(of_guest("R1", 2, GuestChange::Muted { by: None }));
        case.write(joined("R1", 3));
        case.write(left("R1", 3));
        case.write(started("R2", 2));
        case.write(ended("r2"));
        let open = |n: u32, seq: u64, muted| OpenGuest {
            guest: guest(n),
            joined: Some(time(seq)),
            joined_after: (n == 1).then(|| time(0)),
            muted,
        };
        let expected = OpenRoom {
            id: id(1),
            room: "R1".into(),
            started_after: None,
            guests: vec![open(1, 2, false), open(2, 3, true)],
        };
        for _ in 0..2 {
            case.write_others(60);
            assert!(!case.text().contains("room.started"), "its records are gone");
            assert_eq!(case.open(), std::slice::from_ref(&expected));
            assert_eq!(Replay::read(&case.settings).unwrap().last_event, Some(time(8)));
            case.restart();
        }
        case.write(left("R1", 1));
        case.write(ended("R1"));
        assert_eq!(case.open(), []);
    }
}

#[test]
fn carried_lines_have_their_members_in_order() {
    let mut case = Case::new(1, 1);
    case.write(started("R1", 1));
    case.write(joined("R1", 1));
    case.write_others(1);
    let text = fs::read_to_string(&case.settings.path).unwrap();
    let expected = format!(
        "{{\"event\":\"room.carried\",\"time\":\"2026-11-24T12:00:02.123Z\",\"room\":\"R1\",\
         \"heard\":\"2026-11-24T12:00:02.123Z\",\"conference_id\":\"{}\"}}\n\
         {{\"event\":\"guest.carried\",\"time\":\"2026-11-24T12:00:02.123Z\",\"number\":\"+79990000001\",\
         \"room\":\"R1\",\"caller_id\":\"79990000001\",\"joined\":\"2026-11-24T12:00:02.123Z\",\
         \"guest_id\":\"1795521600.1\"}}\n",
        id(1)
    );
    assert!(text.starts_with(&expected), "{text}");
}

#[test]
fn erased_guest_is_neither_in_the_files_nor_carried_again() {
    let mut case = Case::new(1000, 3);
    case.write(started("R1", 1));
    case.write(joined("R1", 1));
    case.write(joined("R1", 2));
    // A guest whom only the name gives away.
    let named = Guest::new("1795521600.7", "101", "mobile 79990000001");
    let change = GuestChange::Joined { after: None };
    case.write(Event::Guest { guest: Arc::new(named), room: "R1".into(), change });
    case.write_others(20);
    let number = guest(1).number.unwrap();
    assert!(case.text().contains("guest.carried") && case.text().contains("79990000001"));
    let erased = case.sink.erase(number);
    assert!(erased.count >= 4 && erased.kept.is_empty() && erased.failed.is_empty(), "{erased:?}");
    case.write_others(20);
    assert!(!case.text().contains("79990000001"), "{}", case.text());
    let open = case.open();
    let guests: Vec<_> = open[0].guests.iter().map(|guest| guest.guest.clone()).collect();
    assert_eq!(guests, [guest(2)]);
}

#[test]
fn masking_journal_masks_earlier_unmasked_guests() {
    let mut case = Case::new(1000, 1);
    case.write(started("R1", 1));
    case.write(joined("R1", 1));
    case.masks = true;
    case.restart();
    case.write_others(60);
    let text = case.text();
    assert!(text.contains("+7999•••0001") && !text.contains("79990000001"), "{text}");
    // The masked guest leaves.
    case.write(left("R1", 1));
    assert_eq!(case.open()[0].guests, []);
}

#[test]
fn rooms_and_guests_have_a_bound() {
    let mut rooms = OpenRooms::default();
    for n in 0..=MAX_ROOMS {
        rooms.start(id(n as u64), n.to_string().into(), None);
    }
    assert_eq!(rooms.rooms.len(), MAX_ROOMS);
    for n in 0..=MAX_GUESTS {
        let guest = Arc::new(Guest::new(&n.to_string(), "", ""));
        let open = OpenGuest { guest, joined: None, joined_after: None, muted: false };
        rooms.join(&(n % 10).to_string(), open);
    }
    assert_eq!(rooms.guests, MAX_GUESTS);
    for room in 0..10 {
        rooms.end(&room.to_string());
    }
    assert_eq!((rooms.guests, rooms.rooms.len()), (0, MAX_ROOMS - 10));
}

#[test]
fn line_of_somebody_else_is_skipped() {
    let mut rooms = OpenRooms::default();
    let long = "x".repeat(80);
    for (room, id) in [("", "cf-01m86ptpkv0000000000000002"), (&*long, "x"), ("R1", "x")] {
        let json = format!(r#"{{"event":"room.started","room":"{room}","conference_id":"{id}"}}"#);
        rooms.line(&Line::read(json.as_bytes()).unwrap());
    }
    let json = r#"{"event":"guest.joined","room":"R1","guest_id":"1.2","caller_id":"x"}"#;
    rooms.line(&Line::read(json.as_bytes()).unwrap());
    assert_eq!(rooms.into_rooms(), []);
}

/// One thing that happens to the writer.
#[derive(Debug, Clone)]
enum Step {
    Start(u8),
    End(u8),
    Join(u8, u32),
    Leave(u8, u32),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (0..3u8).prop_map(Step::Start),
        1 => (0..3u8).prop_map(Step::End),
        4 => (0..3u8, 0..5u32).prop_map(|(room, guest)| Step::Join(room, guest)),
        2 => (0..3u8, 0..5u32).prop_map(|(room, guest)| Step::Leave(room, guest)),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whenever the writer is killed and however small the files are, the next run finds the rooms
    /// as they were.
    #[test]
    fn open_rooms_are_found_after_any_rotations_and_crashes(
        steps in steps(),
        max_size in 1..3000u64,
        keep in 0..3usize,
    ) {
        let mut case = Case::new(max_size, keep);
        let mut expected = BTreeMap::<String, (ConferenceId, BTreeMap<u32, u64>)>::new();
        for step in steps {
            let next = case.seq + 1;
            match step {
                Step::Start(room) => {
                    let room = format!("R{room}");
                    case.write(started(&room, next));
                    expected.insert(room, (id(next), BTreeMap::new()));
                }
                Step::End(room) => {
                    let room = format!("R{room}");
                    case.write(ended(&room));
                    expected.remove(&room);
                }
                Step::Join(room, guest) => {
                    let room = format!("R{room}");
                    case.write(joined(&room, guest));
                    if let Some((_, guests)) = expected.get_mut(&room) {
                        guests.insert(guest, next);
                    }
                }
                Step::Leave(room, guest) => {
                    let room = format!("R{room}");
                    case.write(left(&room, guest));
                    if let Some((_, guests)) = expected.get_mut(&room) {
                        guests.remove(&guest);
                    }
                }
                Step::Restart => case.restart(),
            }
        }
        let open = case.open();
        prop_assert_eq!(open.len(), expected.len());
        for room in open {
            let (id, guests) = &expected[&*room.room];
            prop_assert_eq!(room.id, *id);
            let mut found: Vec<_> = room.guests.iter().map(|open| (open.guest.clone(), open.joined)).collect();
            found.sort_by_key(|(guest, _)| guest.id.clone());
            let guests: Vec<_> = guests.iter().map(|(n, seq)| (guest(*n), Some(time(*seq)))).collect();
            prop_assert_eq!(found, guests);
        }
    }
}
