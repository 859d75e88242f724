// Times in words, in the viewer's zone, by the server's clock. Knows nothing of what happened then.

let ahead_s = 0; // the server's clock against this one
const clocks = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const days = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short" });
const keys = new Intl.DateTimeFormat("en-CA", { year: "numeric", month: "2-digit", day: "2-digit" });

/** Told with each answer's Date header, which is whole seconds: small differences are none. */
export function tellServerTime(header) {
  const difference_s = (Date.parse(header) + 500 - Date.now()) / 1000;
  if (Number.isFinite(difference_s)) ahead_s = Math.abs(difference_s) > 3 ? difference_s : 0;
}

/** UTC epoch seconds by the server's clock. */
export function now() {
  return Date.now() / 1000 + ahead_s;
}

export const clock = (time) => clocks.format(time * 1000);
export const minute = (time) => minutes.format(time * 1000);
export const day = (time) => days.format(time * 1000);
const sameDay = (a, b) => keys.format(a * 1000) === keys.format(b * 1000);

/** The time, with the day unless it is today. */
export function when(time) {
  return sameDay(time, now()) ? clock(time) : `${day(time)}, ${clock(time)}`;
}

/** 7 s, 3 min, 2 h 5 min, 4 days. */
export function lasting(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} days`;
}

export const ago = (time) => (now() - time < 2 ? "just now" : `${lasting(now() - time)} ago`);

/** A delay: 0.42 s, 3.1 s, 40 s. */
export function delay(seconds) {
  return seconds < 1 ? `${seconds.toFixed(2)} s` : seconds < 10 ? `${seconds.toFixed(1)} s` : lasting(seconds);
}

/** Such as "Europe/Berlin, GMT+1". */
export function zoneName() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const parts = new Intl.DateTimeFormat("en-GB", { timeZoneName: "short" }).formatToParts(Date.now());
  const short = parts.find((part) => part.type === "timeZoneName")?.value;
  return short && short !== zone ? `${zone}, ${short}` : zone;
}

/** What a datetime-local field holds, and back; null for an empty one. */
export function toField(time) {
  const local = new Date(time * 1000 - new Date(time * 1000).getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 16);
}
export const fromField = (text) => (text ? new Date(text).getTime() / 1000 : null);
