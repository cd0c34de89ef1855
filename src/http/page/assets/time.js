// Times and durations as text. All times are shown in the browser's time zone.

/**
 * The daemon's clock minus this device's, in ms. Clocks that agree to within 2 s count as equal.
 */
let clockOffset = 0;

/**
 * The smallest difference that counts, in ms. The `Date` header of a response has whole seconds, so
 * smaller differences cannot be measured.
 */
const MIN_OFFSET = 2000;

/**
 * The time on the daemon's clock, in ms of Unix time. Durations up to now need it: call times come
 * from the daemon.
 */
export const now = () => Date.now() + clockOffset;

/**
 * Learns the daemon's clock from a `Date` header and the device's time just before the request and
 * after the response.
 */
export function syncClock(dateHeader, sent, received) {
  const seconds = Date.parse(dateHeader);
  if (Number.isNaN(seconds)) return;
  // The header cuts off the part of a second; half a second is what it lacks on average.
  const offset = seconds + 500 - (sent + received) / 2;
  clockOffset = Math.abs(offset) > MIN_OFFSET ? offset : 0;
}

const pad = (n, digits = 2) => String(n).padStart(digits, "0");

/** The time of day, as `18:20`. */
export function hourMinute(time) {
  const date = new Date(time);
  return `${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

/** The time of day, as `18:20:02`. */
export const timeOfDay = (time) => `${hourMinute(time)}:${pad(new Date(time).getSeconds())}`;

/** The time of day, as `18:20:02.041`. */
export const timeWithMs = (time) => `${timeOfDay(time)}.${pad(new Date(time).getMilliseconds(), 3)}`;

/** The date as `2026-11-25`; empty for today. */
export function dateUnlessToday(time) {
  const [day, today] = [new Date(time), new Date(now())];
  if (day.toDateString() === today.toDateString()) return "";
  return `${day.getFullYear()}-${pad(day.getMonth() + 1)}-${pad(day.getDate())}`;
}

/** Date (unless today) and time of day, to the second. */
export const dateTime = (time) => `${dateUnlessToday(time)} ${timeOfDay(time)}`.trim();

/** Date (unless today) and time of day, to the minute. */
export const dateMinute = (time) => `${dateUnlessToday(time)} ${hourMinute(time)}`.trim();

/** For a table column: the time of day to the millisecond, or `11-25 18:20:02` on another day. */
export function columnTimeMs(time) {
  const day = dateUnlessToday(time);
  return day ? `${day.slice(5)} ${timeOfDay(time)}` : timeWithMs(time);
}

/** For a narrow table column: the time of day to the second, or `11-25 18:20` on another day. */
export function columnTime(time) {
  const day = dateUnlessToday(time);
  return day ? `${day.slice(5)} ${hourMinute(time)}` : timeOfDay(time);
}

/** The browser's time zone, as `UTC+03:00`. */
export function timeZone() {
  const minutes = -new Date().getTimezoneOffset();
  if (!minutes) return "UTC";
  const ahead = Math.abs(minutes);
  return `UTC${minutes < 0 ? "-" : "+"}${pad(Math.floor(ahead / 60))}:${pad(ahead % 60)}`;
}

/** Milliseconds as `0:07`, `12:34` or `1:02:03`. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

/**
 * Milliseconds as `4 ms`, `1.25 s` or `12:34`: more exact than `duration` where the time is short.
 */
export function shortDuration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  return ms < 60_000 ? `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s` : duration(ms);
}
