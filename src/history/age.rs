//! Deletes calls that are older than `[history] keep`.
//!
//! A machine can start with a clock that is years ahead, until NTP corrects it. To delete by that
//! clock would delete everything. So calls grow old by a clock of the history's own, which is
//! stored with them: it follows the system's clock, but never moves on faster than [`PACE`] times
//! the time that the daemon has run. A daemon that was off for a month has caught up within a day
//! and a half; an hour under a clock that is years ahead deletes the calls of one day too many. A
//! jump is not judged by its length, as no length tells a wrong clock from a machine that was
//! switched off.
//!
//! A clock that is set back deletes less until it is right again, and the stored one waits for it.
//! A run of the clean-up deletes at most a quarter of all calls.

use std::time::{Duration, SystemTime};

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::millis;
use super::sink::{DELETED_AT_ONCE, give_back};
use originatord_core::call::CallId;

/// How much faster than the daemon's own time the history's clock can catch up with the system's: a
/// day in an hour.
const PACE: u32 = 24;

/// A run of the clean-up deletes one in this many calls at most.
const SHARE: usize = 4;

/// How far the system's clock may be ahead of the history's before it is logged.
const AHEAD: Duration = Duration::from_secs(86_400);

/// The clock that calls grow old by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AgeClock {
    reached: SystemTime,
}

impl AgeClock {
    /// Goes on where the stored clock was. Without one, the newest call that the history has and
    /// `last_record` of the journal tell how late it has been.
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

    /// Moves on, after the daemon `ran` for some time since the last move. Returns the time that
    /// counts now.
    pub(super) fn advance(&mut self, now: SystemTime, ran: Duration) -> SystemTime {
        let allowed = self.reached.checked_add(ran.saturating_mul(PACE)).unwrap_or(now);
        self.reached = self.reached.max(now.min(allowed));
        now.min(self.reached)
    }

    /// How far the system's clock is ahead, if it is suspiciously far.
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

/// The result of one run of the clean-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Deleted {
    pub(super) count: usize,
    /// Others are too old as well.
    pub(super) is_partial: bool,
}

/// Deletes calls that were requested before `oldest`, the oldest first, but no more than a share of
/// all.
pub(super) fn delete_before(
    connection: &Connection,
    oldest: SystemTime,
) -> rusqlite::Result<Deleted> {
    let oldest = CallId::new(oldest, 0).to_string();
    let is_due = || {
        connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM calls WHERE id < ?1)",
            [&oldest],
            |row| row.get(0),
        )
    };
    if !is_due()? {
        return Ok(Deleted::default());
    }
    let calls: usize = connection.query_row("SELECT count(*) FROM calls", [], |row| row.get(0))?;
    let most = calls.div_ceil(SHARE);
    let sql =
        "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE id < ?1 ORDER BY id LIMIT ?2)";
    let mut count = 0;
    while count < most {
        match connection.execute(sql, params![oldest, DELETED_AT_ONCE.min(most - count)])? {
            0 => break,
            some => count += some,
        }
    }
    give_back(connection)?;
    Ok(Deleted { count, is_partial: is_due()? })
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
        // It is corrected, and wrong again at another start.
        assert_eq!(clock.advance(day(0) + HOUR, HOUR), day(0) + HOUR);
        assert_eq!(clock.advance(ahead, Duration::ZERO), day(1));
    }

    #[test]
    fn month_without_the_daemon_is_made_up_for() {
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
