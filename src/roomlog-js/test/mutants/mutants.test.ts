/** What the Python verifier says of files made by chance: `ROOMLOG_BUNDLE_MUTANTS` names them. */

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { expect, it } from "vitest";
import { verifyBundle } from "../../src/bundle/verify-bundle.js";

interface Mutant {
  data: string;
  keys: string[];
  against: string | null;
  changed: boolean;
  how: string;
  code: string;
  sequence: number | null;
}

async function judged({ data, keys, against }: Mutant): Promise<[string, number | null]> {
  const options = { keys, ...(against !== null && { against }) };
  try {
    const { code, sequence } = await verifyBundle(Buffer.from(data, "base64"), options);
    return [code, sequence];
  } catch (error) {
    // It is thrown for nothing else.
    expect(error).toBeInstanceOf(Error);
    expect(against).not.toBe(null);
    return ["against_malformed", null];
  }
}

it("says of each what the other verifier says", async () => {
  const file = process.env["ROOMLOG_BUNDLE_MUTANTS"] ?? "";
  const differ: unknown[] = [];
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const one = JSON.parse(line) as Mutant;
    const said = await judged(one);
    count += 1;
    if (said[0] !== one.code || said[1] !== one.sequence || (one.changed && said[0] === "ok")) {
      differ.push({ said, python: [one.code, one.sequence], how: one.how, data: one.data });
    }
  }
  expect(differ).toEqual([]);
  expect(count).toBeGreaterThan(0);
});
