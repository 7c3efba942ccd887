/** Times, names and sizes as people read them. Times are shown in the reader's own zone. */

// All around the clock: during an outage nobody should have to ask which half of the day it was.
const hourCycle = "h23";
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle });
const clockWithSeconds = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle,
});
const day = new Intl.DateTimeFormat(undefined, {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
});
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle,
  timeZoneName: "short",
});

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export function timeOf(at: string | number): string {
  return clock.format(new Date(at));
}

export function timeWithSeconds(at: string | number): string {
  return clockWithSeconds.format(new Date(at));
}

export function dayOf(at: string | number): string {
  return day.format(new Date(at));
}

export function exactTime(at: string | number): string {
  return dayAndTime.format(new Date(at));
}

/** A number for the day of the reader's that a time falls on; the same for no two days. */
export function dayNumber(at_ms: number): number {
  const at = new Date(at_ms);
  return (at.getFullYear() * 12 + at.getMonth()) * 31 + at.getDate();
}

/** A length of time in its two largest units: `2 h 05 min`. */
export function duration(ms: number): string {
  const whole = Math.max(0, ms);
  if (whole < 10 * SECOND_MS) {
    return `${(whole / SECOND_MS).toFixed(1)} s`;
  }
  if (whole < MINUTE_MS) {
    return `${Math.round(whole / SECOND_MS)} s`;
  }
  if (whole < HOUR_MS) {
    const seconds = Math.floor((whole % MINUTE_MS) / SECOND_MS);
    return `${Math.floor(whole / MINUTE_MS)} min ${twoDigits(seconds)} s`;
  }
  if (whole < DAY_MS) {
    const minutes = Math.floor((whole % HOUR_MS) / MINUTE_MS);
    return `${Math.floor(whole / HOUR_MS)} h ${twoDigits(minutes)} min`;
  }
  return `${Math.floor(whole / DAY_MS)} d ${Math.floor((whole % DAY_MS) / HOUR_MS)} h`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}

/** `ana` of `ana@example.org`; an id without an @ as it is. */
export function localPart(userId: string): string {
  const at = userId.indexOf("@");
  return at > 0 ? userId.slice(0, at) : userId;
}

/** What a user is called: the name that the room knows, else the local part of the id. */
export function nameOf(
  userId: string,
  members?: ReadonlyMap<string, { readonly name: string | null }>,
): string {
  return members?.get(userId)?.name ?? localPart(userId);
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/[\s._+-]+/u).filter((word) => word !== "");
  const letters = words.slice(0, 2).map((word) => [...word][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}

const HUES = 12;

/** One of a few hues, always the same for the same user. */
export function hueOf(userId: string): number {
  let hash = 0;
  for (const char of userId) {
    hash = (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  }
  return hash % HUES;
}

const SIZES = ["B", "KB", "MB", "GB", "TB"];

export function byteSize(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < SIZES.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${SIZES[unit] ?? "B"}`;
}

/** `a`, `a and b`, `a, b and 3 others`. */
export function listOf(names: readonly string[], shown = 2): string {
  if (names.length === 0) {
    return "";
  }
  if (names.length > shown + 1) {
    const others = names.length - shown;
    return `${names.slice(0, shown).join(", ")} and ${others} others`;
  }
  const last = names[names.length - 1] ?? "";
  return names.length === 1 ? last : `${names.slice(0, -1).join(", ")} and ${last}`;
}

export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString()} ${count === 1 ? one : many}`;
}
