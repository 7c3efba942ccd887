/**
 * How a bundle is written: the lines that an event becomes, and what stands before and after them.
 *
 * The same bytes as by `roomlog/audit/bundle_format.py`; docs/protocol/bundles.md specifies them.
 */

export const NESTED_MAX = 100;

const STYLE =
  "body{font:16px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em;" +
  "color-scheme:light dark}ol{list-style:none;padding:0}li{border-top:1px solid #8886;" +
  "padding:.5em 0;content-visibility:auto;contain-intrinsic-size:auto 6em}" +
  "li:target{background:#ff04}p{margin:.25em 0}bdi,code,pre{white-space:pre-wrap;" +
  "overflow-wrap:anywhere}time,i,summary{opacity:.7}details{font-size:.8em}";
const POLICY =
  "default-src 'none'; style-src 'sha256-FLmF5yybQYzAGyPx1Fbl4J+dtHaz43ZCcR6wSiojLdQ='; " +
  "base-uri 'none'; form-action 'none'";

export interface Manifest {
  room_id: string;
  epoch: string;
  exported_at: string;
  /** As it stands in the page. */
  key: string;
}

export function headOf({ room_id, epoch, exported_at, key }: Manifest): string {
  return (
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n' +
    `<meta http-equiv="Content-Security-Policy" content="${POLICY}">\n` +
    `<title>roomlog bundle of room ${room_id}</title>\n` +
    `<style>${STYLE}</style>\n</head>\n<body>\n` +
    `<h1>Room ${room_id}</h1>\n` +
    "<p>Every event of the room in order. This page vouches for nothing by itself: the file " +
    "does, when <code>roomlog audit verify</code> says so.</p>\n" +
    `<pre>\nroomlog-bundle/1\nroom ${room_id}\nepoch ${epoch}\nexported ${exported_at}\n` +
    `key ${key}\n</pre>\n<ol>\n`
  );
}

export const HEAD_BEGIN = "<!DOCTYPE html>\n";
export const HEAD_LINES =
  headOf({ room_id: "", epoch: "", exported_at: "", key: "" }).split("\n").length - 1;
export const EVENTS_END = "</ol>\n";
export const CHECKPOINT_BEGIN = "<h2>Signed checkpoint of the room's tree</h2>\n<pre>\n";
export const CHECKPOINT_END = "</pre>\n";
export const SIGNATURE_BEGIN = "<h2>Signature of this file</h2>\n<pre>\n";
export const END = "</pre>\n</body>\n</html>\n";

export function signedText(origin: string, events: number, erased: number, chain: string): string {
  return `roomlog bundle 1\n${origin}\nevents ${events}\nerased ${erased}\nsha256 ${chain}\n`;
}

const WORDS = new Map([
  ["room.created", "created the room"],
  ["room.updated", "changed the room"],
  ["member.added", "added a member"],
  ["member.role_changed", "changed a member's role"],
  ["member.removed", "removed a member"],
  ["message.sent", "sent"],
  ["message.edited", "edited"],
  ["message.deleted", "deleted"],
  ["message.redacted", "redacted"],
  ["reaction.added", "reacted to"],
  ["reaction.removed", "took back a reaction to"],
]);
const BODY_FIELDS = [
  ...["content", "name", "title", "severity", "status", "user_id", "role", "message_type"],
  ...["reply_to", "emoji", "redacted_sequence", "reason"],
];
const METADATA_FIELDS = ["event", "kind", "url", "filename", "alt"];

const utf8 = new TextEncoder();
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const byteChars = new TextDecoder("latin1");

/** Text as UTF-8. */
export function bytesOf(text: string): Uint8Array {
  return utf8.encode(text);
}

/** UTF-8 as text; throws a TypeError where it is none. */
export function textOf(bytes: Uint8Array): string {
  return strictUtf8.decode(bytes);
}

/** A character for each byte, ASCII as itself: what patterns over bytes are matched with. */
export function charsOf(bytes: Uint8Array): string {
  return byteChars.decode(bytes);
}

/** Several arrays as one. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Text as it stands in the page, and can be read back from there. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** What `escaped` was given. */
export function unescaped(text: string): string {
  return text.replaceAll("&gt;", ">").replaceAll("&lt;", "<").replaceAll("&amp;", "&");
}

/** Text for readers: on one line of the file, with control characters that can be seen. */
export function shown(text: string): string {
  return escaped(text.replace(/[\ud800-\udfff]/gu, "\ufffd"))
    .replaceAll('"', "&quot;")
    .replaceAll("\n", "&#10;")
    .replaceAll("\x7f", "\u2421")
    .replace(/[\0-\x08\x0b-\x1f]/g, (char) => String.fromCharCode(0x2400 + char.charCodeAt(0)));
}

/** Stored bytes as envelope and body; bytes that are no event are all envelope. */
export function splitStored(data: Uint8Array): { envelope: Uint8Array; body: Uint8Array | null } {
  const chars = charsOf(data);
  const found = /^\{[\s\S]*?,"commit":"[0-9a-f]*"(?=,"body":)/.exec(chars);
  if (found === null || !chars.endsWith("}")) {
    return { envelope: data, body: null };
  }
  const end = found[0].length;
  const envelope = joined(data.subarray(0, end), bytesOf("}"));
  return { envelope, body: data.subarray(end + ',"body":'.length, -1) };
}

/** The leaf that stands for an event in the room's tree. */
export function leafOf(sequence: number, envelope: Uint8Array): Uint8Array {
  const leaf = new Uint8Array(8 + envelope.length);
  new DataView(leaf.buffer).setBigUint64(0, BigInt(sequence));
  leaf.set(envelope, 8);
  return leaf;
}

type Fields = Readonly<Record<string, unknown>>;

/** A JSON object; empty where it is none, or nested too deep. */
export function parsed(data: Uint8Array): Fields {
  try {
    const text = textOf(data);
    return isNestedTooDeep(text) ? {} : asFields(JSON.parse(text));
  } catch {
    return {};
  }
}

// One without an end goes to the end: else each quote in it would be a beginning to try again.
const STRINGS = /"[^"\\]*(?:\\[\s\S][^"\\]*)*(?:"|\\?$)/g;

function isNestedTooDeep(text: string): boolean {
  if ((text.match(/[[{]/g) ?? []).length <= NESTED_MAX) {
    return false;
  }
  const brackets = text.replace(STRINGS, "").replace(/[^\][{}]/g, "");
  let depth = 0;
  for (const char of brackets) {
    depth += char === "[" || char === "{" ? 1 : -1;
    if (depth > NESTED_MAX) {
      return true;
    }
  }
  return false;
}

function asFields(value: unknown): Fields {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Fields) : {};
}

/** A string, or an integer that every language has, as text; null of all else. */
export function valueText(value: unknown): string | null {
  if (typeof value === "number" && Number.isSafeInteger(value)) {
    return String(value);
  }
  return typeof value === "string" ? value : null;
}

/** What the page shows of an event: one line. Of an erased event `data` is its envelope. */
export function timeline(sequence: number, data: Uint8Array, erasedBy: number | null): string {
  const event = parsed(data);
  const [kind, id, at, actor] = ["type", "id", "at", "actor"].map((name) => valueText(event[name]));
  if (kind == null || id == null || at == null || actor == null) {
    return `<li>${sequence} <i>bytes that are no event</i>\n`;
  }
  let line =
    `<li id="${shown(id)}">${sequence} <time>${shown(at)}</time> ` +
    `<b><bdi>${shown(actor)}</bdi></b> ${WORDS.get(kind) ?? shown(kind)}`;
  const about = valueText(event["message_id"]);
  if (about !== null && about !== id) {
    line += ` <a href="#${shown(about)}">${shown(about)}</a>`;
  }
  if (erasedBy !== null) {
    return `${line} <p><i>what was said here was erased: see event ${erasedBy}</i></p>\n`;
  }
  const body = asFields(event["body"]);
  line += shownFields(BODY_FIELDS, body);
  return `${line}${shownFields(METADATA_FIELDS, asFields(body["metadata"]))}\n`;
}

function shownFields(names: readonly string[], values: Fields): string {
  let line = "";
  for (const name of names) {
    const value = valueText(values[name]);
    if (value) {
      const label = name === "content" ? "" : `<i>${name}</i> `;
      line += `<p>${label}<bdi>${shown(value)}</bdi></p>`;
    } else if (values[name] === null) {
      line += `<p><i>${name}</i> cleared</p>`;
    }
  }
  return line;
}

/** An event's second line, up to its check. */
export function eventLine(sequence: number, appendedAt: string, data: Uint8Array): string {
  let text: string | null = null;
  try {
    text = textOf(data);
  } catch {
    // Not text.
  }
  return text === null || /[\0-\x1f]/.test(text)
    ? stored(`bytes ${sequence} ${appendedAt} ${base64Of(data)}`)
    : stored(`event ${sequence} ${appendedAt} ${escaped(text)}`);
}

/** An erased event's second line, up to its check. */
export function erasedLine(sequence: number, erasedBy: number, envelope: Uint8Array): string {
  return stored(`erased ${sequence} ${erasedBy} ${escaped(textOf(envelope))}`);
}

function stored(text: string): string {
  return `<details><summary>stored</summary><code>${text}</code>`;
}

/** What ends a record: it names the first record that does not follow from those before. */
export function checkOf(chain: Uint8Array): string {
  return `<i>${hexOf(chain).slice(0, 16)}</i></details></li>\n`;
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function base64Of(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

/** Base64 in its one canonical form; throws where it is not. */
export function decodeBase64(text: string): Uint8Array {
  const chars = atob(text);
  if (btoa(chars) !== text) {
    throw new SyntaxError("not base64 in its canonical form");
  }
  return Uint8Array.from(chars, (char) => char.charCodeAt(0));
}

export function areEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) {
    return false;
  }
  for (let n = 0; n < one.length; n += 1) {
    if (one[n] !== other[n]) {
      return false;
    }
  }
  return true;
}
