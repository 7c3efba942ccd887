/**
 * Verify a bundle: a room's events in one file, with proof that nothing of it was changed.
 *
 * Written from docs/protocol/bundles.md, beside `roomlog/audit/verify_bundle.py`;
 * `tests/contracts/bundle_cases.json` holds the two together. The file is read once, line by line;
 * what each line has to be is worked out anew, and compared byte by byte. Begin to read at `run`.
 */

import * as form from "./format.js";
import { type BundleSource, Lines } from "./lines.js";
import * as notes from "./notes.js";
import { sha256 } from "./sha256.js";
import { Tree } from "./tree.js";
import { type BundleCode, type BundleVerdict, conclude } from "./verdict.js";

const LINE_BYTES_MAX = 8 * 1024 * 1024;
const HEAD_LINE_BYTES_MAX = 2000;
const NOTE_LINES_MAX = 100;

const UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}";
const SECOND = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`;
const SEQUENCE = String.raw`[1-9]\d{0,14}`;
const MANIFEST = new RegExp(
  String.raw`\nroomlog-bundle/1\nroom (${UUID})\nepoch ([\w.-]{1,64})\n` +
    String.raw`exported (${SECOND}\.\d{3}Z)\nkey ([^\n]{1,1000})\n`,
  "u",
);
const RECORD = new RegExp(
  String.raw`^<details><summary>stored</summary><code>(event|bytes|erased) (${SEQUENCE}) ` +
    String.raw`(${SECOND}\.\d{9}Z|${SEQUENCE}) ([^\n]*)</code>`,
);
const NAMED = /<code>[a-z]+ ([1-9]\d{0,14}) /;
const ENVELOPE = /^\{[\s\S]*,"commit":"[0-9a-f]*"\}$/;

export interface BundleOptions {
  /** Keys known from elsewhere (`name+keyid+base64`): one of them must have signed. */
  keys?: readonly string[];
  /** An earlier signed checkpoint of the room, held elsewhere: its text. */
  against?: string;
  /** Called now and then with the number of events read. */
  onProgress?: (events: number) => void;
}

/**
 * Verify a bundle, in one reading and bounded memory. Rejects with a SyntaxError where a key or
 * `against` is none, and with whatever reading the source does. It needs Web Crypto with Ed25519.
 */
export async function verifyBundle(
  source: BundleSource,
  options: BundleOptions = {},
): Promise<BundleVerdict> {
  const keys = (options.keys ?? []).map(notes.parseKey);
  const against = options.against === undefined ? null : notes.parseCheckpoint(options.against);
  const verification = new Verification(new Lines(source), keys, against);
  const verdict = verification.verdict;
  try {
    await verification.run(options.onProgress ?? (() => {}));
  } catch (error) {
    if (!(error instanceof Bad)) {
      throw error;
    }
    verdict.code = error.code;
    verdict.detail = error.message;
    verdict.sequence = error.sequence;
    return verdict;
  }
  verdict.ok = true;
  conclude(verdict, keys.length > 0, against);
  return verdict;
}

class Bad extends Error {
  constructor(
    readonly code: BundleCode,
    detail: string,
    readonly sequence: number | null = null,
  ) {
    super(detail);
  }
}

function demand(holds: boolean, code: BundleCode, detail: string, sequence?: number): void {
  if (!holds) {
    throw new Bad(code, detail, sequence ?? null);
  }
}

/** What `read` gives; a `Bad` of that code where it throws. */
function readable<T>(read: () => T, code: BundleCode, sequence?: number): T {
  try {
    return read();
  } catch (error) {
    throw new Bad(code, error instanceof Error ? error.message : String(error), sequence ?? null);
  }
}

interface StoredRecord {
  kind: string;
  sequence: number;
  /** The time of appending, or of an erased event the sequence of its redaction. */
  about: string;
  data: Uint8Array;
  /** How many bytes of the second line it takes, up to its check. */
  bytes: number;
}

class Verification {
  readonly verdict: BundleVerdict = {
    ok: false,
    code: "ok",
    detail: "",
    sequence: null,
    last_good: null,
    room_id: null,
    epoch: null,
    exported_at: null,
    key: null,
    events: 0,
    erased: 0,
    root: null,
    checkpoint: null,
    proved: [],
    not_proved: [],
  };
  readonly #lines: Lines;
  readonly #keys: readonly notes.Key[];
  readonly #against: notes.Checkpoint | null;
  #againstRoot: Uint8Array | null = null;
  readonly #tree = new Tree();
  #chain: Uint8Array = new Uint8Array();
  #last = 0;
  /** Erased events whose redaction is yet to come. */
  readonly #unexplained = new Map<number, { by: number; envelope: string; message: string }>();

  constructor(lines: Lines, keys: readonly notes.Key[], against: notes.Checkpoint | null) {
    this.#lines = lines;
    this.#keys = keys;
    this.#against = against;
  }

  /** Read to the end; throws `Bad` at the first thing that is wrong. */
  async run(onProgress: (events: number) => void): Promise<void> {
    const key = await this.#readHead();
    this.#keepAgainstRoot();
    const end = form.bytesOf(form.EVENTS_END);
    let first = await this.#line();
    while (!form.areEqual(first, end)) {
      this.#readRecord(first, await this.#line());
      this.verdict.last_good = this.#last;
      if (this.#tree.size % 1000 === 0) {
        onProgress(this.#tree.size);
      }
      first = await this.#line();
    }
    if (this.#unexplained.size > 0) {
      // They are in order: the first is the lowest.
      const [sequence = 0] = this.#unexplained.keys();
      throw new Bad("hole", `no redaction explains why event ${sequence} is erased`, sequence);
    }
    const origin = `${key.name}/${this.verdict.epoch}/rooms/${this.verdict.room_id}`;
    await this.#readCheckpoint(key, origin);
    await this.#readSignature(key, origin);
    await this.#compareAgainst(key, origin);
  }

  async #line(): Promise<Uint8Array> {
    const line = await this.#lines.read(LINE_BYTES_MAX + 1);
    const longest = `a line has more than ${LINE_BYTES_MAX} bytes`;
    demand(line.length <= LINE_BYTES_MAX, "malformed", longest);
    demand(line.at(-1) === 0x0a, "truncated", "the file ends before its end");
    return line;
  }

  async #expect(text: string, code: BundleCode): Promise<void> {
    for (const line of text.split(/(?<=\n)/)) {
      const same = form.areEqual(await this.#line(), form.bytesOf(line));
      demand(same, code, "this is not what a bundle has here");
    }
  }

  #advance(...data: readonly Uint8Array[]): void {
    this.#chain = sha256(this.#chain, ...data);
  }

  async #readHead(): Promise<notes.Key> {
    const lines: Uint8Array[] = [];
    for (let n = 0; n < form.HEAD_LINES; n += 1) {
      lines.push(await this.#lines.read(HEAD_LINE_BYTES_MAX));
    }
    const written = form.joined(...lines);
    const chars = form.charsOf(written);
    const isBundle = chars.startsWith(form.HEAD_BEGIN) && chars.includes("\nroomlog-bundle/");
    demand(isBundle, "not_a_bundle", "this file is no bundle of roomlog");
    const head = readable(() => form.textOf(written), "head");
    const [, room_id = "", epoch = "", exported_at = "", key = ""] = MANIFEST.exec(head) ?? [];
    demand(key !== "", "head", "the head is not that of a bundle of format roomlog-bundle/1");
    const own = form.headOf({ room_id, epoch, exported_at, key });
    demand(head === own, "head", "the head was changed");
    this.#advance(written);
    Object.assign(this.verdict, { room_id, epoch, exported_at, key: form.unescaped(key) });
    const found = readable(() => notes.parseKey(form.unescaped(key)), "key");
    const text = notes.keyText(found);
    demand(form.escaped(text) === key, "key", "the key is not in its canonical form");
    const isGiven = this.#keys.some((given) => notes.keyText(given) === text);
    const detail = `the key of this bundle is ${text}, and not one that was given`;
    demand(this.#keys.length === 0 || isGiven, "key", detail);
    return found;
  }

  #readRecord(first: Uint8Array, second: Uint8Array): void {
    const { kind, sequence, about, data, bytes } = this.#record(second);
    const erasedBy = kind === "erased" ? Number(about) : null;
    const own =
      erasedBy === null
        ? form.eventLine(sequence, about, data)
        : form.erasedLine(sequence, erasedBy, data);
    const written = second.subarray(0, bytes);
    const oneForm = form.areEqual(form.bytesOf(own), written);
    demand(oneForm, "malformed", `event ${sequence} is not in its one form`, sequence);
    let envelope = data;
    if (erasedBy === null) {
      envelope = this.#checkEvent(sequence, data);
    } else {
      this.#checkErased(sequence, erasedBy, data);
    }
    const shown = form.bytesOf(form.timeline(sequence, data, erasedBy));
    const told = `what the page shows of event ${sequence} is not what the event says`;
    demand(form.areEqual(first, shown), "timeline", told, sequence);
    this.#advance(first, written);
    const check = form.bytesOf(form.checkOf(this.#chain));
    const follows = `event ${sequence} does not follow from what stands before it`;
    demand(form.areEqual(second.subarray(bytes), check), "chain", follows, sequence);
    this.#tree.append(form.leafOf(sequence, envelope));
    this.#last = sequence;
    this.verdict.events = this.#tree.size;
    this.#keepAgainstRoot();
  }

  #record(line: Uint8Array): StoredRecord {
    const chars = form.charsOf(line);
    const [all, kind = "", number, about = "", raw = ""] = RECORD.exec(chars) ?? [];
    if (all === undefined || (kind === "erased") === about.endsWith("Z")) {
      const named = NAMED.exec(chars)?.[1];
      throw new Bad("malformed", "this is no record", named === undefined ? null : Number(named));
    }
    const sequence = Number(number);
    const order = `event ${sequence} comes after event ${this.#last}`;
    demand(sequence > this.#last, "order", order, sequence);
    const end = all.length - "</code>".length;
    const data = readable(
      () => {
        const text = form.textOf(line.subarray(end - raw.length, end));
        return kind === "bytes" ? form.decodeBase64(text) : form.bytesOf(form.unescaped(text));
      },
      "malformed",
      sequence,
    );
    return { kind, sequence, about, data, bytes: all.length };
  }

  /** Returns its envelope. */
  #checkEvent(sequence: number, data: Uint8Array): Uint8Array {
    const { envelope, body } = form.splitStored(data);
    if (body === null) {
      const isBare = ENVELOPE.test(form.charsOf(data));
      demand(!isBare, "body", `event ${sequence} is without its body`, sequence);
      return envelope;
    }
    const fields = form.parsed(envelope);
    this.#checkRoom(sequence, fields["room_id"]);
    const commit = `"${form.hexOf(sha256(body))}"}`;
    const detail = `what event ${sequence} says is not what was said: its hash is another`;
    demand(form.charsOf(envelope).endsWith(commit), "body", detail, sequence);
    if (fields["type"] === "message.redacted") {
      this.#explain(sequence, fields["message_id"], form.parsed(body));
    }
    return envelope;
  }

  #explain(sequence: number, message: unknown, said: Readonly<Record<string, unknown>>): void {
    const erased = said["redacted_sequence"];
    const waiting = typeof erased === "number" ? this.#unexplained.get(erased) : undefined;
    if (typeof erased === "number" && waiting?.by === sequence) {
      const detail = `redaction ${sequence} tells of event ${erased} otherwise`;
      const same = said["redacted_envelope"] === waiting.envelope && message === waiting.message;
      demand(same, "hole", detail, erased);
      this.#unexplained.delete(erased);
    }
  }

  #checkErased(sequence: number, by: number, data: Uint8Array): void {
    const explained = by > sequence && ENVELOPE.test(form.charsOf(data));
    demand(explained, "hole", `event ${sequence} is erased without an explanation`, sequence);
    const { type, id, message_id, room_id } = form.parsed(data);
    const kind = typeof type === "string" ? type : "";
    const message = kind === "message.sent" ? id : message_id;
    if (!/^message\.(?!redacted$)/s.test(kind) || typeof message !== "string") {
      throw new Bad("hole", `event ${sequence} is erased, and said nothing of a message`, sequence);
    }
    this.#checkRoom(sequence, room_id);
    this.#unexplained.set(sequence, { by, envelope: form.textOf(data), message });
    this.verdict.erased += 1;
  }

  #checkRoom(sequence: number, room_id: unknown): void {
    const detail = `event ${sequence} is of another room`;
    demand(room_id === this.verdict.room_id, "room", detail, sequence);
  }

  async #note(end: string): Promise<string> {
    const lines: Uint8Array[] = [];
    const last = form.bytesOf(end);
    for (;;) {
      const line = await this.#line();
      if (form.areEqual(line, last)) {
        const note = readable(() => form.textOf(form.joined(...lines)), "malformed");
        // Else markup could stand there, and the page would show what no event says.
        const isEscaped = form.escaped(form.unescaped(note)) === note;
        demand(isEscaped, "malformed", "the note is not escaped");
        return note;
      }
      lines.push(line);
      const detail = `a note has more than ${NOTE_LINES_MAX} lines`;
      demand(lines.length <= NOTE_LINES_MAX, "malformed", detail);
    }
  }

  async #readCheckpoint(key: notes.Key, origin: string): Promise<void> {
    await this.#expect(form.CHECKPOINT_BEGIN, "malformed");
    const note = await this.#note(form.CHECKPOINT_END);
    await this.#expect(form.SIGNATURE_BEGIN, "malformed");
    const written =
      form.EVENTS_END + form.CHECKPOINT_BEGIN + note + form.CHECKPOINT_END + form.SIGNATURE_BEGIN;
    this.#advance(form.bytesOf(written));
    const text = form.unescaped(note);
    const checkpoint = readable(() => notes.parseCheckpoint(text), "checkpoint_malformed");
    const signed = await notes.isSigned(checkpoint.text, checkpoint.signatures, [key]);
    demand(signed, "checkpoint_signature", `${key.name} did not sign the checkpoint`);
    const other = `the checkpoint is of another tree, ${checkpoint.origin}`;
    demand(checkpoint.origin === origin, "checkpoint_origin", other);
    const sizes = `the checkpoint is of ${checkpoint.size} events, here are ${this.#tree.size}`;
    demand(checkpoint.size === this.#tree.size, "checkpoint_size", sizes);
    const same = form.areEqual(checkpoint.root, this.#tree.root());
    demand(same, "checkpoint_root", "the checkpoint is of other events than these");
    this.verdict.root = form.base64Of(checkpoint.root);
    this.verdict.checkpoint = text;
  }

  async #readSignature(key: notes.Key, origin: string): Promise<void> {
    const chain = form.hexOf(this.#chain);
    const text = form.signedText(origin, this.#tree.size, this.verdict.erased, chain);
    await this.#expect(form.escaped(text), "hash");
    await this.#expect("\n", "malformed");
    const bytes = await this.#line();
    const line = readable(() => form.textOf(bytes), "signature").slice(0, -1);
    const plain = form.unescaped(line);
    const signature = readable(() => notes.parseSignature(plain), "signature");
    const signed = form.escaped(plain) === line && (await notes.isSigned(text, [signature], [key]));
    demand(signed, "signature", `${key.name} did not sign this file`);
    await this.#expect(form.END, "malformed");
    const rest = await this.#lines.read(1);
    demand(rest.length === 0, "trailing", "something stands after the end");
  }

  #keepAgainstRoot(): void {
    if (this.#against?.size === this.#tree.size) {
      this.#againstRoot = this.#tree.root();
    }
  }

  async #compareAgainst(key: notes.Key, origin: string): Promise<void> {
    const held = this.#against;
    if (held === null) {
      return;
    }
    const signed = await notes.isSigned(held.text, held.signatures, [key, ...this.#keys]);
    const unknown = "no known key signed the checkpoint to compare with";
    demand(signed, "against_signature", unknown);
    const other = `the checkpoint to compare with is of another tree, ${held.origin}`;
    demand(held.origin === origin, "against_origin", other);
    const sizes = `the checkpoint saw ${held.size} events, here are only ${this.#tree.size}`;
    demand(held.size <= this.#tree.size, "against_size", sizes);
    const same = this.#againstRoot !== null && form.areEqual(held.root, this.#againstRoot);
    const events = `the first ${held.size} events are not those that the checkpoint saw`;
    demand(same, "against_root", events);
  }
}
