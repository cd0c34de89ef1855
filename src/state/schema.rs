//! The tables of the state.

use crate::database::{Durability, Schema};

/// The state's database. Nobody but the daemon's user may read it, and only one daemon may write it:
/// each would take the other's promises for its own.
pub(super) const SCHEMA: Schema = Schema {
    name: "state",
    migrations: MIGRATIONS,
    tables: "",
    durability: Durability::Full,
    is_private: true,
    is_exclusive: true,
};

/// The steps to the newest version. Times are milliseconds since 1970.
const MIGRATIONS: &[&str] = &["
    CREATE TABLE rooms (
        room TEXT PRIMARY KEY COLLATE NOCASE,
        locked_by TEXT,
        muted_by TEXT,
        ended INTEGER
    ) STRICT, WITHOUT ROWID;
"];
