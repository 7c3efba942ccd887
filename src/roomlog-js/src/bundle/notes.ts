/** Signed notes as a bundle has them (C2SP signed-note and tlog-checkpoint, Ed25519 alone). */

import { areEqual, base64Of, bytesOf, decodeBase64, hexOf, joined } from "./format.js";
import { sha256 } from "./sha256.js";

/** An Ed25519 public key under a name; `keyId` stands for both in a signature. */
export interface Key {
  name: string;
  keyId: Uint8Array;
  publicKey: Uint8Array;
}

export interface Signature {
  name: string;
  /** The key's id, and what it signed with. */
  bytes: Uint8Array;
}

/** What a signed checkpoint says: the tree called `origin` had `size` leaves and that root. */
export interface Checkpoint {
  origin: string;
  size: number;
  root: Uint8Array;
  text: string;
  signatures: Signature[];
}

// A key's name has no blanks (in Unicode's sense), no control characters, and no plus.
const NAME =
  /^[^\0-\x20+\x7f-\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]+$/u;

export function keyText({ name, keyId, publicKey }: Key): string {
  return `${name}+${hexOf(keyId)}+${base64Of(joined(new Uint8Array([1]), publicKey))}`;
}

/** Read `name+keyid+base64`; throws where it is none. */
export function parseKey(text: string): Key {
  const [name = "", keyId = "", ...rest] = text.trim().split("+");
  const key = decodeBase64(rest.join("+"));
  if (!NAME.test(name) || key.length !== 33 || key[0] !== 1) {
    throw new SyntaxError("a key is: name, plus, key id, plus, an Ed25519 key in base64");
  }
  const named = sha256(bytesOf(`${name}\n`), key).slice(0, 4);
  if (keyId !== hexOf(named)) {
    throw new SyntaxError("the key's id is not that of its name and bytes");
  }
  return { name, keyId: named, publicKey: key.slice(1) };
}

/** Read a signed checkpoint; throws where it is none. Verifies nothing. */
export function parseCheckpoint(note: string): Checkpoint {
  const blank = note.lastIndexOf("\n\n");
  const text = note.slice(0, Math.max(blank, 0));
  const below = note.slice(blank + 2);
  const [origin = "", size = "", root = "", ...more] = text.split("\n");
  if (blank < 0 || !below.endsWith("\n") || [origin, size, root, ...more].includes("")) {
    throw new SyntaxError("a checkpoint has three lines or more, an empty one, and signatures");
  }
  if (!/^(?:0|[1-9][0-9]{0,14})$/.test(size)) {
    throw new SyntaxError("a checkpoint's second line is a number");
  }
  const hashed = decodeBase64(root);
  if (hashed.length !== 32) {
    throw new SyntaxError("a checkpoint's root has 32 bytes");
  }
  const signatures = below.slice(0, -1).split("\n").map(parseSignature);
  return { origin, size: Number(size), root: hashed, text: `${text}\n`, signatures };
}

/** Read one line below a note; throws where it is none. */
export function parseSignature(line: string): Signature {
  const [, name, encoded] = /^\u2014 ([^ +\n]+) ([A-Za-z0-9+/=]+)$/.exec(line) ?? [];
  if (name === undefined || encoded === undefined) {
    throw new SyntaxError("a signature is: dash, name, base64");
  }
  return { name, bytes: decodeBase64(encoded) };
}

/** Whether one of `keys` signed, and no signature in the name of one of them is wrong. */
export async function isSigned(
  text: string,
  signatures: readonly Signature[],
  keys: readonly Key[],
): Promise<boolean> {
  let good = false;
  for (const { name, bytes } of signatures) {
    for (const key of keys) {
      if (name === key.name && areEqual(bytes.subarray(0, 4), key.keyId)) {
        if (!(await isSignedBy(key, bytes.subarray(4), bytesOf(text)))) {
          return false;
        }
        good = true;
      }
    }
  }
  return good;
}

async function isSignedBy(key: Key, signature: Uint8Array, data: Uint8Array): Promise<boolean> {
  let imported: CryptoKey;
  try {
    const raw = key.publicKey as BufferSource;
    imported = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  } catch (error) {
    if (error instanceof DOMException && error.name === "NotSupportedError") {
      throw error;
    }
    return false;
  }
  return crypto.subtle.verify(
    "Ed25519",
    imported,
    signature as BufferSource,
    data as BufferSource,
  );
}
