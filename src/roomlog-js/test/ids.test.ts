import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { itemEventId, uuid5, uuid7 } from "../src/ids.js";

const URL_NAMESPACE = "6ba7b811-9dad-11d1-80b4-00c04fd430c8";

function expected(namespace: string, name: string): string {
  const digest = createHash("sha1")
    .update(Buffer.from(namespace.replaceAll("-", ""), "hex"))
    .update(name)
    .digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString("hex").slice(0, 32);
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

test("a UUIDv5 is what the platform's own SHA-1 makes of it, at every length", () => {
  for (let length = 0; length < 200; length += 1) {
    const name = "é漢🚒x".repeat(length).slice(0, length);
    expect(uuid5(URL_NAMESPACE, name)).toBe(expected(URL_NAMESPACE, name));
  }
});

test("an item's event id counts the user's code points, as the server does", () => {
  const room = "0192f0c1-2b3c-7d4e-8f50-617283940001";

  expect(itemEventId(room, "🚒@x", "k")).toBe(expected(room, "3:🚒@xk"));
});

test("a UUIDv7 begins with its time and never comes twice", () => {
  const at_ms = Date.UTC(2026, 0, 31, 9, 15);
  const made = Array.from({ length: 1000 }, () => uuid7(at_ms));

  expect(new Set(made).size).toBe(1000);
  for (const id of made) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16)).toBe(at_ms);
  }
});
