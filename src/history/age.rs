//! Deletes calls and conferences that are older than `[history] keep`.
//!
//! A machine can start with a clock that is years ahead, until NTP corrects it. To delete by that
//! clock would delete everything. So the history has a clock of its own, stored beside the calls, that
//! decides how old they are. It follows the system's clock, but never advances faster than [`PACE`]
//! times the time that the daemon has run. A daemon that was off for a month has caught up within a day
//! and a half; an hour under a clock that is years ahead deletes the calls of one day too many. A
//! jump is not judged by its length, as no length tells a wrong clock from a machine that was
//! switched off.
//!
//! While the system's clock is behind the stored one, calls are deleted by the system's clock, and the
//! stored one waits. A clean-up deletes at most a quarter of all calls.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use super::excess::{CONFERENCES_AT_ONCE, DELETED_AT_ONCE, return_free_pages};
use crate::database::millis;
use originatord_core::call::CallId;
use originatord_core::room::ConferenceId;

/// How much faster than the daemon's own time the history's clock can catch up with the system's: a
/// day in an hour.
const PACE: u32 = 24;

/// A clean-up deletes at most one in this many calls, and as many conferences.
const SHARE: usize = 4;

/// How far the system's clock can be ahead of the history's without a warning.
const AHEAD: Duration = Duration::from_secs(86_400);

/// The history's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgeClock {
    reached: SystemTime,
}

impl AgeClock {
    /// Continues from the stored time. Without one, the clock starts at the newest call of the history
    /// or the journal's `last_record`, whichever is later, else at `now`; but never after `now`.
    pub(super) fn open(
        connection: &Connection,
        last_record: Option<SystemTime>,
        now: SystemTime,
    ) -> rusqlite::Result<Self> {
        if let Some(reached) = stored(connection)? {
            return Ok(Self { reached });
        }
        let newest: Option<String> =
            connection.query_row("SELECT max(id) FROM calls", [], |row| row.get(0))?;
        let newest = newest.and_then(|id| id.parse::<CallId>().ok()).map(CallId::time);
        let known = newest.max(last_record).unwrap_or(now);
        Ok(Self { reached: known.min(now) })
    }

    /// Advances the clock; the daemon `ran` this long since the last time. Returns the time by which
    /// calls are deleted now.
    pub(super) fn advance(&mut self, now: SystemTime, ran: Duration) -> SystemTime {
        let allowed = self.reached.checked_add(ran.saturating_mul(PACE)).unwrap_or(now);
        self.reached = self.reached.max(now.min(allowed));
        now.min(self.reached)
    }

    /// How far the system's clock is ahead, if by more than `AHEAD`.
    pub(super) fn lag(self, now: SystemTime) -> Option<Duration> {
        now.duration_since(self.reached).ok().filter(|lag| *lag > AHEAD)
    }

    pub(super) fn store(self, connection: &Connection) -> rusqlite::Result<()> {
        let sql = "INSERT INTO clean_up (one, clock) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET clock = ?1";
        connection.execute(sql, [millis(self.reached)])?;
        Ok(())
    }
}

fn stored(connection: &Connection) -> rusqlite::Result<Option<SystemTime>> {
    let clock: Option<i64> =
        connection.query_row("SELECT clock FROM clean_up", [], |row| row.get(0)).optional()?;
    let since_1970 = clock.and_then(|millis| u64::try_from(millis).ok()).map(Duration::from_millis);
    Ok(since_1970.and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time)))
}

/// The result of one clean-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    pub(super) count: usize,
    /// More are too old, and are left for the next clean-up.
    pub(super) is_partial: bool,
}

/// A table whose rows age, and have ids that begin with a time.
struct Aging {
    /// The first id of that time.
    oldest: String,
    /// Whether an aged row `id < ?1` is left; counts rows, deletes rows.
    sql: [&'static str; 3],
    /// How many rows one statement deletes at most.
    at_once: usize,
}

/// Deletes calls that were requested, and conferences that started, before `oldest`, the oldest
/// first; at most one in `SHARE` of all of each. Conferences that are not over stay, without the
/// visits that were over before `oldest`.
pub(super) fn delete_before(
    connection: &Connection,
    oldest: SystemTime,
) -> rusqlite::Result<Deleted> {
    let calls = Aging {
        oldest: CallId::new(oldest, 0).to_string(),
        sql: [
            "SELECT EXISTS (SELECT 1 FROM calls WHERE id < ?1)",
            "SELECT count(*) FROM calls",
            "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < ?1 ORDER BY id LIMIT ?2)",
        ],
        at_once: DELETED_AT_ONCE,
    };
    let conferences = Aging {
        oldest: ConferenceId::new(oldest, 0).to_string(),
        sql: [
            "SELECT EXISTS (SELECT 1 FROM conferences WHERE id < ?1 AND ended IS NOT NULL)",
            "SELECT count(*) FROM conferences",
            "DELETE FROM conferences WHERE id IN (SELECT id FROM conferences \
             WHERE id < ?1 AND ended IS NOT NULL ORDER BY id LIMIT ?2)",
        ],
        at_once: CONFERENCES_AT_ONCE,
    };
    let deleted = calls.delete(connection)?;
    let more = conferences.delete(connection)?;
    let of_open = "conference IN (SELECT id FROM conferences WHERE ended IS NULL AND id < ?1)";
    let oldest_id = &conferences.oldest;
    for (table, ended) in [("visits", "\"left\""), ("spans", "ended")] {
        let sql = format!("DELETE FROM {table} WHERE {of_open} AND {ended} < ?2");
        connection.execute(&sql, params![oldest_id, millis(oldest)])?;
    }
    let count = deleted.count + more.count;
    if count > 0 {
        return_free_pages(connection)?;
    }
    Ok(Deleted { count, is_partial: deleted.is_partial || more.is_partial })
}

impl Aging {
    fn delete(&self, connection: &Connection) -> rusqlite::Result<Deleted> {
        let Self { oldest, sql: [is_due, count, delete], at_once } = self;
        let is_due = || connection.query_row(is_due, [oldest], |row| row.get(0));
        if !is_due()? {
            return Ok(Deleted::default());
        }
        let all: usize = connection.query_row(count, [], |row| row.get(0))?;
        let most = all.div_ceil(SHARE);
        let mut count = 0;
        while count < most {
            match connection.execute(delete, params![oldest, (*at_once).min(most - count)])? {
                0 => break,
                some => count += some,
            }
        }
        Ok(Deleted { count, is_partial: is_due()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const DAY: Duration = Duration::from_secs(86_400);

    fn day(day: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + 20_000 * DAY + day * DAY
    }

    #[test]
    fn clock_years_ahead_costs_a_day_for_each_hour() {
        let mut clock = AgeClock { reached: day(0) };
        let ahead = day(3650);
        assert_eq!(clock.advance(ahead, Duration::ZERO), day(0));
        assert_eq!(clock.advance(ahead, HOUR), day(1));
        assert!(clock.lag(ahead).is_some());
        // The clock is corrected, and is wrong again at the next start.
        assert_eq!(clock.advance(day(0) + HOUR, HOUR), day(0) + HOUR);
        assert_eq!(clock.advance(ahead, Duration::ZERO), day(1));
    }

    #[test]
    fn clock_catches_up_after_a_month_off() {
        let mut clock = AgeClock { reached: day(0) };
        for hour in 0..33 {
            clock.advance(day(30) + hour * HOUR, if hour == 0 { Duration::ZERO } else { HOUR });
        }
        assert_eq!(clock.advance(day(30) + 33 * HOUR, HOUR), day(30) + 33 * HOUR);
        assert_eq!(clock.lag(day(30) + 33 * HOUR), None);
    }

    #[test]
    fn clock_that_is_set_back_deletes_less_and_is_not_stored() {
        let mut clock = AgeClock { reached: day(10) };
        assert_eq!(clock.advance(SystemTime::UNIX_EPOCH, HOUR), SystemTime::UNIX_EPOCH);
        assert_eq!(clock.advance(day(11), HOUR), day(11));
    }
}
