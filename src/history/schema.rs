//! The tables of the history.

use crate::database::{Durability, Schema};

/// The history's database.
pub(super) const SCHEMA: Schema = Schema {
    name: "history",
    migrations: MIGRATIONS,
    tables: CLEAN_UP,
    durability: Durability::Normal,
    is_private: false,
    is_exclusive: false,
};

/// The steps to the newest version.
///
/// Searches for a room ignore ASCII case, as ConfBridge does.
///
/// Ids begin with the time of the request, so they sort by time. Times are milliseconds since 1970,
/// durations milliseconds.
const MIGRATIONS: &[&str] = &[
    "
    CREATE TABLE calls (
        id TEXT PRIMARY KEY,
        number TEXT NOT NULL,
        room TEXT NOT NULL,
        caller_id TEXT NOT NULL,
        lang TEXT NOT NULL,
        key TEXT NOT NULL,
        queued INTEGER,
        ringing INTEGER,
        answered INTEGER,
        joined INTEGER,
        \"left\" INTEGER,
        ended INTEGER,
        outcome TEXT NOT NULL,
        cause INTEGER,
        cause_text TEXT,
        gateway_reply TEXT,
        ring INTEGER,
        talk INTEGER,
        hung_up_by TEXT,
        ended_after INTEGER,
        ended_before INTEGER
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX calls_by_number ON calls (number, id);
    CREATE INDEX calls_by_room ON calls (room, id);
    CREATE INDEX calls_by_outcome ON calls (outcome, id);
    CREATE INDEX calls_by_key ON calls (key, id);
",
    "
    DROP INDEX calls_by_room;
    CREATE INDEX calls_by_room ON calls (room COLLATE NOCASE, id);
",
    "
    CREATE TABLE conferences (
        id TEXT PRIMARY KEY,
        room TEXT NOT NULL,
        started INTEGER NOT NULL,
        started_after INTEGER,
        ended INTEGER,
        ended_after INTEGER,
        ended_by TEXT,
        participants INTEGER NOT NULL,
        present INTEGER NOT NULL,
        most_at_once INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX conferences_by_room ON conferences (room COLLATE NOCASE, id);
    CREATE INDEX conferences_open ON conferences (id) WHERE ended IS NULL;
    CREATE TABLE visits (
        conference TEXT NOT NULL,
        participant TEXT NOT NULL,
        joined INTEGER NOT NULL,
        joined_after INTEGER,
        \"left\" INTEGER,
        left_after INTEGER,
        reason TEXT,
        asked_by TEXT,
        moved_to TEXT,
        talked INTEGER,
        number TEXT,
        caller_id TEXT NOT NULL,
        PRIMARY KEY (conference, participant, joined)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX visits_by_number ON visits (number, conference);
    CREATE INDEX visits_open ON visits (participant) WHERE \"left\" IS NULL;
    CREATE TABLE spans (
        conference TEXT NOT NULL,
        kind TEXT NOT NULL,
        participant TEXT NOT NULL,
        begun INTEGER NOT NULL,
        ended INTEGER,
        asked_by TEXT,
        PRIMARY KEY (conference, kind, participant, begun)
    ) STRICT, WITHOUT ROWID;
    CREATE TRIGGER conference_deleted AFTER DELETE ON conferences BEGIN
        DELETE FROM visits WHERE conference = old.id;
        DELETE FROM spans WHERE conference = old.id;
    END;
",
];

/// The table with the history's clock (`age.rs`), in milliseconds since 1970. It is no migration, so
/// that earlier builds, which ignore the table, can still open the file.
const CLEAN_UP: &str = "
    CREATE TABLE IF NOT EXISTS clean_up (one INTEGER PRIMARY KEY CHECK (one = 1), clock INTEGER NOT NULL) STRICT
";
