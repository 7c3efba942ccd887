import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BundleVerdict } from "../../src/bundle/verdict.js";
import { verifyBundle } from "../../src/bundle/verify-bundle.js";

interface BundleCase extends BundleVerdict {
  name: string;
  bundle: string;
  at: number;
  remove: number;
  insert: string;
  keys: string[];
  against: string | null;
}

const file = new URL("../../../../tests/contracts/bundle_cases.json", import.meta.url);
const { bundles, cases } = JSON.parse(readFileSync(file, "utf8")) as {
  bundles: Record<string, string>;
  cases: BundleCase[];
};
const whole = bundle("plain");

function bundle(name: string): Uint8Array {
  return new TextEncoder().encode(bundles[name]);
}

function spliced(data: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  return Buffer.concat([data.subarray(0, at), insert, data.subarray(at + remove)]);
}

/** The same bytes in pieces of these sizes, over and over. */
async function* inPieces(data: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (let n = 0; at < data.length; n += 1) {
    const size = sizes[n % sizes.length] ?? 1;
    yield data.subarray(at, at + size);
    at += size;
  }
}

describe("verifyBundle", () => {
  it.each(cases)("says what every verifier says: $name", async (one) => {
    const insert = Buffer.from(one.insert, "base64");
    const data = spliced(bundle(one.bundle), one.at, one.remove, insert);
    const options = { keys: one.keys, ...(one.against !== null && { against: one.against }) };

    const { ok, code, sequence, last_good, events, erased, root, proved, not_proved } =
      await verifyBundle(data, options);

    const said = { ok, code, sequence, last_good, events, erased, root, proved, not_proved };
    expect(one).toMatchObject(said);
  });

  it("notices every byte that is changed", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.nat(whole.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, bits) => {
          const changed = Uint8Array.from([(whole[at] ?? 0) ^ bits]);
          expect((await verifyBundle(spliced(whole, at, 1, changed))).ok).toBe(false);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("reads a file in whichever pieces it comes", async () => {
    const expected = await verifyBundle(bundle("nasty"));
    const size = fc.integer({ min: 1, max: 5000 });
    await fc.assert(
      fc.asyncProperty(fc.array(size, { minLength: 1 }), async (sizes) => {
        expect(await verifyBundle(inPieces(bundle("nasty"), sizes))).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it("reads a blob, as a page gets it from a file picker", async () => {
    const verdict = await verifyBundle(new Blob([bundle("plain") as BlobPart]));

    expect(verdict).toMatchObject({ ok: true, events: 12, erased: 1 });
  });

  it("does not read a line without end to its end", async () => {
    let given = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      yield whole.subarray(0, Buffer.from(whole).indexOf("<li id="));
      for (;;) {
        given += 1;
        yield new Uint8Array(65_536).fill(0x78);
      }
    }

    expect((await verifyBundle(endless())).code).toBe("malformed");
    expect(given).toBeLessThan(200);
  });

  it("refuses a key and a checkpoint that are none", async () => {
    await expect(verifyBundle(whole, { keys: ["x"] })).rejects.toThrow();
    await expect(verifyBundle(whole, { against: "x" })).rejects.toThrow(SyntaxError);
  });
});
